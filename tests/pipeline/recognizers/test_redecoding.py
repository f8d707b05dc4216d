"""Live decoding with a scripted recognizer: a word every 400 ms, a sentence of eight words."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ, to_ms
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.config import AUTO, VadConfig
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.events import Hypothesis, Samples, Word
from surtitle.pipeline.recognizers import WorkerLost
from surtitle.pipeline.recognizers.detection import BACKLOG_SAMPLES
from surtitle.pipeline.recognizers.pool import RecognizerPool
from surtitle.pipeline.recognizers.redecoding import DRAFT_STEP_MS, TRIM_MS, RedecodingListener
from surtitle.pipeline.recognizers.vad import WINDOW_MS, Silero, Vad

from ...patience import PATIENCE_S
from ..scripted_recognizer import Ears, ScriptedRecognizer

SAMPLES = Path(__file__).parents[3] / "samples"
WORD_MS = 400
CHUNK_SAMPLES = SAMPLE_RATE_HZ // 10


def sentences(words: int = 8) -> list[str]:
    """A script for all recordings here, in sentences of so many words."""
    script = [f"w{number}" for number in range(200)]
    script[::words] = [word.capitalize() for word in script[::words]]
    script[words - 1 :: words] = [f"{word}." for word in script[words - 1 :: words]]
    return script


def scripted(sentence_words: int = 8) -> ScriptedRecognizer:
    script = sentences(sentence_words)
    return ScriptedRecognizer(script, word_ms=WORD_MS, is_written=True, mishears=True)


@pytest.fixture(scope="module")
def speech() -> Samples:
    """25 s of speech without pauses."""
    vad = Vad(VadConfig(min_silence_ms=200, speech_pad_ms=0))
    chunks = read_audio(SAMPLES / "harbor.flac")
    spoken = [utterance.samples for chunk in chunks for utterance in vad.push(chunk)]
    return np.concatenate(spoken)[: 25 * SAMPLE_RATE_HZ]


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * SAMPLE_RATE_HZ), np.float32)


class Hearing:
    """A listener and what has come out of it so far."""

    def __init__(self, recognizer: ScriptedRecognizer, listener: RedecodingListener) -> None:
        self.recognizer = recognizer
        self.listener = listener
        self.hypotheses: list[Hypothesis] = []
        self.task = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        await self.listener.begin()
        async for hypothesis in self.listener.hypotheses():
            self.hypotheses.append(hypothesis)

    async def push(self, audio: Samples, chunk_samples: int = CHUNK_SAMPLES) -> None:
        """Push slowly: what is pushed is taken before more follows."""
        for start in range(0, audio.size, chunk_samples):
            self.listener.push(audio[start : start + chunk_samples])
            await until(lambda: not self.listener.ahead_ms)
            await asyncio.sleep(0.002)  # a scripted decode takes no time

    async def end(self) -> list[Hypothesis]:
        self.listener.end()
        await self.task
        return self.hypotheses


@asynccontextmanager
async def hearing(
    recognizer: ScriptedRecognizer,
    make_vad: Callable[[VadConfig], Vad] = Vad,
    language: str = "en",
) -> AsyncIterator[Hearing]:
    pool = RecognizerPool([recognizer], make_vad=make_vad, draft_share=1000)
    one = Hearing(recognizer, pool.open_listener(language, ("Ada",)))
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield one
    finally:
        recognizer.gate.set()
        one.task.cancel()
        await asyncio.wait([one.task])
        await pool.aclose()


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110  what is waited for happens in a thread
        await asyncio.sleep(0.001)


def hear(
    recognizer: ScriptedRecognizer, audio: Samples, chunk_samples: int = CHUNK_SAMPLES
) -> list[Hypothesis]:
    async def listen() -> list[Hypothesis]:
        async with hearing(recognizer) as one:
            await one.push(audio, chunk_samples)
            hypotheses = await one.end()
            assert one.listener.heard_ms == one.listener.received_ms
            return hypotheses

    hypotheses = asyncio.run(listen())
    heard_ms = [hypothesis.heard_ms for hypothesis in hypotheses]
    assert heard_ms == sorted(heard_ms)
    assert not any(hypothesis.is_end and hypothesis.tail for hypothesis in hypotheses)
    assert hypotheses[-1].is_flush
    return hypotheses


def committed(hypotheses: Sequence[Hypothesis]) -> list[Word]:
    return [word for hypothesis in hypotheses for word in hypothesis.committed]


def numbers(hypotheses: Sequence[Hypothesis]) -> list[int]:
    return [int(word.text.strip(".").lower()[1:]) for word in committed(hypotheses)]


@pytest.mark.parametrize("sentence_words", [8, 100])
@pytest.mark.parametrize("chunk_samples", [CHUNK_SAMPLES, 777, 25 * SAMPLE_RATE_HZ])
def test_in_long_speech_no_word_is_lost_or_doubled(
    speech: Samples, sentence_words: int, chunk_samples: int
):
    recognizer = scripted(sentence_words)
    words = committed(hear(recognizer, speech, chunk_samples))
    first = int(words[0].text.strip(".")[1:])
    assert words == [recognizer.word(number) for number in range(first, first + len(words))]
    assert words[0].start_ms < 1000 and words[-1].end_ms > 24_000


def test_what_two_drafts_agree_on_is_certain_before_the_end(speech: Samples):
    hypotheses = hear(scripted(), speech[: 5 * SAMPLE_RATE_HZ])
    drafts = [hypothesis for hypothesis in hypotheses if hypothesis.tail]
    assert len(drafts) >= 4 and drafts[0].committed == ()
    assert sum(bool(draft.committed) for draft in drafts[1:]) >= len(drafts) // 2
    for draft in drafts:
        assert draft.tail[-1].text == "hm"
        assert all(word.end_ms <= draft.heard_ms for word in draft.committed)


def test_a_draft_is_made_when_a_step_is_new_and_the_end_once_more(speech: Samples):
    recognizer = scripted()
    hear(recognizer, speech[: 8 * SAMPLE_RATE_HZ])
    ends_ms = [to_ms(draft.start_sample + draft.samples.size) for draft in recognizer.drafts]
    assert len(ends_ms) >= 4
    assert min(np.diff(ends_ms)) >= DRAFT_STEP_MS
    assert len(recognizer.finals) == 1
    assert {call.terms for call in recognizer.calls} == {("Ada",)}


def test_certain_sentences_are_not_decoded_again(speech: Samples):
    recognizer = scripted()
    hear(recognizer, speech[: 14 * SAMPLE_RATE_HZ])
    lengths_ms = [to_ms(draft.samples.size) for draft in recognizer.drafts]
    assert max(lengths_ms) <= TRIM_MS + 3 * DRAFT_STEP_MS
    assert lengths_ms[-1] < 13_000 - TRIM_MS / 2
    starts_ms = {to_ms(u.start_sample) for u in (*recognizer.drafts, *recognizer.finals)}
    sentence_ms = 8 * WORD_MS
    assert len(starts_ms) > 1
    assert all(start_ms % sentence_ms == 0 for start_ms in starts_ms - {min(starts_ms)})


def test_without_sentences_the_window_is_bounded(speech: Samples):
    recognizer = scripted(100)
    hear(recognizer, speech)
    assert max(to_ms(call.utterance.samples.size) for call in recognizer.calls) <= 15_000


def test_a_pause_ends_the_utterance(speech: Samples):
    three = speech[: 3 * SAMPLE_RATE_HZ]
    recognizer = scripted()
    hypotheses = hear(recognizer, np.concatenate([three, silence(2), three, silence(1)]))
    assert len(recognizer.finals) == 2
    first = next(index for index, h in enumerate(hypotheses) if h.is_end and h.committed)
    assert hypotheses[first].committed[-1].end_ms <= 3400
    assert [h.is_end for h in hypotheses[first : first + 3]] == [True] * 3
    assert numbers(hypotheses) == sorted(set(numbers(hypotheses)))


def test_silence_is_heard_steadily_and_costs_nothing():
    recognizer = scripted()
    hypotheses = hear(recognizer, silence(5))
    assert recognizer.calls == committed(hypotheses) == []
    heard_ms = [hypothesis.heard_ms for hypothesis in hypotheses]
    assert 9 <= len(heard_ms) <= 11 and heard_ms[-1] == 5000
    assert max(np.diff(heard_ms)) < 600
    assert all(hypothesis.is_end for hypothesis in hypotheses)


def test_much_at_once_is_heard_in_pieces():
    hypotheses = hear(scripted(), silence(60), chunk_samples=60 * SAMPLE_RATE_HZ)
    heard_ms = [hypothesis.heard_ms for hypothesis in hypotheses]
    assert max(np.diff(heard_ms)) <= 1000 + WINDOW_MS


def test_a_listener_goes_on_after_flush(speech: Samples):
    recognizer = scripted()

    async def listen() -> None:
        async with hearing(recognizer) as one:
            two = 2 * SAMPLE_RATE_HZ
            one.listener.push(speech[:two])
            one.listener.flush()
            one.listener.push(speech[two : 2 * two])
            hypotheses = await one.end()
            flushes = [index for index, h in enumerate(hypotheses) if h.is_flush]
            assert [hypotheses[index].heard_ms for index in flushes] == [2000, 4000]
            assert all(hypotheses[index].is_end for index in flushes)
            before = committed(hypotheses[: flushes[0]])
            assert before[-1].end_ms == 2000
            words = committed(hypotheses)
            assert [word.start_ms for word in words] == [n * WORD_MS for n in range(len(words))]
            assert words[-1].end_ms == 4000

    asyncio.run(listen())


def test_a_long_wait_leads_to_one_decode_per_utterance_and_at_most_one_draft(speech: Samples):
    two = speech[: 2 * SAMPLE_RATE_HZ]
    recognizer = scripted()

    async def listen() -> None:
        async with hearing(recognizer) as one:
            recognizer.gate.clear()
            for _ in range(4):
                one.listener.push(np.concatenate([two, silence(1)]))
            one.listener.push(two)
            await until(lambda: not one.listener.ahead_ms)
            assert len(recognizer.calls) == 1  # it waits at the gate
            recognizer.gate.set()
            await until(lambda: len(recognizer.finals) == 4 and one.listener.heard_ms > 13_000)
            assert len(recognizer.drafts) <= 1 + 1
            hypotheses = await one.end()
            assert len(recognizer.finals) == 5
            assert numbers(hypotheses) == sorted(set(numbers(hypotheses)))

    asyncio.run(listen())


def test_what_waits_is_bounded_and_nothing_is_lost(speech: Samples):
    recognizer = scripted()
    audio = np.concatenate([np.concatenate([speech[:48_000], silence(1)])] * 15)  # 60 s

    async def listen() -> None:
        async with hearing(recognizer) as one:
            recognizer.gate.clear()
            one.listener.push(audio)
            held_ms = to_ms(BACKLOG_SAMPLES)
            await until(lambda: 60_000 - one.listener.ahead_ms > held_ms)
            await asyncio.sleep(0.1)  # it goes on no further
            assert 60_000 - one.listener.ahead_ms < held_ms + 15_000
            assert one.listener.heard_ms < 5000
            recognizer.gate.set()
            hypotheses = await one.end()
            assert len(recognizer.finals) == 15
            missing = set(range(*_ends(numbers(hypotheses)))) - set(numbers(hypotheses))
            assert len(missing) <= 15 * 3  # only what falls into the pauses

    asyncio.run(listen())


def _ends(found: Sequence[int]) -> tuple[int, int]:
    return found[0], found[-1] + 1


def test_a_draft_that_waits_gives_way_to_the_end(speech: Samples):
    """Another source's draft keeps the worker busy while the utterance ends."""
    recognizer = scripted()

    async def listen() -> None:
        pool = RecognizerPool([recognizer], draft_share=1000)
        listeners = [pool.open_listener("en", ()) for _ in range(2)]
        busy, one = (Hearing(recognizer, listener) for listener in listeners)
        recognizer.gate.clear()
        busy.listener.push(speech[:SAMPLE_RATE_HZ])
        await until(lambda: len(recognizer.calls) == 1)
        one.listener.push(speech[:SAMPLE_RATE_HZ])
        await until(lambda: not one.listener.ahead_ms)
        one.listener.push(silence(2))
        await until(lambda: not one.listener.ahead_ms)
        recognizer.gate.set()
        await one.end()
        await busy.end()
        assert [len(recognizer.drafts), len(recognizer.finals)] == [1, 2]
        await pool.aclose()

    asyncio.run(asyncio.wait_for(listen(), PATIENCE_S))


