"""A way between two peers on which packets are lost, and late."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast


class LossyRelay(asyncio.DatagramProtocol):
    """Passes packets on between whoever sends here and `server`.

    Of each direction `loss` is lost, and the others are late by up to `jitter_s`, each on its own,
    so that they overtake each other. While `is_cut` nothing passes.
    """

    def __init__(self, server: tuple[str, int], loss: float, jitter_s: float, seed: int) -> None:
        self.is_cut = False
        self._server = server
        self._loss = loss
        self._jitter_s = jitter_s
        self._chance = random.Random(seed)
        self._client: Any = None
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if addr != self._server:
            self._client = addr
        if self.is_cut or self._chance.random() < self._loss:
            return
        to = self._client if addr == self._server else self._server
        late_s = self._chance.random() * self._jitter_s
        asyncio.get_running_loop().call_later(late_s, self._send, data, to)

    def _send(self, data: bytes, to: Any) -> None:
        if to is not None and not self.transport.is_closing():
            self.transport.sendto(data, to)


@asynccontextmanager
async def lossy_way(
    answer: str, *, loss: float = 0.0, jitter_s: float = 0.0, seed: int = 7
) -> AsyncGenerator[tuple[LossyRelay, str], None]:
    """A relay to who has given the answer, and the answer in which the relay stands instead.

    The offer must have had no candidates, or these would be a way beside it.
    """
    found = re.search(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", answer)
    assert found is not None, "the answer has an address"
    host, port = found[1], int(found[2])
    loop = asyncio.get_running_loop()
    _, relay = await loop.create_datagram_endpoint(
        lambda: LossyRelay((host, port), loss, jitter_s, seed), local_addr=("127.0.0.1", 0)
    )
    own_port = relay.transport.get_extra_info("sockname")[1]
    relayed = answer.replace(f" {host} {port} typ", f" 127.0.0.1 {own_port} typ")
    try:
        yield relay, relayed
    finally:
        relay.transport.close()


def without_candidates(offer: str) -> str:
    """The offer of a peer that does not tell where it is."""
    lines = offer.splitlines()
    return "".join(f"{line}\r\n" for line in lines if not line.startswith("a=candidate:"))
