"""Many channels to one, so that no microphone is lost (pure)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..events import Samples

Channels = NDArray[np.float32]  # [C, N]

BLOCK_MS = 200  # gains are found for so much at once
MEMORY_BLOCKS = 3  # about: older levels count less and less
SILENT_POWER = 1e-8  # -80 dB
CANCELLED = 0.02  # of the power of the loudest channel; two voices that are unlike leave half

# Where a layout says what its channels are: speech stands in the center. As in ITU-R BS.775 for the
# sides; what is not named here, like the LFE, is left out.
_WEIGHTS = {
    "FC": 1.0,
    "FL": 0.707,
    "FR": 0.707,
    "FLC": 0.707,
    "FRC": 0.707,
    "SL": 0.5,
    "SR": 0.5,
    "BL": 0.5,
    "BR": 0.5,
    "BC": 0.5,
}


class Mixer:
    """Mixes one track.

    - Where the layout names its channels, or has at most two: with fixed weights of sum 1.
    - Else each is a microphone, and its gain is its share of the power of all: who speaks is heard
      as loud as alone, and the silent ones add no noise (gain sharing: Dugan 1975, "Automatic
      Microphone Mixing", JAES 23).
    - Channels of which one is the other with its sign changed would be silence: then the loudest
      is taken alone, from there on, and `warn` hears it once.
    """

    def __init__(
        self, names: Sequence[str], rate_hz: int, channel: int | None, warn: Callable[[str], None]
    ) -> None:
        """`names` are FFmpeg's of the channels, "NONE" where there is none; `channel`, from 0, is
        taken alone."""
        self._weights = _fixed_weights(names)
        self._block_samples = rate_hz * BLOCK_MS // 1000
        self._alone = channel
        self._warn = warn
        self._waiting: list[Channels] = []
        self._waiting_samples = 0
        self._powers = np.zeros(len(names))
        self._mixed_power = 0.0
        self._gains: NDArray[np.float64] | None = None  # at the end of the last block

    def push(self, samples: Channels) -> list[Samples]:
        """Take the next samples [C, N] of all channels; return what is mixed."""
        if self._alone is not None:
            return [samples[self._alone]]
        self._waiting.append(samples)
        self._waiting_samples += samples.shape[1]
        return self.flush() if self._waiting_samples >= self._block_samples else []

    def flush(self) -> list[Samples]:
        """Mix what waits."""
        if not self._waiting_samples:
            return []
        block = np.concatenate(self._waiting, axis=1)
        self._waiting.clear()
        self._waiting_samples = 0
        return [block[self._alone] if self._alone is not None else self._mix(block)]

    def _mix(self, block: Channels) -> Samples:
        memory = 1 - 1 / MEMORY_BLOCKS
        self._powers = memory * self._powers + np.square(block, dtype=np.float64).mean(axis=1)
        gains = self._weights if self._weights is not None else _shares(self._powers)
        before = gains if self._gains is None else self._gains
        self._gains = gains
        slope = np.linspace(0, 1, block.shape[1], dtype=np.float32)  # no click where gains change
        moving = before[:, None] + (gains - before)[:, None] * slope
        mixed = np.einsum("cn,cn->n", moving.astype(np.float32), block)
        power = float(np.square(mixed, dtype=np.float64).mean())
        self._mixed_power = memory * self._mixed_power + power
        loudest = int(self._powers.argmax())
        if SILENT_POWER < self._powers[loudest] and (
            self._mixed_power < CANCELLED * self._powers[loudest]
        ):
            self._alone = loudest
            self._warn(
                f"its channels cancel each other out when they are mixed; channel {loudest + 1} "
                "is taken alone (--channel takes another)"
            )
            return block[loudest]
        return mixed


def _fixed_weights(names: Sequence[str]) -> NDArray[np.float64] | None:
    """Of sum 1; None where nothing tells what the channels are."""
    if len(names) <= 2:
        return np.full(len(names), 1 / len(names))
    weights = np.array([_WEIGHTS.get(name, 0.0) for name in names])
    return weights / weights.sum() if weights.any() else None


def _shares(powers: NDArray[np.float64]) -> NDArray[np.float64]:
    total = powers.sum()
    return powers / total if total > 0 else np.full(len(powers), 1 / len(powers))
