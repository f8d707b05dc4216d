"""A text room of Janus, which has messages over a data channel.

https://janus.conf.meetecho.com/docs/textroom.html
"""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

from aiortc import RTCDataChannel

from ..errors import RemoteError
from ..webrtc.network import Network
from ..webrtc.peer import Peer
from .janus_api import ANSWER_S, JanusRefused, JanusRoom, Session
from .janus_meeting import until_over

TEXTROOM = "janus.plugin.textroom"
CHANNEL = "JanusDataChannel"  # it answers in one of this name alone
WAITING_TEXTS = 100


class Texts:
    """What is to be posted. Where WAITING_TEXTS wait, as while there is no room, the oldest is left
    out."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[str] = asyncio.Queue(WAITING_TEXTS)

    def put(self, text: str) -> None:
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(text)

    async def post(self, session: Session, place: JanusRoom) -> None:
        """Post what comes into the text room of the same number, where there is one, until it is
        over. Raises RemoteError, ConnectionLost, ValueError."""
        try:
            handle = await session.attach(TEXTROOM)
        except JanusRefused:
            return  # this Janus has no text rooms
        peer = Peer(Network())
        try:
            offered = await handle.ask("setup")
            channel = peer.connection.createDataChannel(CHANNEL)
            answer = await peer.answer(str(offered.jsep.get("sdp", "")))
            await handle.ask("ack", {"type": "answer", "sdp": answer, "trickle": False})
            await peer.connected()
            room = _Channel(channel)
            if await room.join(place):
                posting = asyncio.create_task(self._post_all(room, place))
                try:
                    await until_over(peer, handle)
                finally:
                    posting.cancel()
        finally:
            await peer.aclose()
            await handle.detach()

    async def _post_all(self, room: _Channel, place: JanusRoom) -> None:
        while True:
            room.post(place, await self._waiting.get())


class _Channel:
    """The data channel: requests and answers."""

    def __init__(self, channel: RTCDataChannel) -> None:
        self._channel = channel
        self._open = asyncio.Event()
        self._asked: dict[str, asyncio.Future[dict[str, Any]]] = {}
        channel.on("open", self._open.set)
        channel.on("message", self._hear)
        if channel.readyState == "open":
            self._open.set()

    async def join(self, place: JanusRoom) -> bool:
        """Whether there is such a room for us. Raises RemoteError where nothing answers."""
        transaction = secrets.token_hex(8)
        self._asked[transaction] = answer = asyncio.get_running_loop().create_future()
        who = {"username": f"captions-{transaction[:6]}", "display": place.display}
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._open.wait()
                self._send("join", transaction, **who, **place.entry)
                return (await answer).get("textroom") == "success"
        except TimeoutError as error:
            raise RemoteError("the text rooms of Janus do not answer") from error

    def post(self, place: JanusRoom, text: str) -> None:
        self._send("message", secrets.token_hex(8), room=place.room, text=text, ack=False)

    def _send(self, what: str, transaction: str, **fields: Any) -> None:
        message = {"textroom": what, "transaction": transaction} | fields
        self._channel.send(json.dumps(message))

    def _hear(self, raw: str | bytes) -> None:
        try:
            message: Any = json.loads(raw)
            waiting = self._asked.pop(message["transaction"], None)
        except (ValueError, TypeError, KeyError, RecursionError):
            return  # what others say there
        if waiting is not None and not waiting.done():
            waiting.set_result(message)
