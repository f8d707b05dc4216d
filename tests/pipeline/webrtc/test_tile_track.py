from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from surtitle.pipeline.events import Caption
from surtitle.pipeline.webrtc import tile_track
from surtitle.pipeline.webrtc.tile_track import CLOCK_HZ, TileTrack

from ...patience import PATIENCE_S

CAPTION = Caption(0, 1, "es", "El puerto abre.", 0, 900, True)


def run(scenario: Callable[[TileTrack], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scenario(TileTrack("main", ("es",)))

    asyncio.run(within())


def test_a_picture_comes_when_the_text_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tile_track, "HEARTBEAT_S", 60.0)

    async def scenario(track: TileTrack) -> None:
        empty = await track.recv()
        waiting = asyncio.create_task(track.recv())
        track.show(CAPTION)
        shown = await waiting
        assert (shown.width, shown.height) == (1280, 720)
        assert not np.array_equal(empty.to_ndarray(), shown.to_ndarray())
        track.clear()
        assert np.array_equal(empty.to_ndarray(), (await track.recv()).to_ndarray())

    run(scenario)


def test_pictures_come_without_a_change_and_tell_their_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tile_track, "HEARTBEAT_S", 0.2)

    async def scenario(track: TileTrack) -> None:
        first, second = await track.recv(), await track.recv()
        assert np.array_equal(first.to_ndarray(), second.to_ndarray())
        assert first.pts is not None and second.pts is not None
        assert second.pts - first.pts >= 0.2 * CLOCK_HZ

    run(scenario)


def test_changes_in_a_row_share_a_picture() -> None:
    async def scenario(track: TileTrack) -> None:
        await track.recv()
        clock = asyncio.get_running_loop().time
        began_s = clock()
        track.show(CAPTION)
        await track.recv()
        assert clock() - began_s >= tile_track.LEAST_S / 2

    run(scenario)


def test_a_track_that_was_stopped_ends() -> None:
    async def scenario(track: TileTrack) -> None:
        await track.recv()
        track.stop()
        with pytest.raises(MediaStreamError):
            await track.recv()

    run(scenario)
