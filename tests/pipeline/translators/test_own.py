"""The embedded model through the translator. What it says is measured in its model card."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from surtitle.model.installed import EMBEDDED
from surtitle.model.translation import Answer
from surtitle.pipeline.config import TranslatorConfig
from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.events import TranslationRequest
from surtitle.pipeline.translators import Translator, open_translator, own
from surtitle.pipeline.translators.own import OwnTranslator


@pytest.fixture(scope="module")
def translator() -> Iterator[OwnTranslator]:
    translator = OwnTranslator("embedded")
    yield translator
    asyncio.run(translator.aclose())


def translate(translator: Translator, requests: Sequence[TranslationRequest]) -> list[str]:
    """All at once."""

    async def ask() -> list[str]:
        return await asyncio.gather(*map(translator.translate, requests))

    return asyncio.run(ask())


def _ask(translator: OwnTranslator, *texts: str) -> list[str]:
    return translate(translator, [TranslationRequest(text, "en", "es") for text in texts])


def test_easy_sentences(translator: OwnTranslator) -> None:
    answers = _ask(translator, "I have a dog.", "i have a dog", "Where is the hotel?")
    assert answers[0] == answers[1] == "Tengo un perro."
    assert "hotel" in answers[2] and answers[2].startswith("¿Dónde") and answers[2].endswith("?")


def test_one_answer_per_request_in_order(translator: OwnTranslator) -> None:
    texts = ["Thank you.", "", "I have to go home now, because my mother is waiting for me.", "  "]
    answers = _ask(translator, *texts)
    assert len(answers) == 4 and answers[1] == answers[3] == ""
    assert answers[0].startswith("Gracias") and len(answers[2].split()) > 6


def test_long_text_is_translated_to_its_end(translator: OwnTranslator) -> None:
    (answer,) = _ask(translator, "I have a dog. " * 60)
    assert answer.count("perro") == 60


@pytest.mark.parametrize("text", ["🎭", "日本語", "12345", "x" * 300, "<eos><pad>", "\x00\x07"])
def test_hostile_text_does_no_harm(translator: OwnTranslator, text: str) -> None:
    (answer,) = translate(translator, [TranslationRequest(text, "en", "es")])
    assert isinstance(answer, str)


def test_what_is_pinned_is_kept_of_a_text_that_is_no_segment(translator: OwnTranslator) -> None:
    request = TranslationRequest("Do all of you speak French?", "en", "es", pinned="Haz")
    assert translate(translator, [request])[0].startswith("Haz ")


def test_unknown_direction(translator: OwnTranslator) -> None:
    with pytest.raises(TranslatorError, match="en to ja, only .*en-es.*pt-en$"):
        translator.check("en", "ja")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of the user's own, for one direction."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "surtitle" / "models" / "mine"
    shutil.copytree(EMBEDDED, folder)
    (folder / "directions.json").write_text('[["en", "ja"]]')
    return folder


def test_another_model_that_knows_a_direction_is_the_remedy(mine: Path) -> None:
    translator = OwnTranslator("embedded")
    with pytest.raises(TranslatorError, match="--checkpoint mine can$"):
        translate(translator, [TranslationRequest("Hello.", "en", "ja")])


def test_each_language_is_that_of_the_first_model_that_knows_it(mine: Path) -> None:
    assert own.models_for_each([("en", "es")]) == ["embedded"]
    assert own.models_for_each([("en", "ja"), ("en", "es")]) == ["embedded", "mine"]
    assert own.models_for_each([("en", "zh")]) == own.models_for_each([]) == ["embedded"]


def test_all_languages_share_one_model() -> None:
    directions = [("en", target) for target in ("de", "es", "fr", "it", "pt")]
    translator = open_translator(TranslatorConfig("own"), directions=directions)
    requests = [TranslationRequest("Thank you very much.", *direction) for direction in directions]
    answers = translate(translator, requests)
    words = "dank", "gracias", "merci", "grazie", "obrigad"
    for answer, word in zip(answers, words, strict=True):
        assert word in answer.lower()


def test_stored_size() -> None:
    assert sum(path.stat().st_size for path in EMBEDDED.rglob("*")) < 40e6


def test_a_short_text_is_answered_before_a_long_one_that_came_with_it(
    translator: OwnTranslator,
) -> None:
    ended: list[str] = []

    async def ask(text: str) -> None:
        await translator.translate(TranslationRequest(text, "en", "es"))
        ended.append(text)

    async def both() -> None:
        await asyncio.gather(ask(LONG), ask("Thank you."))

    asyncio.run(both())
    assert ended == ["Thank you.", LONG]


class Poisoned(own.Translations):
    """Translations that fail at some texts: where these are added, or in the step that they share
    with others."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._fails = False
        self._unending: set[int] = set()

    def add(self, request: own.Request) -> int:
        if error := ERRORS.get(request.text):
            raise error
        number = super().add(request)
        self._fails |= "cake" in request.text
        if "unending" in request.text:
            self._unending.add(number)
        return number

    def step(self) -> list[tuple[int, Answer | Exception]]:
        if self._fails:
            raise RuntimeError("CUDA error: out of memory")
        return [
            (number, ValueError("no end") if number in self._unending else answer)
            for number, answer in super().step()
        ]


