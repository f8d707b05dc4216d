"""Calls whose worker has died or does not answer are made again; others are not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from surtitle.pipeline.cluster import WorkersLost
from surtitle.pipeline.workers import repeating
from surtitle.pipeline.workers.repeating import (
    ASKED_AT_ONCE,
    RECENT,
    SLOWER,
    Patience,
    Repeating,
)

from ...patience import PATIENCE_S


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "LEAST_PATIENCE_S", 0.05)


class Died(Exception):
    pass


async def silence() -> str:
    await asyncio.Event().wait()
    raise AssertionError("nobody speaks")


class Asked:
    """Does for each call what comes next: it raises an error, or awaits; then it answers."""

    def __init__(self, *course: Exception | Callable[[], Awaitable[str]]) -> None:
        self._course = list(course)
        self.times = 0
        self.cancelled = 0

    async def __call__(self) -> str:
        self.times += 1
        if not self._course:
            return "answer"
        step = self._course.pop(0)
        if isinstance(step, Exception):
            raise step
        try:
            return await step()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


def calls() -> Repeating:
    return Repeating(lambda error: isinstance(error, Died))


def ask(asked: Asked) -> str:
    return asyncio.run(calls().answer("hear", asked))


async def practised() -> Repeating:
    """Those that know how long an answer takes."""
    found = calls()
    for _ in range(RECENT):
        await found.answer("hear", Asked())
    return found


def test_a_call_that_is_answered_is_made_once() -> None:
    asked = Asked()
    assert ask(asked) == "answer"
    assert asked.times == 1


def test_a_call_whose_worker_has_died_is_made_again() -> None:
    asked = Asked(Died(), Died())
    assert ask(asked) == "answer"
    assert asked.times == 3


def test_an_error_of_the_call_itself_is_its_answer() -> None:
    asked = Asked(KeyError("a fault"))
    with pytest.raises(KeyError):
        ask(asked)
    assert asked.times == 1


def test_a_call_is_not_repeated_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "REPEAT_S", 0.2)
    asked = Asked(*(Died() for _ in range(1000)))
    with pytest.raises(WorkersLost, match="all workers were lost over it"):
        ask(asked)
    assert 1 < asked.times < 10


def test_another_worker_is_asked_where_one_does_not_answer() -> None:
    asked = Asked(silence)

    async def scenario() -> str:
        return await asyncio.wait_for((await practised()).answer("hear", asked), PATIENCE_S)

    assert asyncio.run(scenario()) == "answer"
    assert asked.times == 2


def test_whoever_does_not_answer_is_left_to_it_while_others_are_asked() -> None:
    asked = Asked(silence)

    async def scenario() -> int:
        await (await practised()).answer("hear", asked)
        return asked.cancelled

    assert asyncio.run(scenario()) == 0, "it counts as busy, so that it gets nothing more"


def test_no_more_than_a_few_are_asked_and_all_are_told_when_nobody_waits() -> None:
    async def scenario() -> Asked:
        is_last = asyncio.Event()

        async def last() -> str:
            is_last.set()
            return await silence()

        asked = Asked(*[silence] * (ASKED_AT_ONCE - 1), last)
        answering = asyncio.create_task((await practised()).answer("hear", asked))
        await asyncio.wait_for(is_last.wait(), PATIENCE_S)
        await asyncio.sleep(10 * repeating.LEAST_PATIENCE_S)
        answering.cancel()
        await asyncio.wait([answering])
        await asyncio.sleep(0)
        return asked

    asked = asyncio.run(scenario())
    assert asked.times == asked.cancelled == ASKED_AT_ONCE


def test_patience_is_that_of_the_slowest_answer_of_late() -> None:
    patience = Patience()
    for _ in range(RECENT - 1):
        patience.heard(0.01)
    assert patience.wait_s is None, "nobody knows yet how long one takes"
    patience.heard(3.0)
    assert patience.wait_s == SLOWER * 3.0
    for _ in range(RECENT):
        patience.heard(0.01)
    assert patience.wait_s == repeating.LEAST_PATIENCE_S
