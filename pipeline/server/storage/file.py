"""The SQLite file of a store: opened, made, migrated and looked over."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from ...errors import StoreError
from .changes import Change, statements

SCHEMA_VERSION = 3
BUSY_S = 1.0  # so long one attempt waits for another process that holds the file
LOOK_OVER_S = 1.0  # 225 MB took 0.14 s from the page cache, 3.6 s from a slow disk

_SCHEMA = (
    """
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        room TEXT NOT NULL,
        source TEXT NOT NULL,
        targets TEXT NOT NULL,
        started_at TEXT NOT NULL,
        ended_at TEXT
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE captions (
        session TEXT NOT NULL REFERENCES sessions (id),
        segment_id INTEGER NOT NULL,
        language TEXT NOT NULL,
        revision INTEGER NOT NULL,
        text TEXT NOT NULL,
        start_ms INTEGER NOT NULL,
        end_ms INTEGER NOT NULL,
        is_source INTEGER NOT NULL DEFAULT 0,
        words TEXT,
        speaker TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (session, segment_id, language)
    ) WITHOUT ROWID
    """,
)
_FROM_VERSION_1 = (
    "ALTER TABLE captions ADD COLUMN is_source INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE captions ADD COLUMN words TEXT",
    """
    UPDATE captions SET is_source = 1
    WHERE language = (SELECT source FROM sessions WHERE sessions.id = captions.session)
    """,
)
_FROM_VERSION_2 = ("ALTER TABLE captions ADD COLUMN speaker TEXT NOT NULL DEFAULT ''",)
_STEPS = {  # from a version to SCHEMA_VERSION
    0: _SCHEMA,
    1: (*_FROM_VERSION_1, *_FROM_VERSION_2),
    2: _FROM_VERSION_2,
}


def open_store_file(path: Path) -> sqlite3.Connection:
    """A connection that writes, to a file of today's version; an older one is migrated.

    It may be used by any one thread; its transactions are begun and ended by who uses it. Raises
    StoreError.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)  # what people said is not for other users of this computer
        connection = _connect(path)
        try:
            _migrate(connection, path)  # first, as it finds what is not ours and is left alone
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # what is written survives a power cut
        except BaseException:
            connection.close()
            raise
        return connection
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"{path} cannot be opened as a store of sessions: {error}; move it away, or name "
            "another with --store"
        ) from error


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A second connection, so that who reads delays no write. Raises StoreError."""
    try:
        connection = _connect(path)
        connection.execute("PRAGMA query_only = ON")
        return connection
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be read: {error}") from error


def damage(connection: sqlite3.Connection) -> str:
    """What is wrong with the file, as far as it shows within LOOK_OVER_S; "" when it is sound."""
    # Not a progress handler: the walk over the pages, which reads all of them, calls none.
    timer = threading.Timer(LOOK_OVER_S, connection.interrupt)
    timer.start()
    try:
        with closing(connection.execute("PRAGMA quick_check(1)")) as found:
            (finding,) = found.fetchone()
        return "" if finding == "ok" else " ".join(finding.split())
    except sqlite3.DatabaseError as error:
        return "" if str(error) == "interrupted" else str(error)
    finally:
        timer.cancel()
        timer.join()


def write_changes(connection: sqlite3.Connection, changes: Sequence[Change]) -> None:
    """All of them, or none, which survive a power cut when this returns. Raises sqlite3.Error."""
    _transact(connection, [each for change in changes for each in statements(change)])


def _transact(
    connection: sqlite3.Connection, statements: Sequence[tuple[str, Sequence[object]]]
) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for sql, values in statements:
            connection.execute(sql, values)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself has ended it when the disk is full
            connection.execute("ROLLBACK")
        raise


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to SCHEMA_VERSION, in one transaction. Raises StoreError, sqlite3.Error."""
    if _version(connection) == SCHEMA_VERSION:  # most often; then nobody else need be waited for
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)  # another process may have migrated it meanwhile
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{path} was written by a newer surtitle; update this one, or name another with "
                "--store"
            )
        if version == 0 and _number(connection, "SELECT count(*) FROM sqlite_master"):
            raise StoreError(
                f"{path} is a database of something else; name another file with --store"
            )
        if version < SCHEMA_VERSION:
            for sql in _STEPS[version]:
                connection.execute(sql)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return _number(connection, "PRAGMA user_version")


def _number(connection: sqlite3.Connection, query: str) -> int:
    with closing(connection.execute(query)) as found:
        (number,) = found.fetchone()
    return number
