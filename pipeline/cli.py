"""The command `surtitle`: its subcommands, and how errors are shown."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from .commands import (
    join,
    listen,
    live,
    load,
    models,
    publish,
    serve,
    subtitle,
    translate,
    workers,
)
from .errors import SurtitleError

INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; return the exit status: 0 done, 1 something failed, 2 wrong usage."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["train"]:  # its options stand with the training code
        from ..model.training import main as train

        return train(argv[1:])
    try:
        if argv[:1] == ["bench"]:  # a parser of its own: it knows recognizers and the model
            from .commands.bench import main as bench

            return bench(argv[1:])
        arguments = _parser().parse_args(argv)
        return arguments.run(arguments)
    except SurtitleError as error:
        print(f"surtitle: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("surtitle: interrupted; finished files are kept", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="surtitle", description="Live translated captions and subtitles, self-hosted."
    )
    parser.add_argument("--version", action="version", version=f"surtitle {version('surtitle')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    join.add_to(commands)
    listen.add_to(commands)
    live.add_to(commands)
    load.add_to(commands)
    models.add_to(commands)
    publish.add_to(commands)
    serve.add_to(commands)
    subtitle.add_to(commands)
    translate.add_to(commands)
    workers.add_to(commands)
    commands.add_parser("bench", help="measure the product, and the model alone", add_help=False)
    commands.add_parser("train", help="train a translator", add_help=False)
    return parser


if __name__ == "__main__":
    sys.exit(main())
