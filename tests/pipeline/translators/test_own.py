"""The embedded model through the translator. What it says is measured in its model card."""

import pytest

from surtitle.model.installed import EMBEDDED
from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.events import TranslationRequest
from surtitle.pipeline.translators import open_translator, translate
from surtitle.pipeline.translators.own import DiffusionTranslator


@pytest.fixture(scope="module")
def translator() -> DiffusionTranslator:
    return DiffusionTranslator("embedded")


def _ask(translator: DiffusionTranslator, *texts: str) -> list[str]:
    return translate(translator, [TranslationRequest(text, "en", "es") for text in texts])


def test_easy_sentences(translator: DiffusionTranslator) -> None:
    answers = _ask(translator, "I have a dog.", "i have a dog", "Where is the hotel?")
    assert answers[0] == answers[1] == "Tengo un perro."
    assert "hotel" in answers[2] and answers[2].startswith("¿Dónde") and answers[2].endswith("?")


def test_one_answer_per_request_in_order(translator: DiffusionTranslator) -> None:
    texts = ["Thank you.", "", "I have to go home now, because my mother is waiting for me.", "  "]
    answers = _ask(translator, *texts)
    assert len(answers) == 4 and answers[1] == answers[3] == ""
    assert answers[0].startswith("Gracias") and len(answers[2].split()) > 6


def test_long_text_is_translated_to_its_end(translator: DiffusionTranslator) -> None:
    (answer,) = _ask(translator, "I have a dog. " * 60)
    assert answer.count("perro") == 60


@pytest.mark.parametrize("text", ["🎭", "日本語", "12345", "x" * 3000, "<eos><pad>", "\x00\x07"])
def test_hostile_text_does_no_harm(translator: DiffusionTranslator, text: str) -> None:
    (answer,) = translate(translator, [TranslationRequest(text, "en", "es")])
    assert isinstance(answer, str)


def test_unknown_direction(translator: DiffusionTranslator) -> None:
    with pytest.raises(TranslatorError, match="en to ja, only en-es$"):
        translator.add(TranslationRequest("Hello.", "en", "ja"))
    with pytest.raises(TranslatorError, match="only en-es; --checkpoint embedded-many can$"):
        translator.add(TranslationRequest("Hello.", "en", "de"))


def test_where_no_model_knows_the_languages_the_first_says_what_it_knows() -> None:
    translator = open_translator("diffusion", directions=[("en", "es"), ("en", "ja")])
    with pytest.raises(TranslatorError, match="en to ja, only en-es$"):
        translator.check("en", "ja")


def test_each_language_is_that_of_the_first_model_that_knows_it() -> None:
    directions = [("en", target) for target in ("de", "es", "fr", "it", "pt")]
    translator = open_translator("diffusion", directions=directions)
    requests = [TranslationRequest("Thank you very much.", *direction) for direction in directions]
    answers = translate(translator, requests)
    for answer, word in zip(
        answers, ("dank", "gracias", "merci", "grazie", "obrigad"), strict=True
    ):
        assert word in answer.lower()
    text = "The children are reading in the garden, and the old dog sleeps under the table."
    request = TranslationRequest(text, "en", "es")
    ours, embedded, many = (
        translate(one, [request])
        for one in (
            translator,
            DiffusionTranslator("embedded"),
            DiffusionTranslator("embedded-many"),
        )
    )
    assert ours == embedded != many


def test_without_languages_all_models_of_the_package_are_there() -> None:
    translator = open_translator("diffusion")
    for direction in ("en", "es"), ("en", "it"), ("pt", "en"):
        translator.check(*direction)


def test_stored_size() -> None:
    folders = EMBEDDED, EMBEDDED.with_name("embedded_many")
    assert sum(path.stat().st_size for one in folders for path in one.rglob("*")) < 60e6
