from __future__ import annotations

import random
from itertools import pairwise

import pytest

from surtitle.pipeline.subtitles.check import SubtitleRules
from surtitle.pipeline.subtitles.cues import Cue, TextBlock
from surtitle.pipeline.subtitles.timing import time_cues

RULES = SubtitleRules()


def spoken(start_ms: int, end_ms: int, text: str, language: str = "en") -> Cue:
    return Cue(start_ms, end_ms, (TextBlock(language, (text,)),))


def times(*cues: Cue, rules: SubtitleRules = RULES) -> list[tuple[int, int]]:
    return [(cue.start_ms, cue.end_ms) for cue in time_cues(cues, rules)]


def texts(*cues: Cue) -> list[str]:
    return [" / ".join(cue.lines) for cue in time_cues(cues, RULES)]


def test_nothing_is_timed_as_nothing() -> None:
    assert time_cues([], RULES) == []


def test_a_cue_outlasts_its_speech_by_half_a_second() -> None:
    assert times(spoken(1000, 3000, "It rains.")) == [(1000, 3500)]


def test_a_short_cue_is_extended_to_the_minimum() -> None:
    assert times(spoken(1000, 1100, "Yes.")) == [(1000, 1834)]


def test_a_cue_that_is_spoken_fast_stays_until_it_can_be_read() -> None:
    assert times(spoken(0, 1000, "x" * 40)) == [(0, 2000)]  # 20 characters per second
    assert times(spoken(0, 1000, "x" * 34, "es")) == [(0, 2000)]  # 17


def test_a_cue_makes_room_for_the_next_one() -> None:
    cues = spoken(0, 2000, "It rains here."), spoken(2050, 4000, "We stay here.")
    assert times(*cues) == [(0, 1966), (2050, 4500)]
    assert times(*cues, rules=SubtitleRules(fps=50)) == [(0, 2010), (2050, 4500)]


def test_a_gap_below_half_a_second_is_closed() -> None:
    first = spoken(0, 2000, "It rains here.")
    assert times(first, spoken(2999, 5000, "We stay here."))[0] == (0, 2915)
    assert times(first, spoken(3000, 5000, "We stay here."))[0] == (0, 2500)


def test_no_cue_outlasts_seven_seconds() -> None:
    assert times(spoken(0, 9000, "It rains.")) == [(0, 7000)]
    assert times(spoken(0, 6900, "It rains."), spoken(7300, 9000, "We stay."))[0] == (0, 7000)


def test_a_cue_without_room_is_merged_with_a_short_neighbor() -> None:
    assert texts(spoken(0, 400, "Yes."), spoken(410, 2000, "I know that boat.")) == [
        "Yes. I know that boat."
    ]


def test_two_short_cues_merge_before_a_short_and_a_long_one() -> None:
    question = spoken(0, 3000, "Do you still climb it?")
    assert texts(question, spoken(3100, 3400, "Yes."), spoken(3500, 4200, "Every time.")) == [
        "Do you still climb it?",
        "Yes. Every time.",
    ]


def test_cues_that_can_be_read_are_not_merged() -> None:
    cues = spoken(0, 900, "Yes."), spoken(1000, 2000, "I know.")
    assert texts(*cues) == ["Yes.", "I know."]


def test_cues_that_do_not_fit_together_are_not_merged() -> None:
    cues = spoken(0, 300, "Yes."), spoken(310, 4000, ("x" * 40 + " ") * 2)
    assert len(time_cues(cues, RULES)) == 2
    cues = spoken(0, 300, "Yes."), spoken(310, 7100, "I know.")
    assert len(time_cues(cues, RULES)) == 2


def test_bilingual_cues_merge_language_by_language() -> None:
    def pair(start_ms: int, end_ms: int, top: str, bottom: str) -> Cue:
        return Cue(start_ms, end_ms, (TextBlock("en", (top,)), TextBlock("es", (bottom,))))

    assert texts(pair(0, 300, "Yes.", "Sí."), pair(310, 1500, "I know.", "Lo sé.")) == [
        "Yes. I know. / Sí. Lo sé."
    ]
    only_translated = Cue(0, 300, (TextBlock("es", ("Sí.",)),))
    assert texts(only_translated, pair(310, 1500, "I know.", "Lo sé.")) == ["I know. / Sí. Lo sé."]
    long = "I have known that for a very long time."
    assert (
        len(time_cues([pair(0, 300, "Yes.", "Sí."), pair(310, 3000, long, "Lo sé.")], RULES)) == 2
    )


def test_chinese_merges_without_a_space() -> None:
    assert texts(spoken(0, 300, "好。", "zh"), spoken(310, 900, "走吧。", "zh")) == ["好。走吧。"]


@pytest.mark.parametrize("seed", range(10))
def test_any_speech_gives_orderly_cues(seed: int) -> None:
    rng = random.Random(seed)
    cues: list[Cue] = []
    at_ms = 0
    for number in range(80):
        at_ms += rng.choice([0, 0, 1, 40, 100, 400, 1500, 6000])
        end_ms = at_ms + rng.choice([0, 1, 90, 300, 900, 2000, 5000, 9000])
        cues.append(spoken(at_ms, end_ms, f"w{number} " + "x " * rng.randrange(30)))
        at_ms = max(0, end_ms - rng.choice([0, 0, 0, 50, 500]))
    timed = time_cues(cues, RULES)
    assert [word for cue in timed for word in " ".join(cue.lines).split()] == [
        word for cue in cues for word in " ".join(cue.lines).split()
    ]
    for cue in timed:
        assert RULES.gap_ms <= cue.end_ms - cue.start_ms <= RULES.max_duration_ms
    for cue, following in pairwise(timed):
        gap_ms = following.start_ms - cue.end_ms
        assert gap_ms >= RULES.gap_ms
        if cue.end_ms - cue.start_ms < 834:  # only where there is no room for more
            assert gap_ms == RULES.gap_ms
        if RULES.gap_ms < gap_ms < RULES.closed_gap_ms:  # only where it lasts as long as it may
            assert cue.end_ms - cue.start_ms == RULES.max_duration_ms
