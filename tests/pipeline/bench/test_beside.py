"""Delays of a whole session by literal screens, and a server that speaks WhisperLiveKit's way."""

from __future__ import annotations

import asyncio
import json
import math

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve

from surtitle.pipeline.bench.beside import Screen, delays, hear_beside, on_screen
from surtitle.pipeline.bench.playing import Playing, Shown
from surtitle.pipeline.errors import RemoteError
from surtitle.pipeline.events import Caption, Word

WORDS = [Word("one", 0, 1000, 1.0), Word("two", 1000, 2000, 1.0)]


def test_a_word_is_shown_when_its_share_of_the_last_text_is() -> None:
    screens = [
        Screen(1500, "one", ""),
        Screen(2500, "one two", "one"),
        Screen(4000, *["one two"] * 2),
    ]
    assert delays(screens, WORDS, "en") == ([500, 500], [1500, 2000])


def test_a_word_that_was_never_certain_took_for_ever() -> None:
    screens = [Screen(1500, "one two", "one")]
    assert delays(screens, WORDS, "en")[1] == [500, math.inf]


def test_the_captions_of_a_language_are_one_text_by_segment() -> None:
    def shown(at_ms: float, segment_id: int, language: str, text: str, *, final: bool) -> Shown:
        return Shown(at_ms, Caption(segment_id, 0, language, text, 0, 1, is_final=final))

    screens = on_screen(
        "en",
        [
            shown(1, 0, "en", "One.", final=False),
            shown(2, 1, "en", "Tow", final=False),
            shown(3, 0, "es", "Uno.", final=True),
            shown(4, 0, "en", "One.", final=True),
            shown(5, 1, "en", "Two", final=False),
        ],
    )
    assert screens == [
        Screen(1, "One.", ""),
        Screen(2, "One. Tow", ""),
        Screen(4, "One. Tow", "One."),
        Screen(5, "One. Two", "One."),
    ]


def test_what_a_server_shows_is_heard_up_to_its_end() -> None:
    received = bytearray()

    async def answer(socket: ServerConnection) -> None:
        await socket.send(json.dumps({"type": "config"}))
        async for piece in socket:
            assert isinstance(piece, bytes)
            if not piece:
                break
            received.extend(piece)
        lines = [{"text": "Good morning."}, {"text": None}]
        await socket.send(json.dumps({"lines": lines, "buffer_transcription": " And"}))
        await socket.send(json.dumps({"type": "ready_to_stop"}))

    async def hear() -> list[Screen]:
        async with serve(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await hear_beside(
                f"ws://127.0.0.1:{port}/asr", Playing(np.zeros(3200, np.float32))
            )

    (screen,) = asyncio.run(hear())
    assert (screen.text, screen.certain) == ("Good morning. And", "Good morning.")
    assert screen.at_ms >= 200 and len(received) == 6400


def test_a_server_that_is_not_there_is_an_error_with_its_address() -> None:
    with pytest.raises(RemoteError, match="ws://127.0.0.1:9/asr"):
        asyncio.run(hear_beside("ws://127.0.0.1:9/asr", Playing(np.zeros(0, np.float32))))
