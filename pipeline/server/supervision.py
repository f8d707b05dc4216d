"""Tasks of which none ends the others, whatever it raises."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar, cast

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class IndependentTasks(asyncio.TaskGroup):
    """A task group of sessions: one that fails is logged, and the others go on.

    The result of a task that has failed is None.
    """

    def create_task(
        self,
        coro: Generator[Any, None, Result] | Coroutine[Any, Any, Result],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Result]:
        alone = _alone(cast("Coroutine[Any, Any, Result]", coro))
        task = super().create_task(alone, name=name, context=context)
        return cast("asyncio.Task[Result]", task)


async def _alone(work: Coroutine[Any, Any, Result]) -> Result | None:
    try:
        return await work
    except Exception:
        log.exception("a task of the server failed; the others go on")
        return None


async def carry_on(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run what should never end until cancelled: where it fails, it is logged and begun again.

    The waits before that double to LONGEST_WAIT_S, and are short again once it went well so long.
    """
    wait_s = FIRST_WAIT_S
    while True:
        begun_s = time.monotonic()
        try:
            await work()
            return
        except Exception:
            if time.monotonic() - begun_s > LONGEST_WAIT_S:
                wait_s = FIRST_WAIT_S
            log.exception("%s failed; it begins again in %g s", name, wait_s)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)
