"""Stretches of speech -> windows that are full, for a model that always works on 30 s (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..audio.pcm import SAMPLE_RATE_HZ, SAMPLES_PER_MS, to_ms
from ..events import Samples, Utterance, Word

WINDOW_SAMPLES = 30 * SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Window:
    """Stretches of speech one after the other, without what lies between them, `samples` [N]."""

    stretches: tuple[Utterance, ...]

    @property
    def samples(self) -> Samples:
        return np.concatenate([stretch.samples for stretch in self.stretches])

    def in_media_time(self, words: Sequence[Word]) -> list[Word]:
        """Words in the window's time, in order, as words of the source.

        A word is of the stretch in which its middle lies, and does not reach out of it.
        """
        placed: list[Word] = []
        for word in words:
            before_ms, stretch = self._stretch_at((word.start_ms + word.end_ms) // 2)
            first_ms, length_ms = to_ms(stretch.start_sample), to_ms(stretch.samples.size)
            start_ms = min(max(word.start_ms - before_ms, 0), length_ms - 1)
            end_ms = min(max(word.end_ms - before_ms, start_ms + 1), length_ms)
            placed.append(replace(word, start_ms=first_ms + start_ms, end_ms=first_ms + end_ms))
        return placed

    def _stretch_at(self, time_ms: int) -> tuple[int, Utterance]:
        """What is there, and how much of the window lies before it."""
        before_ms = 0
        for stretch in self.stretches[:-1]:
            length_ms = to_ms(stretch.samples.size)
            if time_ms < before_ms + length_ms:
                return before_ms, stretch
            before_ms += length_ms
        return before_ms, self.stretches[-1]


def full_windows(stretches: Iterable[Utterance]) -> list[Window]:
    """Stretches of WINDOW_SAMPLES at most, in windows of as much, as few as their order allows.

    Each is cut to whole milliseconds, so that the times of a window add up.
    """
    windows: list[Window] = []
    waiting: list[Utterance] = []
    size = 0
    for stretch in stretches:
        whole = stretch.samples.size - stretch.samples.size % SAMPLES_PER_MS
        if not whole:
            continue
        if size + whole > WINDOW_SAMPLES:
            windows.append(Window(tuple(waiting)))
            waiting, size = [], 0
        waiting.append(replace(stretch, samples=stretch.samples[:whole]))
        size += whole
    return [*windows, Window(tuple(waiting))] if waiting else windows
