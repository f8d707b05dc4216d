"""Literal hypotheses, and random ones: words of 300 ms, heard a word at a time."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from surtitle.pipeline.events import Word
from surtitle.pipeline.recognizers.stabilizer import Stabilizer

WORD_MS = 300


def words(text: str, start_ms: int = 0) -> list[Word]:
    """A word every 300 ms; words with a "-" between them share that time."""
    said = list[Word]()
    for slot in text.split():
        parts = slot.split("-")
        for part in parts:
            said.append(Word(part, start_ms, start_ms + WORD_MS // len(parts), 1.0))
            start_ms += WORD_MS // len(parts)
    return said


def push(
    stabilizer: Stabilizer, text: str, *, start_ms: int = 0, is_end: bool = False
) -> tuple[str, str]:
    agreement = stabilizer.push(words(text, start_ms), since_ms=start_ms, is_end=is_end)
    committed, tail = agreement
    return " ".join(w.text for w in committed), " ".join(w.text for w in tail)


def test_two_hypotheses_agree_on_a_beginning():
    stabilizer = Stabilizer()
    assert push(stabilizer, "the hard") == ("", "the hard")
    assert push(stabilizer, "the harbor open") == ("the", "harbor open")
    assert push(stabilizer, "the harbor opens at") == ("harbor", "opens at")
    assert push(stabilizer, "the harbor opens at six") == ("opens at", "six")
    assert push(stabilizer, "the harbor opens at six", is_end=True) == ("six", "")


def test_three_hypotheses_agree_later():
    stabilizer = Stabilizer(3)
    assert push(stabilizer, "the") == ("", "the")
    assert push(stabilizer, "the harbor") == ("", "the harbor")
    assert push(stabilizer, "the harbor opens") == ("the", "harbor opens")
    assert push(stabilizer, "the harbor opens at") == ("harbor", "opens at")


def test_one_hypothesis_alone_is_no_agreement():
    with pytest.raises(ValueError, match="at least 2, got 1"):
        Stabilizer(1)


def test_case_and_punctuation_make_no_difference_and_the_newest_is_shown():
    stabilizer = Stabilizer()
    push(stabilizer, "Yes the harbor")
    assert push(stabilizer, "yes, “The Harbor.” opens") == ("yes, “The Harbor.”", "opens")


def test_marks_alone_are_compared_as_they_are():
    stabilizer = Stabilizer()
    push(stabilizer, "yes – and")
    assert push(stabilizer, "yes … and") == ("yes", "… and")


def test_words_whose_times_are_estimated_anew_are_not_said_twice():
    stabilizer = Stabilizer()

    def push_estimated(text: str, start_ms: int, *, is_end: bool = False) -> str:
        heard = [replace(word, is_estimated=True) for word in words(text, start_ms)]
        agreement = stabilizer.push(heard, since_ms=0, is_end=is_end)
        return " ".join(word.text for word in agreement.committed)

    push_estimated("found on the", 0)
    assert push_estimated("found on the sandy", 0) == "found on the"
    late_ms = 450  # one word and a half
    assert push_estimated("found on the sandy beach", late_ms, is_end=True) == "sandy beach"


@pytest.mark.parametrize(
    ("later", "new"),
    [
        ("a harbor opens at six", "at six"),  # another word
        ("the old-harbor opens at six", "at six"),  # one more
        ("harbor opens at six", "at six"),  # one less, and all the others early
        ("the harbor opened at six", "at six"),  # another one at the seam
        ("the harbor", ""),  # forgotten
        ("", ""),
    ],
)
def test_certain_words_stay_however_they_read_later(later: str, new: str):
    stabilizer = Stabilizer()
    push(stabilizer, "the harbor opens")
    assert push(stabilizer, "the harbor opens") == ("the harbor opens", "")
    assert push(stabilizer, later, is_end=True) == (new, "")


def test_a_word_said_twice_is_not_taken_for_a_repetition():
    stabilizer = Stabilizer()
    push(stabilizer, "no no")
    assert push(stabilizer, "no no no") == ("no no", "no")
    assert push(stabilizer, "no no no no", is_end=True) == ("no no", "")


def test_the_same_word_in_the_next_utterance_is_new():
    stabilizer = Stabilizer()
    assert push(stabilizer, "yes", is_end=True) == ("yes", "")
    assert push(stabilizer, "yes", start_ms=1000, is_end=True) == ("yes", "")


def test_utterances_do_not_agree_with_one_another():
    stabilizer = Stabilizer()
    push(stabilizer, "yes", is_end=True)
    assert push(stabilizer, "well", start_ms=1000) == ("", "well")


def test_a_window_that_begins_later_goes_on_where_the_last_one_was():
    stabilizer = Stabilizer()
    push(stabilizer, "it rained. we left")
    push(stabilizer, "it rained. we left early")  # all but "early" is certain
    assert push(stabilizer, "we left early today", start_ms=600) == ("early", "today")


def test_an_overlap_with_the_utterance_before_is_not_said_twice():
    stabilizer = Stabilizer()
    push(stabilizer, "it rained and we", is_end=True)
    assert push(stabilizer, "and we left", start_ms=600, is_end=True) == ("left", "")


def test_times_do_not_go_back_behind_certain_words():
    stabilizer = Stabilizer()
    push(stabilizer, "the harbor", is_end=True)
    late = [Word("the", 0, 250, 1.0), Word("harbor", 250, 400, 1.0), Word("opens", 450, 590, 1.0)]
    (word,) = stabilizer.push(late, since_ms=0, is_end=True).committed
    assert (word.start_ms, word.end_ms) == (600, 601)


def spoken(rng: random.Random, count: int) -> list[Word]:
    """Numbered words of a speech; some are the same as the one before."""
    time_ms, speech = 0, list[Word]()
    for number in range(count):
        time_ms += rng.choice((0, 0, 0, 200))
        end_ms = time_ms + rng.randint(120, 500)
        text = "the" if rng.random() < 0.15 else f"w{number}"
        speech.append(Word(text, time_ms, end_ms, number))  # confidence: which one it is
        time_ms = end_ms
    return speech


def misheard(rng: random.Random, word: Word) -> Word:
    text = f"{word.text}?!" if rng.random() < 0.5 else word.text
    if rng.random() < 0.15:
        text = rng.choice(("a", "uh", f"x{word.text}"))
    shift_ms = rng.randint(-40, 40)
    return Word(text, word.start_ms + shift_ms, word.end_ms + shift_ms, word.confidence)


@pytest.mark.parametrize("seed", range(40))
def test_with_words_misheard_and_shifted_none_is_lost_and_none_doubled(seed: int):
    rng = random.Random(seed)
    speech = spoken(rng, 40)
    stabilizer = Stabilizer(rng.choice((2, 3)))
    said = list[Word]()
    since_ms = 0
    for end in range(0, 41, rng.choice((1, 2, 5))):
        heard = [misheard(rng, word) for word in speech[:end] if word.start_ms >= since_ms]
        is_end = rng.random() < 0.1
        agreement = stabilizer.push(heard, since_ms=since_ms, is_end=is_end)
        said += agreement.committed
        assert [w.confidence for w in (*said, *agreement.tail)] == list(range(end))
        if is_end and end:
            since_ms = speech[end - 1].end_ms
        elif said and rng.random() < 0.2:
            since_ms = speech[len(said) - 1].end_ms
    assert said
    assert all(a.start_ms <= b.start_ms for a, b in zip(said, said[1:], strict=False))


@pytest.mark.parametrize("seed", range(40))
def test_with_words_left_out_and_invented_hardly_any_is_doubled(seed: int):
    rng = random.Random(seed)
    speech = spoken(rng, 40)
    stabilizer = Stabilizer()
    said = list[Word]()
    for end in range(1, 41):
        heard = list[Word]()
        for word in speech[:end]:
            if rng.random() < 0.05:
                heard.append(Word("hm", word.start_ms, word.start_ms + 50, -1))
            if rng.random() > 0.05:
                heard.append(misheard(rng, word))
        said += stabilizer.push(heard, since_ms=0, is_end=end == 40).committed
    numbers = [word.confidence for word in said if word.confidence >= 0]
    assert numbers == sorted(numbers)
    assert len(numbers) - len(set(numbers)) <= 1  # misheard, beside an invented one: who can tell
    assert len(numbers) >= 35
