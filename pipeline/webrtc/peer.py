"""One peer connection: descriptions in and out, the tracks that come, and its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError
from aiortc.sdp import candidate_from_sdp

from ..errors import RemoteError
from .descriptions import (
    check_names,
    is_safe_candidate,
    parse,
    with_left_out,
    with_safe_candidates,
    without_sections,
)
from .network import Network

CONNECT_S = 20.0  # for a way to be found; browsers give up after 15 to 30 s
SPOKEN_CODECS = "Opus, G.711 and G.722 (sound), VP8 and H.264 (the tile)"

log = logging.getLogger(__name__)


class Unspoken(ValueError):
    """A description that is understood, and has nothing in it that is spoken here."""


class Peer:
    """A connection that is negotiated once, by `answer`, or by `offer` and then `accept`.

    What is to be sent is added before that: `connection.addTrack`, `connection.createDataChannel`;
    a channel that the other side opens is an event "datachannel" of the connection.
    Candidates are gathered before a description is returned, so that none has to follow. Each of
    `sounds` must be read until it ends: aiortc holds what nobody reads. `aclose` frees everything;
    it is to be called whatever has happened.
    """

    def __init__(self, network: Network) -> None:
        # NOTE: without a configuration aiortc would ask a public STUN server.
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.sounds: list[MediaStreamTrack] = []
        self.kinds: frozenset[str] = frozenset()  # of the media that are exchanged
        self.ice_user: str | None = None  # of the other side: it names this negotiation
        self._network = network
        self._connected, self._over = asyncio.Event(), asyncio.Event()
        self.connection.on("connectionstatechange", self._note_state)
        self.connection.on("track", self._note_track)

    async def answer(
        self,
        offer: str,
        kinds: Collection[str] = ("audio", "application"),
        tracks: Sequence[MediaStreamTrack] = (),
    ) -> str:
        """Take the media of these kinds, and none of the others; send each track that is asked for.

        Raises ValueError for an offer that cannot be answered.
        """
        offered = parse(offer)
        wanted, left_out = without_sections(offered, kinds)
        if not wanted.sections:
            raise Unspoken(f"the offer has nothing of what is taken here: {', '.join(kinds)}")
        self.kinds = frozenset(section.kind for section in wanted.sections)
        self.ice_user = offered.ice_user
        await self._set_remote(str(wanted), "offer")
        try:
            for track in tracks:
                if track.kind in self.kinds:
                    self.connection.addTrack(track)
            self._narrow()
            await self.connection.setLocalDescription(await self.connection.createAnswer())
        except Exception as error:  # of what aiortc has not understood, as it comes to light here
            raise ValueError(f"the offer cannot be answered: {error!r:.200}") from error
        return str(with_left_out(parse(self._local()), offered, left_out))

    async def offer(self) -> str:
        """Offer what was added."""
        self._narrow()
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self._local()

    async def accept(self, answer: str) -> None:
        """The answer to the offer. Raises ValueError for one that is none."""
        self.ice_user = parse(answer).ice_user
        await self._set_remote(answer, "answer")

    async def add_candidate(self, line: str, mid: str | None) -> bool:
        """Take a candidate that comes late, "a=candidate:..."; False where it is not to be used."""
        if not is_safe_candidate(line, allows_loopback=self._network.allows_loopback):
            return False
        candidate = candidate_from_sdp(line.removeprefix("a=candidate:"))
        candidate.sdpMid = mid
        await self.connection.addIceCandidate(candidate)
        return True

    async def connected(self) -> None:
        """Wait until sound can come. Raises RemoteError where no way is found."""
        waiting = [asyncio.create_task(event.wait()) for event in (self._connected, self._over)]
        try:
            await asyncio.wait(waiting, timeout=CONNECT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        if not self._connected.is_set():
            raise RemoteError(
                "no way to the peer was found (ICE): both sides must reach each other by UDP, "
                "through firewalls and containers as well"
            )

    async def gone(self) -> None:
        """Wait until the other side has left, or has not answered for half a minute."""
        await self._over.wait()

    async def aclose(self) -> None:
        await self.connection.close()
        self._over.set()

    async def _set_remote(self, description: str, kind: str) -> None:
        safe = with_safe_candidates(
            parse(description), allows_loopback=self._network.allows_loopback
        )
        check_names(safe)
        try:
            await self.connection.setRemoteDescription(RTCSessionDescription(str(safe), kind))
        except OperationError as error:
            raise Unspoken(f"a medium comes in no codec of {SPOKEN_CODECS}") from error
        except Exception as error:  # its parser raises whatever it stumbles over
            raise ValueError(
                f"the session description is not understood: {error!r:.200}"
            ) from error

    def _narrow(self) -> None:
        transports = {one.receiver.transport for one in self.connection.getTransceivers()}
        if self.connection.sctp is not None:
            transports.add(self.connection.sctp.transport)
        for transport in transports:
            self._network.narrow(transport.transport.iceGatherer)

    def _local(self) -> str:
        return self.connection.localDescription.sdp

    def _note_state(self) -> None:
        state = self.connection.connectionState
        log.debug("a peer connection is %s", state)
        if state == "connected":
            self._connected.set()
        elif state in ("failed", "closed"):
            self._over.set()

    def _note_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self.sounds.append(track)
