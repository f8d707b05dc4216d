"""The one thread that writes to the store."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from .changes import Change, Final
from .file import BUSY_S, write_changes

RETRY_S = 1.0
CLOSE_S = 2 * BUSY_S + 1.0  # for the attempt that runs and the last one
MAX_WAITING = 10_000  # changes, of hours of speech

log = logging.getLogger(__name__)

Tell = Callable[[bool], None]  # whether the attempt has succeeded; called in the thread


class StoreWriter:
    """Group commit: all that came while one transaction was written is the next transaction.

    What cannot be written stays, is tried again each RETRY_S and with whatever comes, and is what
    `close` returns. When more than MAX_WAITING changes stay, all are given to `spill`.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        late_s: float,
        spill: Callable[[list[Change]], None],
    ) -> None:
        """`late_s`: so old a final counts as unstored, or as soon as an attempt has failed."""
        self._path = path
        self._connection = connection
        self._late_s = late_s
        self._spill = spill
        self._waiting: deque[tuple[float, Change]] = deque()  # with when they came
        self._told: list[Tell] = []  # by the next attempt
        self._failed = 0  # the first so many of those waiting have been tried
        self._failure: Exception | None = None
        self._is_asked = self._is_closing = False
        self._changed = threading.Condition()  # guards all of these
        # A daemon: a disk that never answers must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    @property
    def unstored(self) -> int:
        """Finals that a failure, or a disk slower than `late_s`, keeps out of the store."""
        with self._changed:
            late_s = time.monotonic() - self._late_s
            return sum(
                isinstance(change, Final) and (at < self._failed or came_s <= late_s)
                for at, (came_s, change) in enumerate(self._waiting)
            )

    @property
    def failure(self) -> Exception | None:
        """Why the last attempt has failed."""
        return self._failure

    def put(self, change: Change | None, tell: Tell | None = None) -> None:
        """Write a change, and tell how the attempt went; without one, tell of those before."""
        with self._changed:
            if change is not None:
                self._waiting.append((time.monotonic(), change))
            if tell is not None:
                self._told.append(tell)
            self._is_asked = True
            self._changed.notify()

    def close(self) -> list[Change]:
        """Try for the last time; return what could not be written. Blocks for up to CLOSE_S."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(CLOSE_S)
        with self._changed:
            return [change for _, change in self._waiting]

    def _run(self) -> None:
        is_last = False
        while not is_last:
            with self._changed:
                if not self._is_asked and not self._is_closing:
                    self._changed.wait(RETRY_S if self._waiting else None)
                self._is_asked, is_last = False, self._is_closing
                changes = [change for _, change in self._waiting]
                told, self._told = self._told, []
            failure = self._attempt(changes)
            self._note(failure, len(changes))
            for tell in told:
                tell(failure is None)
        self._connection.close()

    def _attempt(self, changes: list[Change]) -> Exception | None:
        try:
            if changes:
                write_changes(self._connection, changes)
        except Exception as error:  # of any kind: the thread must live, and what waits is kept
            return error
        return None

    def _note(self, failure: Exception | None, count: int) -> None:
        """Keep or forget what was tried, and say once when writing fails and when it goes on."""
        if failure is not None and self._failure is None:
            log.error("%s cannot be written, %d changes wait: %s", self._path, count, failure)
        elif failure is None and self._failure is not None and count:
            log.warning("%s is written again, with the %d changes that waited", self._path, count)
        spilled: list[Change] = []
        with self._changed:
            if failure is not None and count > MAX_WAITING:
                spilled = [change for _, change in islice(self._waiting, count)]
            gone = count if failure is None else len(spilled)
            for _ in range(gone):
                self._waiting.popleft()
            self._failed = count - gone
            if count:
                self._failure = failure
        if spilled:
            self._spill(spilled)
