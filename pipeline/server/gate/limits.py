"""How many connections a server holds, and which one goes when one too many comes (pure)."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv6Address, ip_address

from ...config import ServerConfig

PATIENCE_S = 1.0  # before who sends no request may be let go for somebody who comes
KEPT_DESCRIPTORS = 64  # for the store, the log, pages that are read, refusals, libraries
PEER_DESCRIPTORS = 2  # sockets of WebRTC, one for each address of this computer
SESSION_DESCRIPTORS = 4  # for pipes to what recognizes; its publisher's connection is a connection
FEWEST_CONNECTIONS = 8


class Place:
    """One connection as the limits see it; made by `Places.take`.

    `waits_since_s`: since when it owes us a request, None while one is served. `let_go`, set by who
    holds the connection, ends it at once; `allow_long` gives the request that is served the time of
    an upload and of the work on it.
    """

    def __init__(self, places: Places, origin: str, now_s: float) -> None:
        self.origin = origin
        self.waits_since_s: float | None = now_s
        self.is_known = False
        self.let_go: Callable[[], object] | None = None
        self.allow_long: Callable[[], object] | None = None
        self._places = places

    def know(self) -> None:
        """It has shown a token, or is a WebSocket of a server that wants none."""
        if not self.is_known:
            self.is_known = True
            self._places.known(self)

    def take_time(self) -> None:
        """Its request is a long one, of which there are only as many as have a place of another
        kind: it goes on as long as something comes, and its answer may take what it takes."""
        self.know()
        if self.allow_long is not None:
            self.allow_long()

    def leave(self) -> None:
        """The connection is gone; to say so twice does no harm."""
        self._places.give_back(self)


class Places:
    """The places for connections, `most` in all; of one address `most_of_address` unknown ones.

    Where there is none left, who has owed a request for PATIENCE_S and is not known gives its place
    to who comes; where nobody does, who comes is refused. Those who are known keep theirs.
    """

    def __init__(self, most: int, most_of_address: int) -> None:
        self._most = most
        self._most_of_address = most_of_address
        self._taken: dict[Place, None] = {}  # in the order in which they came
        self._unknown: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._taken)

    def __iter__(self) -> Iterator[Place]:
        """Those that are taken, in the order in which they were."""
        return iter(self._taken)

    def take(self, address: str, now_s: float) -> Place | None:
        """A place for who comes from an address, None where it must be refused."""
        origin = _origin(address)
        if self._unknown[origin] >= self._most_of_address and not self._make_room(now_s, origin):
            return None
        if len(self._taken) >= self._most and not self._make_room(now_s, None):
            return None
        place = Place(self, origin, now_s)
        self._taken[place] = None
        self._unknown[origin] += 1
        return place

    def known(self, place: Place) -> None:
        if place in self._taken:
            self._forget(place.origin)

    def give_back(self, place: Place) -> None:
        if place in self._taken:
            del self._taken[place]
            if not place.is_known:
                self._forget(place.origin)

    def _forget(self, origin: str) -> None:
        self._unknown[origin] -= 1
        if not self._unknown[origin]:
            del self._unknown[origin]

    def _make_room(self, now_s: float, origin: str | None) -> bool:
        """Let go who has waited longest, of one origin or of all; False where nobody may go."""
        longest: Place | None = None
        longest_s = now_s - PATIENCE_S
        for place in self._taken:
            since_s = place.waits_since_s
            if since_s is None or since_s > longest_s or place.is_known or place.let_go is None:
                continue
            if longest is None or since_s < longest_s:
                if origin in (None, place.origin):
                    longest, longest_s = place, since_s
        if longest is None or longest.let_go is None:
            return False
        self.give_back(longest)
        longest.let_go()
        return True


def _origin(address: str) -> str:
    """What counts as one address: of IPv6 the network of 64 bits that a host has for itself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> 64 << 64))


def fit(config: ServerConfig, descriptors: int | None) -> ServerConfig:
    """The configuration, with no more connections than that many open files allow.

    None: the system sets no bound. Viewers leave room for two connections of each session, so that
    a publisher can come back while its lost connection still counts.
    """
    if descriptors is None or descriptors >= _wanted(config):
        return config
    left = descriptors - KEPT_DESCRIPTORS - SESSION_DESCRIPTORS * config.max_sessions
    peers = min(config.max_peers, max(1, left // (8 * PEER_DESCRIPTORS)))  # an eighth of it
    connections = max(FEWEST_CONNECTIONS, left - PEER_DESCRIPTORS * peers)
    viewers = max(1, connections - 2 * config.max_sessions)
    return replace(
        config,
        max_peers=peers,
        max_connections=connections,
        max_address_connections=min(config.max_address_connections, max(1, connections // 4)),
        max_viewers=min(config.max_viewers, viewers),
        max_room_viewers=min(config.max_room_viewers, viewers),
    )


def fit_to_this_process(config: ServerConfig, say: Callable[[str], None]) -> ServerConfig:
    """Let this process open as many files as the configuration needs, else lower its caps, and
    say so in a line."""
    wanted = _wanted(config)
    fitted = fit(config, _raise_descriptor_limit(wanted))
    if fitted is not config:
        say(
            f"this process may open too few files: {fitted.max_connections} connections and "
            f"{fitted.max_viewers} viewers are let in, not {config.max_connections} and "
            f"{config.max_viewers}; ulimit -n {wanted} lets all in"
        )
    return fitted


def _wanted(config: ServerConfig) -> int:
    """Open files for all that are let in."""
    sessions = SESSION_DESCRIPTORS * config.max_sessions
    peers = PEER_DESCRIPTORS * config.max_peers
    return KEPT_DESCRIPTORS + sessions + peers + config.max_connections


def _raise_descriptor_limit(wanted: int) -> int | None:
    """How many files may be open now, None where there is no bound."""
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft if soft != resource.RLIM_INFINITY else None
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    except (ValueError, OSError):  # macOS has a bound of its own below the one it tells
        return soft
    return possible
