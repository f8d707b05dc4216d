"""Sessions over a scripted recognizer: literal hypotheses in, captions out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.errors import RecognizerError, TranslatorError
from surtitle.pipeline.events import AudioChunk, Caption, Hypothesis, TranslationRequest, Word
from surtitle.pipeline.live import Session
from surtitle.pipeline.translators.queue import TranslationQueue

from .scripted_translator import ScriptedTranslator

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


def run(
    script: str,
    config: LiveConfig,
    translator: ScriptedTranslator | None = None,
    words: int = 100,
) -> list[Caption]:
    """The captions of a session that hears `words` words in pieces of 300 ms, and stops."""
    captions: list[Caption] = []

    async def listen() -> Session:
        queue = TranslationQueue(translator or ScriptedTranslator())
        session = Session("s", config, ScriptedRecognizer(script), queue, captions.append)  # type: ignore[arg-type]
        running = asyncio.create_task(session.run())
        for _ in range(min(words, len(script.split()))):
            session.push(np.zeros(16 * WORD_MS, np.float32))
            await asyncio.sleep(0.002)
        session.stop()
        await running
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


class BrokenTranslator(ScriptedTranslator):
    """Fails at every text into a language that has a word in it."""

    def __init__(self, error: BaseException, target: str = "es", word: str = "") -> None:
        super().__init__()
        self._error, self._target, self._word = error, target, word

    async def translate(self, request: TranslationRequest) -> str:
        if request.target == self._target and self._word in ("", *request.text.split()):
            raise self._error
        return await super().translate(request)


ERRORS = [
    TranslatorError("the graphics card has fallen out"),
    RuntimeError("out of memory"),
    ValueError("too long"),
    AssertionError(),
    asyncio.CancelledError(),
]
each_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


@each_error
def test_a_broken_translator_leaves_the_source_to_read(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    captions = run(SCRIPT, LiveConfig("en", ("es",)), BrokenTranslator(error))
    assert texts(captions, "es") == [SCRIPT]
    assert {record.message for record in caplog.records} == {"a translation failed"}


@each_error
def test_a_text_that_fails_costs_no_other_text_and_no_other_language(error: BaseException) -> None:
    script = " ".join(f"w{n}" for n in range(60))
    config = LiveConfig("en", ("es", "de"))
    captions = [c for c in run(script, config, BrokenTranslator(error, "de", "w3")) if c.is_final]
    spanish, german = texts(captions, "es"), texts(captions, "de")
    assert len(spanish) == len(german) >= 3
    assert all(text.startswith("[es] ") for text in spanish)
    assert german[0].startswith("w0 w1 w2 w3")
    assert all(text.startswith("[de] ") for text in german[1:])


def test_an_answer_that_is_no_text_is_the_error_of_its_request() -> None:
    class Mute(ScriptedTranslator):
        async def translate(self, request: TranslationRequest) -> str:
            await super().translate(request)
            return None  # type: ignore[return-value]

    assert texts(run(SCRIPT, LiveConfig("en", ("es",)), Mute()), "es") == [SCRIPT]


class Hall:
    """Hears the captions of a session, and fails at those of a language."""

    def __init__(self, fails_at: str = "") -> None:
        self.captions: list[Caption] = []
        self.has_source = asyncio.Event()  # to its end
        self._fails_at = fails_at

    def publish(self, caption: Caption) -> None:
        if caption.language == self._fails_at:
            raise RuntimeError("this hall is full of eels")
        self.captions.append(caption)
        if caption.is_final and caption.language == "en":
            self.has_source.set()

    def listen(self, session_id: str, queue: TranslationQueue) -> asyncio.Task[None]:
        config, recognizer = LiveConfig("en", ("es", "de")), ScriptedRecognizer(SCRIPT)
        session = Session(session_id, config, recognizer, queue, self.publish)  # type: ignore[arg-type]
        for _ in range(4):
            session.push(np.zeros(16 * WORD_MS, np.float32))
        session.stop()
        return asyncio.create_task(session.run())


def test_a_session_that_fails_forgets_what_waits_and_costs_no_other() -> None:
    async def scenario() -> None:
        translator = ScriptedTranslator(holds=True, at_once=1)
        queue = TranslationQueue(translator)
        broken, sound = Hall("es"), Hall()
        failing = broken.listen("failing", queue)
        await broken.has_source.wait()
        other = sound.listen("other", queue)
        await sound.has_source.wait()
        translator.release_oldest()
        await translator.until(lambda: not translator.at_work)
        translator.holds = False
        with pytest.raises(RuntimeError, match="eels"):
            await failing
        assert queue.oldest_heard_ms("failing") is None
        await other
        assert sorted(c.language for c in sound.captions if c.is_final) == ["de", "en", "es"]

    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_an_unknown_source_language_is_refused() -> None:
    with pytest.raises(RecognizerError, match="'fr'"):
        run(SCRIPT, LiveConfig("fr"))
