"""A speaker's sound sent into a room of a server, through lost connections and lost sessions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from ..errors import RemoteError, SurtitleError
from .connection import (
    PASSING,
    SILENCE_S,
    ConnectionLost,
    Hear,
    Message,
    Say,
    Server,
    ServerError,
    Waits,
    messages,
)
from .kept_audio import SAMPLE_BYTES, KeptAudio
from .progress import Progress

RESUME_WITHIN_S = 30.0  # so long the server keeps a session for its publisher
AWAY_S = 600.0  # so long we come back to a server that hears nothing
START_S = 60.0  # what a recognizer may take to start
SEND_S = 10.0  # for a piece of sound to leave
LAST_CAPTIONS_S = 60.0  # with nothing new, after the end of the sound
KEPT_S = 60  # of sound that was sent
MOST_AHEAD_S = 25  # of what the server has heard; it refuses to be 30 s behind
CUT_OFF_MS = 2000  # what a status, once a second, may not have told of the end


async def publish(
    server: Server, start: Message, audio: AsyncIterator[bytes], hear: Hear, say: Say
) -> None:
    """Send the sound of a session, and hear its messages until the last caption is there.

    `start` holds the fields of the protocol's `start`, `audio` whole samples in the form that it
    names, at the pace in which they are to be heard; should it raise a SurtitleError, that is
    raised after the last captions. A lost connection is told to `say` and made again, after waits
    that grow until something new was heard. The session is resumed, or where the server no longer
    has it, another begins in the same room, with the sound that was not captioned (the last KEPT_S
    at most). Raises RemoteError where the server refuses, hears nothing for AWAY_S, or has nothing
    new for LAST_CAPTIONS_S after the end.
    """
    pieces = _Pieces(audio)
    try:
        await _Publisher(server, start, pieces, hear, say).run()
    finally:
        await pieces.aclose()
    if pieces.failure is not None:
        raise pieces.failure


class _Publisher:
    """Connections one after the other, and what they have in common."""

    def __init__(
        self, server: Server, start: Message, pieces: _Pieces, hear: Hear, say: Say
    ) -> None:
        self._server = server
        self._start = start
        self._pieces = pieces
        self._hear = hear
        self._say = say
        self._rate_hz: int = start["sample_rate_hz"]
        self._languages = {start["source"], *start.get("targets", ())}
        self._speaker: str = start.get("speaker", "")
        self._kept = KeptAudio(KEPT_S * self._rate_hz)
        self._progress = Progress(self._languages, self._speaker)
        self._progressed = asyncio.Event()
        self._progressed_s = 0.0
        self._sent_samples = 0  # of the session
        self._resume: str | None = None  # the key of the session
        self._has_begun = self._is_stopping = False
        self._waits = Waits()
        self._taken_s = 0.0  # that the room was somebody else's

    async def run(self) -> None:
        is_over = False
        while not is_over:
            try:
                is_over = await self._converse()
            except (ConnectionLost, ServerError) as error:
                is_over = await self._recover(error)

    async def _converse(self) -> bool:
        """One connection; return whether all is done. Raises ConnectionLost, ServerError."""
        room = {"room": self._start.get("room", "main")}  # by it a proxy knows whose server it is
        async with await self._server.connect("/v1/publish", room) as socket:
            await self._begin(socket)
            reading = asyncio.create_task(self._read(socket))
            sending = asyncio.create_task(self._send(socket))
            try:
                await asyncio.wait([reading, sending], return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    await self._finish(sending, reading)
                reading.result()
            finally:
                reading.cancel()
                sending.cancel()
                await asyncio.gather(reading, sending, return_exceptions=True)
        if not self._is_stopping:
            self._resume = None
            raise ConnectionLost("the server has ended the session")
        return True

    async def _recover(self, error: ConnectionLost | ServerError) -> bool:
        """Wait until another try makes sense; return whether there is nothing left to try for.

        Raises RemoteError where none does.
        """
        code = error.code if isinstance(error, ServerError) else "lost"
        if code == "unknown_session" and self._resume is not None:
            self._resume = None
            return self._is_stopping and self._was_captioned()
        if not self._has_begun and code == "lost":
            raise RemoteError(f"{error}; is it started, and the address right?") from error
        if code == "room_taken":  # by a session whose publisher has gone, for all we know
            waited_s, limit_s = self._taken_s, RESUME_WITHIN_S
        elif code == "lost" or (self._has_begun and code in PASSING):
            waited_s, limit_s = self._waits.waited_s, AWAY_S
        else:
            raise RemoteError(str(error)) from error
        if waited_s >= limit_s:
            raise RemoteError(f"{error}; tried again for {waited_s:g} s") from error
        wait_s = self._waits.next()
        self._taken_s += wait_s if code == "room_taken" else 0.0
        self._say(f"{error}; trying again in {wait_s:g} s")
        await asyncio.sleep(wait_s)
        return False

    async def _begin(self, socket: ClientConnection) -> None:
        """Begin or resume a session, and set what is to be sent first."""
        is_new = self._resume is None
        started = await _started(socket, self._start if is_new else {"resume": self._resume})
        self._taken_s = 0.0
        if is_new:
            lost_samples = self._kept.restart(self._captioned_sample())
            self._progress = Progress(self._languages, self._speaker)
            self._sent_samples = 0
        else:
            self._sent_samples = started["received_samples"]
            lost_samples = max(0, self._kept.start_sample - self._sent_samples)
        self._resume = started["resume"]
        self._hear(started)
        self._tell(is_replaced=is_new and self._has_begun, lost_s=lost_samples / self._rate_hz)
        self._has_begun = True

    def _tell(self, *, is_replaced: bool, lost_s: float) -> None:
        lost = f"{lost_s:.1f} s of sound are lost" if lost_s else ""
        if is_replaced:
            room = self._start.get("room", "main")
            head = f"a new session has begun in the room {room}: the one before is over"
            self._say(f"{head}, and {lost}" if lost else head)
        elif lost:
            self._say(lost)

    async def _send(self, socket: ClientConnection) -> None:
        """Send the sound to its end, and the stop. Raises ConnectionLost."""
        for piece in self._kept.since(self._sent_samples):
            await self._send_piece(socket, piece)
        while piece := await self._pieces.next():
            self._kept.add(piece)
            await self._send_piece(socket, piece)
        self._is_stopping = True
        self._progressed_s = asyncio.get_running_loop().time()
        await _send(socket, json.dumps({"type": "stop"}))

    async def _send_piece(self, socket: ClientConnection, piece: bytes) -> None:
        """Send when it would not be far ahead of the recognizer, which the server refuses."""
        heard_samples = self._progress.heard_ms * self._rate_hz // 1000
        while self._sent_samples > heard_samples + MOST_AHEAD_S * self._rate_hz:
            self._progressed.clear()
            await self._progressed.wait()
            heard_samples = self._progress.heard_ms * self._rate_hz // 1000
        self._sent_samples += len(piece) // SAMPLE_BYTES
        await _send(socket, piece)

    async def _read(self, socket: ClientConnection) -> None:
        """Hear the messages up to the end of the session. Raises ConnectionLost, ServerError."""
        async for message in messages(socket, lambda: SILENCE_S):
            if self._progress.push(message):
                self._waits.reset()
                self._progressed.set()
                self._progressed_s = asyncio.get_running_loop().time()
            self._hear(message)
            if message["type"] == "stopped":
                return
        raise ConnectionLost("the server has closed the connection")

    async def _finish(self, sending: asyncio.Task[None], reading: asyncio.Task[None]) -> None:
        """All is sent: wait for the end of the session, as long as something new comes.

        Raises ConnectionLost and ServerError where all could not be sent, RemoteError.
        """
        try:
            sending.result()
        except ConnectionLost:
            await reading  # the server may have said why
            raise
        clock = asyncio.get_running_loop().time
        while not reading.done():
            left_s = self._progressed_s + LAST_CAPTIONS_S - clock()
            if left_s <= 0:
                raise RemoteError(
                    f"the last captions did not come: nothing new for {LAST_CAPTIONS_S:g} s"
                )
            await asyncio.wait([reading], timeout=left_s)

    def _captioned_sample(self) -> int:
        return self._progress.captioned_ms * self._rate_hz // 1000

    def _was_captioned(self) -> bool:
        """Whether the session has ended as it should, and only its last word did not arrive."""
        left_ms = 1000 * (self._kept.end_sample - self._captioned_sample()) // self._rate_hz
        unheard_ms = 1000 * self._kept.end_sample // self._rate_hz - self._progress.heard_ms
        return left_ms <= CUT_OFF_MS or (
            unheard_ms <= CUT_OFF_MS and not self._progress.has_open_segments
        )


class _Pieces:
    """The pieces of `audio`, one at a time. Who waits for one can leave, and come back for it."""

    def __init__(self, audio: AsyncIterator[bytes]) -> None:
        self.failure: SurtitleError | None = None
        self._audio = audio
        self._next: asyncio.Task[bytes] | None = None

    async def next(self) -> bytes:
        """Empty at the end, which a failure is as well."""
        self._next = self._next or asyncio.create_task(self._read())
        await asyncio.wait([self._next])
        piece = self._next.result()
        if piece:
            self._next = None
        return piece

    async def aclose(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait([self._next])

    async def _read(self) -> bytes:
        try:
            return await anext(self._audio, b"")
        except SurtitleError as error:
            self.failure = error
            return b""


async def _started(socket: ClientConnection, fields: Message) -> Message:
    """Begin or resume a session; return the server's `started`. Raises ConnectionLost, ServerError,
    RemoteError."""
    try:
        await _send(socket, json.dumps({"type": "start", "version": 1, **fields}))
    except ConnectionLost:
        pass  # the server may have said why
    async for message in messages(socket, lambda: START_S):
        if message["type"] == "started":
            received = message.get("received_samples")
            if type(received) is int and received >= 0 and isinstance(message.get("resume"), str):
                return message
            raise RemoteError(f"the server does not speak the caption protocol: {message!r:.200}")
    raise ConnectionLost("the server has closed the connection")


async def _send(socket: ClientConnection, data: str | bytes) -> None:
    """Raises ConnectionLost, also where nothing leaves any more."""
    try:
        async with asyncio.timeout(SEND_S):
            await socket.send(data)
    except TimeoutError as error:
        socket.transport.abort()
        raise ConnectionLost(f"nothing could be sent for {SEND_S:g} s") from error
    except ConnectionClosed as error:
        raise ConnectionLost("the server has closed the connection") from error
