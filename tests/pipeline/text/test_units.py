from __future__ import annotations

import pytest

from surtitle.pipeline.text.units import (
    are_followed_by,
    common_unit,
    sign_of_words,
    unit_of,
    unit_word_end,
    unit_words_at,
    unit_words_end,
)


@pytest.mark.parametrize(
    ("text", "language", "units"),
    [
        ("5 dollars", "en", ("$",)),
        ("5 millones de dólares", "es", ("$", "million")),
        ("5 por ciento", "es", ("%",)),
        ("5 Meilen", "de", ("mi",)),
        ("5 Europeans", "en", ()),
        ("5 people", "en", ()),
        ("5 dollars", "xx", ()),
    ],
)
def test_the_units_that_words_are_for(text: str, language: str, units: tuple[str, ...]) -> None:
    assert unit_words_at(text, 1, language) == units


def test_signs_of_a_unit_and_where_its_words_end() -> None:
    assert (unit_of("US$"), unit_of(" GB"), unit_of("°C"), unit_of("x")) == ("$", "GB", "°", "")
    assert unit_word_end("$", "20 dólares hoy", 2) == len("20 dólares")
    assert unit_words_end("35 miles away", 2, "en") == len("35 miles")
    assert unit_words_end("35 people", 2, "en") == 2
    assert (sign_of_words(("mi",)), sign_of_words(("million",)), sign_of_words(())) == (
        "mi",
        "",
        "",
    )


def test_a_language_without_words_cannot_miss_any() -> None:
    assert are_followed_by(("mi",), "20 Meilen", 2, "de")
    assert not are_followed_by(("mi",), "20 Stunden", 2, "de")
    assert are_followed_by(("mi",), "20 英里", 2, "zh")


def test_a_common_unit_of_the_same_kind() -> None:
    assert common_unit("€", "en", "de") == ("$", " dollars", " Dollar")
    assert common_unit("%", "en", "es") == ("%", " percent", " por ciento")
    assert common_unit("GB", "en", "fr") == ("kg", " kilos", " kilos")
    assert common_unit("GB", "en", "ja") == ("", "", "")
