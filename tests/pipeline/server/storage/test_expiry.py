from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.events import Caption
from surtitle.pipeline.server.storage.expiry import delete_old
from surtitle.pipeline.server.storage.store import Store


def test_old_sessions_are_deleted_and_those_that_go_on_are_not(tmp_path: Path) -> None:
    path = tmp_path / "sessions.sqlite"
    asked: list[float] = []

    class LookedOver(Exception):
        pass

    async def delete_others(days: float) -> None:
        asked.append(days)
        raise LookedOver

    async def scenario(store: Store) -> None:
        for session in "old", "long", "new":
            store.begin(session, "main", LiveConfig("en"))
            await store.add(session, Caption(0, 0, "en", "hello", 0, 900, is_final=True))
        with closing(sqlite3.connect(path)) as file, file:
            began = "2000-01-01T00:00:00+00:00"
            file.execute("UPDATE sessions SET started_at = ? WHERE id != 'new'", (began,))
        with pytest.raises(LookedOver):
            await delete_old(store, lambda session: session == "long", 30, delete_others)
        assert {session.id for session in await store.sessions(10)} == {"long", "new"}
        assert await store.captions("old") == []
        assert len(await store.captions("new")) == 1

    with closing(Store(path)) as store:
        asyncio.run(scenario(store))
    assert asked == [30]
