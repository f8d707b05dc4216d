"""Whether what a publisher sends first sounds like speech at all (pure).

With a wrong sample rate speech is slow and deep, or quick and high: of 10 s at half or a third of
its speed recognizers hear 7 words at most, where 20 are said (Moonshine and Whisper base, two
recordings). At twice its speed they hear words of some kind, and nothing can be told.
"""

from __future__ import annotations

import numpy as np

from ..audio.pcm import SAMPLES_PER_MS, to_ms
from ..events import Samples

BLOCK_SAMPLES = 100 * SAMPLES_PER_MS
LOUD_RMS = 10 ** (-40 / 20)
JUDGED_MS = 10_000  # of loud sound
FEWEST_WORDS = 8  # in these; a slow speaker says 15
ENOUGH_WORDS = 20  # after which all is well


class FirstSound:
    """Holds less than a block of sound."""

    def __init__(self, sample_rate_hz: int) -> None:
        """The rate that the publisher has named."""
        self._sample_rate_hz = sample_rate_hz
        self._rest = np.zeros(0, np.float32)
        self._received_samples = self._loud_ms = 0
        self._judged_at_ms: int | None = None  # of media time: until then there is no judgment
        self._is_odd: bool | None = None

    def push(self, samples: Samples) -> None:
        """The next sound, 16 kHz mono float32 [N]."""
        if self._judged_at_ms is not None:
            return
        samples = np.concatenate([self._rest, samples])
        whole = samples.size - samples.size % BLOCK_SAMPLES
        self._rest = samples[whole:]
        self._received_samples += whole
        blocks = samples[:whole].reshape(-1, BLOCK_SAMPLES)
        rms = np.sqrt(np.square(blocks).mean(axis=1))
        self._loud_ms += to_ms(int((rms >= LOUD_RMS).sum()) * BLOCK_SAMPLES)
        if self._loud_ms >= JUDGED_MS:
            self._judged_at_ms = to_ms(self._received_samples)

    def notice(self, heard_ms: int, word_count: int) -> str:
        """What to tell people, when so much has been heard, and so many words in it."""
        if self._judged_at_ms is None or heard_ms < self._judged_at_ms:
            return ""
        if self._is_odd is None:  # the first time
            self._is_odd = word_count < FEWEST_WORDS
        if not self._is_odd or word_count >= ENOUGH_WORDS:
            return ""
        return (
            f"the sound is loud, and hardly a word is understood: is it speech, and recorded at "
            f"{self._sample_rate_hz} Hz, as its publisher says?"
        )
