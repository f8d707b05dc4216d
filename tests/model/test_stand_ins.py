"""Rare names and numbers that give way to common ones, and come back."""

from __future__ import annotations

import pytest

from surtitle.model.stand_ins import Disguise, StandIns, stand_ins
from surtitle.model.tokenizer import Direction


def those_of(direction: Direction = ("en", "es")) -> StandIns:
    found = stand_ins(direction)
    assert found is not None
    return found


def disguise(text: str, direction: Direction = ("en", "es")) -> Disguise:
    return those_of(direction).disguise(text)


@pytest.mark.parametrize(
    ("text", "disguised"),
    [
        ("Gabriela has forty-seven cats.", "Mary has ten cats."),
        ("gabriela has forty-seven cats", "mary has ten cats"),
        ("We saw Gabriela’s cat and Priya.", "We saw Mary's cat and Jane."),
        ("There are 118 pages, and 1,200 words.", "There are 20 pages, and 10 words."),
        ("Bob Marley was in Edinburgh on the fourth of July.", "Tom was in Boston on Monday."),
        ("Did Mr. Xylander pay $2,000,000?", "Did Mr. Tom pay $20?"),
        ("Seventeen cats sleep.", "Ten cats sleep."),
    ],
)
def test_rare_terms_give_way_to_common_ones(text: str, disguised: str) -> None:
    assert disguise(text).text == disguised


@pytest.mark.parametrize(
    "text",
    [
        "Tom has ten cats in Boston.",  # common already
        "Can you help me?",  # also a name
        "can the rose grow in this park",  # names only with a capital
        "The lesson is at 12:03, in room 4 5.",  # a time; numbers side by side
        "It was in 1963.",  # a year
        ". Tom",
        "Mi gato se llama Xylander.",  # no title before it: perhaps a word
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert disguise(text) == Disguise(text)


def test_one_that_stands_in_the_text_itself_is_not_used_again() -> None:
    assert disguise("Mary and Gabriela have ten cats, and 11 dogs.").text == (
        "Mary and Jane have ten cats, and 20 dogs."
    )


def test_the_terms_come_back_in_the_other_language() -> None:
    found = disguise("Gabriela has forty-seven cats in Lisbon.")
    assert found.restore("Mary tiene diez gatos en Boston.") == (
        "Gabriela tiene cuarenta y siete gatos en Lisboa."
    )
    assert found.restore("Diez gatos tiene María en Boston.") == (
        "Cuarenta y siete gatos tiene Gabriela en Lisboa."
    )


def test_without_a_stand_in_there_is_no_way_back() -> None:
    found = disguise("Gabriela has a cat.")
    assert found.restore("Tiene un gato.") is None
    assert found.restore("Mary y Mary tienen un gato.") is None


def test_what_is_shown_already_is_disguised_alike() -> None:
    found = disguise("Gabriela has forty-seven cats.")
    assert found.hide("Gabriela tiene") == "Mary tiene"
    assert found.restore(found.hide("Gabriela tiene cuarenta y siete")) == (
        "Gabriela tiene cuarenta y siete"
    )


def test_numbers_get_the_marks_of_the_other_language() -> None:
    assert disguise("It costs 1,234.50 euros.").restore("Cuesta 20 euros.") == (
        "Cuesta 1.234,50 euros."
    )
    back = disguise("Cuesta 1.234,50 euros.", ("es", "en"))
    assert back.restore("It costs 10 euros.") == "It costs 1,234.50 euros."


def test_gender_and_elision_follow_the_stand_in() -> None:
    found = disguise("We sold two hundred chairs.")
    assert found.restore("Vendimos quinientas sillas.") == "Vendimos doscientas sillas."
    assert found.restore("Vendimos quinientos coches.") == "Vendimos doscientos coches."
    scotland = disguise("We live in Scotland.", ("en", "fr"))
    assert scotland.text == "We live in Australia."
    assert scotland.restore("Nous vivons en Australie.") == "Nous vivons en Écosse."
    norway = disguise("She came from Norway.", ("en", "it"))
    assert norway.text == "She came from Japan."
    assert norway.restore("È venuta dal Giappone.") == "È venuta dalla Norvegia."
    sold = disguise("We sold two hundred chairs.", ("en", "pt"))
    assert sold.restore("Vendemos duas cadeiras.") == "Vendemos duzentas cadeiras."
    assert sold.restore("Vendemos dois carros.") == "Vendemos duzentos carros."


@pytest.mark.parametrize(
    ("direction", "text", "disguised", "answer", "restored"),
    [
        (("en", "de"), "Come at half past four.", "Come at six o'clock.",
         "Komm um sechs Uhr.", "Komm um halb fünf."),
        (("de", "en"), "Komm um halb fünf.", "Komm um sechs Uhr.",
         "Come at six o'clock.", "Come at half past four."),
        (("en", "fr"), "come at a quarter to four", "come at six o'clock",
         "viens à six heures", "viens à quatre heures moins le quart"),
        (("en", "es"), "Come at half past four.", "Come at three o'clock.",
         "Ven a las tres en punto.", "Ven a las cuatro y media."),
        (("en", "it"), "Come at half past four.", "Come at three o'clock.",
         "Vieni alle tre.", "Vieni alle quattro e mezza."),
        (("pt", "en"), "Venha às quatro e meia.", "Venha às três horas.",
         "Come at three o'clock.", "Come at half past four."),
    ],
)  # fmt: skip
def test_times_of_day_too(
    direction: Direction, text: str, disguised: str, answer: str, restored: str
) -> None:
    found = disguise(text, direction)
    assert found.text == disguised
    assert found.restore(answer) == restored


def test_a_title_goes_before_a_name_in_every_language() -> None:
    assert disguise("La signora Xylander dorme.", ("it", "en")).text == "La signora Tom dorme."
    assert disguise("Dona Xylander dorme.", ("pt", "en")).text == "Dona Tom dorme."
    assert disguise("O senhor Xylander dorme.", ("pt", "en")).text == "O senhor Tom dorme."


def test_other_directions_have_none() -> None:
    assert stand_ins(("en", "xx")) is None
