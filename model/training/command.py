"""`surtitle train`: its options, its errors, and Ctrl-C."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ..errors import CheckpointError, TrainingError
from ..installed import find_model
from ..network.tokenizer import Direction, TranslationTokenizer
from .display import Display
from .settings import STAGES, Settings, languages, names, parse_directions, parse_oversample
from .stages import run

INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended


def main(argv: Sequence[str]) -> int:
    """Train a translator; the same command goes on with what was interrupted."""
    options = vars(_parser().parse_args(argv))
    command = f"surtitle train {shlex.join(argv)}"
    display = Display()
    if options["processes"] is None:
        options["processes"] = min(4, os.cpu_count() or 1) if options["device"] == "cpu" else 1
    try:
        options["directions"] = parse_directions(options["directions"])
        options["oversample"] = parse_oversample(options["oversample"])
        if options["start_from"] is not None:
            options["start_from"] = find_model(options["start_from"])
            options["new_languages"] = _lacks_some(options["start_from"], options["directions"])
        settings = Settings(**options)
    except (ValueError, CheckpointError) as error:
        print(f"surtitle train: {error}", file=sys.stderr)
        return 2
    try:
        if find_spec("sacrebleu") is None:
            raise TrainingError("training needs sacrebleu: pip install 'surtitle[train]'")
        run(settings, command, display)
    except (CheckpointError, TrainingError) as error:
        print(f"surtitle train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"surtitle train: interrupted; the last checkpoint is in {options['run']}. To go on:\n"
            f"  {command}",
            file=sys.stderr,
        )
        return INTERRUPTED
    return 0


def _lacks_some(start: Path, directions: tuple[Direction, ...]) -> bool:
    """Whether the model in the folder `start` has languages to learn."""
    tokenizer, asked = TranslationTokenizer.load(start), languages(directions)
    known = set(filter(tokenizer.knows, asked))
    if not known:
        raise ValueError(
            f"the model in {start} knows none of the languages of {names(directions)}: train "
            "without --start-from"
        )
    return known != asked


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="surtitle train", description=main.__doc__, epilog="docs/training.md has examples."
    )
    parser.add_argument(
        "--directions", required=True, metavar="LIST", help="for example en-es or en-es,es-en"
    )
    parser.add_argument("--run", type=Path, required=True, metavar="FOLDER", help="of the results")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="of Tatoeba and MASSIVE")
    parser.add_argument(
        "--tsv", type=Path, metavar="FILE", help="source, tab, target on each line; plain or .xz"
    )
    parser.add_argument(
        "--dev-tsv", type=Path, metavar="FILE", help="to measure with; default: 1 %% of --tsv"
    )
    parser.add_argument(
        "--start-from",
        metavar="MODEL",
        help="go on from a model: a folder, `embedded`, or another name of `surtitle models`",
    )
    parser.add_argument(
        "--stage", choices=STAGES, help="run one stage alone; default: all, in this order"
    )
    parser.add_argument(
        "--minutes", type=float, default=60, help="training time in all, or of --stage; default: 60"
    )
    parser.add_argument(
        "--validate-minutes", type=float, default=5, help="between validations; default: 5"
    )
    parser.add_argument(
        "--patience", type=int, metavar="N", help="end a stage after N validations without gain"
    )
    parser.add_argument("--lr", type=float, help="peak of the learning rate")
    parser.add_argument("--batch-tokens", type=int, default=4000, help="default: 4000")
    parser.add_argument(
        "--dropout", type=float, default=0.1, help="0 for few passes over much text; default: 0.1"
    )
    parser.add_argument(
        "--oversample",
        default="",
        metavar="LIST",
        help="how often a pass over the text has a direction's, as in en-de=3; default: once",
    )
    parser.add_argument("--vocab-size", type=int, help="of a new model")
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="default: %(default)s"
    )
    parser.add_argument(
        "--processes", type=int, help="default: 4, or the processor's cores; with a GPU one"
    )
    parser.add_argument("--bf16", action="store_true", help="faster where AVX512-BF16 exists")
    parser.add_argument("--compile", action="store_true", help="faster; needs a C++ compiler")
    return parser
