from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from surtitle.pipeline.events import Caption
from surtitle.pipeline.server.storage import file as store_file
from surtitle.pipeline.server.storage import writer as store_writer
from surtitle.pipeline.server.storage.changes import Change, End, Final
from surtitle.pipeline.server.storage.file import open_store_file
from surtitle.pipeline.server.storage.writer import StoreWriter

from ....patience import PATIENCE_S


def final(segment_id: int, text: str = "hola") -> Final:
    return Final("s-1", Caption(segment_id, 0, "es", text, 0, 900, is_final=True))


class Disk:
    """A store's file that a writer writes to, and another process that may hold it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = open_store_file(path)
        self.transactions = 0
        self.connection.set_trace_callback(self._trace)
        self.spilled: list[Change] = []
        self.holder = sqlite3.connect(path, isolation_level=None)
        self.writer = StoreWriter(path, self.connection, 60.0, self.spilled.extend)

    def hold(self) -> None:
        self.holder.execute("BEGIN EXCLUSIVE")

    def let_go(self) -> None:
        self.holder.execute("ROLLBACK")

    def attempt(self, *changes: Change) -> bool:
        """Whether the first attempt with all of these succeeds."""
        told = threading.Event()
        answers: list[bool] = []

        def tell(is_stored: bool) -> None:
            answers.append(is_stored)
            told.set()

        for change in changes:
            self.writer.put(change)
        self.writer.put(None, tell)
        assert told.wait(PATIENCE_S)
        return answers[0]

    def texts(self) -> list[str]:
        with closing(sqlite3.connect(self.path)) as other:
            return [text for (text,) in other.execute("SELECT text FROM captions")]

    def _trace(self, statement: str) -> None:
        self.transactions += statement == "COMMIT"


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    monkeypatch.setattr(store_file, "BUSY_S", 0.05)
    disk = Disk(tmp_path / "sessions.sqlite")
    yield disk
    disk.writer.close()
    disk.holder.close()


def test_what_comes_during_a_transaction_is_the_next_one(disk: Disk) -> None:
    disk.hold()
    disk.writer.put(final(0))  # waits for the file, maybe together with the next
    for segment_id in range(1, 40):
        disk.writer.put(final(segment_id))
    disk.let_go()
    assert disk.attempt()
    assert len(disk.texts()) == 40
    assert disk.transactions <= 3


def test_a_held_file_is_written_when_it_is_free(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store_writer, "RETRY_S", 0.01)
    caplog.set_level(logging.WARNING)
    disk.hold()
    assert not disk.attempt(final(0), final(1))
    assert disk.writer.unstored == 2
    assert not disk.attempt(final(2), End("s-1", "now"))
    assert disk.writer.unstored == 3
    disk.let_go()
    assert disk.attempt()
    assert disk.writer.unstored == 0 and len(disk.texts()) == 3
    failed, recovered = caplog.records  # however often it was tried
    assert "cannot be written, 2 changes wait: database is locked" in failed.getMessage()
    assert "is written again" in recovered.getMessage()


def test_nobody_needs_to_ask_again(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store_writer, "RETRY_S", 0.01)
    recovered = threading.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "is written again" in record.getMessage():
                recovered.set()

    listener = Listener()
    store_writer.log.addHandler(listener)
    try:
        disk.hold()
        assert not disk.attempt(final(0))
        disk.let_go()
        assert recovered.wait(PATIENCE_S)
    finally:
        store_writer.log.removeHandler(listener)
    assert disk.texts() == ["hola"]


def test_a_text_that_no_encoding_knows_holds_up_no_other(disk: Disk) -> None:
    assert disk.attempt(final(0, "half \ud83d a pair"), final(1))
    assert disk.texts() == ["half ? a pair", "hola"]


def test_closing_tries_once_more_and_returns_what_is_left(disk: Disk) -> None:
    disk.hold()
    disk.writer.put(final(0))
    disk.writer.put(final(1))
    assert disk.writer.close() == [final(0), final(1)]
    assert disk.texts() == []


def test_closing_writes_what_waits(disk: Disk) -> None:
    disk.writer.put(final(0))
    assert disk.writer.close() == []
    assert disk.texts() == ["hola"]


def test_a_disk_that_never_answers_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_writer, "CLOSE_S", 0.01)
    answers = threading.Event()
    path = tmp_path / "sessions.sqlite"
    connection = open_store_file(path)
    connection.set_trace_callback(lambda _: answers.wait(PATIENCE_S))
    writer = StoreWriter(path, connection, 0.0, lambda _: None)
    writer.put(final(0))
    assert writer.unstored == 1
    assert writer.close() == [final(0)]
    answers.set()


def test_too_many_that_wait_are_spilled(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_writer, "MAX_WAITING", 2)
    disk.hold()
    assert not disk.attempt(final(0), final(1))
    assert disk.spilled == []
    assert not disk.attempt(final(2))
    assert disk.spilled == [final(0), final(1), final(2)]
    assert disk.writer.close() == []
