"""From which addresses and ports peers are reached: aioice's choice, narrowed (one override).

aioice binds any port, never a loopback address, and asks a public STUN server unless told not to.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol, get_host_addresses, server_reflexive_candidate
from aioice.stun import TransactionError
from aiortc import RTCIceGatherer

STUN_WAIT_S = 3.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Network:
    """`hosts` are our own addresses, empty: all but loopback; `ports` empty: any free one.

    `stun_server`, a host and a port, is asked for the address that others see, where one is given;
    without it nothing is sent to anybody but the peer.
    """

    hosts: tuple[str, ...] = ()
    ports: range = range(0)
    stun_server: tuple[str, int] | None = None
    allows_loopback: bool = field(init=False)  # of the other side

    def __post_init__(self) -> None:
        is_loopback = [ip_address(host).is_loopback for host in self.hosts]
        object.__setattr__(self, "allows_loopback", bool(is_loopback) and all(is_loopback))

    def narrow(self, gatherer: RTCIceGatherer) -> None:
        """Let it use these addresses and ports; to be called before it gathers candidates."""
        connection = gatherer._connection  # pyright: ignore[reportPrivateUsage]

        async def candidates(
            component: int,
            addresses: Iterable[str],
            timeout: int = 5,  # noqa: ASYNC109
        ) -> list[Candidate]:
            own = self.hosts or get_host_addresses(use_ipv4=True, use_ipv6=True)
            protocols = [await self._bind(connection, component, host) for host in own]
            bound = [protocol for protocol in protocols if protocol is not None]
            connection._protocols += bound  # pyright: ignore[reportPrivateUsage]
            found = [protocol.local_candidate for protocol in bound]
            return found + await self._reflexive(bound)

        connection.get_component_candidates = candidates  # type: ignore[method-assign]

    async def _bind(self, connection: Connection, component: int, host: str) -> StunProtocol | None:
        """A socket at an address; None where the address, or each of the ports, is not free."""
        loop = asyncio.get_running_loop()
        for port in self._tried_ports():
            try:
                _, protocol = await loop.create_datagram_endpoint(
                    lambda: StunProtocol(connection), local_addr=(host, port)
                )
            except OSError:
                continue
            break
        else:
            return None
        address, port = protocol.transport.get_extra_info("sockname")[:2]
        protocol.local_candidate = Candidate(
            foundation=candidate_foundation("host", "udp", address),
            component=component,
            transport="udp",
            priority=candidate_priority(component, "host"),
            host=address,
            port=port,
            type="host",
        )
        return protocol

    def _tried_ports(self) -> Iterator[int]:
        if not self.ports:
            yield 0
            return
        first = random.randrange(len(self.ports))
        yield from (*self.ports[first:], *self.ports[:first])

    async def _reflexive(self, protocols: list[StunProtocol]) -> list[Candidate]:
        """What the STUN server sees of the sockets; nothing where it does not answer."""
        asked = [
            self._seen_from_outside(protocol)
            for protocol in protocols
            if self.stun_server and ip_address(protocol.local_candidate.host).version == 4
        ]
        return [found for found in await asyncio.gather(*asked) if found is not None]

    async def _seen_from_outside(self, protocol: StunProtocol) -> Candidate | None:
        assert self.stun_server is not None, "it is asked"
        try:
            async with asyncio.timeout(STUN_WAIT_S):
                candidate, _ = await server_reflexive_candidate(protocol, self.stun_server)
                return candidate
        except (TimeoutError, OSError, TransactionError) as error:
            log.warning("the STUN server %s:%d does not answer: %r", *self.stun_server, error)
            return None


def network_of(host: str, ports: range, stun_server: tuple[str, int] | None) -> Network:
    """The addresses that belong to what a server listens on."""
    if host in ("0.0.0.0", "::"):
        return Network((), ports, stun_server)
    hosts = {found[4][0] for found in socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)}
    return Network(tuple(sorted(str(one) for one in hosts)), ports, stun_server)
