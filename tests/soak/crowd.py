"""Viewers who come and go: politely, without a goodbye, reading slowly or not at all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

ROOMS = "steady", "killed", "empty"
LANGUAGES = "", "en", "es", "en,es"


async def come_and_go(url: str, number: int, count: Callable[[str], None]) -> None:
    """One after the other, until cancelled; a server that is down is tried again."""
    chance = random.Random(number)
    ways = _read, _read_slowly, _stare, _vanish
    while True:
        try:
            if chance.random() < 0.1:
                await _look_around(url)
            else:
                await _view(url, chance, chance.choice(ways))
            count("viewers")
        except (OSError, EOFError, WebSocketException, httpx.TransportError, TimeoutError):
            await asyncio.sleep(0.5)


async def _view(url: str, chance: random.Random, way: Way) -> None:
    query = f"room={chance.choice(ROOMS)}&lang={chance.choice(LANGUAGES)}"
    address = f"{url.replace('http', 'ws')}/v1/view?{query}"
    protocols = [Subprotocol("surtitle.v1")]
    async with connect(address, subprotocols=protocols, proxy=None, max_queue=4) as socket:
        await way(socket, chance.uniform(0.2, 8))


async def _read(socket: ClientConnection, stay_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(stay_s):
            async for _ in socket:
                pass


async def _read_slowly(socket: ClientConnection, stay_s: float) -> None:
    for _ in range(round(stay_s)):
        await socket.recv()
        await asyncio.sleep(0.5)


async def _stare(socket: ClientConnection, stay_s: float) -> None:
    await asyncio.sleep(stay_s)


async def _vanish(socket: ClientConnection, stay_s: float) -> None:
    await asyncio.sleep(stay_s / 4)
    socket.transport.abort()


Way = Callable[[ClientConnection, float], "asyncio.Future[None]"]


async def _look_around(url: str) -> None:
    """What a page and a monitor ask for."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as http:
        listed = (await http.get("/v1/sessions")).json()["sessions"]
        for path in "/metrics", "/v1/languages", "/overlay":
            (await http.get(path)).raise_for_status()
        for session in listed[:2]:
            await http.get(f"/v1/sessions/{session['id']}/transcript", params={"format": "srt"})
