"""One WebSocket that brings a whole meeting: each participant is a speaker in a room."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from dataclasses import dataclass

from starlette.websockets import WebSocket

from ..errors import RefusedError
from ..protocols import Audio, ClientEvent, MeetingDialect, Retarget
from .connection import Connection
from .live_session import LiveSession
from .metrics import Metrics
from .rooms import Rooms

LOOK_S = 0.5
PAUSE_S = 1.0  # without a packet, as of who is muted: what was said last is closed
IDLE_S = 20.0  # then the place of a speaker is free for others
AGAIN_S = 15.0  # after a refusal a speaker is tried again

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Speaker:
    """`live` is None while it is refused, until `heard_s` is AGAIN_S ago."""

    live: LiveSession | None
    heard_s: float
    is_paused: bool = False


class MeetingConnection(Connection):
    """Between a bridge and a room, until either side closes.

    A speaker begins with the first sound and ends when none has come for IDLE_S. What goes wrong
    with one, or is refused to one, concerns no other.
    """

    def __init__(
        self, socket: WebSocket, dialect: MeetingDialect, rooms: Rooms, metrics: Metrics
    ) -> None:
        super().__init__(socket, dialect, rooms, metrics, None)
        self._meeting = dialect
        self._speakers: dict[str, _Speaker] = {}
        self._now_s = asyncio.get_running_loop().time

    async def _converse(self, places: ExitStack) -> None:
        watching = asyncio.create_task(self._watch())
        try:
            await super()._converse(places)
        finally:
            watching.cancel()
            for speaker in self._speakers.values():
                if speaker.live is not None:
                    speaker.live.stop()

    async def _hear(self, event: ClientEvent, places: ExitStack) -> None:
        match event:
            case Audio(pcm, name):
                self._push(name, pcm)
            case Retarget():
                for name, speaker in self._speakers.items():
                    if speaker.live is not None:
                        speaker.live.session.translate_into(self._meeting.targets(name))
            case _:
                await super()._hear(event, places)

    def _push(self, name: str, pcm: bytes) -> None:
        speaker = self._speakers.get(name) or self._begin(name)
        if speaker.live is None:
            return
        speaker.heard_s, speaker.is_paused = self._now_s(), False
        try:
            speaker.live.push(pcm)
        except RefusedError as error:  # too fast
            log.warning("%s is left out for %g s: %s", name, AGAIN_S, error)
            speaker.live.stop()
            speaker.live = None
        except Exception as error:
            speaker.live.fail(error)

    def _begin(self, name: str) -> _Speaker:
        start = self._meeting.start(name)
        live: LiveSession | None = None
        try:
            live = self._rooms.start(start.room, start.config, start.sample_rate_hz, name)
        except RefusedError as error:
            log.warning("%s is not heard: %s", name, error, extra={"room": start.room})
        speaker = self._speakers[name] = _Speaker(live, self._now_s())
        return speaker

    async def _watch(self) -> None:
        """Close what is not followed by sound, and let who is silent go."""
        while True:
            await asyncio.sleep(LOOK_S)
            for name, speaker in list(self._speakers.items()):
                silent_s = self._now_s() - speaker.heard_s
                if speaker.live is None or speaker.live.is_over:
                    if silent_s > AGAIN_S:
                        del self._speakers[name]
                elif silent_s > IDLE_S:
                    speaker.live.stop()
                    self._meeting.forget(name)
                    del self._speakers[name]
                elif silent_s > PAUSE_S and not speaker.is_paused:
                    speaker.is_paused = True
                    speaker.live.flush()
