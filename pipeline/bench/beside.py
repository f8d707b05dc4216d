"""WhisperLiveKit beside surtitle: what each shows of the same sound, measured by one rule.

WhisperLiveKit (https://github.com/QuentinFuxa/WhisperLiveKit) has no segments that could be
compared, so all that a session shows counts as one text.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from ..captions.budget import units
from ..errors import RemoteError
from ..events import Word
from .playing import Playing, Shown

LAST_WORDS_S = 120.0  # after the end of the sound; who needs longer has not shown the rest


@dataclass(frozen=True, slots=True)
class Screen:
    """All that is shown at a moment, and how much of it is certain."""

    at_ms: float
    text: str
    certain: str


def on_screen(language: str, shown: Sequence[Shown]) -> list[Screen]:
    """What the captions of a language are together, after each of them."""
    newest: dict[int, str] = {}
    certain: dict[int, str] = {}
    screens: list[Screen] = []
    for one in shown:
        caption = one.caption
        if caption.language != language:
            continue
        newest[caption.segment_id] = caption.text
        if caption.is_final:
            certain[caption.segment_id] = caption.text
        texts = (" ".join(of[number] for number in sorted(of)) for of in (newest, certain))
        screens.append(Screen(one.at_ms, *texts))
    return screens


def delays(
    screens: Sequence[Screen], words: Sequence[Word], language: str
) -> tuple[list[float], list[float]]:
    """How long after its end each word was shown, and was certain, in ms; infinite where it never
    was.

    The share: of n words whose last text has m units, the k-th is shown when k * m / n units are.
    """
    goal = len(units(screens[-1].text, language))

    def delay(word: Word, needed: int, sizes: Sequence[int]) -> float:
        ends = (one.at_ms for one, size in zip(screens, sizes, strict=True) if size >= needed)
        return next(ends, math.inf) - word.end_ms

    shown = [len(units(one.text, language)) for one in screens]
    certain = [len(units(one.certain, language)) for one in screens]
    numbered = [(word, math.ceil(k * goal / len(words))) for k, word in enumerate(words, start=1)]
    return (
        [delay(word, needed, shown) for word, needed in numbered],
        [delay(word, needed, certain) for word, needed in numbered],
    )


async def hear_beside(url: str, playing: Playing) -> list[Screen]:
    """Play to a WhisperLiveKit server that takes samples (`--pcm-input`); return what it showed.

    Raises RemoteError where it is not there.
    """
    screens: list[Screen] = []
    try:
        async with connect(url, max_size=None) as socket:
            reading = asyncio.create_task(_read(socket, playing, screens))
            async for piece in playing.pieces():
                await socket.send(piece)
            await socket.send(b"")  # its sign of the end
            await asyncio.wait([reading], timeout=LAST_WORDS_S)
            reading.cancel()
    except (OSError, InvalidHandshake, ConnectionClosed) as error:
        raise RemoteError(f"WhisperLiveKit does not answer at {url}: {error}") from error
    if not screens:
        raise RemoteError(f"WhisperLiveKit has shown nothing at {url}")
    return screens


async def _read(socket: ClientConnection, playing: Playing, screens: list[Screen]) -> None:
    async for data in socket:
        message: dict[str, Any] = json.loads(data)
        if message.get("type") == "ready_to_stop":
            return
        if "lines" in message:
            certain = " ".join(line["text"] for line in message["lines"] if line["text"])
            open_text = message["buffer_transcription"].strip()
            text = f"{certain} {open_text}".strip()
            screens.append(Screen(playing.at_ms, text, certain))
