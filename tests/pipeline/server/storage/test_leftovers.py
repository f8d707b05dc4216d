from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from surtitle.pipeline.events import Caption
from surtitle.pipeline.server.storage.changes import Final
from surtitle.pipeline.server.storage.file import open_store_file
from surtitle.pipeline.server.storage.leftovers import keep, take_in

NOW = datetime(2026, 11, 24, 10, 15, tzinfo=UTC)


def final(segment_id: int) -> Final:
    return Final("s-1", Caption(segment_id, 0, "es", f"hola {segment_id}", 0, 900, is_final=True))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "[my] sessions.sqlite"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_store_file(path)) as connection:
        yield connection


def texts(connection: sqlite3.Connection) -> list[str]:
    return [text for (text,) in connection.execute("SELECT text FROM captions")]


def test_files_of_one_second_have_names_of_their_own(
    path: Path, connection: sqlite3.Connection
) -> None:
    names = [keep(path, [final(n)], NOW) for n in range(3)]
    assert [found and found.name.removeprefix(path.name) for found in names] == [
        ".unstored-20261124-101500.jsonl",
        ".unstored-20261124-101500-2.jsonl",
        ".unstored-20261124-101500-3.jsonl",
    ]
    take_in(path, connection)
    assert texts(connection) == ["hola 0", "hola 1", "hola 2"]
    take_in(path, connection)
    assert len(list(path.parent.glob("*.jsonl.stored"))) == 3


def test_of_a_torn_file_what_can_be_read_is_taken_in_and_it_stays(
    path: Path, connection: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    kept = keep(path, [final(0), final(1)], NOW)
    assert kept is not None
    kept.write_bytes(kept.read_bytes()[:-20] + b"\xff")
    take_in(path, connection)
    assert texts(connection) == ["hola 0"] and kept.exists()
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "1 lines of" in record.getMessage() and kept.name in record.getMessage()


def test_what_cannot_be_taken_in_waits_for_the_next_start(
    path: Path, connection: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    kept = keep(path, [final(0)], NOW)
    connection.execute("PRAGMA query_only = ON")
    take_in(path, connection)
    assert kept is not None and kept.exists()
    assert "cannot be taken into the store" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own")
def test_what_another_server_takes_at_the_same_time_is_no_error(
    path: Path, connection: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    path.with_name(f"{path.name}.unstored-20261124-101500.jsonl").symlink_to("gone")
    take_in(path, connection)
    assert caplog.records == []


def test_a_file_that_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "gone"
    assert keep(folder / "sessions.sqlite", [final(0)], NOW) is None
    assert "hola 0" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
