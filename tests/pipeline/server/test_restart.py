"""A server that is stopped and started again on its port, under a publisher and a viewer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from surtitle.pipeline.client import connection as client
from surtitle.pipeline.client.connection import Server, watch
from surtitle.pipeline.client.publishing import publish

from ...patience import PATIENCE_S
from .scripted import START, WORD_PCM, WORDS, Served, serve

FIELDS = {name: value for name, value in START.items() if name not in ("type", "version")}


class Servers:
    """Two servers on one port, the second when the first has stopped, in a thread of their own."""

    def __init__(self, folder: Path) -> None:
        self.port = 0
        self.is_up = threading.Event()
        self.is_to_restart, self.is_to_end = threading.Event(), threading.Event()
        self._folder = folder
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Servers:
        self._thread.start()
        assert self.is_up.wait(PATIENCE_S), "the first server is up"
        return self

    def __exit__(self, *error: object) -> None:
        self.is_to_restart.set()
        self.is_to_end.set()
        self._thread.join()

    def _run(self) -> None:
        for end in self.is_to_restart, self.is_to_end:

            async def scenario(served: Served, end: threading.Event = end) -> None:
                self.port = served.port
                self.is_up.set()
                await asyncio.to_thread(end.wait, 15)

            serve(scenario, self._folder, port=self.port)


class Heard:
    """The messages of a room, and what was said in its sessions."""

    def __init__(self) -> None:
        self.sessions: list[str] = []
        self.notices: list[str] = []
        self._finals: dict[tuple[str, str, int], str] = {}
        self._changed = asyncio.Event()

    def hear(self, message: dict[str, Any]) -> None:
        if message.get("session") and message["session"] not in self.sessions:
            self.sessions.append(message["session"])
        captions = message["captions"] if message["type"] == "snapshot" else [message]
        for caption in captions:
            if caption["type"] == "caption" and caption["is_final"]:
                key = self.sessions[-1], caption["language"], caption["segment_id"]
                self._finals[key] = caption["text"]
        self._changed.set()

    def words(self, language: str) -> int:
        """How many words the finals of a language have."""
        texts = [text for key, text in self._finals.items() if key[1] == language]
        return sum(len(text.split()) for text in texts)

    async def until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._changed.clear()
            await self._changed.wait()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.05)


def test_a_publisher_and_a_viewer_go_on_after_a_restart(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    speaker, viewer = Heard(), Heard()

    async def speech(servers: Servers) -> AsyncIterator[bytes]:
        for _ in range(5):
            yield WORD_PCM
        servers.is_to_restart.set()
        await speaker.until(lambda: len(speaker.sessions) == 2)
        for _ in WORDS[5:]:
            yield WORD_PCM

    async def work(servers: Servers) -> None:
        server = Server(f"http://127.0.0.1:{servers.port}")
        watching = asyncio.create_task(
            watch(server, "main", "en", viewer.hear, viewer.notices.append)
        )
        await publish(server, FIELDS, speech(servers), speaker.hear, speaker.notices.append)
        await viewer.until(lambda: viewer.words("en") >= len(WORDS))
        watching.cancel()
        await asyncio.wait([watching])

    with Servers(tmp_path) as servers:
        asyncio.run(asyncio.wait_for(work(servers), PATIENCE_S))
    assert viewer.sessions == speaker.sessions
    assert speaker.notices[-1] == (
        "a new session has begun in the room main: the one before is over"
    )
    assert viewer.words("en") == speaker.words("en") == len(WORDS)  # each once
    assert speaker.words("es") == len(WORDS) + len(speaker.sessions)  # which begin with [es]
