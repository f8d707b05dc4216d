"""Transcripts over a scripted recognizer: a real recording, words that are known."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from surtitle.pipeline.audio.container import AudioChoice
from surtitle.pipeline.audio.pcm import to_ms
from surtitle.pipeline.config import BatchConfig, Term
from surtitle.pipeline.errors import RecognizerError, TranslatorError
from surtitle.pipeline.events import Utterance, Word
from surtitle.pipeline.recognizers import LanguageGuess
from surtitle.pipeline.recording import BATCH_SEGMENTS, Transcript, transcribe
from surtitle.pipeline.translators.queue import TranslationQueue

from ..patience import PATIENCE_S
from .scripted_recognizer import ScriptedRecognizer
from .scripted_translator import ScriptedTranslator

SAMPLE = Path(__file__).parents[2] / "samples" / "harbor.flac"


class CountingRecognizer(ScriptedRecognizer):
    """Hears the whole script in every utterance: raw words once, or some written sentences. It
    takes what it hears for French."""

    name = "Counter"

    def __init__(self, sentences: int = 1) -> None:
        script = "one two three" if sentences == 1 else "One two three. " * sentences
        super().__init__(script)
        self._word_count = len(script.split())
        self.languages = frozenset({"en", "fr"})
        self.has_heard_three = threading.Event()  # utterances
        self.fails_at = -1

    @property
    def heard(self) -> int:
        """How many utterances."""
        return len(self.calls)

    def guess_language(self, utterance: Utterance) -> LanguageGuess:
        return LanguageGuess("fr", 0.9)

    def recognize(
        self,
        utterance: Utterance,
        language: str,
        terms: tuple[str, ...] = (),
        *,
        is_draft: bool = False,
    ) -> list[Word]:
        assert threading.current_thread() is not threading.main_thread()
        if self.heard == self.fails_at:
            raise RecognizerError("the recognizer has died")
        super().recognize(utterance, language, terms, is_draft=is_draft)
        if self.heard == 3:
            self.has_heard_three.set()
        start = to_ms(utterance.start_sample)
        texts = [self.word(number).text for number in range(self._word_count)]
        share = to_ms(utterance.samples.size) // len(texts)
        return [
            Word(t, start + i * share, start + (i + 1) * share, 1.0) for i, t in enumerate(texts)
        ]


async def transcribed(
    config: BatchConfig,
    queue: TranslationQueue,
    recognizer: CountingRecognizer | None = None,
    *,
    path: Path = SAMPLE,
    progress: Callable[[int], None] = lambda ms: None,
    warnings: list[str] | None = None,
) -> Transcript:
    said: list[str] = []
    transcript = await transcribe(
        path,
        AudioChoice(),
        config,
        recognizer or CountingRecognizer(),
        queue,
        progress,
        said.append,
    )
    if warnings is None:
        assert said == []
    else:
        warnings += said
    return transcript


def run(
    config: BatchConfig,
    translator: ScriptedTranslator | None = None,
    recognizer: CountingRecognizer | None = None,
    path: Path = SAMPLE,
    warnings: list[str] | None = None,
) -> Transcript:
    queue = TranslationQueue(translator or ScriptedTranslator())
    return asyncio.run(transcribed(config, queue, recognizer, path=path, warnings=warnings))


def test_all_targets_are_at_work_together() -> None:
    translator = ScriptedTranslator(at_once=100, holds=True)

    async def scenario() -> Transcript:
        queue = TranslationQueue(translator)
        config = BatchConfig("en", ("es", "de"))
        task = asyncio.create_task(transcribed(config, queue))
        await translator.until(lambda: {r.target for r in translator.at_work} == {"es", "de"})
        translator.holds = False
        translator.release()
        return await task

    transcript = asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))
    assert transcript.translations == {
        language: [f"[{language}] {segment.text}" for segment in transcript.segments]
        for language in ("es", "de")
    }


def test_recognition_goes_on_while_segments_are_translated_but_not_without_bound() -> None:
    translator = ScriptedTranslator(at_once=1, holds=True)
    recognizer = CountingRecognizer(BATCH_SEGMENTS + 1)  # the last one stays open

    async def scenario() -> Transcript:
        queue = TranslationQueue(translator)
        task = asyncio.create_task(transcribed(BatchConfig("en", ("es",)), queue, recognizer))
        assert await asyncio.to_thread(recognizer.has_heard_three.wait, 10)
        await asyncio.sleep(0.2)  # enough for the next utterance, if it did not wait
        assert recognizer.heard == 3
        assert len(translator.asked) == 1 and queue.queued(str(SAMPLE)) == 1
        translator.holds = False
        translator.release()
        return await task

    transcript = asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))
    assert recognizer.heard > 3
    assert transcript.translations["es"] == [f"[es] {s.text}" for s in transcript.segments]


def test_a_file_that_cannot_be_translated_leaves_the_queue_to_others() -> None:
    async def scenario() -> None:
        translator = ScriptedTranslator(errors={"one two three": RuntimeError("no memory")})
        queue = TranslationQueue(translator)
        config = BatchConfig("en", ("es",))
        with pytest.raises(TranslatorError, match="no memory"):
            await transcribed(config, queue)
        assert queue.oldest_heard_ms(str(SAMPLE)) is None
        translator.errors.clear()
        await transcribed(config, queue)

    asyncio.run(scenario())


def test_a_recognizer_that_fails_is_reported() -> None:
    recognizer = CountingRecognizer(sentences=BATCH_SEGMENTS)
    recognizer.fails_at = 2
    with pytest.raises(RecognizerError, match="has died"):
        run(BatchConfig("en", ("es",)), recognizer=recognizer)


def test_two_recordings_and_live_requests_share_a_translator() -> None:
    async def scenario() -> tuple[Transcript, Transcript]:
        queue = TranslationQueue(ScriptedTranslator(at_once=2))
        return await asyncio.gather(
            *(transcribed(BatchConfig("en", (to,)), queue) for to in ("es", "de"))
        )

    spanish, german = asyncio.run(scenario())
    assert spanish.segments == german.segments
    assert spanish.translations["es"] == [f"[es] {s.text}" for s in spanish.segments]
    assert german.translations["de"] == [f"[de] {s.text}" for s in german.segments]


def test_language_is_found_by_listening() -> None:
    assert run(BatchConfig(None, ("es",))).language == "fr"


def test_a_target_that_is_spoken_is_not_translated() -> None:
    translator = ScriptedTranslator(targets=frozenset({"es"}))
    assert run(BatchConfig("es", ("es",)), translator).translations == {}
    assert translator.asked == []


def test_unknown_pair_is_refused_before_the_work() -> None:
    recognizer = CountingRecognizer()
    translator = ScriptedTranslator(targets=frozenset({"es"}))
    with pytest.raises(TranslatorError, match="en to de"):
        run(BatchConfig("en", ("de",)), translator, recognizer)
    assert recognizer.heard == 0


def test_a_target_that_cannot_be_reached_costs_that_target_alone() -> None:
    warnings: list[str] = []
    translator = ScriptedTranslator(targets=frozenset({"es"}))
    transcript = run(BatchConfig(None, ("en", "es", "de")), translator, warnings=warnings)
    assert list(transcript.translations) == ["es"]
    assert [line.partition(": ")[2] for line in warnings] == [
        "cannot translate fr to en",
        "cannot translate fr to de",
    ]


def test_what_is_wrong_with_a_recording_is_heard_on_the_event_loop(tmp_path: Path) -> None:
    path = tmp_path / "half.flac"
    path.write_bytes(SAMPLE.read_bytes()[: SAMPLE.stat().st_size // 2])
    warnings: list[str] = []
    assert run(BatchConfig("en"), path=path, warnings=warnings).segments
    (line,) = warnings
    assert line.startswith(f"{path}: it ")


def test_silence_has_no_segments(tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 32_000), np.int16), "s16", "mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    transcript = run(BatchConfig("en", ("es",)), path=path)
    assert transcript.segments == [] and transcript.translations == {"es": []}
    assert list(tmp_path.iterdir()) == [path]


def test_progress_reaches_the_end_on_the_event_loop() -> None:
    heard: list[int] = []

    def progress(done_ms: int) -> None:
        assert threading.current_thread() is threading.main_thread()
        heard.append(done_ms)

    queue = TranslationQueue(ScriptedTranslator())
    asyncio.run(transcribed(BatchConfig("en"), queue, progress=progress))
    assert heard == sorted(heard) and abs(heard[-1] - 68_760) < 100


def test_terms_of_the_glossary_are_required_where_they_are_said() -> None:
    translator = ScriptedTranslator()
    terms = (Term("two three", {"es": "dos y tres"}), Term("four", {"es": "cuatro"}))
    run(BatchConfig("en", ("es",), terms=terms), translator)
    assert {request.required for request in translator.asked} == {("dos y tres",)}


def test_a_segment_is_translated_with_those_before_it_as_context() -> None:
    translator = ScriptedTranslator()
    transcript = run(BatchConfig("en", ("es",)), translator, CountingRecognizer(3))
    texts = [segment.text for segment in transcript.segments]
    expected = [
        tuple((text, "") for text in texts[max(0, at - 3) : at]) for at in range(len(texts))
    ]
    assert sorted(r.context for r in translator.asked) == sorted(expected)
    assert len(expected[-1]) == 3


def test_a_language_that_was_found_out_needs_no_translation_into_itself() -> None:
    transcript = run(BatchConfig(None, ("fr", "es")))
    assert transcript.language == "fr"
    assert transcript.translations.keys() == {"es"}
