"""`surtitle publish`: a recording sent to a server as if it were spoken now."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console

from ..audio.container import Warn
from ..audio.pcm import SAMPLE_RATE_HZ, to_s16
from ..audio.recording import read_audio
from ..client import Server
from ..config import ANY_LANGUAGE, CAPTION_MODES, LiveConfig
from ..publishing import publish
from ..text.glossary import read_terms
from .listen import add_room_options
from .options import add_terms_option
from .stopping import Stop, until_wanted
from .terminal import TerminalView, run_until_stopped

LOCAL = "http://127.0.0.1:8765"
LAST_CAPTIONS_S = 10.0  # for the last captions to come, after a signal
PIECE_SAMPLES = SAMPLE_RATE_HZ // 10  # a tenth of a second


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "publish",
        help="send a recording to a server, as fast as it was spoken",
        description="Sends a recording to a room in real time, and shows its captions.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="audio or video")
    parser.add_argument("--url", default=LOCAL, metavar="URL", help=f"default: {LOCAL}")
    add_room_options(parser, "SURTITLE_PUBLISH_TOKEN")
    parser.add_argument("--from", dest="source", default="en", metavar="LANG", help="default: en")
    parser.add_argument("--to", default="", metavar="LANGS", help="target languages: es or es,de")
    parser.add_argument("--mode", choices=CAPTION_MODES, default="fresh")
    add_terms_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    try:
        server = Server(arguments.url, arguments.token)
        targets = tuple(language for language in arguments.to.split(",") if language)
        terms = read_terms(arguments.terms) if arguments.terms else ()
        config = LiveConfig(arguments.source, targets, arguments.mode, terms)
    except (ValueError, OSError) as error:
        print(f"surtitle publish: {error}", file=sys.stderr)
        return 2
    with TerminalView(Console(), names_languages=bool(targets)) as view:
        view.show_status("starting…")
        start = start_message(arguments.room, config)
        pieces = open_pieces(arguments.file, view.say)

        def work(stop: Stop) -> Coroutine[Any, Any, None]:
            audio = until_wanted(stop, paced(pieces))
            return publish(server, start, audio, view.hear, view.say)

        return run_until_stopped(work, LAST_CAPTIONS_S)


def start_message(room: str, config: LiveConfig) -> dict[str, Any]:
    """The fields of the protocol's `start` for 16 kHz audio."""
    terms = [
        {
            "source": term.source,
            "targets": {
                language: text
                for language in config.targets
                if (text := term.targets.get(language) or term.targets.get(ANY_LANGUAGE))
            },
        }
        for term in config.terms
    ]
    return {
        "room": room,
        "source": config.source,
        "targets": config.targets,
        "mode": config.mode,
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "codec": "pcm_s16le",
        "terms": terms,
    }


def open_pieces(path: Path, warn: Warn) -> Iterator[bytes]:
    """A recording as pieces of 16-bit PCM; `warn` hears what is wrong with it.

    The first is read at once: what is no recording is told before a session begins. Raises
    MediaError, also from the iterator.
    """
    pieces = _pieces(path, warn)
    return chain([next(pieces, b"")], pieces)


async def paced(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each piece when its end would have been spoken. Raises MediaError."""
    clock = asyncio.get_running_loop()
    started_s = clock.time()
    sent_samples = 0
    while piece := await asyncio.to_thread(next, pieces, b""):
        sent_samples += len(piece) // 2
        await asyncio.sleep(max(0.0, started_s + sent_samples / SAMPLE_RATE_HZ - clock.time()))
        yield piece


def _pieces(path: Path, warn: Warn) -> Iterator[bytes]:
    for chunk in read_audio(path, warn=warn):
        for at in range(0, chunk.samples.size, PIECE_SAMPLES):
            yield to_s16(chunk.samples[at : at + PIECE_SAMPLES]).tobytes()
