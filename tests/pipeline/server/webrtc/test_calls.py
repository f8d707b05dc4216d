"""Peers in the rooms of a server, over loopback."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection

from surtitle.pipeline.webrtc import peer as peer_module

from ....patience import PATIENCE_S
from ...webrtc.tone import ToneTrack
from ..scripted import Served, read_until, serve
from .calling import caller, speaker


async def until_free(viewer: ClientConnection) -> None:
    """Read a room until nobody speaks in it any more."""
    snapshots = [(await read_until(viewer, "snapshot"))[-1] for _ in range(3)]
    assert [snapshot["is_live"] for snapshot in snapshots] == [False, True, False]


def test_who_calls_is_captioned_and_reads_along(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with speaker(served) as calling, served.view("room=hall&lang=es") as viewer:
            started = await calling.read("started")
            assert (started["room"], started["targets"]) == ("hall", ["es"])
            draft = await calling.read("caption", language="en")
            assert draft["text"].startswith("The")
            assert (await read_until(viewer, "caption"))[-1]["language"] == "es"
            assert calling.channel is not None
            calling.channel.send('{"type": "stop"}')
            assert (await calling.read("stopped"))["session"] == started["session"]
            await calling.peer.gone()

    serve(scenario, tmp_path)


def test_each_participant_is_a_speaker(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with (
            speaker(served, "source=en&targets=en,es&speaker=Ana") as ana,
            speaker(served, "source=en&targets=es&speaker=Ben") as ben,
        ):
            for calling in ana, ben:  # each reads what both say
                for name in "Ana", "Ben":
                    caption = await calling.read("caption", speaker=name, language="es")
                    assert caption["text"]

    serve(scenario, tmp_path)


def test_a_reader_gets_the_tile_and_the_messages(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with speaker(served), caller() as reader:
            reader.peer.connection.addTransceiver("video", direction="recvonly")
            reader.peer.connection.addTransceiver("audio", direction="recvonly")  # there is none
            reader.open_channel()
            response = await reader.call(served, "/whep/hall?lang=es&dual=en")
            assert response.status_code == 201
            assert (await reader.read("snapshot"))["room"] == "hall"
            await reader.read("caption", language="es")
            (video,) = reader.videos
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    shown = await video.recv()
                    assert (shown.width, shown.height) == (1280, 720)
                    picture = shown.to_ndarray(format="rgb24")
                    if np.count_nonzero(picture[360:] > 200) > 1000:  # text, in its lower half
                        break

    serve(scenario, tmp_path)


def test_a_page_offers_sound_and_gets_the_tile_in_one_exchange(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with caller() as calling:
            calling.peer.connection.addTrack(ToneTrack())
            calling.peer.connection.addTransceiver("video", direction="recvonly")
            calling.open_channel()
            start = {"room": "hall", "source": "en", "targets": ["es"], "speaker": "Ana"}
            offer = {
                "type": "offer",
                "sdp": await calling.peer.offer(),
                "start": {"type": "start", "version": 1, **start},
                "lang": "es",
            }
            async with served.http() as client:
                response = await client.post("/v1/offer", json=offer)
                assert response.status_code == 201
                await calling.peer.accept(response.json()["sdp"])
                await calling.read("caption", speaker="Ana", language="es")
                assert (await calling.videos[0].recv()).width == 1280
                ended = await client.delete(f"/v1/offer/{response.json()['id']}")
                assert ended.status_code == 200
            await calling.peer.gone()

    serve(scenario, tmp_path)


def test_several_tracks_of_one_peer_are_several_speakers(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with caller() as calling:
            for _ in range(2):
                calling.peer.connection.addTrack(ToneTrack())
            calling.open_channel()
            await calling.call(served, "/whip/hall?source=en&speaker=Table")
            for name in "Table 1", "Table 2":
                await calling.read("caption", speaker=name)

    serve(scenario, tmp_path)


def test_an_end_by_request_frees_the_room(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with speaker(served) as calling, served.http() as client:
            await calling.read("started")
            assert (await client.delete(calling.location)).status_code == 200
            assert (await client.delete(calling.location)).status_code == 404
            await calling.peer.gone()
            async with speaker(served) as second:
                await second.read("started")

    serve(scenario, tmp_path)


def test_a_peer_that_says_goodbye_frees_the_room(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.view("room=hall") as viewer:
            async with speaker(served) as calling:
                await calling.read("started")
            await until_free(viewer)

    serve(scenario, tmp_path)


def test_a_peer_that_is_never_reached_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_module, "CONNECT_S", 0.3)

    async def scenario(served: Served) -> None:
        async with caller() as calling, served.http() as client, served.view("room=hall") as viewer:
            calling.peer.connection.addTrack(ToneTrack())
            offer = await calling.peer.offer()
            headers = {"content-type": "application/sdp"}
            response = await client.post("/whip/hall", content=offer, headers=headers)
            assert response.status_code == 201
            await until_free(viewer)
            assert (await client.delete(response.headers["location"])).status_code == 404

    serve(scenario, tmp_path)


def test_a_server_that_stops_lets_all_go(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with speaker(served) as calling:
            await calling.read("started")
            served.stop()
            await calling.read("stopped")
            await calling.peer.gone()

    serve(scenario, tmp_path)


def test_more_peers_than_there_are_places_are_refused(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async def try_it() -> int:
            async with caller() as calling:
                calling.open_channel()
                response = await calling.call(served, "/whep/hall")
                if response.status_code == 201:
                    assert (await calling.read("snapshot"))["room"] == "hall"
                return response.status_code

        statuses = await asyncio.gather(*(try_it() for _ in range(12)))
        assert statuses.count(503) >= 1 and statuses.count(201) >= 4
        assert set(statuses) == {201, 503}
        assert await try_it() in (201, 503)

    serve(scenario, tmp_path, max_peers=4)