ERRORS: dict[str, Exception] = {
    "poison 1": ValueError("too long"),
    "poison 2": RuntimeError("out of memory"),
    "poison 3": AssertionError(),
}
LONG = "The children are reading in the garden, and the old dog sleeps under the table. " * 3


class Copying(own.Translations):
    """Answers what it was asked, and knows all of it."""

    asked: list[own.Request]

    def add(self, request: own.Request) -> int:
        assert self.fits(request)
        self.asked.append(request)
        return len(self.asked)

    def step(self) -> list[tuple[int, Answer | Exception]]:
        return [(n, Answer(each.text, 1, 1)) for n, each in enumerate(self.asked, start=1)]


@pytest.mark.parametrize(
    "text",
    [
        "港は六時に開き、船はすぐに出ます。" * 60,
        "x" * 3000,
        "สวัสดีครับ" * 200,
        "日本 " * 300,
        "é" * 700,
    ],
    ids=["Japanese", "one word", "Thai", "words", "letters"],
)
@pytest.mark.parametrize("options", [{}, {"required": ("puerto",)}, {"key": 1}], ids=str)
def test_nothing_of_a_long_text_is_lost(
    text: str, options: dict[str, Any], translator: OwnTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[own.Request] = []
    monkeypatch.setattr(Copying, "asked", asked, raising=False)
    monkeypatch.setattr(own, "Translations", Copying)
    (model,) = translator._models
    model.give_up(ValueError())  # so that it begins anew
    (answer,) = translate(translator, [TranslationRequest(text, "en", "es", **options)])
    model.give_up(ValueError())
    assert answer.replace(" ", "") == text.replace(" ", "")
    assert [each.required for each in asked if each.required] == (
        [options["required"]] if "required" in options else []
    )


def test_pieces_are_joined_as_the_target_language_joins(
    translator: OwnTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model,) = translator._models
    monkeypatch.setattr(Copying, "asked", [], raising=False)
    monkeypatch.setattr(Copying, "fits", lambda self, request: True)
    monkeypatch.setattr(own, "Translations", Copying)
    monkeypatch.setattr(model, "directions", frozenset({("en", "ja"), ("en", "es")}))
    model.give_up(ValueError())  # so that it begins anew
    text = "港です。 船です。"
    requests = [TranslationRequest(text, "en", target) for target in ("ja", "es")]
    assert translate(translator, requests) == ["港です。船です。", "港です。 船です。"]
    model.give_up(ValueError())


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnTranslator]:
    monkeypatch.setattr(own, "Translations", Poisoned)
    translator = OwnTranslator("embedded")
    yield translator
    asyncio.run(translator.aclose())


def _outcomes(translator: OwnTranslator, *texts: str) -> list[str | BaseException]:
    async def ask() -> list[str | BaseException]:
        requests = [TranslationRequest(text, "en", "es") for text in texts]
        return await asyncio.gather(*map(translator.translate, requests), return_exceptions=True)

    return asyncio.run(ask())


@pytest.mark.parametrize("text", ERRORS)
def test_what_cannot_be_begun_is_the_error_of_that_text(poisoned: OwnTranslator, text: str) -> None:
    before, failed, after = _outcomes(poisoned, "I have a dog.", text, "Thank you.")
    assert isinstance(failed, TranslatorError) and failed.__cause__ is ERRORS[text]
    assert before == "Tengo un perro." and isinstance(after, str)


def test_an_answer_that_is_an_error_is_that_of_its_text(poisoned: OwnTranslator) -> None:
    texts = "I have a dog. Thank you.", "I have a dog. An unending song. Thank you."
    beside, failed = _outcomes(poisoned, *texts)
    assert isinstance(beside, str) and "perro" in beside
    assert isinstance(failed, TranslatorError) and str(failed).endswith("no end")
    assert _outcomes(poisoned, "I have a dog.") == ["Tengo un perro."]


def test_a_step_that_fails_ends_what_is_at_work_and_nothing_else(
    poisoned: OwnTranslator,
) -> None:
    outcomes = _outcomes(poisoned, LONG, "Thank you for the cake.")
    assert all(isinstance(outcome, TranslatorError) for outcome in outcomes)
    assert "out of memory" in str(outcomes[0])
    assert _outcomes(poisoned, "I have a dog.") == ["Tengo un perro."]


def test_a_cancelled_text_does_no_harm_to_others(translator: OwnTranslator) -> None:
    async def scenario() -> str:
        request = TranslationRequest(LONG, "en", "es")
        abandoned = asyncio.create_task(translator.translate(request))
        await asyncio.sleep(0)
        abandoned.cancel()
        beside = await translator.translate(TranslationRequest("I have a dog.", "en", "es"))
        assert abandoned.cancelled()
        return beside

    assert asyncio.run(scenario()) == "Tengo un perro."


def test_what_is_at_work_when_the_translator_closes_has_an_error() -> None:
    async def scenario() -> None:
        translator = OwnTranslator("embedded")
        request = TranslationRequest(LONG, "en", "es")
        asked = asyncio.create_task(translator.translate(request))
        await asyncio.sleep(0)
        await translator.aclose()
        with pytest.raises(TranslatorError, match="closed"):
            await asked
        with pytest.raises(TranslatorError, match="closed"):
            await translator.translate(request)

    asyncio.run(scenario())
