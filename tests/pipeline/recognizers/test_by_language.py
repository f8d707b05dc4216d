from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from surtitle.pipeline.config import AUTO, RecognizerConfig
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.recognizers import hosted
from surtitle.pipeline.recognizers.by_language import PoolsByLanguage

from ..scripted_recognizer import Ears, ScriptedRecognizer, scripted_pool


@dataclass
class Pool:
    name: str
    languages: frozenset[str]
    cost: float
    uses_terms: bool = False
    is_written: bool = True
    opened: list[str] = field(default_factory=list)
    is_closed: bool = False

    def open_listener(self, language: str, terms: tuple[str, ...]) -> Any:
        if language not in self.languages:
            raise RecognizerError(f"{self.name} does not understand {language!r}")
        self.opened.append(language)
        return self

    def cost_in(self, language: str) -> float:
        return self.cost

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.fixture
def english() -> Pool:
    return Pool("Quick", frozenset({"en"}), 0.1)


@pytest.fixture
def others() -> Pool:
    return Pool("Wide", frozenset({"en", "de", "es"}), 2.0, uses_terms=True)


def test_each_language_has_its_pool(english: Pool, others: Pool):
    both = PoolsByLanguage({"en": english}, others)
    assert both.languages == {"en", "de", "es"}
    for language in ("en", "de", "es", "en"):
        both.open_listener(language, ())
    assert (english.opened, others.opened) == (["en", "en"], ["de", "es"])
    assert (both.cost_in("en"), both.cost_in("de")) == (0.1, 2.0)


def test_a_language_that_none_knows_is_refused(english: Pool, others: Pool):
    with pytest.raises(RecognizerError, match="Wide does not understand 'ja'"):
        PoolsByLanguage({"en": english}, others).open_listener("ja", ())


def test_both_are_named_and_neither_promises_what_the_other_cannot(english: Pool, others: Pool):
    both = PoolsByLanguage({"en": english}, others)
    assert both.name == "Quick; other languages: Wide"
    assert both.is_written and not both.uses_terms


def test_all_are_closed(english: Pool, others: Pool):
    asyncio.run(PoolsByLanguage({"en": english}, others).aclose())
    assert english.is_closed and others.is_closed


def test_a_server_opens_one_for_english_and_one_for_the_rest(
    english: Pool, others: Pool, monkeypatch: pytest.MonkeyPatch
):
    asked: list[tuple[str, str | None]] = []

    def open_pool(config: RecognizerConfig, source: str | None, say: object) -> Pool:
        asked.append((config.engine, source))
        return others if config.engine == "whisper" else english

    whisper = RecognizerConfig("whisper")
    monkeypatch.setattr(hosted, "open_pool", open_pool)
    fetching: list[bool] = []

    def for_others(config: RecognizerConfig, *, may_fetch: bool) -> RecognizerConfig:
        fetching.append(may_fetch)
        return whisper

    monkeypatch.setattr(hosted, "for_other_languages", for_others)
    assert hosted.open_live(RecognizerConfig(), None, print).languages == {"en", "de", "es"}
    assert asked == [("auto", None), ("whisper", None)]
    assert hosted.open_live(RecognizerConfig(), "en", print) is english
    assert hosted.open_live(RecognizerConfig(), AUTO, print).languages == {"en", "de", "es"}
    assert asked[3:] == [("auto", None), ("whisper", None)] and fetching == [False, True]


def test_what_is_found_out_by_the_one_is_heard_by_the_one_for_its_language():
    turns = [(0, "en", 0.9), (300, "de", 0.9)]
    english = ScriptedRecognizer("Yes. ignored", is_written=True)
    wide = ScriptedRecognizer("ignored Ja.", is_written=True, turns=turns)
    ears = Ears(300)

    async def scenario() -> list[tuple[str | None, str]]:
        both = PoolsByLanguage({"en": scripted_pool(english)}, scripted_pool(wide, ears))
        listener = both.open_listener(AUTO, ())
        listener.push(np.zeros(16 * 600, np.float32))
        listener.end()
        await listener.begin()
        heard = [
            (hypothesis.language, word.text)
            async for hypothesis in listener.hypotheses()
            for word in hypothesis.committed
        ]
        await both.aclose()
        return heard

    assert asyncio.run(scenario()) == [("en", "Yes."), ("de", "Ja.")]
    assert english.guesses == [] and len(wide.guesses) >= 2


def test_english_alone_is_not_found_out():
    pools = {"en": scripted_pool(ScriptedRecognizer("a"))}
    both = PoolsByLanguage(pools, scripted_pool(ScriptedRecognizer("b")))
    with pytest.raises(RecognizerError, match="cannot find out the language"):
        both.open_listener(AUTO, ())
    asyncio.run(both.aclose())
