from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.errors import StoreError
from surtitle.pipeline.events import Caption, Word
from surtitle.pipeline.server.storage import file as store_file
from surtitle.pipeline.server.storage import store as store_module
from surtitle.pipeline.server.storage import writer as store_writer
from surtitle.pipeline.server.storage.file import open_store_file
from surtitle.pipeline.server.storage.store import Store, default_store

CONFIG = LiveConfig("en", ("es", "de"))


def caption(segment_id: int, text: str = "hola", language: str = "es") -> Caption:
    return Caption(segment_id, 3, language, text, segment_id * 1000, segment_id * 1000 + 900, True)


LONG = "hola " * 2000
SPOKEN = Caption(
    0,
    4,
    "en",
    "hello",
    0,
    900,
    is_final=True,
    is_source=True,
    words=(Word("hel", 0, 500, 0.75), Word("lo", 500, 900, 1.0, is_joined=True)),
    speaker="Ana",
)


def add(store: Store, final: Caption, session: str = "s-1") -> bool:
    return asyncio.run(store.add(session, final))


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    store = Store(path)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def held(path: Path, busy_s: float = 0.01) -> Iterator[Store]:
    """A store with the session s-1, and another process that does not let go of its file."""
    with closing(Store(path)) as store:
        store.begin("s-1", "main", CONFIG)
    with (
        pytest.MonkeyPatch.context() as patch,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        patch.setattr(store_file, "BUSY_S", busy_s)
        store = Store(path)
        other.execute("BEGIN EXCLUSIVE")
        yield store


@contextmanager
def full(path: Path) -> Iterator[Store]:
    """A store with the session s-1 on a disk without room for another page: none for LONG."""
    with closing(Store(path)) as store:
        store.begin("s-1", "main", CONFIG)

    def open_full(path: Path) -> sqlite3.Connection:
        connection = open_store_file(path)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "open_store_file", open_full)
        store = Store(path)
    yield store


@contextmanager
def gone(folder: Path) -> Iterator[None]:
    """A folder that cannot be found for a while."""
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    yield
    elsewhere.rename(folder)


Trouble = Callable[[Path], AbstractContextManager[Store]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sessions.sqlite"


def test_finals_are_there_after_a_restart(path: Path) -> None:
    with opened(path) as store:
        store.begin("s-1", "main", CONFIG)
        for segment_id in (1, 0, 10):
            assert add(store, caption(segment_id))
        assert add(store, SPOKEN)
    with opened(path) as store:
        (session,) = asyncio.run(store.sessions(10))
        assert (session.id, session.room, session.source) == ("s-1", "main", "en")
        assert (session.targets, session.ended_at) == (("es", "de"), None)
        assert asyncio.run(store.captions("s-1")) == [
            SPOKEN,
            caption(0),
            caption(1),
            caption(10),
        ]


def test_a_write_is_on_disk_without_closing(path: Path) -> None:
    with opened(path) as store:
        store.begin("s-1", "main", CONFIG)
        assert add(store, caption(0))
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


@pytest.mark.parametrize("trouble", [held, full])
def test_what_cannot_be_stored_is_told_at_once(trouble: Trouble, path: Path) -> None:
    with trouble(path) as store, pytest.raises(StoreError):
        store.begin("s-1", "main", CONFIG)
        assert not add(store, caption(0, LONG))
        assert not add(store, caption(1))
        assert store.unstored == 2
        store.close()


def test_who_holds_the_file_holds_up_no_caption(path: Path) -> None:
    with held(path, busy_s=60.0) as store:
        assert not add(store, caption(0))  # though the attempt goes on
        assert store.unstored == 1
    asyncio.run(store.sessions(1))
    assert store.unstored == 0
    store.close()


@pytest.mark.parametrize("trouble", [held, full])
def test_closing_names_what_is_not_stored_and_the_next_start_takes_it_in(
    trouble: Trouble, path: Path
) -> None:
    with trouble(path) as store:
        store.begin("s-2", "hall", CONFIG)
        for final in (caption(0, LONG), SPOKEN, caption(1)):
            assert not add(store, final, "s-2")
        assert not add(store, caption(7), "s-1")
        store.end("s-2")
        with pytest.raises(StoreError) as caught:
            store.close()
    (left,) = path.parent.glob("*.jsonl")
    assert re.fullmatch(r"sessions\.sqlite\.unstored-\d{8}-\d{6}\.jsonl", left.name)
    message = str(caught.value)
    assert "it lacks s-2 (3 finals), s-1 (1 final)" in message
    assert str(path) in message and str(left) in message
    assert ("database is locked" if trouble is held else "disk is full") in message
    lines = [json.loads(line) for line in left.read_text().splitlines()]
    assert [line["text"] for line in lines if line["type"] == "final"] == [
        LONG, "hello", "hola", "hola"
    ]  # fmt: skip
    assert stat.S_IMODE(left.stat().st_mode) == 0o600

    with opened(path) as store:
        session = asyncio.run(store.session("s-2"))
        assert session is not None and session.room == "hall" and session.ended_at is not None
        assert asyncio.run(store.captions("s-2")) == [
            SPOKEN,
            caption(0, LONG),
            caption(1),
        ]
        assert caption(7) in asyncio.run(store.captions("s-1"))
    assert [found.name for found in path.parent.glob("*unstored*")] == [f"{left.name}.stored"]


def test_a_session_whose_end_alone_is_not_stored_is_named(path: Path) -> None:
    with held(path) as store:
        store.end("s-1")
        with pytest.raises(StoreError, match=r"it lacks s-1 \(0 finals\)"):
            store.close()


def test_what_fits_nowhere_is_printed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with held(path) as store:
        assert not add(store, caption(0))
        with gone(path.parent), pytest.raises(StoreError, match="which you find in lines printed"):
            store.close()
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["text"] == "hola"


def test_what_waits_too_long_is_kept_before_the_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_writer, "MAX_WAITING", 1)
    with held(path) as store:
        assert not add(store, caption(0))
        assert not add(store, caption(1))
        (left,) = path.parent.glob("*.jsonl")
        assert len(left.read_text().splitlines()) == 2
        assert store.unstored == 2
        assert not add(store, caption(2))
        with pytest.raises(StoreError, match=r"it lacks s-1 \(3 finals\), .*jsonl and .*jsonl"):
            store.close()
    with opened(path) as store:
        assert len(asyncio.run(store.captions("s-1"))) == 3


def test_names_that_no_encoding_knows_hold_up_no_other(path: Path) -> None:
    with opened(path) as store:
        store.begin("s-2", "\ud83d", CONFIG)
        assert add(store, caption(0, "half \ud83d a pair"), "s-2")
        (session,) = asyncio.run(store.sessions(9))
        (final,) = asyncio.run(store.captions("s-2"))
    assert (session.room, final.text) == ("?", "half ? a pair")


def test_reading_goes_on_while_writing_cannot(path: Path) -> None:
    with held(path) as store:
        assert not add(store, caption(0))
        assert [s.id for s in asyncio.run(store.sessions(10))] == ["s-1"]
        with pytest.raises(StoreError):
            store.close()


def test_a_write_of_another_process_delays_a_final_and_no_more(path: Path) -> None:
    async def scenario(store: Store) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            adding = asyncio.create_task(store.add("s-1", caption(0)))
            await asyncio.sleep(0)
            other.execute("COMMIT")
            assert await adding
        assert store.unstored == 0

    with opened(path) as store:
        asyncio.run(scenario(store))


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
        newer.execute("PRAGMA user_version = 4")
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
