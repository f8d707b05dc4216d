"""A recording at its own pace, and what was shown of it when."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from ..audio.pcm import SAMPLE_RATE_HZ, to_s16
from ..events import Caption, Samples

PIECE_MS = 100


@dataclass(frozen=True, slots=True)
class Shown:
    """A caption, and how long after the start of the audio it arrived."""

    at_ms: float
    caption: Caption


class Playing:
    """Sound that is played once, as it is spoken: a piece comes when its last word is over, or up
    to `jitter_ms` later, as over a network."""

    def __init__(self, audio: Samples, *, jitter_ms: float = 0.0, seed: int = 0) -> None:
        self._audio = audio
        self._jitter_s = jitter_ms / 1000
        self._rng = random.Random(seed)
        self._started_s = 0.0

    @property
    def at_ms(self) -> float:
        """The time since the first piece was asked for."""
        return 1000 * (time.monotonic() - self._started_s)

    async def pieces(self) -> AsyncIterator[bytes]:
        """PIECE_MS each, 16-bit little-endian mono."""
        self._started_s = time.monotonic()
        size = SAMPLE_RATE_HZ * PIECE_MS // 1000
        for at in range(0, self._audio.size, size):
            due_s = self._started_s + (at + size) / SAMPLE_RATE_HZ
            due_s += self._rng.uniform(0.0, self._jitter_s)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            yield to_s16(self._audio[at : at + size]).tobytes()
