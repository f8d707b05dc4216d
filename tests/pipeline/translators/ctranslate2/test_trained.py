"""A Marian model that has learned a hundred sentences by heart, through the whole way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from types import ModuleType

import pytest

from surtitle.pipeline.captions.track import CaptionTrack
from surtitle.pipeline.events import SourceSegment, TranslationRequest, Word
from surtitle.pipeline.translators.ctranslate2.translator import CTranslate2Translator

pytestmark = pytest.mark.slow

WHO = {"The dog": "El perro", "My sister": "Mi hermana", "The teacher": "El maestro"}
WHO |= {"Our neighbor": "Nuestro vecino", "The old man": "El viejo"}
DOES = {"sees": "ve", "paints": "pinta", "finds": "encuentra", "buys": "compra"}
WHAT = {"a house": "una casa", "the train": "el tren", "two books": "dos libros"}
WHAT |= {"a red car": "un coche rojo", "the garden": "el jardín"}
PAIRS = [
    (" ".join(english) + ".", " ".join(spanish) + ".")
    for english, spanish in zip(
        product(WHO, DOES, WHAT),
        product(WHO.values(), DOES.values(), WHAT.values()),
        strict=True,
    )
]


@pytest.fixture(scope="module")
def translator(
    tmp_path_factory: pytest.TempPathFactory, tiny_models: ModuleType
) -> Iterator[CTranslate2Translator]:
    folder: Path = tmp_path_factory.mktemp("trained")
    translator = CTranslate2Translator(tiny_models.trained_marian(folder, PAIRS, steps=150))
    yield translator
    asyncio.run(translator.aclose())


def translate(
    translator: CTranslate2Translator, requests: Sequence[TranslationRequest]
) -> list[str]:
    async def ask() -> list[str]:
        return await asyncio.gather(*map(translator.translate, requests))

    return asyncio.run(ask())


def test_it_translates_them(translator: CTranslate2Translator) -> None:
    assert len(PAIRS) == 100
    found = translate(translator, [TranslationRequest(text, "en", "es") for text, _ in PAIRS])
    right = sum(one == reference for one, (_, reference) in zip(found, PAIRS, strict=True))
    assert right >= 95  # 8 bits and a beam are not kind to so small a model


def test_what_is_pinned_stays_and_the_rest_fits_it(translator: CTranslate2Translator) -> None:
    text, reference = PAIRS[3]
    (found,) = translate(
        translator, [TranslationRequest(text, "en", "es", pinned="El perro pinta")]
    )
    assert found.startswith("El perro pinta ") and found.endswith(reference.split(" ve ")[1])


def test_a_term_is_said_where_it_belongs(translator: CTranslate2Translator) -> None:
    """The model knows no such word; all around it stays as it was."""
    request = TranslationRequest("My sister buys the train.", "en", "es", required=("tranvía",))
    (found,) = translate(translator, [request])
    assert found.startswith("Mi hermana compra") and "tranvía" in found


def test_stable_captions_of_a_growing_sentence_only_grow(
    translator: CTranslate2Translator,
) -> None:
    words = "The old man paints two books.".split()
    track = CaptionTrack("es", "stable")
    shown: list[str] = []
    for count in range(3, len(words) + 1):
        heard = tuple(Word(word, 0, 100, 1.0) for word in words[:count])
        segment = SourceSegment(0, count, heard, count == len(words), "en")
        (text,) = translate(translator, [track.request(segment)])
        caption = track.apply(segment, text)
        shown += [caption.text] if caption else []
    assert all(later.startswith(sooner) for sooner, later in zip(shown, shown[1:], strict=False))
    assert shown[-1] == "El viejo pinta dos libros."
