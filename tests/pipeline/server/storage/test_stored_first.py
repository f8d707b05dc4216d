from __future__ import annotations

import asyncio
import json
import random
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from surtitle.pipeline.events import Caption
from surtitle.pipeline.server.storage.stored_first import StoredFirst

from ....patience import PATIENCE_S
from ...scripted_command import served
from ..scripted import START, WORD_PCM, WORDS, Served, read_final, read_until, serve

TARGETS = ["es", "de", "fr", "it"]
FINALS = len(WORDS) * (1 + len(TARGETS))


def caption(revision: int, *, is_final: bool) -> Caption:
    return Caption(0, revision, "es", "hola", 0, 900, is_final)


def test_a_final_is_shown_when_the_store_has_answered_and_what_follows_it_later() -> None:
    async def scenario() -> None:
        shown: list[Caption] = []
        asked, answer = asyncio.Event(), asyncio.Event()

        async def add(final: Caption) -> bool:
            asked.set()
            await answer.wait()
            return False  # shown nevertheless

        captions = StoredFirst(add, shown.append)
        running = asyncio.create_task(captions.run())
        wanted = [caption(1, is_final=False), caption(2, is_final=True), caption(3, is_final=False)]
        for each in wanted:
            captions.publish(each)
        captions.end()
        await asked.wait()
        assert shown == wanted[:1]
        answer.set()
        await running
        assert shown == wanted

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))


def test_finals_that_come_together_are_given_to_the_store_together() -> None:
    async def scenario() -> None:
        asked: list[Caption] = []
        all_asked = asyncio.Event()

        async def add(final: Caption) -> bool:
            asked.append(final)
            if len(asked) == 3:
                all_asked.set()
            await all_asked.wait()
            return True

        captions = StoredFirst(add, lambda _: None)
        for revision in range(3):
            captions.publish(caption(revision, is_final=True))
        captions.end()
        await captions.run()

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))


def test_a_store_that_is_held_holds_up_no_caption_and_viewers_are_told(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        with closing(sqlite3.connect(tmp_path / "sessions.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await publisher.send(WORD_PCM)
            await publisher.send('{"type": "flush"}')
            await read_final(publisher)
            while not (status := (await read_until(publisher, "status"))[-1])["notice"]:
                pass
            assert status["notice"] == "2 final captions are not stored yet"
            other.execute("ROLLBACK")
        while (await read_until(publisher, "status"))[-1]["notice"]:
            pass
        await publisher.close()

    serve(scenario, tmp_path)


def next_final(viewer: ClientConnection) -> tuple[int, str, str]:
    while True:
        message = json.loads(viewer.recv(PATIENCE_S))
        if message["type"] == "caption" and message["is_final"]:
            return message["segment_id"], message["language"], message["text"]


def seen_until_killed(folder: Path, kill_at: int) -> list[tuple[int, str, str]]:
    """The finals that a viewer gets of a server that is killed when so many have come."""
    seen: list[tuple[int, str, str]] = []
    options: dict[str, Any] = {"subprotocols": ["surtitle.v1"], "proxy": None, "max_queue": None}
    with served(folder) as (server, address):
        url = address.replace("http", "ws")
        viewer = connect(f"{url}/v1/view", **options)
        publisher = connect(f"{url}/v1/publish", **options)
        with viewer, publisher:
            publisher.send(json.dumps(START | {"targets": TARGETS}))
            try:
                while True:
                    if len(seen) < kill_at and len(seen) % (1 + len(TARGETS)) == 0:
                        publisher.send(WORD_PCM)
                        publisher.send('{"type": "flush"}')
                    seen.append(next_final(viewer))
                    if len(seen) == kill_at:
                        server.signal(signal.SIGKILL)
            except ConnectionClosed:  # after what was still on its way
                pass
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_killed_server_has_stored_every_final_that_was_seen(seed: int, tmp_path: Path) -> None:
    kill_at = random.Random(seed).randrange(1, FINALS)
    seen = seen_until_killed(tmp_path, kill_at)
    assert len(seen) >= kill_at
    with closing(sqlite3.connect(tmp_path / "surtitle" / "sessions.sqlite")) as stored:
        rows = stored.execute("SELECT segment_id, language, text FROM captions").fetchall()
        assert stored.execute("SELECT count(*) FROM sessions").fetchone() == (1,)
    assert set(seen) <= set(rows)
