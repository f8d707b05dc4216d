"""The sessions of a server and what was final in them, in an SQLite file."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from ..config import LiveConfig
from ..errors import StoreError
from ..events import Caption

SCHEMA_VERSION = 1
MAX_PENDING = 10_000  # what waits for a disk that refuses: hours of speech

_SCHEMA = """
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    room TEXT NOT NULL,
    source TEXT NOT NULL,
    targets TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT
) WITHOUT ROWID;
CREATE TABLE captions (
    session TEXT NOT NULL REFERENCES sessions (id),
    segment_id INTEGER NOT NULL,
    language TEXT NOT NULL,
    revision INTEGER NOT NULL,
    text TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    PRIMARY KEY (session, segment_id, language)
) WITHOUT ROWID;
"""

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
    """All work with the file is done by one thread, in the order in which it was asked for.

    `begin`, `add` and `end` return at once. A write that the disk refuses stays pending, is logged,
    and is tried again with the next one; of more than MAX_PENDING the oldest is given up.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it. Raises StoreError."""
        self._path = path
        self._pending: deque[tuple[str, tuple[Any, ...]]] = deque(maxlen=MAX_PENDING)
        self._thread = ThreadPoolExecutor(1, "store")
        try:
            self._connection = self._thread.submit(_connect, path).result()
        except BaseException:
            self._thread.shutdown()
            raise

    def begin(self, session_id: str, room: str, config: LiveConfig) -> None:
        self._write(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, NULL)",
            (session_id, room, config.source, json.dumps(config.targets), _now()),
        )

    def add(self, session_id: str, caption: Caption) -> None:
        """Keep a final caption."""
        assert caption.is_final, "drafts are not kept"
        self._write(
            "INSERT OR REPLACE INTO captions VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                session_id,
                caption.segment_id,
                caption.language,
                caption.revision,
                caption.text,
                caption.start_ms,
                caption.end_ms,
            ),
        )

    def end(self, session_id: str) -> None:
        self._write("UPDATE sessions SET ended_at = ? WHERE id = ?", (_now(), session_id))

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
        """Finish what has been asked for. Blocks for as long as the disk takes."""
        self._thread.submit(self._connection.close)
        self._thread.shutdown()

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        # The executor's queue has no bound, but what waits in it came at the pace of speech.
        self._thread.submit(self._perform, statement, values)

    def _perform(self, statement: str, values: tuple[Any, ...]) -> None:
        """In the thread: write this and all that is pending, in one transaction."""
        self._pending.append((statement, values))
        try:
            with self._connection:
                for pending in self._pending:
                    self._connection.execute(*pending)
            self._pending.clear()
        except sqlite3.Error as error:
            log.error(
                "%s cannot be written, %d changes wait: %s", self._path, len(self._pending), error
            )

    async def _read(self, read: Callable[[], Answer]) -> Answer:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, read)
        except sqlite3.Error as error:
            raise StoreError(f"{self._path} cannot be read: {error}") from error

    def _select_sessions(self, clause: str, value: str | int) -> list[StoredSession]:
        columns = "id, room, source, targets, started_at, ended_at"
        rows = self._connection.execute(f"SELECT {columns} FROM sessions {clause}", (value,))
        return [
            StoredSession(id, room, source, tuple(json.loads(targets)), started_at, ended_at)
            for id, room, source, targets, started_at, ended_at in rows
        ]

    def _select_captions(self, session_id: str) -> list[Caption]:
        rows = self._connection.execute(
            "SELECT segment_id, revision, language, text, start_ms, end_ms FROM captions "
            "WHERE session = ? ORDER BY segment_id, language",
            (session_id,),
        )
        return [Caption(*row, is_final=True) for row in rows]


def _connect(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)  # what people said is not for other users of this computer
        connection = sqlite3.connect(path)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # what is written survives a power cut
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"{path} cannot be opened as a store of sessions: {error}; name another with --store"
        ) from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    with closing(connection.execute("PRAGMA user_version")) as found:
        (version,) = found.fetchone()
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} was written by a newer surtitle; update this one, or name another with --store"
        )
    if version == 0:
        connection.executescript(
            f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
