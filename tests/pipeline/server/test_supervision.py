from __future__ import annotations

import asyncio

import pytest

from surtitle.pipeline.server import supervision
from surtitle.pipeline.server.supervision import IndependentTasks, carry_on


async def fail() -> None:
    raise AssertionError("the impossible")


def test_a_task_that_fails_is_logged_once_and_ends_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> str:
        async with IndependentTasks() as tasks:
            failing = tasks.create_task(fail())
            await asyncio.wait([failing])
            return await tasks.create_task(asyncio.sleep(0, "it went on"))

    assert asyncio.run(scenario()) == "it went on"
    assert caplog.text.count("AssertionError: the impossible") == 1


def test_a_task_that_is_cancelled_is_cancelled() -> None:
    async def scenario() -> bool:
        async with IndependentTasks() as tasks:
            waiting = tasks.create_task(asyncio.sleep(60))
            await asyncio.sleep(0)
            waiting.cancel()
        return waiting.cancelled()

    assert asyncio.run(scenario())


def test_what_should_never_end_begins_again_after_it_failed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "FIRST_WAIT_S", 0.001)
    begun: list[int] = []

    async def work() -> None:
        begun.append(len(begun))
        if len(begun) < 4:
            raise RuntimeError("it is broken")

    asyncio.run(carry_on("the work", work))
    assert begun == [0, 1, 2, 3]
    waits = [record.getMessage() for record in caplog.records]
    assert waits == [f"the work failed; it begins again in {s} s" for s in (0.001, 0.002, 0.004)]
