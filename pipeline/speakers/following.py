"""Who speaks in live sound: each segment gets a number when it is final, which stays."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from ..audio.pcm import SAMPLE_RATE_HZ, SAMPLES_PER_MS
from ..events import Samples
from .clusters import ALIKE, SOLID_S
from .voice_encoder import VoiceEncoder, Voiceprint, as_voiceprint

EDGE_MS = 50  # of sound that is heard around the words
# What a slow recognizer may leave waiting (50 s) and the longest segment are in it: 5 MB.
KEPT_SAMPLES = 80 * SAMPLE_RATE_HZ
MOST_VOICES = 20  # who comes then is whom they are most like


class VoiceFollower:
    """Voices are numbered as they come; each is the mean of what it has said.

    A segment is a new voice's if it is less than ALIKE to all others, and long enough to tell
    (SOLID_S); else that of the one it is most like. What was said is not judged again, as a
    recording's voices are when all of it is heard.
    """

    def __init__(self) -> None:
        self._pieces: deque[Samples] = deque()  # the newest sound, KEPT_SAMPLES at most
        self._start_sample = self._end_sample = 0
        self._encoder: VoiceEncoder | None = None
        self._voices: list[Voiceprint] = []  # sums, by the seconds of each print

    def hear(self, samples: Samples) -> None:
        """The next sound of the source. Forgets the oldest."""
        self._pieces.append(samples)
        self._end_sample += samples.size
        while self._end_sample - self._start_sample - self._pieces[0].size > KEPT_SAMPLES:
            self._start_sample += self._pieces.popleft().size

    def sound(self, start_ms: int, end_ms: int) -> Samples:
        """What was heard in a time, as far as it is still there: a copy, with its edges."""
        start = (start_ms - EDGE_MS) * SAMPLES_PER_MS - self._start_sample
        end = (end_ms + EDGE_MS) * SAMPLES_PER_MS - self._start_sample
        parts: list[Samples] = []
        at = 0
        for piece in self._pieces:
            if at < end and at + piece.size > start:
                parts.append(piece[max(0, start - at) : end - at])
            at += piece.size
        return np.concatenate([np.zeros(0, np.float32), *parts])

    def numbers(self, sounds: Sequence[Samples]) -> list[int | None]:
        """Whose voice each of the next segments is, from 1; None where there is no sound of it.

        Computes 0.01 s for 1 s of speech, and loads what it needs the first time (0.1 s): in a
        thread, one at a time.
        """
        self._encoder = self._encoder or VoiceEncoder()
        heard = [at for at, sound in enumerate(sounds) if sound.size]
        prints = self._encoder.voiceprints([sounds[at] for at in heard])
        numbers: list[int | None] = [None] * len(sounds)
        for at, voice in zip(heard, prints, strict=True):
            numbers[at] = self._number(voice, sounds[at].size / SAMPLE_RATE_HZ)
        return numbers

    def _number(self, voice: Voiceprint, seconds: float) -> int:
        alike = [float(as_voiceprint(one) @ voice) for one in self._voices]
        nearest = int(np.argmax(alike)) if alike else -1
        if alike and (alike[nearest] > ALIKE or seconds < SOLID_S or len(alike) == MOST_VOICES):
            if alike[nearest] > ALIKE:  # else it says little about that voice
                self._voices[nearest] += np.float32(seconds) * voice
            return nearest + 1
        self._voices.append(np.float32(seconds) * voice)
        return len(self._voices)
