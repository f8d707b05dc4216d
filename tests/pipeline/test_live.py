"""Sessions over a scripted recognizer: literal hypotheses in, captions out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.errors import RecognizerError, TranslatorError
from surtitle.pipeline.events import AudioChunk, Caption, Hypothesis, Word
from surtitle.pipeline.live import Session
from surtitle.pipeline.translators.echo import EchoTranslator
from surtitle.pipeline.translators.queue import TranslationLoop

WORD_MS = 300


class ScriptedStream:
    """Commits a word of the script for every 300 ms of audio; the next word is the tail."""

    def __init__(self, script: str) -> None:
        self._words = [
            Word(text, n * WORD_MS, (n + 1) * WORD_MS, 1.0) for n, text in enumerate(script.split())
        ]
        self._heard_ms = self._committed = 0

    def push(self, chunk: AudioChunk) -> list[Hypothesis]:
        self._heard_ms += chunk.samples.size // 16
        return [self._hypothesis(self._heard_ms // WORD_MS)]

    def flush(self) -> list[Hypothesis]:
        return [self._hypothesis(len(self._words), is_end=True)]

    def close(self) -> None: ...

    def _hypothesis(self, end: int, *, is_end: bool = False) -> Hypothesis:
        committed = tuple(self._words[self._committed : end])
        self._committed = max(self._committed, min(end, len(self._words)))
        tail = () if is_end else tuple(self._words[self._committed : self._committed + 1])
        return Hypothesis(committed, tail, self._heard_ms, is_end)


class ScriptedRecognizer:
    name = "script"
    languages = frozenset({"en"})
    is_written = False

    def __init__(self, script: str) -> None:
        self._script = script

    def open_stream(self, language: str, terms: tuple[str, ...]) -> ScriptedStream:
        return ScriptedStream(self._script)


class FailingTranslator(EchoTranslator):
    def step(self) -> list[tuple[int, str]]:
        raise TranslatorError("the graphics card has fallen out")


def run(
    script: str,
    config: LiveConfig,
    translator: EchoTranslator | None = None,
    words: int = 100,
) -> list[Caption]:
    """The captions of a session that hears `words` words in pieces of 300 ms, and stops."""
    captions: list[Caption] = []

    async def listen() -> Session:
        loop = TranslationLoop(translator or EchoTranslator())
        session = Session("s", config, ScriptedRecognizer(script), loop, captions.append)  # type: ignore[arg-type]
        translating = asyncio.create_task(loop.run())
        running = asyncio.create_task(session.run())
        for _ in range(min(words, len(script.split()))):
            session.push(np.zeros(16 * WORD_MS, np.float32))
            await asyncio.sleep(0.002)
        session.stop()
        await running
        translating.cancel()
        return session

    session = asyncio.run(listen())
    assert session.ahead_ms == 0
    assert session.status().queued == 0
    return captions


SCRIPT = "the harbor opens at six and the ferries leave soon"


def texts(captions: Sequence[Caption], language: str) -> list[str]:
    return [caption.text for caption in captions if caption.language == language]


def test_a_session_ends_with_finals_in_every_language() -> None:
    captions = run(SCRIPT, LiveConfig("en", ("es", "de")))
    finals = {c.language: c.text for c in captions if c.is_final}
    assert finals["en"] == "The harbor opens at six and the ferries leave soon."
    assert finals["es"].startswith("[es] the harbor opens")
    assert finals["de"].endswith("leave soon")


@pytest.mark.parametrize("language", ["en", "es"])
def test_stable_captions_only_grow(language: str) -> None:
    shown = texts(run(SCRIPT, LiveConfig("en", ("es",), "stable")), language)
    assert len(shown) > 3
    assert all(later.startswith(earlier) for earlier, later in zip(shown, shown[1:], strict=False))


def test_revisions_grow_and_the_final_comes_last() -> None:
    captions = [c for c in run(SCRIPT, LiveConfig("en", ("es",))) if c.language == "es"]
    revisions = [c.revision for c in captions]
    assert revisions == sorted(revisions)
    assert [c.is_final for c in captions] == [False] * (len(captions) - 1) + [True]


def test_a_long_speech_is_cut_without_losing_or_doubling_words() -> None:
    script = " ".join(f"w{n}" for n in range(60))
    captions = run(script, LiveConfig("en", ("es",)))
    finals = [c for c in captions if c.is_final and c.language == "es"]
    assert len(finals) >= 3
    said = " ".join(c.text.removeprefix("[es] ") for c in finals)
    assert said == script


def test_a_broken_translator_leaves_the_source_to_read() -> None:
    captions = run(SCRIPT, LiveConfig("en", ("es",)), FailingTranslator())
    assert texts(captions, "es") == [SCRIPT]


def test_an_unknown_source_language_is_refused() -> None:
    with pytest.raises(RecognizerError, match="'fr'"):
        run(SCRIPT, LiveConfig("fr"))
