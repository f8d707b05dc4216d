"""What recognizing costs on this machine, as it is measured while it goes on (pure)."""

from __future__ import annotations

FADE = 0.9  # what an observation still counts after the next one
SPREAD = 1e-3  # of the lengths, squared seconds: below it they tell nothing about the slope


class Cost:
    """Seconds of work by seconds of sound: a fixed part, and a part that grows with the sound.

    Whisper always works on 30 s, Moonshine on what is there: a straight line through the faded
    observations (least squares) holds for both. Neither part is ever below zero.
    """

    def __init__(self) -> None:
        self._count = 0.0
        self._sound_s = self._work_s = 0.0  # faded sums
        self._sound_sound = self._sound_work = 0.0

    def add(self, sound_s: float, work_s: float) -> None:
        """A stretch of `sound_s` took `work_s`."""
        self._count = FADE * self._count + 1
        self._sound_s = FADE * self._sound_s + sound_s
        self._work_s = FADE * self._work_s + work_s
        self._sound_sound = FADE * self._sound_sound + sound_s * sound_s
        self._sound_work = FADE * self._sound_work + sound_s * work_s

    def expected_s(self, sound_s: float) -> float | None:
        """How long a stretch takes; None as long as nothing has been measured."""
        if not self._count:
            return None
        slope = self._slope()
        return max(0.0, self._work_s - slope * self._sound_s) / self._count + slope * sound_s

    @property
    def per_second(self) -> float | None:
        """Seconds of work per second of sound; None as long as nothing has been measured."""
        return self._work_s / self._sound_s if self._sound_s else None

    def _slope(self) -> float:
        spread = self._count * self._sound_sound - self._sound_s**2
        if spread < SPREAD:
            return 0.0
        slope = (self._count * self._sound_work - self._sound_s * self._work_s) / spread
        return max(0.0, min(slope, self._work_s / self._sound_s))
