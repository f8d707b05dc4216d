"""Stopping a server whose store cannot be written: no final is lost, and the status tells."""

from __future__ import annotations

import json
import re
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection

from ...patience import PATIENCE_S
from ..scripted_command import Command, command, open_socket, served
from ..server.scripted import START, WORD_PCM, WORDS

Trouble = Callable[[Path, Command], AbstractContextManager[None]]
Final = tuple[int, str, str]


def store_of(folder: Path) -> Path:
    return folder / "surtitle" / "sessions.sqlite"


@contextmanager
def held(folder: Path, server: Command) -> Iterator[None]:
    """Another process does not let go of the store."""
    with closing(sqlite3.connect(store_of(folder), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def full(folder: Path, server: Command) -> Iterator[None]:
    """No file of the server's may grow: what it writes beside its store is smaller."""
    size = store_of(folder).with_name("sessions.sqlite-wal").stat().st_size
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, size))
    yield


def speak_word(publisher: ClientConnection) -> None:
    publisher.send(WORD_PCM)
    publisher.send('{"type": "flush"}')


def wait_for_final(publisher: ClientConnection) -> None:
    """Of the translation, which comes last."""
    while True:
        message = json.loads(publisher.recv(PATIENCE_S))
        if message.get("is_final") and message["language"] == "es":
            return


def finals_until_the_end(messages: Iterator[str | bytes]) -> set[Final]:
    said = [json.loads(message) for message in messages]
    assert said[-1]["type"] == "stopped"
    return {(m["segment_id"], m["language"], m["text"]) for m in said if m.get("is_final")}


def left_finals(folder: Path) -> set[Final]:
    """The finals in the one file beside the store."""
    (file,) = store_of(folder).parent.glob("*.unstored-*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return {(n["segment_id"], n["language"], n["text"]) for n in lines if n["type"] == "final"}


def stored_finals(folder: Path) -> set[Final]:
    with closing(sqlite3.connect(store_of(folder))) as store:
        return set(store.execute("SELECT segment_id, language, text FROM captions"))


def told(ended: tuple[int, str, str]) -> str:
    status, _, err = ended
    assert status == 1 and "Traceback" not in err, err
    return err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are set")
@pytest.mark.parametrize("trouble", [held, full])
def test_a_server_keeps_what_its_store_cannot_take_for_its_next_start(
    trouble: Trouble, tmp_path: Path
) -> None:
    with served(tmp_path) as (server, url), open_socket(url, "/v1/publish") as publisher:
        publisher.send(json.dumps(START))
        started = json.loads(publisher.recv(PATIENCE_S))
        for _ in WORDS[:4]:
            speak_word(publisher)
            wait_for_final(publisher)
        with trouble(tmp_path, server):
            for _ in WORDS[4:]:
                speak_word(publisher)
            publisher.send('{"type": "stop"}')
            seen = finals_until_the_end(iter(publisher))
            server.signal(signal.SIGINT)
            err = told(server.end())
    assert len(seen) >= 2
    assert seen == left_finals(tmp_path)
    counted = re.search(rf"it lacks {started['session']} \((\d+) finals\)", err)
    assert counted is not None and int(counted[1]) == len(seen)
    with served(tmp_path) as (server, _):
        server.signal(signal.SIGTERM)
        assert server.end()[0] == 0
    stored = stored_finals(tmp_path)
    assert seen < stored and len(stored) == len(seen) + 8


@pytest.mark.slow
def test_live_captions_end_with_what_their_store_could_not_take(tmp_path: Path) -> None:
    options = ("--port", "0", "--translator", "echo", "--to", "es")
    with command(tmp_path, "live", *options) as live:
        found = re.search(r"http://127.0.0.1:\d+", live.line_with("Overlay: "))
        assert found is not None
        with open_socket(found[0], "/v1/view") as viewer:
            while "leave soon" not in str(viewer.recv(timeout=PATIENCE_S)):
                pass
        with held(tmp_path, live):
            live.signal(signal.SIGINT)
            assert "(2 finals)" in told(live.end())
    assert {language for _, language, _ in left_finals(tmp_path)} == {"en", "es"}
