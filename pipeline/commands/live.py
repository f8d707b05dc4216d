"""`surtitle live`: captions of what a microphone hears, in the terminal and on an overlay."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from rich.console import Console

from ..audio.microphone import MOST_WAITING_S, Microphone, list_devices
from ..audio.pcm import to_s16
from ..client.connection import Message, Server
from ..client.publishing import publish
from ..client.real_time import start_message
from ..config import (
    AUTO,
    CAPTION_MODES,
    LiveConfig,
    RecognizerConfig,
    ServerConfig,
    TranslatorConfig,
)
from ..errors import DeviceError
from ..recognizers import LiveRecognizer
from ..recognizers.hosted import open_live
from ..server.app import CaptionServer, listen, open_server
from ..server.gate.limits import fit_to_this_process
from ..server.logs import warnings_shown
from ..server.storage.store import Store, default_store
from ..text.glossary import read_terms
from ..translators import Translator, open_translator
from .options import (
    add_live_speakers_option,
    add_recognizer_options,
    add_source_option,
    add_terms_option,
    add_translator_options,
    names_languages,
    translator_config,
)
from .stopping import Stop
from .terminal import TerminalView, run_until_stopped

ROOM = "main"
TELL_WAITING_MS, TELL_LOST_MS = 10_000, 1000
ORDERLY_END_S = 60.0  # for the server to end the session and itself, which have shorter bounds
SLOW = (
    "Recognition is slower than speech; "
    f"up to {MOST_WAITING_S // 60} minutes of it are kept. "
    "Try --asr-model tiny, or --asr moonshine for English"
)
LAST_S = 1.0  # for the last captions to be shown, when the server has sent them


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "live",
        help="caption a microphone, in the terminal and on an overlay",
        description="Captions what a microphone hears until Ctrl-C, here and on an overlay for "
        "this computer's browser or OBS.",
    )
    parser.add_argument("--to", default="", metavar="LANGS", help="target languages: es or es,de")
    add_source_option(parser)
    parser.add_argument("--mode", choices=CAPTION_MODES, default="fresh")
    add_terms_option(parser)
    add_live_speakers_option(parser)
    parser.add_argument("--device", metavar="NAME", help="a microphone's number or name")
    parser.add_argument("--list-devices", action="store_true", help="list the microphones")
    parser.add_argument("--port", type=int, default=8765, help="of the overlay; default: 8765")
    add_recognizer_options(parser)
    add_translator_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.list_devices:
        print("\n".join(list_devices()))
        return 0
    try:
        targets = tuple(language for language in arguments.to.split(",") if language)
        terms = read_terms(arguments.terms) if arguments.terms else ()
        translator_choice = translator_config(arguments) if targets else TranslatorConfig("echo")
        config = LiveConfig(arguments.source, targets, arguments.mode, terms, arguments.speakers)
        server_config = fit_to_this_process(ServerConfig(port=arguments.port), _say)
    except (ValueError, OSError) as error:
        print(f"surtitle live: {error}", file=sys.stderr)
        return 2
    microphone = Microphone(arguments.device)
    with listen(server_config) as listening:
        # One speaker waits for one answer at a time.
        recognizer_config = RecognizerConfig(arguments.asr, arguments.asr_model, processes=1)
        recognizer = open_live(recognizer_config, config.source, _say)
        translator = open_translator(
            translator_choice,
            [(None if config.source == AUTO else config.source, target) for target in targets],
            _say,
        )
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        _say(f"Overlay: {url}/overlay?room={ROOM}{f'&lang={targets[0]}' if targets else ''}")
        with (
            warnings_shown(),
            TerminalView(Console(), names_languages=names_languages(config)) as view,
        ):
            view.show_status("starting…")
            speaker = _Speaker(microphone, view)
            return run_until_stopped(
                view,
                lambda stop: _caption(
                    stop, url, listening, server_config, config, recognizer, translator, speaker
                ),
                ORDERLY_END_S,
            )


async def _caption(
    stop: Stop,
    url: str,
    listening: Any,
    server_config: ServerConfig,
    config: LiveConfig,
    recognizer: LiveRecognizer,
    translator: Translator,
    speaker: _Speaker,
) -> None:
    """Serve, and publish what is spoken, until a signal ends the server or the microphone stops."""
    store = Store(default_store())
    try:
        async with open_server(server_config, recognizer, translator, store) as server:
            serving = asyncio.create_task(server.serve([listening]))
            publishing = asyncio.create_task(
                publish(
                    Server(url),
                    start_message(ROOM, config),
                    speaker.audio(),
                    speaker.hear,
                    lambda line: speaker.say_unless_stopping(server, line),
                )
            )
            stopping = asyncio.create_task(stop.wanted())
            await asyncio.wait((serving, publishing, stopping), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            server.should_exit = True
            await serving
            if not publishing.done():  # what the server has said last may be on its way
                with suppress(TimeoutError):
                    await asyncio.wait_for(speaker.stopped.wait(), LAST_S)
            publishing.cancel()
            await asyncio.wait([publishing])
            speaker.tell_unheard()
    finally:
        store.close()
    # Not raised before: the server's task group would wrap it.
    if not publishing.cancelled():
        publishing.result()
    if speaker.failure is not None:
        raise speaker.failure


class _Speaker:
    """A microphone as a publisher.

    Where recognition falls behind, what is spoken waits at the microphone, up to its
    MOST_WAITING_S, and how much that is stands in the status.
    """

    def __init__(self, microphone: Microphone, view: TerminalView) -> None:
        self.failure: DeviceError | None = None
        self.stopped = asyncio.Event()  # the session is over, and all its captions are shown
        self._microphone = microphone
        self._view = view
        self._is_listening = False
        self._told_waiting_ms = 0
        self._told_lost_ms = 0

    async def audio(self) -> AsyncIterator[bytes]:
        """Ends where the microphone fails, with `failure`: the last words are still captioned."""
        try:
            async for chunk in self._microphone.listen():
                if chunk.samples.size:
                    if not self._is_listening:
                        self._is_listening = True
                        self._view.say("Listening; Ctrl-C ends it")
                    yield to_s16(chunk.samples).tobytes()
        except DeviceError as error:
            self.failure = error

    def hear(self, message: Message) -> None:
        if message["type"] == "status":
            self._tell_late()
            message = {**message, "lag_ms": message["lag_ms"] + self._microphone.waiting_ms}
        elif message["type"] == "stopped":
            self.stopped.set()
        self._view.hear(message)

    def say_unless_stopping(self, server: CaptionServer, line: str) -> None:
        if not server.should_exit:
            self._view.say(line)

    def tell_unheard(self) -> None:
        """The session is over: what waited is captioned no more."""
        unheard_ms = self._microphone.waiting_ms
        if unheard_ms >= TELL_LOST_MS:
            self._view.say(f"the last {unheard_ms / 1000:.0f} s of speech have no captions")

    def _tell_late(self) -> None:
        """Ever more rarely."""
        waiting_ms, lost_ms = self._microphone.waiting_ms, self._microphone.lost_ms
        if lost_ms >= max(TELL_LOST_MS, 2 * self._told_lost_ms):
            self._told_lost_ms = lost_ms
            self._view.say(f"{lost_ms / 1000:.0f} s of speech are lost so far. {SLOW}")
        elif waiting_ms >= max(TELL_WAITING_MS, 2 * self._told_waiting_ms):
            self._told_waiting_ms = waiting_ms
            self._view.say(f"{waiting_ms / 1000:.0f} s of speech wait, none is lost. {SLOW}")


def _say(line: str) -> None:
    print(line, file=sys.stderr)
