"""What SIGINT and SIGTERM mean to a command that runs until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

SIGNALS = signal.SIGINT, signal.SIGTERM
AGAIN_AFTER_S = 0.5


class Stop:
    """A context manager: within it, the first signal asks for an orderly end, which `wanted` waits
    for, and another one ends the process at once, as if nobody heard it.

    Signals within AGAIN_AFTER_S are one: `timeout` and a terminal's shell may send it to the
    process and to its group.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard_s: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wanted = asyncio.Event()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Stop:
        self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def is_wanted(self) -> bool:
        return self._heard_s is not None

    async def wanted(self) -> None:
        """Wait for the first signal; all who wait must do so on one event loop."""
        self._loop = asyncio.get_running_loop()
        if self.is_wanted:  # before anybody waited for it
            self._wanted.set()
        await self._wanted.wait()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._heard_s is not None:
            if self._clock() - self._heard_s >= AGAIN_AFTER_S:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
            return
        self._heard_s = self._clock()
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: the end has been reached
                self._loop.call_soon_threadsafe(self._wanted.set)


async def run_until_wanted(
    stop: Stop, work: Coroutine[Any, Any, None], grace_s: float, say: Callable[[str], None]
) -> None:
    """Run until the work is done; when a stop is wanted, it has `grace_s` to end by itself."""
    working, wanted = asyncio.create_task(work), asyncio.create_task(stop.wanted())
    await asyncio.wait((working, wanted), return_when=asyncio.FIRST_COMPLETED)
    wanted.cancel()
    if grace_s and not working.done():
        say("Ending after the last captions; once more ends it at once")
    await asyncio.wait([working], timeout=grace_s)
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


async def until_wanted(stop: Stop, audio: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces of audio that come before a stop is wanted; who waits for one is not kept."""
    wanted = asyncio.create_task(stop.wanted())
    coming = asyncio.ensure_future(anext(audio, b""))
    try:
        while True:
            await asyncio.wait((coming, wanted), return_when=asyncio.FIRST_COMPLETED)
            if wanted.done():
                return
            if not (piece := coming.result()):
                return
            yield piece
            coming = asyncio.ensure_future(anext(audio, b""))
    finally:
        wanted.cancel()
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
