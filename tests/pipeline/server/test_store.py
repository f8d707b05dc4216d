from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.errors import StoreError
from surtitle.pipeline.events import Caption
from surtitle.pipeline.server.store import Store, default_store

CONFIG = LiveConfig("en", ("es", "de"))


def caption(segment_id: int, text: str = "hola", language: str = "es") -> Caption:
    return Caption(segment_id, 3, language, text, segment_id * 1000, segment_id * 1000 + 900, True)


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    store = Store(path)
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sessions.sqlite"


def test_finals_are_there_after_a_restart(path: Path) -> None:
    with opened(path) as store:
        store.begin("s-1", "main", CONFIG)
        for segment_id in (1, 0, 10):
            store.add("s-1", caption(segment_id))
        store.add("s-1", caption(0, "hello", "en"))
    with opened(path) as store:
        (session,) = asyncio.run(store.sessions(10))
        assert (session.id, session.room, session.source) == ("s-1", "main", "en")
        assert (session.targets, session.ended_at) == (("es", "de"), None)
        assert asyncio.run(store.captions("s-1")) == [
            caption(0, "hello", "en"),
            caption(0),
            caption(1),
            caption(10),
        ]


def test_a_write_is_on_disk_without_closing(path: Path) -> None:
    with opened(path) as store:
        store.begin("s-1", "main", CONFIG)
        store.add("s-1", caption(0))
        asyncio.run(store.sessions(1))  # comes after the writes
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT text FROM captions").fetchall() == [("hola",)]


def test_a_session_ends(path: Path) -> None:
    with opened(path) as store:
        store.begin("s-1", "main", CONFIG)
        store.end("s-1")
        session = asyncio.run(store.session("s-1"))
    assert session is not None and session.ended_at is not None
    assert session.ended_at >= session.started_at


def test_sessions_come_newest_first_and_bounded(path: Path) -> None:
    with opened(path) as store:
        for n in range(5):
            store.begin(f"2026-{n}", "main", CONFIG)
        assert [s.id for s in asyncio.run(store.sessions(2))] == ["2026-4", "2026-3"]


def test_an_unknown_session_has_nothing(path: Path) -> None:
    with opened(path) as store:
        assert asyncio.run(store.session("x' OR '1'='1")) is None
        assert asyncio.run(store.captions("x")) == []


def test_what_the_disk_refuses_is_written_later(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(path) as store:
        store.begin("s-1", "main", CONFIG)
        asyncio.run(store.sessions(1))
        with closing(sqlite3.connect(path)) as other:
            other.execute("ALTER TABLE captions RENAME TO elsewhere")
            store.add("s-1", caption(0))
            asyncio.run(store.sessions(1))
            assert "cannot be written, 1 changes wait" in caplog.text
            other.execute("ALTER TABLE elsewhere RENAME TO captions")
        store.add("s-1", caption(1))
        assert asyncio.run(store.captions("s-1")) == [caption(0), caption(1)]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX")
def test_nobody_else_may_read_it(path: Path) -> None:
    with opened(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_is_no_store_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("a letter to my aunt, which is longer than a hundred bytes " * 3)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"sessions\.sqlite cannot be opened .* --store"):
        Store(path)
    assert path.read_bytes() == before


def test_a_newer_store_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreError, match="a newer surtitle"):
        Store(path)


def test_a_folder_of_that_name_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path)


def test_the_default_is_in_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_store() == Path("/data/surtitle/sessions.sqlite")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert default_store() == Path.home() / ".local/share/surtitle/sessions.sqlite"
