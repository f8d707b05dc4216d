from __future__ import annotations

import pytest

from surtitle.pipeline.events import SourceSegment, Word
from surtitle.pipeline.text.written_form import written_form


def raw(text: str, start_ms: int = 0) -> SourceSegment:
    words = tuple(
        Word(word, start_ms + 100 * at, start_ms + 100 * at + 100, 1.0)
        for at, word in enumerate(text.split())
    )
    return SourceSegment(0, 0, words, is_final=True, language="en")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("we left", "We left."),
        ("i think i'll stay", "I think I'll stay."),
        ("is it true", "Is it true?"),
        ("can you hear me", "Can you hear me?"),
        ("don't you see", "Don't you see?"),
        ("what is this", "What is this?"),
        ("what's that", "What's that?"),
        ("who goes there", "Who goes there?"),
        ("how many are there", "How many are there?"),
        ("when i was young", "When I was young."),
        ("what a day", "What a day."),
        ("do it now", "Do it now."),
        ("have a seat", "Have a seat."),
        ("it's late", "It's late."),
        ("will", "Will."),
    ],
)
def test_english_gets_capitals_and_a_mark(text: str, written: str) -> None:
    assert [segment.text for segment in written_form([raw(text)], "en")] == [written]


def test_other_languages_get_a_capital_and_a_period() -> None:
    assert written_form([raw("is i was")], "de")[0].text == "Is i was."


def test_times_stay() -> None:
    segment = raw("we left")
    (written,) = written_form([segment], "en")
    assert [(word.start_ms, word.end_ms) for word in written.words] == [(0, 100), (100, 200)]
    assert written.segment_id == segment.segment_id


def test_a_sentence_that_was_cut_in_the_middle_goes_on() -> None:
    parts = [raw("we saw the harbor"), raw("and left", start_ms=400), raw("good", start_ms=2000)]
    assert [segment.text for segment in written_form(parts, "en")] == [
        "We saw the harbor",
        "and left.",
        "Good.",
    ]


def test_nothing_is_written_of_nothing() -> None:
    assert written_form([], "en") == []


@pytest.mark.parametrize(("language", "end"), [("en", "."), ("ja", "。"), ("hi", "।"), ("th", "")])
def test_a_sentence_ends_with_the_mark_of_its_language(language: str, end: str) -> None:
    words = (Word("a", 0, 90, 1.0), Word("b", 100, 190, 1.0, is_joined=True))
    segment = SourceSegment(0, 0, words, is_final=True, language="en")
    (written,) = written_form([segment], language)
    assert written.text == f"Ab{end}"
