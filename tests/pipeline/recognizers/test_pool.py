"""Whose turn it is, with scripted workers that are held at a gate."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.events import Utterance, Word
from surtitle.pipeline.recognizers import Superseded, WorkerGone, WorkerLost
from surtitle.pipeline.recognizers.pool import DraftBudget, RecognizerPool

from ...patience import PATIENCE_S
from ..scripted_recognizer import Clock, ScriptedRecognizer

SCRIPT = "zero one two three four five six seven eight nine"


def utterance(start_s: float, seconds: float = 0.3) -> Utterance:
    size = int(seconds * SAMPLE_RATE_HZ)
    return Utterance(int(start_s * SAMPLE_RATE_HZ), np.zeros(size, np.float32))


def recognize(
    pool: RecognizerPool, start_s: float, *, owner: str = "someone", is_draft: bool = False
) -> asyncio.Task[list[Word]]:
    make = partial(utterance, start_s)
    return asyncio.create_task(
        pool.recognize(make, "en", owner=owner, is_draft=is_draft), name=owner
    )


def run(
    scenario: Callable[[RecognizerPool], Awaitable[None]], *workers: ScriptedRecognizer
) -> None:
    async def within() -> None:
        pool = RecognizerPool(workers)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await scenario(pool)
        finally:
            for worker in workers:
                worker.gate.set()
            await pool.aclose()

    asyncio.run(within())


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110  what is waited for happens in a thread
        await asyncio.sleep(0.001)


async def cycles() -> None:
    """Let everything happen that waits for nothing."""
    for _ in range(20):
        await asyncio.sleep(0)


def text(words: list[Word]) -> str:
    return " ".join(word.text for word in words)


def starts_s(recognizer: ScriptedRecognizer) -> list[float]:
    return [round(call.utterance.start_sample / SAMPLE_RATE_HZ, 1) for call in recognizer.calls]


def test_finals_go_before_drafts_and_in_their_order() -> None:
    recognizer = ScriptedRecognizer(SCRIPT)

    async def scenario(pool: RecognizerPool) -> None:
        recognizer.gate.clear()
        first = recognize(pool, 0)
        await until(lambda: len(recognizer.calls) == 1)
        draft = recognize(pool, 0.3, owner="a", is_draft=True)
        finals = [recognize(pool, start_s) for start_s in (0.6, 0.9)]
        await cycles()
        recognizer.gate.set()
        assert [text(words) for words in await asyncio.gather(first, draft, *finals)] == [
            "zero",
            "one",
            "two",
            "three",
        ]
        assert starts_s(recognizer) == [0, 0.6, 0.9, 0.3]

    run(scenario, recognizer)


def test_a_draft_is_made_when_it_is_its_turn() -> None:
    recognizer = ScriptedRecognizer(SCRIPT)
    made: list[str] = []

    def make() -> Utterance:
        made.append(threading.current_thread().name)
        return utterance(0)

    async def scenario(pool: RecognizerPool) -> None:
        recognizer.gate.clear()
        first = recognize(pool, 0)
        draft = asyncio.create_task(pool.recognize(make, "en", owner="a", is_draft=True))
        await until(lambda: len(recognizer.calls) == 1)
        assert not made
        recognizer.gate.set()
        await asyncio.gather(first, draft)
        assert len(made) == 1 and made[0].startswith("recognizer")  # and not the event loop's

    run(scenario, recognizer)


def test_a_draft_that_is_withdrawn_or_cancelled_is_not_made() -> None:
    recognizer = ScriptedRecognizer(SCRIPT)

    async def scenario(pool: RecognizerPool) -> None:
        recognizer.gate.clear()
        first = recognize(pool, 0)
        withdrawn = recognize(pool, 0.3, owner="a", is_draft=True)
        cancelled = recognize(pool, 0.6, owner="b", is_draft=True)
        kept = recognize(pool, 0.9, owner="c", is_draft=True)
        await cycles()
        pool.withdraw("a")
        cancelled.cancel()
        with pytest.raises(Superseded):
            await withdrawn
        recognizer.gate.set()
        assert text(await kept) == "three"
        await first
        assert starts_s(recognizer) == [0, 0.9]

    run(scenario, recognizer)


def test_a_call_whose_asker_is_gone_keeps_its_worker_until_it_is_done() -> None:
    recognizer = ScriptedRecognizer(SCRIPT)

    async def scenario(pool: RecognizerPool) -> None:
        recognizer.gate.clear()
        gone, after = recognize(pool, 0), recognize(pool, 0.3)
        await until(lambda: len(recognizer.calls) == 1)
        gone.cancel()
        await cycles()
        assert len(recognizer.calls) == 1  # one thread at a time
        recognizer.gate.set()
        assert text(await after) == "one"

    run(scenario, recognizer)


def test_workers_work_at_the_same_time() -> None:
    workers = [ScriptedRecognizer(SCRIPT) for _ in range(2)]

    async def scenario(pool: RecognizerPool) -> None:
        for worker in workers:
            worker.gate.clear()
        tasks = [recognize(pool, 0), recognize(pool, 0.3)]
        await until(lambda: all(len(worker.calls) == 1 for worker in workers))
        for worker in workers:
            worker.gate.set()
        await asyncio.gather(*tasks)

    run(scenario, *workers)


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), AssertionError("x"), KeyError("x"), StopIteration("x")]
)
def test_any_error_is_the_error_of_its_request_alone(error: Exception) -> None:
    recognizer = ScriptedRecognizer(SCRIPT)

    async def scenario(pool: RecognizerPool) -> None:
        recognizer.error = error
        with pytest.raises(Exception, match="x"):
            await recognize(pool, 0)
        recognizer.error = None
        assert text(await recognize(pool, 0.3)) == "one"

    run(scenario, recognizer)


def test_an_error_in_making_the_utterance_is_its_requests_too() -> None:
    recognizer = ScriptedRecognizer(SCRIPT)

    def make() -> Utterance:
        raise IndexError("nothing there")

    async def scenario(pool: RecognizerPool) -> None:
        with pytest.raises(IndexError):
            await pool.recognize(make, "en", owner="a")
        assert text(await recognize(pool, 0)) == "zero"

    run(scenario, recognizer)


class Losing(ScriptedRecognizer):
    """Loses its process over the first `times` calls."""

    def __init__(self, times: int) -> None:
        super().__init__(SCRIPT)
        self._times = times

    def recognize(self, *arguments: object, **more: bool) -> list[Word]:
        words = super().recognize(*arguments, **more)  # type: ignore[arg-type]
        if len(self.calls) <= self._times:
            raise WorkerLost("the recognizer's process has died")
        return words


def test_an_utterance_that_cost_a_worker_is_heard_again() -> None:
    recognizer = Losing(1)

    async def scenario(pool: RecognizerPool) -> None:
        assert text(await recognize(pool, 0)) == "zero"

    run(scenario, recognizer)
    assert len(recognizer.calls) == 2


def test_what_a_worker_was_lost_over_is_heard_by_the_next_that_is_idle() -> None:
    lost, other = Losing(1), ScriptedRecognizer(SCRIPT)

    async def scenario(pool: RecognizerPool) -> None:
        for words in "zero", "zero":  # the other one is asked, as long as it is idle
            assert text(await recognize(pool, 0)) == words

    run(scenario, other, lost)
    assert (len(lost.calls), len(other.calls)) == (1, 2)


def test_a_worker_that_is_gone_leaves_its_work_to_the_others() -> None:
    gone, other = ScriptedRecognizer(SCRIPT), ScriptedRecognizer(SCRIPT)
    gone.error = WorkerGone("it cannot be started again")

    async def scenario(pool: RecognizerPool) -> None:
        tasks = [recognize(pool, start_s) for start_s in (0, 0.3, 0.6)]
        assert [text(await task) for task in tasks] == ["zero", "one", "two"]
        assert gone.is_closed and len(gone.calls) == 1
        other.error = gone.error  # the last one stays, and says what is the matter
        for _ in range(2):
            with pytest.raises(WorkerGone):
                await recognize(pool, 0)
        other.error = None
        assert text(await recognize(pool, 0)) == "zero"

    run(scenario, other, gone)


def test_a_worker_that_is_lost_while_the_pool_is_closed_is_not_waited_for() -> None:
    recognizer = Losing(1)

    async def scenario() -> None:
        pool = RecognizerPool([recognizer])
        recognizer.gate.clear()
        asked = recognize(pool, 0)
        await until(lambda: len(recognizer.calls) == 1)
        closing = asyncio.create_task(pool.aclose())
        await until(lambda: recognizer.is_closed)
        recognizer.gate.set()
        with pytest.raises(RecognizerError, match="closed"):
            await asked
        await closing

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))


def test_an_utterance_that_costs_two_workers_is_given_up() -> None:
    recognizer = Losing(2)

    async def scenario(pool: RecognizerPool) -> None:
        with pytest.raises(WorkerLost):
            await recognize(pool, 0)
        assert text(await recognize(pool, 0.3)) == "one"

    run(scenario, recognizer)


def test_drafts_of_all_sources_take_turns() -> None:
    recognizer = ScriptedRecognizer(SCRIPT)
    served: list[str] = []

    async def listen(pool: RecognizerPool, owner: str) -> None:
        for _ in range(4):
            await pool.recognize(partial(utterance, 0), "en", owner=owner, is_draft=True)
            served.append(owner)

    async def scenario(pool: RecognizerPool) -> None:
        await asyncio.gather(*(listen(pool, owner) for owner in "abc"))

    run(scenario, recognizer)
    assert served == list("abc") * 4


def test_drafts_leave_a_share_of_the_time_to_finals() -> None:
    clock = Clock()
    recognizer = ScriptedRecognizer(SCRIPT, clock=clock, work_s=30.0)

    async def scenario() -> None:
        pool = RecognizerPool([recognizer], draft_share=0.5, clock=clock)
        await recognize(pool, 0, is_draft=True)
        draft = recognize(pool, 0.3, is_draft=True)
        await cycles()
        recognizer._work_s = 10.0
        await recognize(pool, 0.6)  # 10 of the 30 s that must pass
        assert starts_s(recognizer) == [0, 0.6]
        clock.now_s += 20
        await recognize(pool, 0.9)
        await draft
        assert starts_s(recognizer) == [0, 0.6, 0.9, 0.3]
        assert pool.cost is not None and pool.cost > 30
        await pool.aclose()

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))


def test_the_budget_keeps_the_share() -> None:
    budget = DraftBudget(0.5, workers=2)  # a second of drafts in a second
    assert budget.wait_s(7.0) == 0
    budget.spend(7.0, 1.5)
    assert budget.wait_s(8.0) == 0.5
    budget.spend(8.0, 1.0)  # another worker's, at the same time
    assert budget.wait_s(8.0) == 1.5
    assert budget.wait_s(10.0) == 0
    budget.spend(20.0, 1.0)  # what was not used is not saved up
    assert budget.wait_s(20.0) == 1.0


def test_who_waits_is_told_when_the_pool_is_closed() -> None:
    recognizer = ScriptedRecognizer(SCRIPT)

    async def scenario() -> None:
        pool = RecognizerPool([recognizer])
        recognizer.gate.clear()
        at_work, waiting = recognize(pool, 0), recognize(pool, 0.3)
        await until(lambda: len(recognizer.calls) == 1)
        closing = asyncio.create_task(pool.aclose())
        with pytest.raises(RecognizerError, match="closed"):
            await waiting
        recognizer.gate.set()
        await closing
        assert text(await at_work) == "zero"
        with pytest.raises(RecognizerError, match="closed"):
            await recognize(pool, 0.6)
        assert recognizer.is_closed

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))


def test_a_language_that_is_not_known_is_refused() -> None:
    async def scenario(pool: RecognizerPool) -> None:
        with pytest.raises(RecognizerError, match="script does not understand 'de'"):
            pool.open_listener("de", ())

    run(scenario, ScriptedRecognizer(SCRIPT))


def test_a_pool_has_a_worker() -> None:
    with pytest.raises(ValueError, match="at least one"):
        RecognizerPool([])