@pytest.mark.parametrize("error", [RuntimeError("odd"), WorkerLost("the process has died")])
def test_an_utterance_that_fails_is_left_out_and_the_session_goes_on(
    speech: Samples, caplog: pytest.LogCaptureFixture, error: Exception
):
    recognizer = scripted()
    three = np.concatenate([speech[: 3 * SAMPLE_RATE_HZ], silence(1)])

    async def listen() -> None:
        async with hearing(recognizer) as one:
            recognizer.error = error
            await one.push(three)
            await until(lambda: one.listener.heard_ms >= 3000)
            recognizer.error = None
            await one.push(three)
            hypotheses = await one.end()
            assert min(numbers(hypotheses)) >= 3000 // WORD_MS
            assert len(numbers(hypotheses)) >= 5

    asyncio.run(listen())
    assert len(recognizer.drafts) >= 2
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1 and "s of speech could not be recognized" in errors[0].message
    # A draft has cost a worker already: its end is tried once, and no more drafts before it.
    failed = [call.is_draft for call in recognizer.calls[:2]]
    assert failed == [True, False]


def test_a_recognizer_that_always_fails_ends_the_session(speech: Samples):
    recognizer = scripted()
    recognizer.error = RuntimeError("odd")

    async def listen() -> None:
        async with hearing(recognizer) as one:
            one.listener.push(np.concatenate([speech[:32_000], silence(1)] * 5))
            with pytest.raises(RecognizerError, match="failed 3 times in a row"):
                await one.end()

    asyncio.run(listen())


