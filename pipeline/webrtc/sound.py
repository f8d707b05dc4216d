"""A received track as sound without holes: 16 kHz mono, in the time in which it was spoken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from ..audio.pcm import SAMPLE_RATE_HZ, SAMPLES_PER_MS

PIECE_MS = 100  # what is handed on at once
SILENT_MS = 400  # with nothing received, after which it counts as silence; jitter is shorter
MOST_HOLE_MS = 5000  # that is filled; a greater one is a clock that was set anew
LEAST_HOLE_MS = 8  # a resampler holds back 2 ms of what it was given

Pcm = NDArray[np.int16]
NOTHING = np.zeros(0, np.int16)


class Unbroken:
    """Puts sound where its time stamps say, with silence in the holes (pure).

    What was lost, and what a sender leaves out while nobody speaks, is silence; so is `pause`, for
    as long as nothing comes. Sound is never left out: where it comes later than its time, because
    a pause was filled already, its time moves.
    """

    def __init__(self) -> None:
        self._resampler: AudioResampler | None = None
        self._format: tuple[str, str, int] | None = None
        self._given_samples = 0  # at 16 kHz, as all that follow
        self._origin_sample: int | None = None  # of the time stamps

    def push(self, received: AudioFrame) -> Pcm:
        """The next 16-bit sound, with what was missing before it."""
        resampled = self._resampled(received)
        if received.pts is None or received.time_base is None:
            return self._give([resampled])
        start_sample = round(received.pts * received.time_base * SAMPLE_RATE_HZ)
        if self._origin_sample is None:
            self._origin_sample = start_sample - self._given_samples
        hole = start_sample - self._origin_sample - self._given_samples
        silence = NOTHING
        if LEAST_HOLE_MS * SAMPLES_PER_MS <= hole <= MOST_HOLE_MS * SAMPLES_PER_MS:
            silence = np.zeros(hole, np.int16)
        elif abs(hole) >= LEAST_HOLE_MS * SAMPLES_PER_MS:
            self._origin_sample = start_sample - self._given_samples
        return self._give([silence, resampled])

    def pause(self, duration_ms: int) -> Pcm:
        """So long nothing has come."""
        return self._give([np.zeros(duration_ms * SAMPLES_PER_MS, np.int16)])

    def _give(self, parts: list[Pcm]) -> Pcm:
        pcm = np.concatenate(parts)
        self._given_samples += pcm.size
        return pcm

    def _resampled(self, received: AudioFrame) -> Pcm:
        """As 16-bit samples: in floats stereo would become 1.41 times too loud."""
        found = (received.format.name, received.layout.name, received.sample_rate)
        if self._resampler is None or found != self._format:
            self._format = found  # a peer may change its codec
            self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
        parts = [
            cast("Pcm", part.to_ndarray()[0])
            for part in self._resampler.resample(_without_time(received))
        ]
        return np.concatenate([NOTHING, *parts])


async def pieces(track: MediaStreamTrack) -> AsyncGenerator[bytes, None]:
    """The sound of a track until it ends, as 16-bit little-endian PCM, at the pace of its clock.

    Each piece is PIECE_MS or somewhat longer. To be read at once: aiortc's queue has no bound.
    """
    unbroken, waiting = Unbroken(), list[Pcm]()
    try:
        while True:
            try:
                async with asyncio.timeout(SILENT_MS / 1000):
                    received = cast("AudioFrame", await track.recv())
            except TimeoutError:
                waiting.append(unbroken.pause(SILENT_MS))
            else:
                waiting.append(unbroken.push(received))
            if sum(part.size for part in waiting) >= PIECE_MS * SAMPLES_PER_MS:
                yield _encoded(waiting)
                waiting.clear()
    except MediaStreamError:  # it has ended
        if waiting:
            yield _encoded(waiting)


def _encoded(parts: list[Pcm]) -> bytes:
    return np.concatenate(parts).astype("<i2", copy=False).tobytes()


def _without_time(received: AudioFrame) -> AudioFrame:
    """A copy that a resampler takes as what follows; it would look for holes by itself."""
    copy = AudioFrame.from_ndarray(
        received.to_ndarray(), format=received.format.name, layout=received.layout.name
    )
    copy.sample_rate = received.sample_rate
    return copy
