"""`surtitle join`: a bot that goes where people speak, and captions them in a room of a server."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from rich.console import Console

from ..bots.broadcast import Receiver, listen, shown
from ..client.connection import Message, Server
from ..client.publishing import publish
from ..client.real_time import LOCAL, start_message
from .options import add_session_options, names_languages, session_config
from .stopping import Stop, until_wanted
from .terminal import TerminalView, run_until_stopped

Attend = Callable[[Server, Message, TerminalView, Stop], Coroutine[Any, Any, None]]

LAST_CAPTIONS_S = 10.0  # for the last captions to come, after a signal


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "join",
        help="caption a broadcast or a meeting",
        description="Listens to a broadcast or a meeting until Ctrl-C, and captions it in a room "
        "of a server.",
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--stream",
        metavar="URL",
        help="a broadcast: HLS, Icecast or another of http and https, rtsp, rtmp, srt",
    )
    where.add_argument("--whep", metavar="URL", help="what a WHEP server gives to its viewers")
    parser.add_argument(
        "--whep-token",
        default=os.environ.get("SURTITLE_WHEP_TOKEN"),
        metavar="TOKEN",
        help="where that server wants one; default: $SURTITLE_WHEP_TOKEN",
    )
    where.add_argument(
        "--janus", metavar="URL", help="a meeting: the WebSockets of Janus, like ws://host:8188"
    )
    parser.add_argument("--room", metavar="N", help="the VideoRoom of Janus")
    parser.add_argument(
        "--pin",
        default=os.environ.get("SURTITLE_JANUS_PIN"),
        help="of that room, where it has one; default: $SURTITLE_JANUS_PIN",
    )
    parser.add_argument(
        "--name", default="Captions", help="as whom to join the meeting; default: Captions"
    )
    parser.add_argument(
        "--leave-after",
        type=float,
        metavar="SECONDS",
        help="end where there has been nothing to hear for so long; default: stay",
    )
    parser.add_argument("--url", default=LOCAL, metavar="URL", help=f"the server; default: {LOCAL}")
    parser.add_argument(
        "--token",
        default=os.environ.get("SURTITLE_PUBLISH_TOKEN"),
        help="where the server wants one; default: $SURTITLE_PUBLISH_TOKEN",
    )
    parser.add_argument(
        "--into", default="main", metavar="NAME", help="the server's room; default: main"
    )
    add_session_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    try:
        server = Server(arguments.url, arguments.token)
        config = session_config(arguments)
        attend = _meeting(arguments) if arguments.janus is not None else _broadcast(arguments)
    except (ValueError, OSError) as error:
        print(f"surtitle join: {error}", file=sys.stderr)
        return 2
    start = start_message(arguments.into, config)
    with TerminalView(Console(), names_languages=names_languages(config)) as view:
        view.show_status("starting…")
        return run_until_stopped(
            view, lambda stop: attend(server, start, view, stop), LAST_CAPTIONS_S
        )


def _meeting(arguments: argparse.Namespace) -> Attend:
    """Raises ValueError."""
    from ..bots.janus import JanusBot  # WebRTC takes a while to load: not for `--help`
    from ..bots.janus_api import JanusRoom, check_address

    if arguments.room is None:
        raise ValueError("--janus needs the number of its room: --room 1234")
    room = int(arguments.room) if arguments.room.isdecimal() else arguments.room
    url = check_address(arguments.janus)
    place = JanusRoom(url, room, arguments.pin, arguments.name)

    async def attend(server: Server, start: Message, view: TerminalView, stop: Stop) -> None:
        bot = JanusBot(place, server, start, view.hear, view.say, arguments.leave_after)
        await bot.run(stop.wanted)

    return attend


def _broadcast(arguments: argparse.Namespace) -> Attend:
    """Raises ValueError."""
    name, tune_in = _receiver(arguments)

    async def attend(server: Server, start: Message, view: TerminalView, stop: Stop) -> None:
        heard = listen(name, tune_in(), view.say, arguments.leave_after)
        await publish(server, start, until_wanted(stop, heard), view.hear, view.say)

    return attend


def _receiver(arguments: argparse.Namespace) -> tuple[str, Callable[[], Receiver]]:
    """What to call a broadcast, and how it is heard. Raises ValueError."""
    if arguments.stream is not None:
        from ..bots.stream import StreamReceiver, check_address

        url = check_address(arguments.stream)
        return shown(url), lambda: StreamReceiver(url)

    from ..bots import whep

    url = whep.check_address(arguments.whep)
    return shown(url), lambda: whep.WhepReceiver(url, arguments.whep_token)
