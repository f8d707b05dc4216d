"""The segments of a recording get the numbers of their speakers, when all of it is heard."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ..audio.pcm import SAMPLES_PER_MS, to_ms
from ..events import Samples, SourceSegment, Utterance, Word
from .clusters import who_speaks
from .voice_encoder import VoiceEncoder, Voiceprint

EDGE_MS = 50  # of sound that is heard around the words
PAUSE_MS = 250  # between two who speak
CLEAR_MS = 1000
CHANGED = 0.62  # phrases that are less alike are of two voices


class SpeakerNamer:
    """Takes the speech of a recording, then the segments that were heard in it, and so on.

    Holds the speech of segments that are open, and a voiceprint of each segment.
    """

    def __init__(self, encoder: VoiceEncoder) -> None:
        self._encoder = encoder
        self._speech: deque[Utterance] = deque()
        self._prints: list[Voiceprint] = []
        self._seconds: list[float] = []

    def hear(self, utterance: Utterance) -> None:
        self._speech.append(utterance)

    def changes(self, words: Sequence[Word]) -> list[int]:
        """Which of the words somebody else begins with than spoke before: there a segment ends.

        Where a pause parts two phrases of CLEAR_MS whose voices are not CHANGED. Computes.
        """
        begins = [0, *_after_pauses(words), len(words)]
        spans = [(first, end) for first, end in pairwise(begins) if end > first]
        times = [(words[first].start_ms, words[end - 1].end_ms) for first, end in spans]
        clear = [n for n, (start, end) in enumerate(times) if end - start >= CLEAR_MS]
        sounds = [self._between(times[n][0] - EDGE_MS, times[n][1] + EDGE_MS) for n in clear]
        voices = self._encoder.voiceprints(sounds)
        heard = zip([spans[n][0] for n in clear], voices, strict=True)
        return [
            begin
            for (_, voice), (begin, other) in pairwise(heard)
            if float(voice @ other) < CHANGED
        ]

    def add(self, segments: Sequence[SourceSegment], open_ms: int | None) -> None:
        """The next segments, in order. Computes: 0.1 s for 1 s of speech.

        What follows them begins at `open_ms`, None where that has not been heard yet.
        """
        self._prints += self._encoder.voiceprints(
            [self._between(one.start_ms - EDGE_MS, one.end_ms + EDGE_MS) for one in segments]
        )
        self._seconds += [(one.end_ms - one.start_ms) / 1000 for one in segments]
        while self._speech and (open_ms is None or _end_ms(self._speech[0]) <= open_ms):
            self._speech.popleft()

    def named(self, segments: Sequence[SourceSegment]) -> list[SourceSegment]:
        """All segments that were added, with their speakers."""
        numbers = who_speaks(self._prints, self._seconds)
        return [
            replace(segment, speaker=number)
            for segment, number in zip(segments, numbers, strict=True)
        ]

    def _between(self, start_ms: int, end_ms: int) -> Samples:
        """What was spoken in a time; silence where nothing was."""
        parts: list[Samples] = []
        for utterance in self._speech:
            start = start_ms * SAMPLES_PER_MS - utterance.start_sample
            end = end_ms * SAMPLES_PER_MS - utterance.start_sample
            if end > 0 and start < utterance.samples.size:
                parts.append(utterance.samples[max(0, start) : end])
        return np.concatenate(parts) if parts else np.zeros(1, np.float32)


def _after_pauses(words: Sequence[Word]) -> list[int]:
    return [
        at
        for at, (word, after) in enumerate(pairwise(words), 1)
        if after.start_ms - word.end_ms >= PAUSE_MS
    ]


def _end_ms(utterance: Utterance) -> int:
    return to_ms(utterance.start_sample + utterance.samples.size)
