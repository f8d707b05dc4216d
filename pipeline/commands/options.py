"""Options that several subcommands have."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..translators import TRANSLATORS

OLD_NAMES = {"diffusion": "own"}  # of translators


def add_recognizer_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--asr", choices=["auto", "whisper", "sphinx"], default="auto")
    parser.add_argument(
        "--asr-model", default="auto", metavar="NAME", help="a Whisper model's name or folder"
    )


def add_translator_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--translator",
        action=_TranslatorName,
        choices=[*TRANSLATORS, *OLD_NAMES],
        default="own",
        metavar=f"{{{','.join(TRANSLATORS)}}}",
        help="own (default): the models of `surtitle models`; echo: its input, for trials",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="MODEL",
        help="a name of `surtitle models`, or a checkpoint's folder; default: for each "
        "language, the first of these models that knows it",
    )


class _TranslatorName(argparse.Action):
    """A name that was given up ends the command with one line that says the new one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: Any,
        values: Any,
        option: str | None = None,
    ) -> None:
        if values in OLD_NAMES:
            new = OLD_NAMES[values]
            parser.exit(2, f"{parser.prog}: --translator {values} is called {new} now\n")
        setattr(namespace, self.dest, values)


def add_terms_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--terms",
        type=Path,
        metavar="FILE",
        help="glossary: TERM or TERM = TRANSLATION, one a line",
    )
