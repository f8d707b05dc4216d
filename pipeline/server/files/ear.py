"""What hears the recordings that are sent: a recognizer of its own, which live speech never waits
for."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

from ...config import RecognizerConfig
from ...errors import MediaError
from ...recognizers import Recognizer
from ...recognizers.child_process import ChildProcessRecognizer, Say
from ...recognizers.choice import open_recognizer

IDLE_S = 120.0  # so long the weights stay in memory when nothing is to be heard
NICENESS = 10  # of 0 to 19: where both compute, live recognition gets nine tenths of a core

log = logging.getLogger(__name__)

Make = Callable[[], Recognizer]


def open_ear(config: RecognizerConfig, languages: frozenset[str]) -> Recognizer:
    """The recognizer of files in a process of its own, which gives way to all others. `languages`
    are those that are heard live: what needs no other weights. Raises RecognizerError."""
    source = next(iter(languages)) if len(languages) == 1 else None
    return ChildProcessRecognizer(partial(_make, config, source), log.info)


def _make(config: RecognizerConfig, source: str | None, say: Say) -> Recognizer:
    if hasattr(os, "nice"):
        os.nice(NICENESS)  # first: threads have that of who starts them
    return open_recognizer(config, source, say, is_live=False)


class Ear:
    """A recognizer that is there while somebody needs it, and IDLE_S longer; one at a time does."""

    def __init__(self, make: Make, idle_s: float = IDLE_S) -> None:
        self._make = make
        self._idle_s = idle_s
        self._turn = asyncio.Lock()
        self._opening: asyncio.Task[Recognizer] | None = None
        self._later: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def lent(self) -> AsyncGenerator[Recognizer, None]:
        """The recognizer, for who must not use it any more afterwards. Raises RecognizerError.

        Where its use ends with an error that is not the recording's, it may still be at work: it is
        closed, and opened again for the next.
        """
        async with self._turn:
            self._stay()
            try:
                yield await self._opened()
            except BaseException as error:
                if not isinstance(error, MediaError):
                    await asyncio.shield(self._close())
                raise
            finally:
                if self._opening is not None:
                    loop = asyncio.get_running_loop()
                    self._later = loop.call_later(self._idle_s, self._close_idle)

    async def aclose(self) -> None:
        """Nobody may be using it."""
        self._stay()
        await self._close()
        if self._closing is not None:
            await self._closing

    async def _opened(self) -> Recognizer:
        if self._opening is None:
            self._opening = asyncio.create_task(asyncio.to_thread(self._make))
        return await asyncio.shield(self._opening)

    def _stay(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _close_idle(self) -> None:
        self._later = None
        self._closing = asyncio.create_task(self._close_in_turn())

    async def _close_in_turn(self) -> None:
        async with self._turn:
            if self._later is None:  # nobody has used it meanwhile
                await self._close()

    async def _close(self) -> None:
        opening, self._opening = self._opening, None
        if opening is None:
            return
        await asyncio.wait([opening])
        if not opening.cancelled() and opening.exception() is None:
            await asyncio.to_thread(opening.result().close)
