"""What a translator never sees, and what it must give back."""

from __future__ import annotations

import pytest

from surtitle.pipeline.text.passthrough import (
    addresses,
    as_written,
    edges,
    has_kept,
    in_capitals,
    is_in_capitals,
)

NOTHING_TO_TRANSLATE = [
    "",
    "  ",
    "♪",
    "♪♪ ♪",
    "[Music]",
    "(laughs)",
    "*sighs*",
    "🐶",
    "👨\u200d👩\u200d👧 👍🏽",
    "...",
    "-",
    "1,200",
    "5:30",
    "00:00:00,000 --> 00:00:02,000",
    "<i></i>",
    "{\\an8}",
    "#dogs",
    "@anna",
    "www.example.com",
    "https://example.com/a?b=1",
    "anna@example.org",
    "/etc/hosts/a",
    "[Music] ♪ (laughs) 12",
]


@pytest.mark.parametrize("text", NOTHING_TO_TRANSLATE)
def test_some_texts_have_nothing_to_translate(text: str) -> None:
    parts = edges(text)
    assert (parts.before, parts.core, parts.behind) == (text, "", "")


@pytest.mark.parametrize(
    ("before", "core", "behind"),
    [
        ("", "I love dogs!", " 🐶"),
        ("- ", "Yes.", ""),
        ("-", "Yes.", ""),
        (">> ", "Yes.", ""),
        ("ANNA: ", "Where are you?", ""),
        ("DR. SMITH: ", "Where are you?", ""),
        ("<i>", "Where is the station?", "</i>"),
        ("- <i>", "Yes.", "</i> "),
        ("♪ ", "I love you", " ♪"),
        ("(laughs) ", "I know.", ""),
        ("", "I know.", " (laughs)"),
        ("", "I like it", " #dogs #cats"),
        ("", "Look!", " www.example.com"),
        ("1) ", "Open the door.", ""),
        ("{\\an8}", "Hello", ""),
        ("", "Note: this is it", ""),
        ("", "I saw him (my brother) yesterday.", ""),
        ("", "I saw him (my brother)", ""),
        ("", "(I don't know what he is doing.)", ""),
        ("", "-5 degrees", ""),
        ("", "Go to www.example.com", ""),
        ("", "NASA", ""),
    ],
)
def test_what_passes_through_is_taken_off_the_edges(before: str, core: str, behind: str) -> None:
    parts = edges(before + core + behind)
    assert (parts.before, parts.core, parts.behind) == (before, core, behind)


def test_an_address_ends_before_the_marks_of_its_sentence() -> None:
    text = "See (https://example.com/a), notes.txt, or write to anna@example.org."
    found = [text[start:end] for start, end in addresses(text)]
    assert found == ["https://example.com/a", "notes.txt", "anna@example.org"]


@pytest.mark.parametrize(
    "text", ["e.g. this", "the U.S. is", "at 5 p.m. it ended", "Mr. Ed", "3.5"]
)
def test_words_with_dots_are_no_addresses(text: str) -> None:
    assert not addresses(text)


def test_what_is_inside_of_a_sentence_must_come_back() -> None:
    text = "I ❤ <b>dogs</b>, ❤ www.dogs.com"
    assert has_kept(text, "❤ ❤ <b>perros</b> www.dogs.com")
    assert not has_kept(text, "❤ <b>perros</b> www.dogs.com")
    assert not has_kept(text, "❤ ❤ <b>perros</b> www.perros.com")


def test_capitals_are_taken_away_and_put_back() -> None:
    assert is_in_capitals("WHERE IS IT?") and is_in_capitals("OK, go.com!".replace("go", "GO"))
    assert not is_in_capitals("I") and not is_in_capitals("Where") and not is_in_capitals("12 ♪")
    text = "WHERE AM I? GO TO www.A.com NOW"
    assert as_written(text, "en") == "Where am I? Go to www.A.com now"
    assert in_capitals("¿dónde? [risas] www.A.com", "es") == "¿DÓNDE? [risas] www.A.com"
