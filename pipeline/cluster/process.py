"""A connection to a cluster in a process of its own.

Ray ends the process that uses it when the cluster is lost, and runs threads that nobody can stop.
Here that costs the calls that are on their way, and not the server: the process is started again,
at growing waits, until the cluster is back.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import multiprocessing
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any

from ..errors import SurtitleError
from . import ClusterAway, ClusterError, Failure, Tell
from .process_work import Answer, Call, Cancel, Connect, Over, Ready, Told, serve

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
SILENCE_S = 30.0  # without a sign of life, it hangs
DISMISS_S = 20.0  # for the process to end by itself

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Pending:
    call: Call
    answer: Future[Any]
    tell: Tell | None


class ClusterProcess:
    """See `Cluster`. `connect`, which must be picklable, is awaited in each process anew."""

    def __init__(self, connect: Connect, name: str) -> None:
        """Start it, and wait until it is connected. `name` is for messages.

        Raises ClusterError for a cluster that is not there, or refuses.
        """
        self.name = name
        self._connect = connect
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._pending: dict[int, _Pending] = {}
        self._outbox: SimpleQueue[Call | Cancel | None] | None = None  # while it is connected
        self._is_there = threading.Event()
        self._is_closed = threading.Event()
        self._process: BaseProcess | None = None
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(opened,), daemon=True)
        atexit.register(self.close)
        self._thread.start()
        try:
            opened.result()
        except BaseException:
            self.close()
            raise

    @property
    def is_away(self) -> bool:
        return not self._is_there.is_set()

    def submit(
        self, service: str, method: str, *arguments: Any, tell: Tell | None = None
    ) -> Future[Any]:
        call = Call(next(self._numbers), service, method, arguments)
        pending = _Pending(call, Future(), tell)
        with self._lock:
            if self._outbox is None:
                pending.answer.set_exception(self._away())
                return pending.answer
            self._pending[call.number] = pending
            self._outbox.put(call)
        pending.answer.add_done_callback(lambda answer: self._left(call.number))
        return pending.answer

    def wait(self, timeout_s: float) -> bool:
        return self._is_there.wait(timeout_s)

    def close(self) -> None:
        """End the process; what is still asked gets ClusterAway."""
        self._is_closed.set()
        with self._lock:
            if self._outbox is not None:
                self._outbox.put(None)
            elif self._process is not None:
                self._process.kill()
        if threading.current_thread() is not self._thread:
            self._thread.join(DISMISS_S)
        atexit.unregister(self.close)

    def _left(self, number: int) -> None:
        """A call is over; where nobody waits for its answer any more, the cluster is told."""
        with self._lock:
            pending = self._pending.pop(number, None)
            if pending is not None and self._outbox is not None:
                self._outbox.put(Cancel(number))

    def _run(self, opened: Future[None]) -> None:
        """In the thread: one process after the other."""
        wait_s = FIRST_WAIT_S
        while not self._is_closed.is_set():
            why, was_there = self._serve_once(opened)
            if not opened.done():
                opened.set_exception(why)
                return
            if self._is_closed.is_set():
                return
            if was_there:
                log.warning("%s is away (%s); it is tried again", self.name, why)
                wait_s = FIRST_WAIT_S
            self._is_closed.wait(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _serve_once(self, opened: Future[None]) -> tuple[ClusterError, bool]:
        """Run a process to its end; return why it ended, and whether it was connected."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(self._connect, theirs), daemon=True)
        process.start()
        theirs.close()
        with self._lock:
            self._process = process
            if self._is_closed.is_set():
                process.kill()
        why, was_there = ClusterError("its process has died"), False
        try:
            while not isinstance(message := self._receive(ours), Over):
                if isinstance(message, Ready):
                    was_there = True
                    self._begin(ours, opened)
                self._hear(message)
            found = message.why.raised()
            why = found if isinstance(found, ClusterError) else ClusterError(str(found))
        except TimeoutError:
            why = ClusterError("its process hangs")
            process.kill()
        except (EOFError, OSError):
            pass
        self._give_up()
        process.join(DISMISS_S)
        process.kill()
        process.join()
        ours.close()
        return why, was_there

    def _receive(self, pipe: Connection) -> object:
        if not pipe.poll(SILENCE_S):
            raise TimeoutError
        return pipe.recv()

    def _begin(self, pipe: Connection, opened: Future[None]) -> None:
        outbox: SimpleQueue[Call | Cancel | None] = SimpleQueue()

        def send() -> None:  # in a thread: a full pipe keeps nobody else waiting
            with suppress(OSError):
                while (message := outbox.get()) is not None:
                    pipe.send(message)
                pipe.send(None)  # which ends the process

        threading.Thread(target=send, daemon=True).start()
        with self._lock:
            self._outbox = outbox
        self._is_there.set()
        if not opened.done():
            opened.set_result(None)
        else:
            log.warning("%s is back", self.name)

    def _hear(self, message: object) -> None:
        if isinstance(message, Told):
            pending = self._pending.get(message.number)
            if pending is not None and pending.tell is not None:
                with suppress(RuntimeError):  # whoever heard it has closed its event loop
                    pending.tell(message.value)
        elif isinstance(message, Answer):
            with self._lock:
                pending = self._pending.pop(message.number, None)
            if pending is not None and pending.answer.set_running_or_notify_cancel():
                if isinstance(message.value, Failure):
                    pending.answer.set_exception(message.value.raised())
                else:
                    pending.answer.set_result(message.value)

    def _give_up(self) -> None:
        """The process is gone: so are the answers."""
        self._is_there.clear()
        with self._lock:
            pending, self._pending = list(self._pending.values()), {}
            if self._outbox is not None:
                self._outbox.put(None)
            self._outbox = self._process = None
        for each in pending:
            if each.answer.set_running_or_notify_cancel():
                each.answer.set_exception(self._away())

    def _away(self) -> SurtitleError:
        return ClusterAway(f"{self.name} is away")
