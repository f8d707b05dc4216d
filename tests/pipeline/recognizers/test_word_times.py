from __future__ import annotations

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.events import Samples, Utterance
from surtitle.pipeline.recognizers.word_times import estimated_words


def tone(duration_s: float) -> Samples:
    time_s = np.arange(int(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (0.3 * np.sin(2 * np.pi * 200 * time_s)).astype(np.float32)


def quiet(duration_s: float) -> Samples:
    return np.zeros(int(duration_s * SAMPLE_RATE_HZ), np.float32)


def test_words_share_the_voiced_time_by_their_letters():
    sound = np.concatenate([np.zeros(SAMPLE_RATE_HZ, np.float32), tone(2)])
    words = estimated_words(["one", "fourteen", "yes"], Utterance(5 * SAMPLE_RATE_HZ, sound))
    assert [word.text for word in words] == ["one", "fourteen", "yes"]
    assert words[0].start_ms == 6000 and words[-1].end_ms == 8000
    lengths_ms = [word.end_ms - word.start_ms for word in words]
    assert lengths_ms == pytest.approx([2000 * 4 / 17, 2000 * 9 / 17, 2000 * 4 / 17], abs=20)
    assert all(word.is_estimated for word in words)


def test_a_pause_lies_between_words_and_not_in_one():
    pause = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    sound = np.concatenate([tone(1.2), pause, tone(0.8)])
    for word in estimated_words(["aaaa", "bbbb", "cccc", "dddd"], Utterance(0, sound)):
        assert word.end_ms <= 1200 or word.start_ms >= 1700


@pytest.mark.parametrize("word_count", [1, 7, 60])
def test_times_are_in_order_and_inside_even_when_words_crowd(word_count: int):
    words = estimated_words(["to"] * word_count, Utterance(0, tone(0.5)))
    assert len(words) == word_count
    starts_ms = [word.start_ms for word in words]
    assert starts_ms == sorted(starts_ms)
    assert all(0 <= word.start_ms < word.end_ms <= 500 for word in words)


def test_a_long_pause_lies_where_the_sentence_ends():
    sound = np.concatenate([tone(1.4), quiet(1), tone(1.4)])  # letters alone would cut after "is"
    words = estimated_words("It is. A long way to go".split(), Utterance(0, sound))
    assert [word.start_ms >= 2400 for word in words] == [False, False] + [True] * 5
    assert words[1].end_ms == 1400 and words[2].start_ms == 2400


def test_pauses_keep_their_order():
    sound = np.concatenate([tone(1), quiet(0.5), tone(1), quiet(0.5), tone(1)])
    words = estimated_words(["first,", "second,", "third."], Utterance(0, sound))
    assert [(word.start_ms, word.end_ms) for word in words] == [
        (0, 1000),
        (1500, 2500),
        (3000, 4000),
    ]


def test_more_pauses_than_places_are_passed_over():
    sound = np.concatenate([part for _ in range(8) for part in (tone(0.3), quiet(0.3))])
    (word,) = estimated_words(["one"], Utterance(0, sound))
    assert 0 <= word.start_ms < word.end_ms <= 4800
    words = estimated_words(["one", "two"], Utterance(0, sound))
    assert words[0].end_ms <= words[1].start_ms


def test_without_words_there_is_nothing_to_time():
    assert estimated_words([], Utterance(0, tone(1))) == []
