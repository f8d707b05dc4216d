"""Calls to workers that may die, or fall silent, are made again; no Ray in here."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

from ..cluster import WorkersLost

REPEAT_S = 30.0  # so long a call is repeated
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 1.0
RECENT = 20  # answers that tell how long one takes
SLOWER = 2.0  # than the slowest of them: perhaps none comes
LEAST_PATIENCE_S = 1.0
ASKED_AT_ONCE = 3

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class Patience:
    """How long an answer is waited for before another worker is asked as well. Pure.

    A call to a worker whose machine has lost its power fails after 2 s, and to one that hangs after
    a minute or more: nothing tells sooner than that no answer comes.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=RECENT)

    def heard(self, took_s: float) -> None:
        self._recent.append(took_s)

    @property
    def wait_s(self) -> float | None:
        """None: for ever, as too few answers have come to know."""
        if len(self._recent) < RECENT:
            return None
        return max(LEAST_PATIENCE_S, SLOWER * max(self._recent))


class Repeating:
    """Makes calls, again where who was asked dies over it, and to another as well where it takes
    far longer than such calls have of late. The work may be done twice; there is one answer."""

    def __init__(self, is_lost: Callable[[BaseException], bool]) -> None:
        """`is_lost` says of an error that it was not the call's."""
        self._is_lost = is_lost
        self._patience: dict[Hashable, Patience] = {}
        self._left: set[asyncio.Task[Any]] = set()  # asked, and not waited for any more

    async def answer(
        self, kind: Hashable, ask: Callable[[], Coroutine[Any, Any, Answer]]
    ) -> Answer:
        """The first answer; calls of a `kind` are alike in how long they take.

        Raises WorkersLost where all who were asked are lost for REPEAT_S, and whatever else `ask`
        raises. To cancel it cancels all that it has asked.
        """
        asked: dict[asyncio.Task[Answer], float] = {}
        try:
            found = await self._first(self._patience.setdefault(kind, Patience()), ask, asked)
        except BaseException:
            for each in asked:
                each.cancel()
            raise
        finally:
            for each in asked:
                self._leave(each)
        return found

    async def _first(
        self,
        patience: Patience,
        ask: Callable[[], Coroutine[Any, Any, Answer]],
        asked: dict[asyncio.Task[Answer], float],
    ) -> Answer:
        """`asked` are those who may still answer, and since when, in seconds of the loop's clock.

        Whoever is late is left to it: as long as Ray counts the call as one that is at work, it
        sends others elsewhere.
        """
        now_s = asyncio.get_running_loop().time
        end_s, pause_s = now_s() + REPEAT_S, FIRST_WAIT_S
        while True:
            if len(asked) < ASKED_AT_ONCE:
                asked[asyncio.create_task(ask())] = now_s()
            wait_s = patience.wait_s if len(asked) < ASKED_AT_ONCE else None
            done, _ = await asyncio.wait(asked, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                log.info("no answer after %.1f s; another worker is asked as well", wait_s)
            for each in done:
                begun_s = asked.pop(each)
                error = each.exception()
                if error is None:
                    patience.heard(now_s() - begun_s)
                    return each.result()
                if not self._is_lost(error):
                    raise error
                log.info("a worker was lost (%s); its call is repeated", type(error).__name__)
                if now_s() + pause_s > end_s:
                    raise WorkersLost(
                        f"all workers were lost over it ({type(error).__name__})"
                    ) from error
            if done:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_WAIT_S)

    def _leave(self, task: asyncio.Task[Any]) -> None:
        def end(task: asyncio.Task[Any]) -> None:
            self._left.discard(task)
            if not task.cancelled():
                task.exception()  # which nobody waits for

        self._left.add(task)
        task.add_done_callback(end)
