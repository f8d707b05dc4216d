"""A server whose process may open few files, and many who come and say nothing."""

from __future__ import annotations

import json
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from ...patience import PATIENCE_S
from ..scripted_command import open_socket, served
from .scripted import START, WORD_PCM, WORDS

FINAL = "The harbor opens at six and the ferries leave soon."
IDLE = 400
resource = pytest.importorskip("resource", reason="the bound of open files is POSIX")


@pytest.fixture(autouse=True)
def many_descriptors() -> Iterator[None]:
    """For this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * IDLE:
        pytest.skip(f"this process may open only {hard} files")
    if soft != resource.RLIM_INFINITY and soft < 2 * IDLE:
        resource.setrlimit(resource.RLIMIT_NOFILE, (2 * IDLE, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_idle_connections_cost_a_session_no_caption_and_the_log_few_lines(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server, url = stack.enter_context(served(tmp_path, "256"))
        publisher = stack.enter_context(open_socket(url, "/v1/publish"))
        publisher.send(json.dumps(START))
        viewer = stack.enter_context(open_socket(url, "/v1/view"))
        port = int(url.rpartition(":")[2])
        idle = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
            for _ in range(IDLE)
        ]
        refused, _, _ = select.select(idle, [], [], PATIENCE_S)  # as those beyond the cap are
        assert refused[0].recv(100).startswith(b"HTTP/1.1 503 ")
        for _ in WORDS:
            publisher.send(WORD_PCM)
        publisher.send('{"type": "stop"}')
        assert _finals_until_the_end(viewer) == {"en": FINAL, "es": f"[es] {' '.join(WORDS)}"}
        # One more comes in, when those who say nothing have had a second for it.
        late = stack.enter_context(_open_when_there_is_room(url))
        assert json.loads(late.recv(timeout=PATIENCE_S))["type"] == "snapshot"
        server.signal(signal.SIGTERM)
        status, _, log = server.end()
    assert status == 0
    assert "112 connections and 80 viewers are let in" in log
    assert "Traceback" not in log and len(log.splitlines()) < 20


def _finals_until_the_end(viewer: ClientConnection) -> dict[str, str]:
    finals: dict[str, str] = {}
    while True:
        message = json.loads(viewer.recv(timeout=PATIENCE_S))
        if message["type"] == "caption" and message["is_final"]:
            finals[message["language"]] = message["text"]
        if message["type"] == "snapshot" and finals:
            return finals


def _open_when_there_is_room(url: str) -> ClientConnection:
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        try:
            return open_socket(url, "/v1/view")
        except InvalidStatus:
            time.sleep(0.1)
    raise AssertionError("there was never room")
