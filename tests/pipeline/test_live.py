"""Sessions over a scripted recognizer, for which all audio is speech."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from surtitle.pipeline.config import AUTO, LiveConfig
from surtitle.pipeline.errors import (
    DraftWithheld,
    RecognizerError,
    TranslatorAway,
    TranslatorError,
)
from surtitle.pipeline.events import (
    Caption,
    Hypothesis,
    TranslationRequest,
    Word,
    joined_text,
)
from surtitle.pipeline.live import AWAY, Session, slow_notice
from surtitle.pipeline.recognizers.redecoding import DRAFT_STEP_MS
from surtitle.pipeline.recognizers.vad import WINDOW_MS
from surtitle.pipeline.translators.queue import TranslationQueue

from ..patience import PATIENCE_S
from .scripted_recognizer import Ears, ScriptedRecognizer, scripted_pool
from .scripted_translator import ScriptedTranslator

WORD_MS = 300


def run(
    script: str,
    config: LiveConfig,
    translator: ScriptedTranslator | None = None,
    words: int = 100,
    recognizer: ScriptedRecognizer | None = None,
    ears: Ears | None = None,
) -> list[Caption]:
    """The captions of a session that hears `words` words in pieces of 300 ms, and stops.

    The next is pushed when all drafts of what came before are made."""
    captions: list[Caption] = []

    async def listen() -> Session:
        queue = TranslationQueue(translator or ScriptedTranslator())
        pool = scripted_pool(recognizer or ScriptedRecognizer(script), ears)
        session = Session("s", config, pool, queue, captions.append)
        running = asyncio.create_task(session.run())
        for count in range(1, 1 + min(words, len(script.split()))):
            session.push(np.zeros(16 * WORD_MS, np.float32))
            pushed_ms = count * WORD_MS
            while pushed_ms - session.status().heard_ms >= DRAFT_STEP_MS + WINDOW_MS:  # noqa: ASYNC110
                await asyncio.sleep(0.001)  # it is heard in threads
        session.listener.end()
        await running
        await pool.aclose()
        return session

    session = asyncio.run(asyncio.wait_for(listen(), PATIENCE_S))
    assert session.listener.ahead_ms == 0
    assert session.status().queued == 0
    return captions


def test_finals_tell_whose_voice_it_is_where_that_was_asked_for() -> None:
    captions = run("Who is it? It is me.", LiveConfig("en", ("es",), speakers=True))
    assert {one.speaker for one in captions if one.is_final} == {"1"}
    assert {one.speaker for one in captions if not one.is_final} == {""}
    unasked = run("Who is it? It is me.", LiveConfig("en", ("es",)))
    assert {one.speaker for one in unasked} == {""}


def test_the_languages_may_change_while_somebody_speaks() -> None:
    captions: list[Caption] = []

    async def listen() -> None:
        pool, queue = (
            scripted_pool(ScriptedRecognizer(SCRIPT)),
            TranslationQueue(ScriptedTranslator()),
        )
        session = Session("s", LiveConfig("en", ("es", "de")), pool, queue, captions.append)
        running = asyncio.create_task(session.run())
        for finals, targets in (3, ("es", "de")), (6, ("de", "fr")):
            session.translate_into(targets)
            session.listener.push(np.zeros(16 * 5 * WORD_MS, np.float32))
            session.listener.flush()
            while sum(caption.is_final for caption in captions) < finals:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        session.listener.end()
        await running
        await pool.aclose()

    asyncio.run(asyncio.wait_for(listen(), PATIENCE_S))
    told = [(c.segment_id, c.language) for c in captions if c.is_final]
    assert sorted(told) == [(0, "de"), (0, "en"), (0, "es"), (1, "de"), (1, "en"), (1, "fr")]


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


def test_captions_of_the_spoken_language_carry_their_words_and_no_others_do() -> None:
    captions = run(SCRIPT, LiveConfig("en", ("es",)))
    for caption in captions:
        assert caption.is_source == (caption.language == "en")
        spoken = joined_text(caption.words)
        assert caption.text.startswith(spoken) if caption.is_source else not caption.words
    (final,) = (c for c in captions if c.is_final and c.is_source)
    assert final.text == joined_text(final.words)
    assert [word.start_ms for word in final.words] == [n * WORD_MS for n in range(10)]


def test_speech_in_a_script_without_blanks_is_shown_and_translated_without() -> None:
    class Japanese(ScriptedRecognizer):
        def recognize(self, *args: Any, **options: Any) -> list[Word]:
            words = super().recognize(*args, **options)
            return [replace(word, is_joined=n > 0) for n, word in enumerate(words)]

    script = "港は 六時に 開き、 船は すぐに 出ます。"
    recognizer = Japanese(script, language="ja", is_written=True)
    translator = ScriptedTranslator()
    captions = run(script, LiveConfig("ja", ("es",), "stable"), translator, recognizer=recognizer)
    shown, whole = texts(captions, "ja"), script.replace(" ", "")
    assert shown[-1] == whole and len(shown) > 2
    assert all(whole.startswith(text) for text in shown)
    assert translator.texts[-1] == whole
    assert not any(" " in text for text in translator.texts)


def test_a_translator_is_told_whether_the_text_is_written() -> None:
    for is_written in (True, False):
        translator = ScriptedTranslator()
        recognizer = ScriptedRecognizer(SCRIPT, is_written=is_written)
        run(SCRIPT, LiveConfig("en", ("es",)), translator, recognizer=recognizer)
        assert {request.is_written for request in translator.asked} == {is_written}


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


def test_a_draft_that_is_withheld_is_no_fault_and_its_final_is_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Careful(ScriptedTranslator):
        async def translate(self, request: TranslationRequest) -> str:
            if request.is_draft:
                raise DraftWithheld("an amount has changed")
            return await super().translate(request)

    captions = run(SCRIPT, LiveConfig("en", ("es",)), Careful())
    assert texts(captions, "es") == [f"[es] {SCRIPT}"]
    assert not caplog.records


def test_an_answer_that_is_no_text_is_the_error_of_its_request() -> None:
    class Mute(ScriptedTranslator):
        async def translate(self, request: TranslationRequest) -> str:
            await super().translate(request)
            return None  # type: ignore[return-value]

    assert texts(run(SCRIPT, LiveConfig("en", ("es",)), Mute()), "es") == [SCRIPT]


@pytest.mark.parametrize("failures", [1, 1000])
def test_of_a_translator_that_is_away_people_are_told_and_the_log_is_not(
    failures: int, caplog: pytest.LogCaptureFixture
) -> None:
    class Away(ScriptedTranslator):
        async def translate(self, request: TranslationRequest) -> str:
            answer = await super().translate(request)
            if len(self.asked) <= failures:
                raise TranslatorAway("the server at 10.0.0.7 cannot be reached")
            return answer

    captions: list[Caption] = []

    async def scenario() -> str:
        translator, pool = Away(), scripted_pool(ScriptedRecognizer(SCRIPT))
        config, queue = LiveConfig("en", ("es", "de")), TranslationQueue(translator)
        session = Session("s", config, pool, queue, captions.append)
        for _ in range(4):
            session.listener.push(np.zeros(16 * WORD_MS, np.float32))
        session.listener.end()
        await session.run()
        await pool.aclose()
        return session.status().notice

    notice = asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))
    is_back = failures == 1
    assert notice == ("" if is_back else AWAY) and "10.0.0.7" not in notice
    finals = {c.language: c.text for c in captions if c.is_final}
    assert finals["de"].startswith("[de] ") is is_back
    assert not caplog.records


class Hall:
    """Hears the captions of a session, and fails at those of a language."""

    def __init__(self, fails_at: str = "") -> None:
        self.captions: list[Caption] = []
        self.pool = scripted_pool(ScriptedRecognizer(SCRIPT))
        self.has_source = asyncio.Event()  # to its end
        self._fails_at = fails_at

    def publish(self, caption: Caption) -> None:
        if caption.language == self._fails_at:
            raise RuntimeError("this hall is full of eels")
        self.captions.append(caption)
        if caption.is_final and caption.language == "en":
            self.has_source.set()

    def listen(self, session_id: str, queue: TranslationQueue) -> asyncio.Task[None]:
        config = LiveConfig("en", ("es", "de"))
        session = Session(session_id, config, self.pool, queue, self.publish)
        for _ in range(4):
            session.listener.push(np.zeros(16 * WORD_MS, np.float32))
        session.listener.end()
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
        for hall in broken, sound:
            await hall.pool.aclose()

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))


def test_an_unknown_source_language_is_refused() -> None:
    with pytest.raises(RecognizerError, match="'fr'"):
        run(SCRIPT, LiveConfig("fr"))


def test_people_are_told_when_recognition_is_behind_by_more_than_an_utterance() -> None:
    assert slow_notice(19_999, 3.0) == ""
    behind = "recognition is 31 s behind the speaker on this machine"
    assert slow_notice(31_500, None) == behind
    assert slow_notice(31_500, 1.42) == f"{behind}, where a second of speech takes 1.4 s"


TALK = "Good morning. Buenos días. Is it late? No es tarde."
TURNS = [(0, "en", 0.9), (2 * WORD_MS, "es", 0.9), (4 * WORD_MS, "en", 0.8), (7 * WORD_MS, "es", 1)]


def hear_talk(
    targets: tuple[str, ...], translator: ScriptedTranslator | None = None
) -> tuple[list[Caption], ScriptedTranslator]:
    """The finals of a talk in two languages, and what has translated it."""
    translator = translator or ScriptedTranslator()
    recognizer = ScriptedRecognizer(TALK, is_written=True, turns=TURNS)
    ears = Ears(WORD_MS)  # each word is an utterance
    captions = run(TALK, LiveConfig(AUTO, targets), translator, recognizer=recognizer, ears=ears)
    return [caption for caption in captions if caption.is_final], translator


def test_the_language_that_is_spoken_may_change_and_translation_follows() -> None:
    finals, translator = hear_talk(("de",))
    spoken = [(c.segment_id, c.language, c.text) for c in finals if c.is_source]
    assert spoken == [
        (0, "en", "Good morning."),
        (1, "es", "Buenos días."),
        (2, "en", "Is it late?"),
        (3, "es", "No es tarde."),
    ]
    asked = {(request.source, request.target, request.text) for request in translator.asked}
    assert {(source, "de", text) for _, source, text in spoken} <= asked
    assert {source for source, _, _ in asked} == {"en", "es"}
    assert sorted(c.segment_id for c in finals if c.language == "de") == [0, 1, 2, 3]


def test_one_caption_serves_what_is_spoken_in_a_target_language() -> None:
    finals, translator = hear_talk(("es", "en"))
    keys = [(caption.segment_id, caption.language) for caption in finals]
    assert sorted(keys) == [(n, language) for n in range(4) for language in ("en", "es")]
    in_spanish = {c.segment_id: (c.text, c.is_source) for c in finals if c.language == "es"}
    assert in_spanish == {
        0: ("[es] Good morning.", False),
        1: ("Buenos días.", True),
        2: ("[es] Is it late?", False),
        3: ("No es tarde.", True),
    }
    assert all(request.source != request.target for request in translator.asked)


class FromEnglish(ScriptedTranslator):
    def check(self, source: str, target: str) -> None:
        if source != "en":
            raise TranslatorError(f"cannot translate {source} to {target}")


def test_what_nobody_translates_is_shown_as_it_was_said() -> None:
    finals, translator = hear_talk(("de",), FromEnglish())
    german = {c.segment_id: c.text for c in finals if c.language == "de"}
    assert german[0] == "[de] Good morning." and german[1] == "Buenos días."
    assert {request.source for request in translator.asked} == {"en"}


def test_a_target_that_no_language_reaches_is_refused() -> None:
    with pytest.raises(TranslatorError, match="cannot translate en to de"):
        hear_talk(("de",), ScriptedTranslator(targets=frozenset({"es"})))


def test_a_recognizer_of_one_language_finds_out_none() -> None:
    with pytest.raises(RecognizerError, match="script cannot find out the language"):
        run(SCRIPT, LiveConfig(AUTO))


class Told(ScriptedRecognizer):
    """A recognizer and its listener, which says what a test tells it."""

    received_ms = heard_ms = ahead_ms = 0

    def __init__(self, *hypotheses: Hypothesis) -> None:
        super().__init__("", is_written=True)
        self._hypotheses = hypotheses
        self.goes_on = asyncio.Event()

    def open_listener(self, language: str, terms: tuple[str, ...]) -> Any:
        return self

    def cost_in(self, language: str) -> float | None:
        return None

    async def begin(self) -> None: ...

    async def hypotheses(self) -> AsyncGenerator[Hypothesis, None]:
        for hypothesis in self._hypotheses:
            yield hypothesis
            for _ in range(10):  # the translations of what was told
                await asyncio.sleep(0)


def test_no_number_of_a_segment_is_used_in_two_languages() -> None:
    invented = tuple(Word(w, 300 * n, 300 * n + 300, 0.2) for n, w in enumerate("So it is".split()))
    more = (*invented, Word("late", 900, 1200, 0.2))
    said = (Word("Adiós.", 2000, 2400, 1.0),)
    told = Told(
        Hypothesis((), invented, 900, is_end=False, language="en"),
        Hypothesis((), more, 1200, is_end=False, language="en"),
        Hypothesis((), (), 1500, is_end=True, language="en"),  # the final decoding heard nothing
        Hypothesis(said, (), 2400, is_end=True, is_flush=True, language="es"),
    )
    captions: list[Caption] = []

    async def listen() -> None:
        queue = TranslationQueue(ScriptedTranslator())
        config = LiveConfig(AUTO, ("es", "de"))
        told.languages = frozenset({"en", "es"})
        await Session("s", config, told, queue, captions.append).run()  # type: ignore[arg-type]

    asyncio.run(listen())
    assert any(not c.is_final and c.segment_id == 0 for c in captions)
    finals = {(c.segment_id, c.language): c.text for c in captions if c.is_final}
    assert finals.keys() == {(0, "en"), (0, "es"), (0, "de"), (1, "es"), (1, "de")}
    assert (finals[0, "en"], finals[1, "es"], finals[1, "de"]) == ("", "Adiós.", "[de] Adiós.")
    ends = [at for at, c in enumerate(captions) if c.is_final and c.segment_id == 0]
    assert not any(c.segment_id == 0 for c in captions[max(ends) + 1 :])
