from __future__ import annotations

import asyncio

import pytest

from surtitle.pipeline.config import TranslatorConfig
from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.events import TranslationRequest
from surtitle.pipeline.translators import open_translator
from surtitle.pipeline.translators.pivot import PivotTranslator


class Told:
    """Knows some directions, and notes what it is asked."""

    at_once = 3

    def __init__(self, name: str, *directions: str) -> None:
        self.name = name
        self.directions = directions
        self.asked: list[TranslationRequest] = []
        self.checked = 0
        self.is_closed = False

    def check(self, source: str, target: str) -> None:
        self.checked += 1
        if f"{source}-{target}" not in self.directions:
            raise TranslatorError(f"{self.name} cannot translate {source} to {target}")

    async def translate(self, request: TranslationRequest) -> str:
        self.asked.append(request)
        return f"{request.text} {self.name}"

    async def aclose(self) -> None:
        self.is_closed = True


def test_a_direction_is_that_of_the_first_that_knows_it() -> None:
    one, other = Told("one", "en-es"), Told("other", "en-es", "en-de")
    said: list[str] = []
    translator = PivotTranslator([one, other], said.append)
    for target, expected in (("es", "dog one"), ("de", "dog other")):
        request = TranslationRequest("dog", "en", target)
        assert asyncio.run(translator.translate(request)) == expected
    assert said == []
    assert translator.name == "one and other" and translator.at_once == 3


def test_what_none_knows_goes_through_english_and_this_is_said_once() -> None:
    one, other = Told("one", "fr-en"), Told("other", "en-es")
    said: list[str] = []
    translator = PivotTranslator([one, other], said.append)
    translator.check("fr", "es")
    request = TranslationRequest(
        "chien", "fr", "es", "borrador", "El", ("perro",), 7, False, (("a", "b"),), True
    )
    for _ in range(2):
        assert asyncio.run(translator.translate(request)) == "chien one other"
    assert said == ["fr to es goes through English"]
    assert one.asked[0] == TranslationRequest(
        "chien", "fr", "en", key=(7, "en"), is_written=False, is_draft=True
    )
    assert other.asked[0] == TranslationRequest(
        "chien one", "en", "es", "borrador", "El", ("perro",), 7, is_draft=True
    )


@pytest.mark.parametrize("direction", [("fr", "de"), ("de", "es"), ("en", "fr"), ("fr", "fr")])
def test_what_cannot_be_reached_is_refused(direction: tuple[str, str]) -> None:
    translator = PivotTranslator([Told("one", "fr-en"), Told("other", "en-es")], print)
    with pytest.raises(TranslatorError, match="one cannot translate .*; other cannot translate"):
        translator.check(*direction)


def test_nobody_is_asked_twice_what_it_knows() -> None:
    one = Told("one", "en-es")
    translator = PivotTranslator([one], print)
    for _ in range(5):
        translator.check("en", "es")
        with pytest.raises(TranslatorError):
            translator.check("en", "de")
    assert one.checked == 2


def test_all_are_closed() -> None:
    told = [Told("one"), Told("other")]
    asyncio.run(PivotTranslator(told, print).aclose())
    assert all(each.is_closed for each in told)


def test_the_embedded_models_reach_spanish_from_french() -> None:
    said: list[str] = []
    translator = open_translator(TranslatorConfig("own"), [("fr", "es")], said.append)
    text = asyncio.run(translator.translate(TranslationRequest("Merci beaucoup.", "fr", "es")))
    assert "gracias" in text.lower() and said == ["fr to es goes through English"]
    with pytest.raises(TranslatorError, match="cannot translate fr to ja"):
        translator.check("fr", "ja")
    asyncio.run(translator.aclose())
