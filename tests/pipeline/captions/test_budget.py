import random

import pytest

from surtitle.pipeline.captions.budget import (
    MAX_ERASURE,
    Wording,
    common_prefix,
    units,
    without_end_marks,
)


def test_units_are_words_and_marks_and_join_to_the_text() -> None:
    found = units(" ¿Qué hora es, don't you know? ", "es")
    assert found == ["¿", "Qué", " hora", " es", ",", " don't", " you", " know", "?"]
    assert "".join(found) == "¿Qué hora es, don't you know?"


def test_units_of_a_script_without_spaces_are_characters() -> None:
    assert units("港は 六時", "ja") == ["港", "は", " 六", "時"]


def test_end_marks_of_a_draft_are_dropped() -> None:
    assert without_end_marks(["El", " puerto", "?", "!"]) == ["El", " puerto"]
    assert without_end_marks(["."]) == []


def test_an_append_only_wording_shows_what_two_hypotheses_agree_on() -> None:
    wording = Wording(0.0)
    assert not wording.show(["a", " b"], 0, is_final=False)
    assert wording.show(["a", " b", " c"], 2, is_final=False)
    assert (wording.text, wording.pinned) == ("a b", "a b")
    assert not wording.show(["a", " x", " y"], 1, is_final=False)
    assert wording.show(["z", " z", " end"], 0, is_final=True)
    assert wording.text == "a b end"
    assert wording.erased == 0


def test_a_fresh_wording_shows_as_many_doubtful_units_as_it_could_take_back() -> None:
    wording = Wording(0.2)
    ten = [f" {n}" for n in range(10)]
    wording.show([*ten, " p", " q", " r", " s"], 10, is_final=False)
    assert wording.text.split()[10:] == ["p", "q"]
    assert wording.pinned.split() == [str(n) for n in range(10)]
    wording.show([*ten, " x"], 10, is_final=False)
    assert wording.erased == 2
    assert wording.text.split() == [str(n) for n in range(10)]  # the budget is spent


def test_what_is_shown_stays_where_agreement_is_lost_but_nothing_contradicts() -> None:
    wording = Wording(0.2)
    wording.show(["a", " b", " c"], 3, is_final=False)
    assert not wording.show(["a", " b", " c"], 1, is_final=False)
    assert wording.text == "a b c"


@pytest.mark.parametrize("max_erasure", MAX_ERASURE.values())
def test_no_hypotheses_can_break_the_budget(max_erasure: float) -> None:
    rng = random.Random(5)
    for _ in range(300):
        wording, shown, erased = Wording(max_erasure), list[str](), 0
        for update in range(12):
            words = [" " + rng.choice("abc") for _ in range(rng.randrange(2 + update * 2))]
            kept_pin = units(wording.pinned, "en")
            wording.show(words, rng.randrange(len(words) + 1), is_final=update == 11)
            now = [" " + word for word in wording.text.split()]
            assert [word.strip() for word in now[: len(kept_pin)]] == wording.text.split()[
                : len(kept_pin)
            ]
            erased += len(shown) - common_prefix(shown, now)
            shown = now
            assert erased <= max_erasure * len(shown)
        assert wording.erased == erased
