from __future__ import annotations

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.events import Samples
from surtitle.pipeline.server.first_sound import ENOUGH_WORDS, FEWEST_WORDS, FirstSound


def sound(seconds: float, level_db: float) -> Samples:
    noise = np.random.default_rng(0).normal(0, 1, int(seconds * SAMPLE_RATE_HZ))
    return (10 ** (level_db / 20) * noise).astype(np.float32)


def first(level_db: float = -20, seconds: float = 11) -> FirstSound:
    one = FirstSound(48_000)
    audio = sound(seconds, level_db)
    for start in range(0, audio.size, 777):  # pieces of any size
        one.push(audio[start : start + 777])
    return one


def test_loud_sound_with_hardly_a_word_is_told_with_its_rate() -> None:
    notice = first().notice(11_000, FEWEST_WORDS - 1)
    assert notice.startswith("the sound is loud") and "48000 Hz" in notice


@pytest.mark.parametrize(
    ("one", "heard_ms", "words"),
    [
        (first(), 11_000, FEWEST_WORDS),
        (first(), 9900, 0),  # not heard yet
        (first(seconds=9), 9000, 0),  # too early to tell
        (first(level_db=-50), 11_000, 0),  # a quiet room
    ],
)
def test_what_may_be_well_is_not_told(one: FirstSound, heard_ms: int, words: int) -> None:
    assert one.notice(heard_ms, words) == ""


def test_pauses_do_not_count_as_loud() -> None:
    one = FirstSound(16_000)
    for _ in range(3):
        one.push(sound(3, -20))
        one.push(sound(4, -70))
    assert one.notice(21_000, 0) == ""
    one.push(sound(2, -20))
    assert one.notice(23_000, 0) != ""


def test_what_was_well_stays_so_and_what_was_odd_until_words_come() -> None:
    one = first()
    assert one.notice(11_000, FEWEST_WORDS) == ""
    assert one.notice(12_000, 0) == ""
    one = first()
    assert one.notice(11_000, 0) != ""
    one.push(sound(20, -20))
    assert one.notice(30_000, ENOUGH_WORDS - 1) != ""
    assert one.notice(31_000, ENOUGH_WORDS) == ""
