from __future__ import annotations

import pytest

from surtitle.pipeline.text.number_words import (
    ends_with_number,
    may_tell,
    said_in_words,
    words_for,
)


@pytest.mark.parametrize("language", ["en", "es", "de", "fr", "it", "pt"])
def test_each_small_number_and_each_ten_has_words_of_its_own(language: str) -> None:
    numbers = [*range(20), *range(20, 100, 10)]
    words = [word for number in numbers for word in words_for(number, language)]
    assert all(words_for(number, language) for number in numbers)
    assert len(set(words)) == len(words)
    assert not words_for(21, language) and not words_for(3, "xx")


def test_a_number_stands_in_a_text_as_a_word_of_its_own() -> None:
    assert said_in_words(20, "Cuesta Veinte.", "es")
    assert not said_in_words(2, "dosis de dos-tres", "es")


def test_what_words_may_stand_for() -> None:
    assert may_tell("forty-seven cats", "47", "en") and may_tell("two dogs", "2", "en")
    assert not may_tell("two dogs", "3", "en") and not may_tell("no dogs", "220", "en")
    assert may_tell("a dozen", "12", "en") and may_tell("siebenundvierzig Katzen", "47", "de")
    assert may_tell("三只", "3", "zh")  # nobody knows


def test_an_article_is_no_number_before_another() -> None:
    assert ends_with_number("Es kostet zwei $", "de")
    assert not ends_with_number("Es kostet ein ", "de") and not ends_with_number("", "de")
