"""16 kHz mono float32: the one shape of audio inside the pipeline, and its conversions (pure)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..events import Samples

SAMPLE_RATE_HZ = 16_000
SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000


def from_s16(pcm: NDArray[np.int16]) -> Samples:
    """Convert 16-bit PCM [N] to float32 [N] in -1..1."""
    return pcm.astype(np.float32) / np.float32(32768)


def to_s16(samples: Samples) -> NDArray[np.int16]:
    """Convert float32 [N] to 16-bit PCM [N]; what is louder than full scale is clipped."""
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)


def to_ms(sample_count: int) -> int:
    return sample_count // SAMPLES_PER_MS