def test_a_recognizer_that_cannot_go_on_ends_the_session(speech: Samples):
    recognizer = scripted()
    recognizer.error = RecognizerError("the graphics card has fallen out")

    async def listen() -> None:
        async with hearing(recognizer) as one:
            one.listener.push(speech[:32_000])
            with pytest.raises(RecognizerError, match="fallen out"):
                await one.end()

    asyncio.run(listen())


def test_a_detection_that_fails_ends_the_session():
    class Broken(Silero):
        def push(self, windows: Samples) -> list[float]:
            raise RuntimeError("no network")

    async def listen() -> None:
        async with hearing(scripted(), lambda config: Vad(config, Broken())) as one:
            one.listener.push(silence(1))
            with pytest.raises(RuntimeError, match="no network"):
                await one.end()

    asyncio.run(listen())


def test_what_is_pushed_before_it_begins_is_heard():
    ears = Ears()
    ears.may_start.clear()

    async def listen() -> None:
        async with hearing(scripted(), ears.make_vad) as one:
            one.listener.push(silence(2))
            assert one.listener.ahead_ms == one.listener.received_ms == 2000
            ears.may_start.set()
            assert numbers(await one.end()) == [0, 1, 2, 3, 4]

    asyncio.run(listen())


def test_detection_and_drafts_work_in_threads(speech: Samples):
    threads: set[threading.Thread] = set()

    class Watched(Silero):
        def push(self, windows: Samples) -> list[float]:
            threads.add(threading.current_thread())
            return super().push(windows)

    async def listen() -> None:
        async with hearing(scripted(), lambda config: Vad(config, Watched())) as one:
            await one.push(speech[:32_000])
            await one.end()

    asyncio.run(listen())
    assert threads and threading.main_thread() not in threads


