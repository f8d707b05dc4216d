"""Peers of the tests, which call a server as clients of WHIP and WHEP do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from aiortc import MediaStreamTrack, RTCDataChannel

from surtitle.pipeline.webrtc.network import Network
from surtitle.pipeline.webrtc.peer import Peer

from ....patience import PATIENCE_S
from ...webrtc.tone import ToneTrack
from ..scripted import Message, Served

SDP = {"content-type": "application/sdp"}


class Caller:
    """A peer that has called, with what came on its data channel."""

    def __init__(self) -> None:
        self.peer = Peer(Network(("127.0.0.1",)))
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.videos: list[MediaStreamTrack] = []
        self.location = self.etag = ""
        self.channel: RTCDataChannel | None = None
        self.peer.connection.on("track", self._note_video)

    def open_channel(self) -> None:
        self.channel = self.peer.connection.createDataChannel("surtitle.v1")
        self.channel.on("message", lambda text: self.messages.put_nowait(json.loads(text)))

    async def call(self, served: Served, address: str, **headers: str) -> httpx.Response:
        """Offer what was added; where that is answered, the connection is made."""
        offer = await self.peer.offer()
        async with served.http() as client:
            response = await client.post(address, content=offer, headers=SDP | headers)
        if response.status_code == 201:
            self.location, self.etag = response.headers["location"], response.headers["etag"]
            await self.peer.accept(response.text)
            await self.peer.connected()
        return response

    async def read(self, message_type: str, **fields: Any) -> Message:
        """The next message of a type that has these fields."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.messages.get()
                if message["type"] == message_type and fields.items() <= message.items():
                    return message

    def _note_video(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            self.videos.append(track)


@asynccontextmanager
async def caller() -> AsyncGenerator[Caller, None]:
    calling = Caller()
    try:
        yield calling
    finally:
        await calling.peer.aclose()


@asynccontextmanager
async def speaker(
    served: Served, query: str = "source=en&targets=es", room: str = "hall"
) -> AsyncGenerator[Caller, None]:
    """Somebody who speaks in a room, and reads along."""
    async with caller() as calling:
        calling.peer.connection.addTrack(ToneTrack())
        calling.open_channel()
        response = await calling.call(served, f"/whip/{room}?{query}")
        assert response.status_code == 201, response.text
        yield calling
