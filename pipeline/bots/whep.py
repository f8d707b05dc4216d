"""What a WHEP server gives to its viewers (draft-ietf-wish-whep), as a broadcast."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from urllib.parse import urljoin, urlsplit

import httpx2

from ..config import is_loopback
from ..errors import RemoteError
from ..webrtc.network import Network
from ..webrtc.peer import Peer
from ..webrtc.sound import pieces
from .broadcast import PIECE_BYTES, PIECE_S, WAITING_PIECES, Heard, Tries, shown

ANSWER_S = 10.0  # for an answer of the server


def check_address(url: str) -> str:
    """The address. Raises ValueError for one that no WHEP server can have."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"a WHEP address is like https://example.org/whep/room, got {shown(url)!r}"
        )
    return url


def network_to(url: str) -> Network:
    """Our addresses by which a server can reach us: on this computer it may know no others."""
    return Network(("127.0.0.1",) if is_loopback(urlsplit(url).hostname or "") else ())


class WhepReceiver:
    """A viewer, who comes back. Of what nobody takes WAITING_PIECES are held; then the oldest is
    left out: what is not read would pile up elsewhere."""

    def __init__(self, url: str, token: str | None) -> None:
        """An address that `check_address` has accepted."""
        self._url = url
        self._token = token
        self._heard: asyncio.Queue[Heard] = asyncio.Queue(WAITING_PIECES)
        self._watching = asyncio.create_task(self._run())

    async def next(self) -> Heard:
        return await self._heard.get()

    async def aclose(self) -> None:
        self._watching.cancel()
        await asyncio.wait([self._watching])

    async def _run(self) -> None:
        tries = Tries()
        while True:
            heard_s = 0.0
            try:
                async with aclosing(self._pieces()) as sound:
                    async for piece in sound:
                        self._put(piece)
                        heard_s += len(piece) / PIECE_BYTES * PIECE_S
                why = f"{shown(self._url)} has broken off"
            except RemoteError as error:
                why = str(error)
            lost = tries.lost(why, heard_s)
            self._put(lost)
            await asyncio.sleep(lost.wait_s)

    def _put(self, heard: Heard) -> None:
        if self._heard.full():
            self._heard.get_nowait()
        self._heard.put_nowait(heard)

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        """One connection, until it breaks off. Raises RemoteError."""
        peer = Peer(network_to(self._url))
        try:
            peer.connection.addTransceiver("audio", direction="recvonly")
            async with self._viewed(peer):
                await peer.connected()
                (track,) = peer.sounds
                async with aclosing(pieces(track)) as sound:
                    async for piece in sound:
                        yield piece
        finally:
            await peer.aclose()

    @asynccontextmanager
    async def _viewed(self, peer: Peer) -> AsyncGenerator[None, None]:
        """The server knows us as a viewer. Raises RemoteError."""
        parts = urlsplit(self._url)
        http_client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {self._token}"} if self._token else {},
            timeout=ANSWER_S,
            # A proxy of the environment knows nothing of this computer.
            trust_env=not is_loopback(parts.hostname or ""),
            verify=parts.scheme == "https",  # without TLS, loading certificates only takes long
        )
        async with http_client as http:
            answer = await self._ask(http, await peer.offer())
            try:
                try:
                    await peer.accept(answer.text)
                except ValueError as error:
                    raise RemoteError(f"{shown(self._url)} answers wrong: {error}") from error
                if not peer.sounds:
                    raise RemoteError(f"{shown(self._url)} has no sound; there is nothing to hear")
                yield
            finally:
                await self._leave(http, answer)

    async def _ask(self, http: httpx2.AsyncClient, offer: str) -> httpx2.Response:
        """The server's answer to an offer. Raises RemoteError."""
        sdp = {"Content-Type": "application/sdp"}
        try:
            answer = await http.post(self._url, content=offer, headers=sdp)
        except httpx2.HTTPError as error:
            raise RemoteError(f"{shown(self._url)} cannot be reached: {error!r:.200}") from error
        status = answer.status_code
        if status in (401, 403):
            remedy = "the token is missing or wrong; give the right one with --whep-token"
            raise RemoteError(f"{shown(self._url)} refuses ({status}): {remedy}")
        if status == 404:
            raise RemoteError(f"{shown(self._url)} has nobody to be heard (404)")
        if status != 201:
            raise RemoteError(f"{shown(self._url)} does not answer as WHEP does, but {status}")
        return answer

    async def _leave(self, http: httpx2.AsyncClient, answer: httpx2.Response) -> None:
        """Say goodbye, where the server named a place for that which is its own."""
        place = urljoin(self._url, answer.headers.get("Location", ""))
        if urlsplit(place)[:2] == urlsplit(self._url)[:2] and place != self._url:
            with suppress(httpx2.HTTPError):
                await http.delete(place)
