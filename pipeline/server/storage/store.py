"""The sessions of a server and what was final in them, in an SQLite file."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from ...config import LiveConfig
from ...errors import StoreError
from ...events import Caption
from .changes import Begin, Change, End, Final, Forget, parse_words
from .file import damage, open_for_reading, open_store_file
from .leftovers import keep, take_in
from .writer import StoreWriter

STORE_WAIT_S = 0.2  # so long a final waits for the disk before it is shown without it

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredSession:
    """Times are ISO 8601; `ended_at` is None for one that goes on, or that a crash has ended."""

    id: str
    room: str
    source: str
    targets: tuple[str, ...]
    started_at: str
    ended_at: str | None


def default_store() -> Path:
    """The file in the user's data folder."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "surtitle" / "sessions.sqlite"


class Store:
    """One thread writes, in the order in which it was asked; another one reads.

    What the disk refuses is tried again, and what has not been written when the store is closed
    goes to a file beside it, which its next opening takes in.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it. Raises StoreError.

        A file that is damaged in parts is opened, and one line in the log says so.
        """
        self._path = path
        self._kept = Counter[str]()  # finals that went to a file instead, by session
        self._files: list[Path | None] = []  # the files; None is standard error
        self._failure: Exception | None = None  # why they did
        self._has_told_unreadable = False
        connection = open_store_file(path)
        take_in(path, connection)
        self._reading = open_for_reading(path)
        if finding := damage(self._reading):
            log.error("%s is damaged: %s; move it away to begin a new one", path, finding)
        self._readers = ThreadPoolExecutor(1, "store reader")
        self._writer = StoreWriter(path, connection, STORE_WAIT_S, self._keep)

    @property
    def unstored(self) -> int:
        """How many finals the store does not have and should have by now."""
        return self._writer.unstored + self._kept.total()

    def begin(self, session_id: str, room: str, config: LiveConfig) -> None:
        self._writer.put(Begin(session_id, room, config.source, config.targets, _now()))

    async def add(self, session_id: str, caption: Caption) -> bool:
        """Keep a final caption; return whether it is on the disk.

        False after a failure or STORE_WAIT_S; it is tried again then, and counts as `unstored`.
        """
        assert caption.is_final, "drafts are not kept"
        return await self._attempt(Final(session_id, caption))

    def end(self, session_id: str) -> None:
        self._writer.put(End(session_id, _now()))

    async def forget(self, session_id: str) -> bool:
        """Delete a session and its captions; return whether that is on the disk, as `add`."""
        return await self._attempt(Forget(session_id))

    async def begun_before(self, time: datetime) -> list[str]:
        """The sessions that began before a time. Raises StoreError."""
        limit = time.astimezone(UTC).isoformat(timespec="seconds")
        return await self._read(lambda: self._select_ids(limit))

    async def sessions(self, most: int) -> list[StoredSession]:
        """The newest sessions first. Raises StoreError, as all that read."""
        return await self._read(
            lambda: self._select_sessions("ORDER BY started_at DESC, id DESC LIMIT ?", most)
        )

    async def session(self, session_id: str) -> StoredSession | None:
        found = await self._read(lambda: self._select_sessions("WHERE id = ?", session_id))
        return found[0] if found else None

    async def captions(self, session_id: str) -> list[Caption]:
        """What is final in a session, by time."""
        return await self._read(lambda: self._select_captions(session_id))

    def close(self) -> None:
        """Finish what has been asked for; blocks for a few seconds at most.

        Raises StoreError for what could not be stored: it names the sessions, and the file that
        holds their finals now.
        """
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._reading.interrupt()
        self._readers.shutdown()
        self._reading.close()
        if left := self._writer.close():
            self._keep(left)
        if self._kept:
            raise StoreError(self._loss())

    async def _attempt(self, change: Change | None) -> bool:
        """Whether the next attempt to write succeeds within STORE_WAIT_S."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[bool] = loop.create_future()

        def tell(is_stored: bool) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, told, is_stored)

        self._writer.put(change, tell)
        try:
            async with asyncio.timeout(STORE_WAIT_S):
                return await told
        except TimeoutError:
            return False

    def _keep(self, changes: list[Change]) -> None:
        self._failure = self._writer.failure or self._failure
        self._files.append(keep(self._path, changes, datetime.now(UTC)))
        for change in changes:
            self._kept[change.session] += isinstance(change, Final)

    def _loss(self) -> str:
        sessions = ", ".join(
            f"{session} ({count} {'final' if count == 1 else 'finals'})"
            for session, count in self._kept.items()
        )
        files = dict.fromkeys(self._files)
        places = " and ".join(str(file or "lines printed above") for file in files)
        return (
            f"{self._path} cannot be written: {self._failure or 'the disk does not answer'}; "
            f"it lacks {sessions}, which you find in {places}"
            + ("" if None in files else ": the next start with this store takes them in")
        )

    async def _read(self, read: Callable[[], Answer]) -> Answer:
        await self._attempt(None)  # what was asked for before is to be seen
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, read)
        except (sqlite3.Error, ValueError, TypeError) as error:  # also what is no JSON any more
            if not self._has_told_unreadable:
                self._has_told_unreadable = True
                log.error("%s cannot be read: %s", self._path, error)
            raise StoreError(f"{self._path} cannot be read: {error}") from error

    def _select_sessions(self, clause: str, value: str | int) -> list[StoredSession]:
        columns = "id, room, source, targets, started_at, ended_at"
        rows = self._reading.execute(f"SELECT {columns} FROM sessions {clause}", (value,))
        return [
            StoredSession(id, room, source, tuple(json.loads(targets)), started_at, ended_at)
            for id, room, source, targets, started_at, ended_at in rows
        ]

    def _select_ids(self, limit: str) -> list[str]:
        rows = self._reading.execute("SELECT id FROM sessions WHERE started_at < ?", (limit,))
        return [session_id for (session_id,) in rows]

    def _select_captions(self, session_id: str) -> list[Caption]:
        rows = self._reading.execute(
            "SELECT segment_id, revision, language, text, start_ms, end_ms, is_source, words, "
            "speaker FROM captions WHERE session = ? ORDER BY segment_id, language",
            (session_id,),
        )
        return [_caption(*row) for row in rows]


def _caption(
    segment_id: int,
    revision: int,
    language: str,
    text: str,
    start_ms: int,
    end_ms: int,
    is_source: int,
    words: str | None,
    speaker: str,
) -> Caption:
    return Caption(
        segment_id,
        revision,
        language,
        text,
        start_ms,
        end_ms,
        is_final=True,
        is_source=bool(is_source),
        words=parse_words(json.loads(words)) if words else (),
        speaker=speaker,
    )


def _resolve(told: asyncio.Future[bool], is_stored: bool) -> None:
    if not told.done():  # it has not waited too long
        told.set_result(is_stored)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
