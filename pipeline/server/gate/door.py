"""The door of a server: connections are taken as long as there are places for them."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from .limits import Place, Places

REFUSALS = 16  # at once that wait for the request which they answer; more push the oldest out
REQUEST_WAIT_S = 1.0
NO_DESCRIPTORS_WAIT_S = 0.2  # before accepting is tried again after the system has refused it
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 54\r\n\r\n"
    b"this server has no place for a connection; try again.\n"
)

log = logging.getLogger(__name__)


class Door:
    """Takes connections from a listening socket, until `close`.

    asyncio's own server takes all that come: out of descriptors it logs without end, and nobody
    can come any more. Here those for whom there is no place are told so (over TLS: closed) before
    they cost anything. A TLS handshake has `handshake_timeout_s`.
    """

    def __init__(
        self,
        listening: socket.socket,
        places: Places,
        make_protocol: Callable[[Place], asyncio.Protocol],
        tls: ssl.SSLContext | None,
        handshake_timeout_s: float,
    ) -> None:
        self._listening = listening
        self._places = places
        self._make_protocol = make_protocol
        self._tls = tls
        self._handshake_timeout_s = handshake_timeout_s
        self._refusals: dict[asyncio.Task[None], None] = {}  # the oldest first
        self._beginnings: set[asyncio.Task[None]] = set()
        listening.setblocking(False)
        self._accepting = asyncio.create_task(self._accept())

    def close(self) -> None:
        """Take no more, and let go who is still shaking hands."""
        self._accepting.cancel()
        for task in [*self._beginnings, *self._refusals]:
            task.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._listening)
            except OSError as error:  # no descriptor, no memory, or a peer that has gone already
                log.warning("a connection could not be taken: %s", error.strerror)
                await asyncio.sleep(NO_DESCRIPTORS_WAIT_S)
                continue
            self._admit(connection, str(address[0]))
            await asyncio.sleep(0)  # `sock_accept` gives way to nobody while connections wait

    def _admit(self, connection: socket.socket, address: str) -> None:
        place = self._places.take(address, asyncio.get_running_loop().time())
        if place is None:
            log.warning("no place for a connection", extra={"address": address})
            self._refuse(connection)
            return
        beginning = asyncio.create_task(self._begin(connection, place))
        place.let_go = beginning.cancel
        self._beginnings.add(beginning)
        beginning.add_done_callback(lambda task: self._begun(task, connection, place))

    async def _begin(self, connection: socket.socket, place: Place) -> None:
        """Shake hands, and hand the connection to its protocol, which gives the place back."""
        timeout_s = self._handshake_timeout_s if self._tls is not None else None
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: self._make_protocol(place),
            connection,
            ssl=self._tls,
            ssl_handshake_timeout=timeout_s,
        )

    def _begun(
        self, beginning: asyncio.Task[None], connection: socket.socket, place: Place
    ) -> None:
        self._beginnings.discard(beginning)
        if beginning.cancelled():  # perhaps before its first step
            connection.close()
        elif (error := beginning.exception()) is not None:
            log.info("a TLS handshake failed: %s", error, extra={"address": place.origin})
        else:
            return
        place.leave()

    def _refuse(self, connection: socket.socket) -> None:
        """Close it; without TLS only after the request has come and is answered.

        An answer before its request is one that clients do not look for.
        """
        if self._tls is not None:
            connection.close()
            return
        if len(self._refusals) >= REFUSALS:
            oldest = next(iter(self._refusals))
            del self._refusals[oldest]
            oldest.cancel()
        refusal = asyncio.create_task(_wait_for_request(connection))
        self._refusals[refusal] = None
        refusal.add_done_callback(lambda task: self._refused(task, connection))

    def _refused(self, refusal: asyncio.Task[None], connection: socket.socket) -> None:
        self._refusals.pop(refusal, None)
        with connection, suppress(OSError):
            connection.send(_REFUSAL)


async def _wait_for_request(connection: socket.socket) -> None:
    with suppress(OSError):  # TimeoutError is one
        async with asyncio.timeout(REQUEST_WAIT_S):
            await asyncio.get_running_loop().sock_recv(connection, 1 << 14)
