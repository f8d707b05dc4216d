"""CTranslate2 models through the translator: random ones, that say the same on every run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import pytest

from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.events import TranslationRequest
from surtitle.pipeline.text.glossary import contains
from surtitle.pipeline.translators import Translator
from surtitle.pipeline.translators.ctranslate2 import model as ct2_model
from surtitle.pipeline.translators.ctranslate2.model import BEAM, Ct2Model, Sentence, goes_on
from surtitle.pipeline.translators.ctranslate2.translator import CTranslate2Translator

LAYOUTS = ["Marian", "M2M-100", "NLLB", "MADLAD", "T5"]
TARGETS = dict.fromkeys(LAYOUTS, "es") | {"T5": "de"}
TEXTS = [
    "I have a dog and a cat.",
    "Where is the train to the harbor?",
    "We are reading a book in the garden, and the old dog sleeps under the table.",
    "Dog.",
]


@pytest.fixture(scope="module", params=LAYOUTS)
def model(request: pytest.FixtureRequest, folders: Mapping[str, Path]) -> Ct2Model:
    return Ct2Model(folders[request.param])


@pytest.fixture
def translator(folders: Mapping[str, Path]) -> Iterator[CTranslate2Translator]:
    translator = CTranslate2Translator(folders["Marian"])
    yield translator
    asyncio.run(translator.aclose())


@pytest.fixture(autouse=True, scope="module")
def short_answers() -> Iterator[None]:
    """Random models never come to an end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ct2_model, "SHORT_ANSWER", 12)
        patch.setattr(ct2_model, "LONG_ANSWER", 20)
        yield


def sentences(model: Ct2Model, beam: int = BEAM, pinned: str = "") -> list[Sentence]:
    target = TARGETS[model.layout.name]
    return [Sentence(text, "en", target, pinned, beam=beam) for text in TEXTS]


def translate(translator: Translator, requests: Sequence[TranslationRequest]) -> list[str]:
    """All at once."""

    async def ask() -> list[str]:
        return await asyncio.gather(*map(translator.translate, requests))

    return asyncio.run(ask())


@pytest.mark.parametrize("beam", [1, BEAM])
def test_output_is_that_of_the_library(model: Ct2Model, beam: int) -> None:
    library: Any = ctranslate2.Translator(str(model.folder), compute_type=ct2_model.device()[1])
    for sentence, found in zip(
        sentences(model, beam), model.translate(sentences(model, beam)), strict=True
    ):
        layout = model.layout
        prefix = layout.target_prefix("", sentence.target)
        tokens = layout.source_tokens(sentence.text, "en", sentence.target)
        answer = library.translate_batch(
            [tokens],
            target_prefix=[prefix],
            beam_size=beam,
            disable_unk=True,
            max_decoding_length=12 if len(tokens) <= 24 else 20,
        )[0].hypotheses[0]
        assert found == layout.target_subwords.join(answer[len(prefix) :]) and found


def test_batch_equals_single(model: Ct2Model) -> None:
    together = model.translate(sentences(model))
    alone = [model.translate([sentence])[0] for sentence in sentences(model)]
    assert together == alone and len(set(together)) > 1


@pytest.mark.parametrize("pinned", ["Tengo un", "El perro viejo", "No… 5 €, ¿sí?", "日本"])
def test_a_pinned_beginning_is_kept_to_the_letter(model: Ct2Model, pinned: str) -> None:
    for beam in (1, BEAM):
        for text in model.translate(sentences(model, beam, pinned)):
            assert text.startswith(pinned) and not goes_on(pinned, text)


