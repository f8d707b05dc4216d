"""`surtitle listen`: a room's captions in the terminal."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from rich.console import Console

from ..client.connection import Server, watch
from .terminal import TerminalView, run_until_stopped


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "listen",
        help="read a room's captions in the terminal",
        description="Shows the captions of a room until Ctrl-C; into a pipe, what is final.",
    )
    parser.add_argument("url", metavar="URL", help="for example http://127.0.0.1:8765")
    add_room_options(parser, "SURTITLE_VIEW_TOKEN")
    parser.add_argument("--lang", default="", metavar="LANGS", help="es or en,es; default: all")
    parser.set_defaults(run=run)


def add_room_options(parser: argparse.ArgumentParser, token_variable: str) -> None:
    parser.add_argument("--room", default="main", metavar="NAME", help="default: main")
    parser.add_argument(
        "--token",
        default=os.environ.get(token_variable),
        help=f"where the server wants one; default: ${token_variable}",
    )


def run(arguments: argparse.Namespace) -> int:
    try:
        server = Server(arguments.url, arguments.token)
    except ValueError as error:
        print(f"surtitle listen: {error}", file=sys.stderr)
        return 2
    names_languages = "," in arguments.lang or not arguments.lang
    with TerminalView(Console(), names_languages=names_languages) as view:
        return run_until_stopped(
            view, lambda stop: watch(server, arguments.room, arguments.lang, view.hear, view.say)
        )
