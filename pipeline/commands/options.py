"""Options that several subcommands have."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..config import AUTO, CAPTION_MODES, LiveConfig, TranslatorConfig
from ..text.glossary import read_terms
from ..translators import TRANSLATORS

ENGINES = ("auto", "moonshine", "whisper", "recorded")
GONE = "sphinx"
OLD_NAMES = {"diffusion": "own"}  # of translators
AN_ADDRESS = "http://localhost:8000/v1"
LLM_KEY_VARIABLE = "SURTITLE_LLM_KEY"


def add_recognizer_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--asr",
        action=_Engine,
        default="auto",
        metavar="NAME",
        help="auto (default), moonshine (English, fast), whisper (about 100 languages), or for "
        "measuring recorded: words that are known, of a file that --asr-model names",
    )
    parser.add_argument(
        "--asr-model",
        default="auto",
        metavar="NAME",
        help="a Whisper model's name or folder; `surtitle models` lists them",
    )


class _Engine(argparse.Action):
    """Tells whoever asks for the recognizer that has left what to ask for."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        if values == GONE:
            line = "PocketSphinx is gone; use --asr moonshine for English, or --asr whisper"
            parser.exit(2, f"surtitle: {line}\n")
        if values not in ENGINES:
            raise argparse.ArgumentError(self, f"{values!r} is none of {', '.join(ENGINES)}")
        setattr(namespace, self.dest, values)


def add_translator_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--translator",
        action=_TranslatorName,
        default="auto",
        metavar="NAME|ADDRESS",
        help="auto (default): the best of `surtitle models`; own: the embedded ones and yours; "
        "ct2: those of CTranslate2; echo: its input, for trials; the address of an LLM server "
        "with OpenAI's chat endpoint, like "
        f"{AN_ADDRESS}, whose key, if it wants one, is taken from {LLM_KEY_VARIABLE}",
    )
    parser.add_argument(
        "--llm-model", metavar="NAME", help="of the LLM server; default: the one that it has"
    )
    parser.add_argument(
        "--llm-requests",
        type=int,
        default=8,
        metavar="N",
        help="that the LLM server gets at once, at most; default: 8",
    )
    parser.add_argument(
        "--checkpoint",
        dest="checkpoints",
        action="append",
        default=[],
        metavar="MODEL",
        help="a name of `surtitle models`, or a model's folder, several times for several; "
        "default: for each language, the first of these models that knows it",
    )
    parser.add_argument(
        "--decoding",
        choices=("canvas", "verified"),
        help="of our own models: what a canvas settles on, or what a causal pass verifies of it; "
        "default: as each was trained",
    )


def translator_config(arguments: argparse.Namespace) -> TranslatorConfig:
    """Raises ValueError."""
    return TranslatorConfig(
        arguments.translator,
        tuple(arguments.checkpoints),
        arguments.decoding,
        llm_model=arguments.llm_model,
        llm_requests=arguments.llm_requests,
        llm_key=os.environ.get(LLM_KEY_VARIABLE) or None,
    )


class _TranslatorName(argparse.Action):
    """A name of a translator or an address. A name that was given up ends the command with one line
    that says the new one."""

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
        if values not in TRANSLATORS and "://" not in values:
            known = ", ".join(TRANSLATORS)
            raise argparse.ArgumentError(
                self, f"{values!r} is none of {known}, nor an address like {AN_ADDRESS}"
            )
        setattr(namespace, self.dest, values)


def add_ray_option(parser: argparse.ArgumentParser, text: str, default: str | None = None) -> None:
    parser.add_argument("--ray", default=default, metavar="auto|HOST:PORT", help=text)


def add_source_option(parser: argparse.ArgumentParser) -> None:
    """Of what is spoken live."""
    parser.add_argument(
        "--from",
        dest="source",
        default="en",
        metavar="LANG",
        help="spoken: en (default), or auto: found out for each utterance",
    )


def add_session_options(parser: argparse.ArgumentParser) -> None:
    """What a session of a publisher asks for, as `session_config` takes it."""
    add_source_option(parser)
    parser.add_argument("--to", default="", metavar="LANGS", help="target languages: es or es,de")
    parser.add_argument("--mode", choices=CAPTION_MODES, default="fresh")
    add_terms_option(parser)
    add_live_speakers_option(parser)


def add_live_speakers_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--speakers", action="store_true", help="tell in final captions whose voice it is: 1:, 2:"
    )


def session_config(arguments: argparse.Namespace) -> LiveConfig:
    """Raises ValueError, and OSError for a glossary that cannot be read."""
    targets = tuple(language for language in arguments.to.split(",") if language)
    terms = read_terms(arguments.terms) if arguments.terms else ()
    return LiveConfig(arguments.source, targets, arguments.mode, terms, arguments.speakers)


def names_languages(config: LiveConfig) -> bool:
    """Whether captions of a session are to be shown with their languages."""
    return bool(config.targets) or config.source == AUTO


def add_terms_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--terms",
        type=Path,
        metavar="FILE",
        help="glossary: TERM or TERM = TRANSLATION, one a line",
    )
