"""Where tags and notes go in a translation: literal marks and words in and out."""

from __future__ import annotations

import pytest

from surtitle.pipeline.subtitles.marks import Mark, moved
from surtitle.pipeline.text.languages import language_rules
from surtitle.pipeline.text.tokens import tokenize

EN = language_rules("en")


def places(marks: list[Mark], source: str, target: str) -> list[int]:
    return [mark.at for mark in moved(marks, tokenize(source, EN), tokenize(target, EN))]


def pair(start: int, end: int) -> list[Mark]:
    return [Mark("<i>", start), Mark("</i>", end)]


@pytest.mark.parametrize(
    ("start", "end", "source", "target", "found"),
    [
        (0, 4, "all of it here", "todo", [0, 1]),
        (1, 2, "see Rome now", "ahora ves Rome", [2, 3]),  # found again
        (1, 2, "see Rome, now", "Rome ves y Rome", [3, 4]),  # the nearer one
        (0, 1, "You must go now", "Vete ya", [0, 1]),
        (3, 4, "You must go now", "Vete ya", [1, 2]),
        (1, 3, "You must go now", "Tienes que irte de aquí ahora", [2, 5]),
        (2, 3, "a b c d", "x", [0, 1]),
    ],
)
def test_a_pair_of_tags(start: int, end: int, source: str, target: str, found: list[int]) -> None:
    assert places(pair(start, end), source, target) == found


def test_one_of_a_pair_whose_other_stands_outside() -> None:
    assert places([Mark("</i>", 2)], "a b c d", "w x y z") == [2]
    assert places([Mark("<i>", 2)], "a b c d", "w x y z") == [2]
    assert places([Mark("{\\i0}", 1)], "a b", "x") == [1]


def test_pairs_within_pairs() -> None:
    marks = [Mark("<i>", 0), Mark("<b>", 1), Mark("</b>", 2), Mark("</i>", 3)]
    assert places(marks, "a b c d", "w x y z") == [0, 1, 2, 3]


def test_notes_and_time_stamps_keep_their_share() -> None:
    marks = [Mark("[sighs]", 2, is_note=True), Mark("<00:01.000>", 3)]
    assert places(marks, "a b c d", "s t u v w x y z") == [4, 6]
    assert places(marks, "a b c d", "x") == [0, 0]
