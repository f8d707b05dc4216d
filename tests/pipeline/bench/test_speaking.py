from __future__ import annotations

from pathlib import Path

import numpy as np

from surtitle.pipeline.audio.pcm import SAMPLES_PER_MS, to_s16
from surtitle.pipeline.bench.speaking import Spoken, one_after_the_other, with_pauses
from surtitle.pipeline.events import Word
from surtitle.pipeline.recognizers.recorded import RecordedSpeech

WORD_MS, GAP_MS = 400, 600


def recording(first: int, count: int) -> RecordedSpeech:
    """Each word is as loud as its number."""
    pcm = np.zeros(count * (WORD_MS + GAP_MS) * SAMPLES_PER_MS, np.int16)
    words: list[Word] = []
    for n in range(count):
        start_ms = n * (WORD_MS + GAP_MS)
        pcm[start_ms * SAMPLES_PER_MS : (start_ms + WORD_MS) * SAMPLES_PER_MS] = first + n
        words.append(Word(str(first + n), start_ms, start_ms + WORD_MS, 1.0))
    return RecordedSpeech(Path("x.flac"), "en", pcm, tuple(words))


SPEECH = [recording(1, 5), recording(6, 3)]


def loudness(spoken: Spoken) -> list[str]:
    """Of the sound in the middle of each word."""
    middles = [(word.start_ms + word.end_ms) // 2 * SAMPLES_PER_MS for word in spoken.words]
    return [str(one) for one in to_s16(spoken.samples)[middles]]


def test_words_stay_with_their_sound() -> None:
    for seed in range(5):
        spoken = with_pauses(SPEECH, 30, seed)
        texts = [word.text for word in spoken.words]
        assert loudness(spoken) == texts
        ends = [word.end_ms for word in spoken.words]
        assert ends == sorted(ends) and len(texts) > 15
        assert 30 <= spoken.samples.size / 16_000 < 34


def test_what_follows_is_what_followed_in_the_recordings() -> None:
    texts = [int(word.text) for word in with_pauses(SPEECH, 60, 3).words]
    assert all(b == a % 8 + 1 for a, b in zip(texts, texts[1:], strict=False))


def test_each_speaker_is_another_and_always_the_same() -> None:
    voices = [with_pauses(SPEECH, 20, seed).samples for seed in (1, 1, 2)]
    assert np.array_equal(voices[0], voices[1]) and not np.array_equal(voices[0], voices[2])


def test_some_pauses_are_long() -> None:
    words = with_pauses(SPEECH, 120, 0).words
    gaps = [b.start_ms - a.end_ms for a, b in zip(words, words[1:], strict=False)]
    assert min(gaps) == GAP_MS and sum(gap >= 1000 for gap in gaps) > 5


def test_recordings_one_after_the_other() -> None:
    spoken = one_after_the_other(SPEECH, 7)
    assert loudness(spoken) == [word.text for word in spoken.words] == list("12345678")