def test_a_pinned_word_never_goes_on_as_another_one(
    model: Ct2Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A beginning that the model would continue inside of its last word."""
    monkeypatch.setattr(Ct2Model, "_parted", lambda *arguments: "")  # tells that it was asked
    beginnings = [a + b for a in "abcdehilmnorstu" for b in "aeiou"]
    target = TARGETS[model.layout.name]
    asked = [Sentence(TEXTS[0], "en", target, each, beam=1) for each in beginnings]
    found = dict(zip(beginnings, model.translate(asked), strict=True))
    monkeypatch.undo()
    going_on = [each for each in beginnings if not found[each]]
    if not going_on:
        pytest.skip("this model never does")
    for each in going_on:
        (text,) = model.translate([Sentence(TEXTS[0], "en", target, each, beam=1)])
        assert text.startswith(each) and not goes_on(each, text)


def test_a_required_expression_is_in_the_translation(model: Ct2Model) -> None:
    target = TARGETS[model.layout.name]
    sentence = Sentence(TEXTS[2], "en", target, "El", ("perro viejo", "puerto"))
    (text,) = model.translate([sentence])
    assert text.startswith("El")
    assert contains(text, "perro viejo") and contains(text, "puerto")


def test_where_no_spaces_are_a_required_expression_gets_none(folders: Mapping[str, Path]) -> None:
    sentence = Sentence(TEXTS[0], "en", "ja", "東京は", ("日本",))
    (text,) = Ct2Model(folders["M2M-100"]).translate([sentence])
    assert text.startswith("東京は") and "日本" in text and " 日本" not in text


def test_required_expressions_are_no_work_where_they_are_said_anyway(
    model: Ct2Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = TARGETS[model.layout.name]
    (plain,) = model.translate([Sentence(TEXTS[0], "en", target, "Tengo un perro")])
    monkeypatch.setattr(Ct2Model, "_scores", None)  # whoever calls it fails
    wanted = Sentence(TEXTS[0], "en", target, "Tengo un perro", ("perro",))
    assert model.translate([wanted]) == [plain]


@pytest.mark.parametrize(
    "text", ["🎭", "日本語", "12345", "x" * 900, "</s> <2de> __de__", "\x00\x07", "♪ ♪", "(...)"]
)
def test_hostile_text_does_no_harm(model: Ct2Model, text: str) -> None:
    (found,) = model.translate([Sentence(text, "en", TARGETS[model.layout.name])])
    assert isinstance(found, str)


def test_drafts_are_greedy_and_finals_are_not(
    translator: CTranslate2Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    beams: list[int] = []

    def decode(self: Ct2Model, sentences: Sequence[Sentence]) -> list[str]:
        beams.extend(each.beam for each in sentences)
        return [each.text for each in sentences]

    monkeypatch.setattr(Ct2Model, "_decode", decode)
    drafts = [TranslationRequest("A dog.", "en", "es", key=1, is_draft=each) for each in (0, 1)]
    translate(translator, drafts)
    assert sorted(beams) == [1, BEAM]


def test_requests_of_all_sessions_are_one_batch(
    translator: CTranslate2Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    decode = Ct2Model._decode

    def count(self: Ct2Model, sentences: Sequence[Sentence]) -> list[str]:
        batches.append(len(sentences))
        return decode(self, sentences)

    monkeypatch.setattr(Ct2Model, "_decode", count)
    requests = [TranslationRequest(TEXTS[n % 4], "en", "es", key=n) for n in range(20)]
    answers = translate(translator, requests)
    assert answers == [answers[n % 4] for n in range(20)]
    assert len(batches) < 20 and sum(batches) == 20


def test_a_text_that_fails_is_the_only_one(
    translator: CTranslate2Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = Ct2Model._decode

    def fail(self: Ct2Model, sentences: Sequence[Sentence]) -> list[str]:
        if any(each.text == "Dog." for each in sentences):
            raise RuntimeError("out of memory")
        return decode(self, sentences)

    monkeypatch.setattr(Ct2Model, "_decode", fail)

    async def ask() -> list[object]:
        requests = [TranslationRequest(text, "en", "es") for text in TEXTS]
        return await asyncio.gather(*map(translator.translate, requests), return_exceptions=True)

    *others, failed = asyncio.run(ask())
    assert all(isinstance(each, str) for each in others)
    assert isinstance(failed, TranslatorError) and "out of memory" in str(failed)


def test_long_text_is_translated_sentence_by_sentence(translator: CTranslate2Translator) -> None:
    (one,) = translate(translator, [TranslationRequest(TEXTS[0], "en", "es")])
    (many,) = translate(translator, [TranslationRequest(f"{TEXTS[0]} " * 40, "en", "es")])
    assert many == " ".join([one] * 40)
    assert translate(translator, [TranslationRequest("  ", "en", "es")]) == [""]


def test_several_models_have_a_direction_each(folders: Mapping[str, Path]) -> None:
    translator = CTranslate2Translator(folders["Marian"], folders["T5"])
    requests = [TranslationRequest(TEXTS[0], "en", target) for target in ("es", "de")]
    expected = [
        CTranslate2Translator(folders[name]) for name in ("Marian", "T5")
    ]  # daemons: they go with the process
    assert translate(translator, requests) == [
        translate(each, [request])[0] for each, request in zip(expected, requests, strict=True)
    ]
    with pytest.raises(TranslatorError, match="cannot translate en to ja, only en-es, en-de"):
        translator.check("en", "ja")


def test_whoever_waits_is_told_that_it_is_closed(translator: CTranslate2Translator) -> None:
    async def close() -> None:
        await translator.aclose()
        with pytest.raises(TranslatorError, match="closed"):
            await translator.translate(TranslationRequest("A dog.", "en", "es"))

    asyncio.run(close())


def test_a_gpu_that_cannot_compute_is_told_and_the_processor_taken(
    folders: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its driver is there, its libraries are not: loading works, computing does not."""
    real = ctranslate2.Translator

    class Computing:
        def __init__(self, path: str, *, device: str, **options: Any) -> None:
            assert (device, options["compute_type"]) in (("cuda", "float16"), ("cpu", "int8"))
            self.model = real(path, device="cpu", compute_type="int8") if device == "cpu" else None

        def translate_batch(self, *arguments: Any, **options: Any) -> Any:
            if self.model is None:
                raise RuntimeError("Library libcublas.so.12 is not found or cannot be loaded")
            return self.model.translate_batch(*arguments, **options)

    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    monkeypatch.setattr(ctranslate2, "Translator", Computing)
    model = Ct2Model(folders["Marian"])
    assert model.device == "cpu" and model.translate(sentences(model))
    assert "the GPU cannot be used: Library libcublas.so.12" in caplog.text


def test_damaged_weights_are_told_in_a_line(folders: Mapping[str, Path], tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(folders["Marian"], tmp_path / "opus-mt-en-es"))
    (folder / "model.bin").write_bytes(b"PK\x03\x04 as a pickle would begin")
    with pytest.raises(TranslatorError, match="fetch the model again"):
        CTranslate2Translator(folder)
