"""What the process with the connection does: it answers calls, many at once, and gives signs of
life."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from ..errors import SurtitleError
from . import ClusterError, Failure, Tell

SIGNALS = (signal.SIGINT, signal.SIGTERM)
BEAT_S = 1.0  # between two signs of life
CHECK_S = 2.0  # between two looks whether the cluster is there
CHECK_TIMEOUT_S = 15.0


class Services(Protocol):
    """A connection to a cluster."""

    async def call(
        self, service: str, method: str, arguments: tuple[Any, ...], tell: Tell
    ) -> Any: ...

    async def check(self) -> None:
        """Raises ClusterError where the cluster is not there any more."""
        ...

    async def aclose(self) -> None: ...


Connect = Callable[[], Awaitable[Services]]


@dataclass(frozen=True, slots=True)
class Call:
    number: int
    service: str
    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Cancel:
    number: int


class Ready:
    """It is connected."""


class Beat:
    """A sign of life."""


@dataclass(frozen=True, slots=True)
class Over:
    """The cluster is not there, or not any more: the last message."""

    why: Failure


@dataclass(frozen=True, slots=True)
class Told:
    number: int
    value: Any


@dataclass(frozen=True, slots=True)
class Answer:
    number: int
    value: Any  # a Failure is raised where it arrives


def serve(connect: Connect, pipe: Connection) -> None:
    """The process: answer calls until the parent closes the pipe or is gone, or the cluster is."""
    for number in SIGNALS:  # the parent ends it: live sessions have last words
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    asyncio.run(_Serving(pipe).run(connect))


class _Serving:
    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._sending = threading.Lock()
        self._calls: dict[int, asyncio.Task[None]] = {}

    async def run(self, connect: Connect) -> None:
        threading.Thread(target=self._beat, daemon=True).start()
        messages: asyncio.Queue[Call | Cancel | None] = asyncio.Queue()
        threading.Thread(
            target=self._receive, args=(asyncio.get_running_loop(), messages), daemon=True
        ).start()
        try:
            services = await connect()
        except SurtitleError as error:
            self._send(Over(Failure.of(error)))
            return
        except Exception as error:  # what it says may not travel
            self._send(Over(Failure(ClusterError, "".join(traceback.format_exception(error)))))
            return
        self._send(Ready())
        checking = asyncio.create_task(self._check(services))
        try:
            while (message := await messages.get()) is not None:
                if isinstance(message, Call):
                    answering = asyncio.create_task(self._answer(services, message))
                    self._calls[message.number] = answering
                    answering.add_done_callback(
                        lambda _, number=message.number: self._calls.pop(number)
                    )
                elif message.number in self._calls:
                    self._calls[message.number].cancel()
        finally:
            checking.cancel()
            await services.aclose()

    async def _answer(self, services: Services, call: Call) -> None:
        def tell(value: Any) -> None:
            self._send(Told(call.number, value))

        try:
            value = await services.call(call.service, call.method, call.arguments, tell)
        except SurtitleError as error:
            value = Failure.of(error)
        except Exception as error:
            value = Failure(SurtitleError, "".join(traceback.format_exception(error)))
        self._send(Answer(call.number, value))

    async def _check(self, services: Services) -> None:
        """End the process where the cluster is away: a connection may hang in it for ever."""
        while True:
            await asyncio.sleep(CHECK_S)
            try:
                async with asyncio.timeout(CHECK_TIMEOUT_S):
                    await services.check()
            except (ClusterError, TimeoutError) as error:
                why = str(error) or "the cluster does not answer"
                self._send(Over(Failure(ClusterError, why)))
                os._exit(1)

    def _receive(
        self, loop: asyncio.AbstractEventLoop, messages: asyncio.Queue[Call | Cancel | None]
    ) -> None:
        message: Call | Cancel | None = None
        while True:
            try:
                message = self._pipe.recv()
            except (EOFError, OSError):
                message = None
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(messages.put_nowait, message)
            if message is None:
                break
        threading.Event().wait(CHECK_TIMEOUT_S)  # for an end in order
        os._exit(1)

    def _beat(self) -> None:
        while True:
            self._send(Beat())
            threading.Event().wait(BEAT_S)

    def _send(self, message: object) -> None:
        with self._sending, suppress(OSError):  # the parent is done
            self._pipe.send(message)
