from __future__ import annotations

import pytest

from surtitle.model.expressions import contains, places


@pytest.mark.parametrize(
    ("text", "expression", "is_there"),
    [
        ("El Gato negro.", "gato negro", True),
        ("gatos", "gato", False),
        ("un alegato", "gato", False),
        ("c++ (no c)", "c++", True),
    ],
)
def test_an_expression_stands_as_whole_words(text: str, expression: str, is_there: bool) -> None:
    assert contains(text, expression) is is_there


def test_it_may_stand_before_a_word_instead_of_one_or_two_or_at_the_end() -> None:
    assert places("a b", "X", "", [], 10) == ["X a b", "a X b", "a b X", "X b", "a X", "X"]


def test_pinned_words_and_held_expressions_stay() -> None:
    found = places("pin a big b", "X", "pin", ["big b"], 100)
    assert found == ["pin X a big b", "pin a X big b", "pin a big b X", "pin X big b"]


def test_of_many_places_some_are_taken_from_all_over() -> None:
    answer = " ".join(map(str, range(100)))
    found = places(answer, "X", "", [], 6)
    assert len(found) == 6
    at = [text.split().index("X") for text in found]
    assert max(at) - min(at) > 40


@pytest.mark.parametrize(("answer", "expected"), [("a b", "a b X"), ("", "X")])
def test_where_nothing_may_be_compared_it_stands_at_the_end(answer: str, expected: str) -> None:
    assert places(answer, "X", "", [], 0) == [expected]
