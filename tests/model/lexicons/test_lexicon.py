import random
import re

import pytest

from surtitle.model.lexicons.lexicon import Lexicon, read_lexicon
from surtitle.model.network.batches import Pair
from surtitle.model.network.tokenizer import Direction


def lexicon(direction: Direction = ("en", "es")) -> Lexicon:
    found = read_lexicon(direction)
    assert found is not None
    return found


def variants(
    source: str, target: str, draft: str = "", count: int = 40, language: str = "es"
) -> list[Pair]:
    direction = "en", language
    pair, rng = Pair(source, target, direction, draft), random.Random(0)
    return [lexicon(direction).vary(pair, rng) for _ in range(count)]


def names(pairs: list[Pair], source: str, target: str) -> list[tuple[str, str]]:
    """What stands at the star of two patterns."""
    found: list[tuple[str, str]] = []
    for pair in pairs:
        ours, theirs = (
            re.fullmatch(re.escape(pattern).replace(r"\*", "(.+)"), text)
            for pattern, text in ((source, pair.source), (target, pair.target))
        )
        assert ours and theirs, pair
        found.append((ours[1], theirs[1]))
    return found


def test_a_name_is_replaced_on_both_sides_by_known_and_invented_ones() -> None:
    found = names(
        variants("I saw Tom's dog.", "Vi al perro de Tom."), "I saw *'s dog.", "Vi al perro de *."
    )
    assert all(ours == theirs for ours, theirs in found)
    assert len(set(found)) > 30
    listed = {name for name, _ in lexicon().forms["man"][0]}
    assert 5 < sum(ours not in listed for ours, _ in found) < 25


@pytest.mark.parametrize(
    ("source", "target", "kind"),
    [
        ("We flew to *.", "Volamos a *.", "city"),
        ("Is it * again?", "¿Ya es * otra vez?", "weekday"),
        ("I have * books.", "Tengo * libros.", "count"),
        ("The year was *.", "El año era *.", "year"),
    ],
)
def test_a_term_becomes_another_of_its_kind(source: str, target: str, kind: str) -> None:
    terms = [term for form in lexicon().forms[kind] for term in form]
    ours, theirs = terms[0]
    found = names(variants(source.replace("*", ours), target.replace("*", theirs)), source, target)
    assert set(found) <= set(terms)
    assert len(set(found)) > 4


def test_the_longest_term_counts_and_what_it_brought_stays() -> None:
    found = names(
        variants("The bus leaves at half past six.", "El bus sale a las seis y media."),
        "The bus leaves *.",
        "El bus sale *.",
    )
    times = [term for form in lexicon().forms["at a time"] for term in form]
    assert set(found) <= set(times)


def test_a_date_keeps_the_order_of_its_language() -> None:
    (pair,) = variants("Before May 5.", "Antes del 5 de mayo.", count=1)
    assert re.fullmatch(r"Antes del \d+ de [a-z]+\.", pair.target)
    assert pair.target != "Antes del 5 de mayo."


def test_a_capital_at_the_beginning_stays() -> None:
    for pair in variants("Two of us came.", "Dos de nosotros vinieron."):
        assert not pair.source[0].islower()
        assert not pair.target[0].islower()


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("Tom is here.", "Él está aquí."),
        ("Tom asked if Tom could come.", "Tom preguntó si podía venir."),
        ("Tom came.", "Tom vino, Tom."),
        ("March on!", "¡Adelante!"),
        ("The tomcat sleeps.", "El Tom duerme."),
    ],
)
def test_what_is_not_there_once_on_both_sides_stays(source: str, target: str) -> None:
    assert set(variants(source, target)) == {Pair(source, target, ("en", "es"))}


@pytest.mark.parametrize(
    ("language", "source", "target", "pattern"),
    [
        ("de", "I was born on May 5.", "Ich bin am 5. Mai geboren.", r"Ich bin (?!am 5\. Mai ).+"),
        ("de", "It's half past six.", "Es ist halb sieben.", r"Es ist (?!halb sieben).+\."),
        ("de", "We have 40 seats.", "Wir haben 40 Plätze.", r"Wir haben (?!40).+ Plätze\."),
        ("fr", "I live in Japan.", "Je vis au Japon.", r"Je vis au [^HAEIOUÉ].+\."),
        ("fr", "I live in Italy.", "Je vis en Italie.", r"Je vis en [AEIOUÉ].+\."),
        ("fr", "It's half past six.", "Il est six heures et demie.", r"Il est (?!six h).+\."),
        ("fr", "Ann's dog barks.", "Le chien d'Ann aboie.", r"Le chien d'Ann aboie\."),
        ("it", "I was born on May 5.", "Sono nato il 5 maggio.", r"Sono nato (?!il 5 ).+\."),
        (
            "it",
            "It's half past six.",
            "Sono le sei e mezza.",
            r"(Sono le |È l')(?!sei e mezza).+\.",
        ),
        ("it", "I live in Japan.", "Vivo in Giappone.", r"Vivo (?!in Giappone)(in|ne|a).+\."),
        ("it", "Save 5%.", "Risparmia il 5%.", r"Risparmia il (?!5%|8|11%|ott|und).+%\."),
        (
            "pt",
            "I was born on May 5.",
            "Nasci no dia 5 de maio.",
            r"Nasci (?!no dia 5 de maio).+\.",
        ),
        ("pt", "It's half past six.", "São seis e meia.", r"(São|É) (?!seis e meia).+\."),
        ("pt", "I live in Japan.", "Moro no Japão.", r"Moro no (?!Japão|França|Portugal).+\."),
        (
            "pt",
            "I see two sisters.",
            "Vejo duas irmãs.",
            r"Vejo (?!duas i|.*(dois|um\b|entos)).+ irmãs\.",
        ),
    ],
)
def test_terms_fit_into_what_is_around_them(
    language: str, source: str, target: str, pattern: str
) -> None:
    changed = [one.target for one in variants(source, target, language=language)]
    assert sum(re.fullmatch(pattern, text) is None for text in changed) <= len(changed) // 8


def test_a_draft_gets_the_same_name() -> None:
    for pair in variants("Mary sleeps", "Mary duerme", "Mary"):
        assert pair.target == f"{pair.draft} duerme"
        assert pair.source == f"{pair.draft} sleeps"


def test_the_list_serves_the_other_direction_too() -> None:
    pair = Pair("Vivo en Londres.", "I live in London.", ("es", "en"))
    varied = lexicon(("es", "en")).vary(pair, random.Random(1))
    place = varied.target.removeprefix("I live in ").removesuffix(".")
    assert varied.source != pair.source
    assert (place, varied.source.removeprefix("Vivo en ").removesuffix(".")) in {
        term for form in lexicon().forms["city"] for term in form
    }


def test_a_direction_without_a_list_has_none() -> None:
    assert read_lexicon(("en", "xx")) is None
