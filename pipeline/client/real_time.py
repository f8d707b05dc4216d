"""A recording as if it were spoken now, for a server to hear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from ..audio.container import Warn
from ..audio.pcm import SAMPLE_RATE_HZ, to_s16
from ..audio.recording import read_audio
from ..config import ANY_LANGUAGE, LiveConfig

LOCAL = "http://127.0.0.1:8765"
PIECE_SAMPLES = SAMPLE_RATE_HZ // 10  # a tenth of a second


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
        **({"speakers": True} if config.speakers else {}),
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
