"""Options that several subcommands have."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_recognizer_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--asr", choices=["auto", "whisper", "sphinx"], default="auto")
    parser.add_argument(
        "--asr-model", default="auto", metavar="NAME", help="a Whisper model's name or folder"
    )


def add_translator_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--translator",
        choices=["diffusion", "echo"],
        default="diffusion",
        help="echo returns its input, for trials",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="MODEL",
        help="a name of `surtitle models`, or a checkpoint's folder; default: for each "
        "language, the first of these models that knows it",
    )


def add_terms_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--terms",
        type=Path,
        metavar="FILE",
        help="glossary: TERM or TERM = TRANSLATION, one a line",
    )
