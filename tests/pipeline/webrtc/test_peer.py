from __future__ import annotations

import asyncio
from asyncio.selector_events import _SelectorDatagramTransport  # type: ignore[attr-defined]
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from aiortc import RTCDataChannel

from surtitle.pipeline.errors import RemoteError
from surtitle.pipeline.webrtc import peer as peer_module
from surtitle.pipeline.webrtc.descriptions import parse
from surtitle.pipeline.webrtc.network import Network, network_of
from surtitle.pipeline.webrtc.peer import Peer
from surtitle.pipeline.webrtc.sound import pieces

from ...patience import PATIENCE_S
from .tone import ToneTrack

LOOPBACK = Network(("127.0.0.1",))


def run(scenario: Callable[[Peer, Peer], Awaitable[None]], network: Network = LOOPBACK) -> None:
    """Between two peers that are closed in the end."""

    async def within() -> None:
        caller, called = Peer(network), Peer(network)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await scenario(caller, called)
        finally:
            await caller.aclose()
            await called.aclose()

    asyncio.run(within())


async def connect(caller: Peer, called: Peer) -> None:
    await caller.accept(await called.answer(await caller.offer()))
    await asyncio.gather(caller.connected(), called.connected())


def test_sound_arrives() -> None:
    async def scenario(caller: Peer, called: Peer) -> None:
        caller.connection.addTrack(ToneTrack())
        await connect(caller, called)
        (track,) = called.sounds
        async for piece in pieces(track):
            if np.abs(np.frombuffer(piece, np.int16)).max() > 4000:
                return
        raise AssertionError("the track has ended before it was heard")

    run(scenario)


def test_messages_arrive_and_the_end_is_noticed() -> None:
    async def scenario(caller: Peer, called: Peer) -> None:
        heard: asyncio.Queue[Any] = asyncio.Queue()

        def hear(channel: RTCDataChannel) -> None:
            channel.on("message", heard.put_nowait)

        called.connection.on("datachannel", hear)
        channel = caller.connection.createDataChannel("captions")
        channel.on("open", lambda: channel.send("hello"))
        await connect(caller, called)
        assert await heard.get() == "hello"
        await caller.aclose()
        await called.gone()

    run(scenario)


def test_nothing_is_sent_but_to_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    sent_to: set[str] = set()
    send = _SelectorDatagramTransport.sendto

    def watched(transport: Any, data: bytes, address: Any = None) -> None:
        sent_to.add(address[0])
        send(transport, data, address)

    async def no_name(*_: Any, **__: Any) -> None:
        raise AssertionError("no name is looked up")

    monkeypatch.setattr(_SelectorDatagramTransport, "sendto", watched)

    async def scenario(caller: Peer, called: Peer) -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", no_name)
        caller.connection.addTrack(ToneTrack())
        await connect(caller, called)

    run(scenario)
    assert sent_to == {"127.0.0.1"}


def test_all_candidates_lie_in_the_port_range() -> None:
    ports = range(51_700, 51_704)

    async def scenario(caller: Peer, called: Peer) -> None:
        caller.connection.addTrack(ToneTrack())
        await connect(caller, called)
        for one in caller, called:
            lines = parse(one.connection.localDescription.sdp).sections[0].lines
            found = [line.split() for line in lines if line.startswith("a=candidate:")]
            assert [(words[4], int(words[5]) in ports) for words in found] == [("127.0.0.1", True)]

    run(scenario, Network(("127.0.0.1",), ports))


def test_what_is_not_taken_idles_at_its_place() -> None:
    async def scenario(caller: Peer, called: Peer) -> None:
        caller.connection.addTransceiver("video", direction="sendonly")
        caller.connection.addTrack(ToneTrack())
        answer = await called.answer(await caller.offer())
        idle = [(one.kind, "a=inactive" in one.lines) for one in parse(answer).sections]
        assert idle == [("video", True), ("audio", False)]
        await caller.accept(answer)
        await asyncio.gather(caller.connected(), called.connected())
        assert len(called.sounds) == 1

    run(scenario)


def test_an_offer_in_a_codec_that_is_not_spoken_is_told_so() -> None:
    async def scenario(caller: Peer, called: Peer) -> None:
        caller.connection.addTrack(ToneTrack())
        offer = (await caller.offer()).replace("opus/48000/2", "AC3/48000/2")
        lines = [
            line.replace("SAVPF 96 9 0 8", "SAVPF 96")
            for line in offer.splitlines()
            if not line.startswith(("a=rtpmap:9", "a=rtpmap:0", "a=rtpmap:8")) or "AC3" in line
        ]
        with pytest.raises(ValueError, match="no codec of Opus, G.711 and G.722"):
            await called.answer("\r\n".join(lines))

    run(scenario)


@pytest.mark.parametrize(
    "offer",
    [
        "hello",
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio x UDP/TLS/RTP/SAVPF 111\r\n",
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=mid:0\r\n",
        "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n",
    ],
)
def test_garbage_is_told_to_be_such(offer: str) -> None:
    async def scenario(caller: Peer, called: Peer) -> None:
        with pytest.raises(ValueError):
            await called.answer(offer)

    run(scenario)


def test_where_no_way_is_found_this_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_module, "CONNECT_S", 0.2)

    async def scenario(caller: Peer, called: Peer) -> None:
        caller.connection.addTrack(ToneTrack())
        await called.answer(await caller.offer())  # which the caller never hears
        with pytest.raises(RemoteError, match="no way to the peer was found"):
            await called.connected()

    run(scenario)


@pytest.mark.parametrize(
    ("host", "is_loopback"), [("localhost", True), ("127.0.0.1", True), ("0.0.0.0", False)]
)
def test_who_listens_on_loopback_alone_stays_there(host: str, is_loopback: bool) -> None:
    network = network_of(host, range(0), None)
    assert network.allows_loopback is is_loopback
    assert bool(network.hosts) is is_loopback
