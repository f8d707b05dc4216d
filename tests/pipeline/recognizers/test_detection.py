"""Detection where everything is speech, and an utterance is over after 1.4 s at the latest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.config import VadConfig
from surtitle.pipeline.events import Samples
from surtitle.pipeline.recognizers.detection import (
    BACKLOG_SAMPLES,
    MOST_WAITING,
    PIECE_SAMPLES,
    Detection,
    Flushed,
    Over,
)

from ...patience import PATIENCE_S
from ..scripted_recognizer import Ears

VAD = VadConfig(min_silence_ms=400, speech_pad_ms=200, max_utterance_ms=1400)


def sound(seconds: float) -> Samples:
    return np.zeros(int(seconds * SAMPLE_RATE_HZ), np.float32)


@asynccontextmanager
async def detecting(ears: Ears, tell_over: list[int] | None = None) -> AsyncIterator[Detection]:
    detection = Detection(lambda: ears.make_vad(VAD))
    await detection.begin()
    told = tell_over if tell_over is not None else []
    running = asyncio.create_task(detection.run(lambda: told.append(detection.taken_samples)))
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield detection
    finally:
        ears.may_hear.set()
        running.cancel()
        await asyncio.wait([running])


async def heard(detection: Detection) -> None:
    """Wait for the next piece to be heard."""
    await detection.news.wait()
    detection.news.clear()


async def all_of_it(detection: Detection) -> list[Over | Flushed]:
    """Take what is over, to the end."""
    taken: list[Over | Flushed] = []
    while True:
        detection.news.clear()
        over = detection.take()
        if over is None:
            await detection.news.wait()
            continue
        taken.append(over)
        if isinstance(over, Flushed) and over.is_last:
            return taken


def test_what_is_taken_is_all_that_was_pushed() -> None:
    async def scenario() -> None:
        async with detecting(Ears()) as detection:
            for _ in range(90):
                detection.push(sound(1 / 3))
            detection.end()
            taken = await all_of_it(detection)
            utterances = [over.utterance for over in taken if isinstance(over, Over)]
            next_sample = 0
            for utterance in utterances:
                assert utterance.start_sample == next_sample
                next_sample += utterance.samples.size
            assert next_sample == detection.received_samples == detection.taken_samples
            assert [over.is_end for over in taken if isinstance(over, Over)][-1]
            assert taken[-1] == Flushed(next_sample, is_last=True)

    asyncio.run(scenario())


def test_much_at_once_is_heard_in_pieces() -> None:
    async def scenario() -> None:
        async with detecting(Ears()) as detection:
            detection.push(sound(5))
            taken: list[int] = []
            while detection.taken_samples < detection.received_samples:
                await heard(detection)
                taken.append(detection.taken_samples)
            assert taken == [PIECE_SAMPLES * n for n in range(1, 6)]

    asyncio.run(scenario())


def test_little_by_little_is_heard_together() -> None:
    async def scenario() -> None:
        ears = Ears()
        ears.may_hear.clear()
        async with detecting(ears) as detection:
            for _ in range(10):
                detection.push(sound(0.05))
            ears.may_hear.set()
            await heard(detection)
            assert detection.taken_samples == detection.received_samples

    asyncio.run(scenario())


def test_so_much_may_wait_and_the_rest_stays_as_it_was_pushed() -> None:
    async def scenario() -> None:
        told: list[int] = []
        async with detecting(Ears(), told) as detection:
            detection.push(sound(60))
            while detection.taken_samples < BACKLOG_SAMPLES:
                await heard(detection)
            await asyncio.sleep(0.1)  # it goes on no further
            held = detection.taken_samples
            assert BACKLOG_SAMPLES <= held <= BACKLOG_SAMPLES + 3 * PIECE_SAMPLES
            assert told[-1] == held
            detection.news.clear()
            for _ in range(3):
                assert isinstance(detection.take(), Over)
            await heard(detection)
            assert detection.taken_samples > held

    asyncio.run(scenario())


def test_so_many_flushes_may_wait_and_two_in_a_row_are_one() -> None:
    async def scenario() -> None:
        async with detecting(Ears()) as detection:
            for _ in range(2 * MOST_WAITING):
                detection.push(sound(0.001))
                detection.flush()
                detection.flush()
            detection.end()
            while detection.taken_samples < MOST_WAITING * 16:
                await heard(detection)
            await asyncio.sleep(0.1)  # it goes on no further
            assert detection.taken_samples == MOST_WAITING * 16
            taken = await all_of_it(detection)
            assert len(taken) == 2 * MOST_WAITING + 1

    asyncio.run(scenario())


def test_a_window_of_an_utterance_that_is_over_is_empty() -> None:
    async def scenario() -> None:
        async with detecting(Ears()) as detection:
            detection.push(sound(0.9))
            await heard(detection)
            assert detection.open is not None
            since, until = detection.open
            assert until - since == detection.window(since, 0).samples.size > 14_000
            later = detection.window(since, since + 8000)
            assert (later.start_sample, later.samples.size) == (since + 8000, until - since - 8000)
            detection.push(sound(0.9))
            await heard(detection)
            assert not detection.window(since, 0).samples.size
            assert isinstance(detection.take(), Over)

    asyncio.run(scenario())
