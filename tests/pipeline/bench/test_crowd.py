from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from surtitle.pipeline.bench.crowd import Crowd, Receipts, reached
from surtitle.pipeline.client.connection import Server
from surtitle.pipeline.errors import RemoteError

from ..server.scripted import Served, read_until, serve, speak


def test_a_caption_is_late_from_when_anybody_had_it() -> None:
    viewed = [Receipts("a", {1: 10.0, 2: 11.5}), Receipts("a", {1: 10.25})]
    found = reached({"a": {1: 10.125, 2: 11.0}}, {"a": {2}}, viewed)
    assert found.lags_ms == [0.0, 500.0, 250.0]
    assert (found.missed_finals, found.lost) == (1, 0)


def test_rooms_count_for_themselves_and_lost_viewers_are_told() -> None:
    viewed = [Receipts("a", {1: 1.0}), Receipts("b", {1: 2.0}, is_lost=True)]
    found = reached({"a": {1: 1.0}, "b": {1: 2.0}}, {"a": {1}, "b": {1}}, viewed)
    assert found == ([0.0, 0.0], 0, 1)


@pytest.mark.slow
def test_each_viewer_receives_all(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        with closing(Crowd(Server(served.url), ["main", "main", "other"])) as crowd:
            await asyncio.to_thread(crowd.wait)
            publisher, _ = await served.publish()
            await speak(publisher)
            await publisher.send('{"type": "stop"}')
            messages = await read_until(publisher, "stopped")
            viewed, cpu_s = await asyncio.to_thread(crowd.end)
        finals = {m["sequence"] for m in messages if m.get("is_final")}
        assert [viewer.room for viewer in viewed] == ["main", "main", "other"]
        assert finals and all(finals <= viewer.at_s.keys() for viewer in viewed[:2])
        assert not viewed[2].at_s and not any(viewer.is_lost for viewer in viewed)
        assert cpu_s > 0

    serve(scenario, tmp_path)


@pytest.mark.slow
def test_a_viewer_that_is_refused_is_told(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        with closing(Crowd(Server(served.url), ["main", "main"])) as crowd:
            with pytest.raises(RemoteError, match="no place for a viewer"):
                await asyncio.to_thread(crowd.wait)

    serve(scenario, tmp_path, max_room_viewers=1)
