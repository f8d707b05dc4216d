"""Amounts: what a text says, what its translation still says, how other languages write it."""

from __future__ import annotations

import pytest

from surtitle.pipeline.text.amounts import agreeing, find_amounts, localized


@pytest.mark.parametrize(
    ("text", "language", "readings"),
    [
        ("It costs $1,200.", "en", ["1200"]),
        ("Es kostet 1.200 Euro.", "de", ["1200"]),
        ("Es kostet 1,200 Euro.", "de", ["1.2"]),
        ("3.5% of 12,500.50", "en", ["3.5", "12500.5"]),
        ("3.50 and 3,5 in German", "de", ["3.5", "3.5"]),
        ("1 200 €", "fr", ["1200"]),
        ("rooms 101 200", "en", ["101", "200"]),
        ("-5 degrees, 10-15 people", "en", ["-5", "10", "15"]),
        ("at 5:30 p.m. or 12 a.m.", "en", ["5:30", "12:00"]),
        ("17h30 à 18h00", "fr", ["17:30", "18:00"]),
        ("1,2,3 on 5/3/2024", "en", ["1", "2", "3", "5", "3", "2024"]),
        ("555-0142, +1 555 014 2233", "en", ["5550142", "15550142233"]),
        ("version 3.2.1 of the A380", "en", ["321", "A380"]),
        ("我有3000东西", "zh", ["3000"]),
        ("[12] see www.a1.com/2 at 00:01:02,000", "en", []),
        ("no amounts at all", "en", []),
    ],
)
def test_what_a_text_says(text: str, language: str, readings: list[str]) -> None:
    assert [amount.readings[0] for amount in find_amounts(text, language)] == readings


@pytest.mark.parametrize(
    ("text", "target", "written"),
    [
        ("$1,200", "es", "$1.200"),
        ("$1,200", "fr", "$1\u202f200"),
        ("$1,200", "zh", "$1,200"),
        ("12,500.75 km", "de", "12.500,75 km"),
        ("-3.5%", "it", "-3,5%"),
        ("5:30 p.m. today", "de", "17:30"),
        ("5:30 p.m. today", "es", "5:30 p.m."),
        ("12 a.m. today", "pt", "0:00"),
        ("3.2.1", "de", "3.2.1"),
        ("2nd place", "de", "2."),
    ],
)
def test_another_language_writes_amounts_its_own_way(text: str, target: str, written: str) -> None:
    (amount,) = find_amounts(text, "en")
    assert localized(amount, "en", target) == written


def test_a_version_behind_a_name_is_no_decimal_number() -> None:
    (version,), (decimal,) = find_amounts("Python 3.12 is out", "en"), find_amounts("At 3.5", "en")
    assert localized(version, "en", "de") == "3.12"
    assert localized(decimal, "en", "de") == "3,5"


SAME = [
    ("It costs $1,200.", "Cuesta 1.200 dólares.", "es"),
    ("It costs $1,200.", "Cuesta US$ 1200.", "es"),
    ("It is -5 degrees today.", "Hoy hay -5 grados.", "es"),
    ("The bus leaves at 5:30 p.m.", "Der Bus fährt um 17.30 Uhr.", "de"),
    ("I have 2 dogs.", "Tengo dos perros.", "es"),
    ("I have two dogs.", "Tengo 2 perros.", "es"),
    ("I have forty-seven cats.", "Tengo 47 gatos.", "es"),
    ("$2 million", "2 Millionen Dollar", "de"),
    ("2 million dollars", "2 millones de dólares", "es"),
    ("On May 3, 1999", "El 3 de mayo de 1999", "es"),
    ("It takes 10-15 minutes.", "Tarda de 10 a 15 minutos.", "es"),
    ("The price is 1,200 dollars.", "價格是1,200美元", "zh"),
]
CHANGED = [
    ("It costs $1,200.", "Cuesta 220 $1.200.", "es"),
    ("It costs $1,200.", "Cuesta 1.200 euros.", "es"),
    ("It costs $1,200.", "Cuesta 1.200.", "es"),
    ("The price went up by 3.5% to $1,200.", "Subió 315.000 $100.", "es"),
    ("It is -5 degrees today.", "Hoy hay 5 grados.", "es"),
    ("The file has 1.5 GB.", "El archivo tiene 1,5 días.", "es"),
    ("Call me at 555-0142.", "Llámame a las 5:50 y cinco.", "es"),
    ("The bus leaves at 5:30 a.m.", "Der Bus fährt um 17.30 Uhr.", "de"),
    ("I have two dogs.", "Tengo 3 perros.", "es"),
    ("It rose to 5.", "Subió a 5 y 5.", "es"),
    ("It costs $1,200.", "Es kostet zwei $1.200.", "de"),
    ("We need 2 million euros.", "Necesitamos 2 euros.", "es"),
    ("Use version 3.2.1.", "Usa la versión 3,2,1.", "es"),
]


@pytest.mark.parametrize(("text", "answer", "target"), SAME)
def test_a_translation_with_the_same_amounts(text: str, answer: str, target: str) -> None:
    assert agreeing(text, "en", answer, target) == answer


@pytest.mark.parametrize(("text", "answer", "target"), CHANGED)
def test_a_translation_with_other_amounts(text: str, answer: str, target: str) -> None:
    assert agreeing(text, "en", answer, target) is None


def test_a_number_that_was_copied_gets_the_marks_of_its_language() -> None:
    text, answer = "It costs $1,200 or 3.5%.", "Cuesta $1,200 o 3.5%."
    assert agreeing(text, "en", answer, "es") == "Cuesta $1.200 o 3,5%."


def test_what_people_have_seen_is_not_written_anew() -> None:
    answer = "Cuesta 3.5% o 3.5%."
    assert agreeing("It costs 3.5% or 3.5%.", "en", answer, "es", fixed=11) == "Cuesta 3.5% o 3,5%."