def in_turns(*turns: tuple[int, str, float]) -> ScriptedRecognizer:
    return ScriptedRecognizer(sentences(), word_ms=WORD_MS, is_written=True, turns=turns)


def test_each_utterance_is_heard_in_the_language_that_is_found_out(speech: Samples) -> None:
    english, spanish = speech[: 5 * SAMPLE_RATE_HZ], speech[: 4 * SAMPLE_RATE_HZ]
    recognizer = in_turns((0, "en", 0.9), (6000, "es", 0.9))

    async def scenario() -> list[Hypothesis]:
        async with hearing(recognizer, language=AUTO) as one:
            await one.push(np.concatenate([english, silence(2), spanish, silence(1)]))
            return await one.end()

    hypotheses = asyncio.run(scenario())
    with_words = [h for h in hypotheses if h.committed or h.tail]
    languages = [h.language for h in with_words]
    assert languages == sorted(languages, key=("en", "es").index) and set(languages) == {"en", "es"}
    assert all(h.language == ("en" if h.heard_ms < 6500 else "es") for h in with_words)
    assert {call.language for call in recognizer.calls} == {"en", "es"}
    assert len(recognizer.guesses) == 2
    assert all(2000 <= to_ms(guess.samples.size) <= 8000 for guess in recognizer.guesses)
    assert min(to_ms(draft.samples.size) for draft in recognizer.drafts) >= 2000


def test_an_utterance_that_is_over_soon_is_guessed_then(speech: Samples) -> None:
    recognizer = in_turns((0, "es", 0.9), (1500, "en", 0.9))

    async def scenario() -> list[Hypothesis]:
        async with hearing(recognizer, language=AUTO) as one:
            await one.push(np.concatenate([speech[:SAMPLE_RATE_HZ], silence(1)]))
            return await one.end()

    hypotheses = asyncio.run(scenario())
    assert [h.language for h in hypotheses if h.committed] == ["es"]
    assert recognizer.drafts == [] and len(recognizer.guesses) == 1


def test_a_guess_that_fails_costs_its_utterance_only(
    speech: Samples, caplog: pytest.LogCaptureFixture
) -> None:
    recognizer = in_turns((0, "es", 0.9), (1500, "en", 0.9))

    async def scenario() -> list[Hypothesis]:
        async with hearing(recognizer, language=AUTO) as one:
            recognizer.error = ValueError("no ears")
            await one.push(np.concatenate([speech[:SAMPLE_RATE_HZ], silence(1)]))
            await until(lambda: bool(caplog.records))
            recognizer.error = None
            await one.push(np.concatenate([speech[:SAMPLE_RATE_HZ], silence(1)]))
            return await one.end()

    hypotheses = asyncio.run(scenario())
    assert [h.language for h in hypotheses if h.committed] == ["en"]
    assert "could not be recognized" in caplog.text
