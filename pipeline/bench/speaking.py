"""What simulated speakers say: recordings and their words, from anywhere on, with pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..audio.pcm import SAMPLES_PER_MS, from_s16, to_ms
from ..config import RecognizerConfig
from ..events import AudioChunk, Samples, Word
from ..recognizers.choice import open_recognizer
from ..recognizers.recorded import RecordedSpeech, read_pcm
from ..recognizers.vad import Vad

GAP_MS = 350  # between two words, in which a pause can be longer
PAUSE_SHARE = 0.2  # of such gaps
PAUSE_MS = (1000, 3000)  # put into them: so long that an utterance is over in any case


class Spoken(NamedTuple):
    """Sound, 16 kHz mono [N], and its words with their times in it."""

    samples: Samples
    words: list[Word]


def hear_recordings(
    paths: Sequence[Path], language: str, say: Callable[[str], None]
) -> list[RecordedSpeech]:
    """The words of recordings, as the recognizer for files hears them. Raises RecognizerError,
    MediaError."""
    recognizer = open_recognizer(RecognizerConfig(), language, say, is_live=False)
    try:
        found: list[RecordedSpeech] = []
        for path in paths:
            vad = Vad(recognizer.file_vad)
            pcm = read_pcm(path)
            utterances = [*vad.push(AudioChunk(0, from_s16(pcm))), *vad.flush()]
            words = [word for each in utterances for word in recognizer.recognize(each, language)]
            found.append(RecordedSpeech(path, language, pcm, tuple(words)))
        return found
    finally:
        recognizer.close()


def one_after_the_other(speech: Sequence[RecordedSpeech], seconds: float) -> Spoken:
    """All recordings as they are, again and again, until `seconds` are over."""
    parts: list[Spoken] = []
    while _ms(parts) < 1000 * seconds:
        one = speech[len(parts) % len(speech)]
        parts.append(Spoken(from_s16(one.pcm), list(one.words)))
    return _joined(parts)


def with_pauses(speech: Sequence[RecordedSpeech], seconds: float, seed: int) -> Spoken:
    """`seconds` of recordings that begin anywhere in them, with a pause after some sentences.

    Another seed is another speaker: nobody says the same at the same time.
    """
    rng = np.random.default_rng(seed)
    pieces = [piece for one in speech for piece in _pieces(one)]
    at = int(rng.integers(len(pieces)))
    parts: list[Spoken] = []
    while _ms(parts) < 1000 * seconds:
        parts.append(pieces[at % len(pieces)])
        if rng.random() < PAUSE_SHARE:
            silence = int(rng.integers(*PAUSE_MS)) * SAMPLES_PER_MS
            parts.append(Spoken(np.zeros(silence, np.float32), []))
        at += 1
    return _joined(parts)


def _pieces(speech: RecordedSpeech) -> Iterator[Spoken]:
    """A recording in pieces, cut in the middle of each long gap between two words."""
    begin_ms, words = 0, list[Word]()
    for word, after in zip(speech.words, (*speech.words[1:], None), strict=True):
        words.append(word)
        if after is None or after.start_ms - word.end_ms >= GAP_MS:
            end_ms = to_ms(speech.pcm.size)
            if after is not None:
                end_ms = (word.end_ms + after.start_ms) // 2
            pcm = speech.pcm[begin_ms * SAMPLES_PER_MS : end_ms * SAMPLES_PER_MS]
            yield Spoken(from_s16(pcm), _moved(words, -begin_ms))
            begin_ms, words = end_ms, []


def _joined(parts: Sequence[Spoken]) -> Spoken:
    words: list[Word] = []
    begin_samples = 0
    for part in parts:
        words += _moved(part.words, to_ms(begin_samples))
        begin_samples += part.samples.size
    samples = [np.zeros(0, np.float32), *(part.samples for part in parts)]
    return Spoken(np.concatenate(samples), words)


def _moved(words: Sequence[Word], by_ms: int) -> list[Word]:
    return [
        replace(word, start_ms=word.start_ms + by_ms, end_ms=word.end_ms + by_ms) for word in words
    ]


def _ms(parts: Sequence[Spoken]) -> int:
    return to_ms(sum(part.samples.size for part in parts))
