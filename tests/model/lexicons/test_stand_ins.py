"""Rare names and numbers that give way to common ones, and come back."""

from __future__ import annotations

import pytest

from surtitle.model.lexicons.stand_ins import Disguise, StandIns, stand_ins
from surtitle.model.network.tokenizer import Direction


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
        ("Seventeen cats sleep.", "20 cats sleep."),
        ("There are seventeen cats. Seventeen!", "There are ten cats. 20!"),
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
        (("es", "en"), "Empieza el tres de septiembre.", "Empieza el lunes.",
         "It starts on Monday.", "It starts on the third of September."),
        (("de", "en"), "Der zehnte April ist frei.", "Der Montag ist frei.",
         "Monday is free.", "The tenth of April is free."),
        (("en", "de"), "It is on the tenth of April.", "It is on Monday.",
         "Es ist am Montag.", "Es ist am 10. April."),
        (("fr", "en"), "Payez avant le 15 mars.", "Payez avant lundi.",
         "Pay by Monday.", "Pay before the fifteenth of March."),
        (("pt", "en"), "Partimos depois de amanhã.", "Partimos amanhã.",
         "We leave tomorrow.", "We leave the day after tomorrow."),
        (("en", "de"), "We left the day before yesterday.", "We left yesterday.",
         "Wir sind gestern abgereist.", "Wir sind vorgestern abgereist."),
        (("it", "en"), "Aspettarono due ore e mezza.", "Aspettarono due ore.",
         "They waited two hours.", "They waited two and a half hours."),
        (("en", "de"), "It takes three and a half weeks.", "It takes two hours.",
         "Es dauert zwei Stunden.", "Es dauert dreieinhalb Wochen."),
        (("pt", "en"), "Trinta por cento dormem.", "10 por cento dormem.",
         "Ten percent sleep.", "Thirty percent sleep."),
        (("fr", "en"), "Il part en mars.", "Il part en juin.",
         "He leaves in June.", "He leaves in March."),
        (("de", "en"), "Wir kommen um 21 Uhr.", "Wir kommen um sechs Uhr.",
         "We come at six.", "We come at 9 pm."),
        (("es", "en"), "Llega sobre las seis.", "Llega a las tres.",
         "He arrives at three o'clock.", "He arrives around six o'clock."),
        (("de", "en"), "An Ostern sind wir da.", "An Weihnachten sind wir da.",
         "In Christmas we are here.", "At Easter we are here."),
    ],
)  # fmt: skip
def test_times_of_day_dates_and_spans_of_time_too(
    direction: Direction, text: str, disguised: str, answer: str, restored: str
) -> None:
    found = disguise(text, direction)
    assert found.text == disguised
    assert found.restore(answer) == restored


def test_a_stand_in_at_the_beginning_gives_way_to_a_capital() -> None:
    found = disguise("Seventeen cats sleep.")
    assert found.restore("20 gatos duermen.") == "Diecisiete gatos duermen."


def test_a_title_goes_before_a_name_in_every_language() -> None:
    assert disguise("La signora Xylander dorme.", ("it", "en")).text == "La signora Tom dorme."
    assert disguise("Dona Xylander dorme.", ("pt", "en")).text == "Dona Tom dorme."
    assert disguise("O senhor Xylander dorme.", ("pt", "en")).text == "O senhor Tom dorme."


def test_other_directions_have_none() -> None:
    assert stand_ins(("en", "xx")) is None
