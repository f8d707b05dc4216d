"""Live audio at any sample rate -> 16 kHz mono float32."""

from __future__ import annotations

from typing import cast

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from ..events import Samples
from .pcm import SAMPLE_RATE_HZ, from_s16


class Resampler:
    """One stream of 16-bit little-endian mono PCM, given in pieces of whole samples."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)

    def push(self, pcm: bytes) -> Samples:
        """Return what can be told of the piece: all but the last 2 ms or so, which come later; at
        16 kHz all of it."""
        if not pcm:
            return np.zeros(0, np.float32)
        samples = np.frombuffer(pcm, "<i2")
        if self._sample_rate_hz == SAMPLE_RATE_HZ:  # 2 µs for a tenth of a second, not 11
            return from_s16(samples)
        piece = AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        piece.sample_rate = self._sample_rate_hz
        return self._joined(piece)

    def flush(self) -> Samples:
        """Return the end of the stream."""
        return self._joined(None)

    def _joined(self, piece: AudioFrame | None) -> Samples:
        found = (
            cast("NDArray[np.int16]", part.to_ndarray()[0])
            for part in self._resampler.resample(piece)
        )
        return from_s16(np.concatenate([np.zeros(0, np.int16), *found]))
