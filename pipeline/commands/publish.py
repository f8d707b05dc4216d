"""`surtitle publish`: a recording sent to a server as if it were spoken now."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console

from ..client.connection import Server
from ..client.publishing import publish
from ..client.real_time import LOCAL, open_pieces, paced, start_message
from .listen import add_room_options
from .options import add_session_options, names_languages, session_config
from .stopping import Stop, until_wanted
from .terminal import TerminalView, run_until_stopped

LAST_CAPTIONS_S = 10.0  # for the last captions to come, after a signal


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "publish",
        help="send a recording to a server, as fast as it was spoken",
        description="Sends a recording to a room in real time, and shows its captions.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="audio or video")
    parser.add_argument("--url", default=LOCAL, metavar="URL", help=f"default: {LOCAL}")
    add_room_options(parser, "SURTITLE_PUBLISH_TOKEN")
    add_session_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    try:
        server = Server(arguments.url, arguments.token)
        config = session_config(arguments)
    except (ValueError, OSError) as error:
        print(f"surtitle publish: {error}", file=sys.stderr)
        return 2
    with TerminalView(Console(), names_languages=names_languages(config)) as view:
        view.show_status("starting…")
        start = start_message(arguments.room, config)
        pieces = open_pieces(arguments.file, view.say)

        def work(stop: Stop) -> Coroutine[Any, Any, None]:
            audio = until_wanted(stop, paced(pieces))
            return publish(server, start, audio, view.hear, view.say)

        return run_until_stopped(view, work, LAST_CAPTIONS_S)
