"""Networks that lose packets, and peers that vanish or come and go in great numbers."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import aioice.ice
import pytest
from aiortc import RTCPeerConnection

from surtitle.pipeline.server.hub import Outbox
from surtitle.pipeline.server.live_session import LiveSession
from surtitle.pipeline.webrtc import peer

from ....patience import PATIENCE_S
from ...webrtc.lossy import lossy_way, without_candidates
from ...webrtc.tone import ToneTrack
from ..scripted import Served, read_until, serve
from .calling import SDP, caller, speaker


@pytest.mark.slow
def test_a_way_that_loses_and_delays_packets_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is lost is sent again after 1, 2, 4... s: with bad luck several times.
    monkeypatch.setattr(peer, "CONNECT_S", PATIENCE_S)

    async def scenario(served: Served) -> None:
        async with caller() as calling, served.http() as client:
            calling.peer.connection.addTrack(ToneTrack())
            calling.open_channel()
            offer = without_candidates(await calling.peer.offer())
            response = await client.post(
                "/whip/hall?source=en&targets=es", content=offer, headers=SDP
            )
            async with lossy_way(response.text, loss=0.1, jitter_s=0.2) as (_, answer):
                await calling.peer.accept(answer)
                await calling.peer.connected()
                while "soon" not in (await calling.read("caption", language="es"))["text"]:
                    pass  # up to the last word

    serve(scenario, tmp_path)


@pytest.mark.slow
def test_a_peer_that_vanishes_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.2)
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 1)

    async def scenario(served: Served) -> None:
        async with (
            caller() as calling,
            served.http() as client,
            served.view("room=hall") as viewer,
        ):
            calling.peer.connection.addTrack(ToneTrack())
            offer = without_candidates(await calling.peer.offer())
            response = await client.post("/whip/hall?source=en", content=offer, headers=SDP)
            async with lossy_way(response.text) as (way, answer):
                await calling.peer.accept(answer)
                await calling.peer.connected()
                way.is_cut = True
                for _ in range(3):  # before it, with it, after it
                    last = (await read_until(viewer, "snapshot"))[-1]
                assert not last["is_live"]
                assert (await client.delete(response.headers["location"])).status_code == 404

    serve(scenario, tmp_path)


@pytest.mark.slow
def test_who_comes_and_goes_leaves_nothing_behind(tmp_path: Path) -> None:
    kinds = RTCPeerConnection, LiveSession, Outbox

    def alive() -> list[int]:  # by their types: asked for a class, lazy modules of others warn
        gc.collect()
        objects = gc.get_objects()
        return [sum(issubclass(type(one), kind) for one in objects) for kind in kinds]

    async def scenario(served: Served) -> None:
        for number in range(6):
            async with speaker(served, f"source=en&speaker=S{number}") as calling:
                await calling.read("started")
                if number % 2:
                    async with served.http() as client:
                        await client.delete(calling.location)
        async with served.view("room=hall") as viewer:
            while (await read_until(viewer, "snapshot"))[-1]["is_live"]:
                pass
        assert alive()[0] == 1  # the last caller is still in this function
        assert alive()[1:] == [0, 0]
        assert not [one.name for one in threading.enumerate() if "decoder" in one.name]

    serve(scenario, tmp_path)
