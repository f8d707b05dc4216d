"""Tracks of sound for the tests."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.audio.frame import AudioFrame

RATE_HZ = 48_000
SAMPLES = 960  # 20 ms


def received(samples: np.ndarray, start_sample: int, rate_hz: int = RATE_HZ) -> AudioFrame:
    """Sound as aiortc gives it: `samples` [N] int16, mono."""
    sound = AudioFrame.from_ndarray(samples.astype(np.int16)[None], format="s16", layout="mono")
    sound.sample_rate, sound.pts, sound.time_base = rate_hz, start_sample, Fraction(1, rate_hz)
    return sound


def tone(start_sample: int, count: int = SAMPLES, rate_hz: int = RATE_HZ) -> AudioFrame:
    """440 Hz, loud."""
    at = np.arange(start_sample, start_sample + count)
    return received(8000 * np.sin(2 * np.pi * 440 * at / rate_hz), start_sample, rate_hz)


class ToneTrack(MediaStreamTrack):
    """440 Hz, 20 ms at a time, as long as it is asked, at the pace of a microphone."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._began_s = 0.0

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        clock = asyncio.get_running_loop().time
        if self._count == 0:
            self._began_s = clock()
        await asyncio.sleep(self._began_s + self._count * SAMPLES / RATE_HZ - clock())
        self._count += 1
        return tone((self._count - 1) * SAMPLES)
