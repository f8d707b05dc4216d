"""Speech that costs nothing to recognize, and is recognized without a mistake: each word is a tone.

What is heard depends on the sound alone, so that a session may begin anywhere in it. The words are
those of a sample, with a pause after each sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ, SAMPLES_PER_MS, to_ms, to_s16
from surtitle.pipeline.config import VadConfig
from surtitle.pipeline.events import Samples, Utterance, Word
from surtitle.pipeline.recognizers import LanguageGuess

SCRIPT = Path(__file__).parents[2] / "samples/harbor.en.txt"
SENTENCES = [line.split() for line in SCRIPT.read_text(encoding="utf-8").splitlines()]
VOCABULARY = sorted({word for sentence in SENTENCES for word in sentence})
WORD_MS, GAP_MS, PAUSE_MS = 240, 60, 900
LOWEST_HZ, STEP_HZ = 300, 40  # of the tones: half a word tells them apart
LOUD = 0.1


def spoken() -> tuple[Samples, list[tuple[str, int]]]:
    """All sentences, 16 kHz mono, and each word with the sample where it ends."""
    parts: list[Samples] = []
    words: list[tuple[str, int]] = []
    at = 0
    times = np.arange(WORD_MS * SAMPLES_PER_MS, dtype=np.float32) / SAMPLE_RATE_HZ
    for sentence in SENTENCES:
        for word in sentence:
            tone_hz = LOWEST_HZ + STEP_HZ * VOCABULARY.index(word)
            words.append((word, at + times.size))
            parts.append(0.5 * np.sin(2 * np.pi * tone_hz * times))
            parts.append(np.zeros(GAP_MS * SAMPLES_PER_MS, np.float32))
            at += parts[-2].size + parts[-1].size
        parts.append(np.zeros(PAUSE_MS * SAMPLES_PER_MS, np.float32))
        at += parts[-1].size
    return np.concatenate(parts).astype(np.float32), words


def spoken_pcm() -> bytes:
    """The same as 16-bit little-endian PCM."""
    return to_s16(spoken()[0]).tobytes()


class ToneRecognizer:
    """A Recognizer."""

    name = "tones"
    languages = frozenset({"en"})
    is_written = True
    uses_terms = False
    cpu_threads = 1
    file_vad = VadConfig()
    live_vad = VadConfig(min_silence_ms=500, speech_pad_ms=200, max_utterance_ms=15_000)

    def guess_language(self, utterance: Utterance) -> LanguageGuess:
        return LanguageGuess("en", 1.0)

    def recognize(
        self,
        utterance: Utterance,
        language: str,
        terms: tuple[str, ...] = (),
        *,
        is_draft: bool = False,
    ) -> list[Word]:
        loud = np.flatnonzero(np.abs(utterance.samples) > LOUD)
        gaps = np.flatnonzero(np.diff(loud) > GAP_MS * SAMPLES_PER_MS // 2)
        words: list[Word] = []
        for tone in np.split(loud, gaps + 1):
            if tone.size and tone[-1] - tone[0] > WORD_MS * SAMPLES_PER_MS // 2:
                words.append(_word(utterance, tone[0], tone[-1] + 1))
        return words

    def close(self) -> None: ...


def _word(utterance: Utterance, start: int, end: int) -> Word:
    spectrum = np.abs(np.fft.rfft(utterance.samples[start:end], SAMPLE_RATE_HZ))  # 1 Hz each
    number = round((int(spectrum.argmax()) - LOWEST_HZ) / STEP_HZ)
    start_ms, end_ms = (to_ms(utterance.start_sample + int(at)) for at in (start, end))
    return Word(VOCABULARY[number], start_ms, end_ms, 1.0)


def make_recognizer(say: Callable[[str], None]) -> ToneRecognizer:
    """In a child process."""
    return ToneRecognizer()


class Loudness:
    """A Judge: what is loud is speech."""

    def push(self, windows: Samples) -> Sequence[float]:
        return [float(np.abs(window).max() > LOUD) for window in windows]

    def restart(self) -> None: ...
