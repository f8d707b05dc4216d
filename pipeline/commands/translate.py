"""`surtitle translate`: lines of text from standard input to standard output."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..config import Term
from ..events import TranslationRequest
from ..text.decoding import decode_line
from ..text.glossary import read_terms, required
from ..translators import open_translator
from ..translators.queue import TranslationQueue
from .options import add_terms_option, add_translator_options, translator_config

BATCH_LINES = 256  # read before any is written; sorted by length inside, so that padding is rare


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "translate",
        help="translate lines of text",
        description="Reads lines from standard input and writes as many lines, translated.",
    )
    parser.add_argument("--from", dest="source", default="en", metavar="LANG", help="default: en")
    parser.add_argument("--to", dest="target", required=True, metavar="LANG", help="for example es")
    add_terms_option(parser)
    add_translator_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    try:
        terms = read_terms(arguments.terms) if arguments.terms else ()
        config = translator_config(arguments)
    except (ValueError, OSError) as error:
        print(f"surtitle translate: {error}", file=sys.stderr)
        return 2
    source, target = arguments.source, arguments.target
    translator = open_translator(config, [(source, target)], _say)
    translator.check(source, target)
    queue = TranslationQueue(translator)
    try:
        # It waits for lines outside of the event loop, where Ctrl-C ends that wait.
        with asyncio.Runner() as runner:
            try:
                _translate(runner, queue, source, target, terms)
            finally:
                runner.run(queue.aclose())
    except ValueError as error:
        print(f"surtitle translate: standard input: {error}", file=sys.stderr)
        return 1
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _translate(
    runner: asyncio.Runner,
    queue: TranslationQueue,
    source: str,
    target: str,
    terms: Sequence[Term],
) -> None:
    """From standard input to standard output. Raises TranslatorError, and ValueError for input
    that is not UTF-8."""
    columns = SpinnerColumn(), TextColumn("{task.completed} lines"), TimeElapsedColumn()
    console = Console(stderr=True)
    # Where the translations go to the same terminal, they are progress enough.
    hidden = not console.is_terminal or sys.stdout.isatty()
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task("", total=None)
        for lines in _batches(_lines(sys.stdin.buffer)):
            requests = [
                TranslationRequest(line, source, target, required=required(line, terms, target))
                for line in lines
            ]
            for answer in runner.run(queue.translate_all(requests, "lines")):
                if isinstance(answer, Exception):
                    raise answer
                print(answer)
            sys.stdout.flush()
            progress.advance(task, len(lines))


def _lines(stream: BinaryIO) -> Iterator[str]:
    for number, line in enumerate(stream, start=1):
        yield decode_line(line, number)


def _batches(lines: Iterator[str]) -> Iterator[Sequence[str]]:
    # On a terminal each line is answered at once.
    size = 1 if sys.stdin.isatty() else BATCH_LINES
    while batch := [line.strip() for line in islice(lines, size)]:
        yield batch
