"""A server of ours as a program meets it: reading a room, and publishing into one."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from .errors import RemoteError
from .events import Caption

SUBPROTOCOL = Subprotocol("surtitle.v1")
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 16.0
RESUME_WITHIN_S = 30  # so long the server keeps a session for its publisher
SAMPLE_BYTES = 2
UNKNOWN_ISSUER = (18, 19, 20, 21)  # OpenSSL's codes of certificates that nothing vouches for

Message = dict[str, Any]
Hear = Callable[[Message], None]
Say = Callable[[str], None]


class _Lost(Exception):
    """The connection is gone, or there is none to be had now; a later one may succeed."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is, as `http://host:port`, and the token that opens it."""

    url: str
    token: str | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
            raise ValueError(f"a server's address is like http://127.0.0.1:8765, got {self.url!r}")

    def address(self, path: str, query: dict[str, str]) -> str:
        parts = urlsplit(self.url)
        scheme = parts.scheme.replace("http", "ws")
        base = f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}{path}"
        return f"{base}?{urlencode(query)}" if query else base

    async def connect(self, path: str, query: dict[str, str]) -> ClientConnection:
        """Raises RemoteError where the server refuses, _Lost where it cannot be reached."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            return await connect(
                self.address(path, query), subprotocols=[SUBPROTOCOL], additional_headers=headers
            )
        except InvalidStatus as error:
            status = error.response.status_code
            if status >= 500:
                raise _Lost(f"{self.url} answers with status {status}") from error
            raise RemoteError(f"{self.url} refuses: {_refusal(error)}") from error
        except InvalidHandshake as error:
            raise RemoteError(
                f"{self.url} is no surtitle server: {error}; is it the right port, and not https?"
            ) from error
        except ssl.SSLCertVerificationError as error:
            raise RemoteError(f"{self.url} cannot be trusted: {_distrust(error)}") from error
        except ssl.SSLError as error:
            raise RemoteError(
                f"{self.url} does not speak TLS ({error.reason}); is it http and not https?"
            ) from error
        except OSError as error:
            raise _Lost(f"{self.url} cannot be reached: {error}") from error


async def watch(server: Server, room: str, languages: str, hear: Hear, say: Say) -> None:
    """Hear the messages of a room until cancelled; `languages` like "en,es", empty: all.

    A lost connection is told to `say` and made again after growing waits; what was missed is heard
    then. Raises RemoteError where the server refuses, or cannot be reached the first time.
    """
    query = {"room": room} | ({"lang": languages} if languages else {})
    waits: Iterator[float] | None = None
    while True:
        try:
            async with await server.connect("/v1/view", query) as socket:
                async for message in _messages(socket):
                    waits = _growing_waits()
                    query |= _last_seen(message)
                    hear(message)
            raise _Lost(f"{server.url} has closed the connection")
        except _Lost as lost:
            if waits is None:
                raise RemoteError(f"{lost}; is it started, and the address right?") from lost
            wait_s = next(waits)
            say(f"{lost}; trying again in {wait_s:g} s")
            await asyncio.sleep(wait_s)


async def publish(
    server: Server, start: Message, audio: AsyncIterator[bytes], hear: Hear, say: Say
) -> None:
    """Send the audio of a session, and hear its messages until the last caption is there.

    `start` holds the fields of the protocol's `start`, `audio` whole samples in the form that it
    names, at the pace in which they are to be heard. After a lost connection the session is
    resumed. Raises RemoteError where the server refuses, or stays away for longer than it keeps
    the session.
    """
    kept = _Kept(RESUME_WITHIN_S * start["sample_rate_hz"])
    resume: str | None = None
    waited_s, waits = 0.0, _growing_waits()
    while True:
        try:
            async with await server.connect("/v1/publish", {}) as socket:
                started = await _start(socket, start if resume is None else {"resume": resume})
                resume = started["resume"]
                waited_s, waits = 0.0, _growing_waits()
                hear(started)
                await _publish_on(socket, audio, kept, started["received_samples"], hear)
                return
        except _Lost as lost:
            if resume is None:
                raise RemoteError(f"{lost}; is it started, and the address right?") from lost
            if waited_s >= RESUME_WITHIN_S:
                raise RemoteError(f"{lost}; the session could not be resumed in time") from lost
            wait_s = next(waits)
            waited_s += wait_s
            say(f"{lost}; trying again in {wait_s:g} s")
            await asyncio.sleep(wait_s)


def parse_caption(message: Message) -> Caption:
    """Raises RemoteError for what is no caption of the protocol."""
    texts = [message.get(name) for name in ("language", "text")]
    numbers = [message.get(name) for name in ("segment_id", "revision", "start_ms", "end_ms")]
    if all(isinstance(text, str) for text in texts) and all(type(n) is int for n in numbers):
        language, text = cast("list[str]", texts)
        segment_id, revision, start_ms, end_ms = cast("list[int]", numbers)
        is_final = message.get("is_final") is True
        return Caption(segment_id, revision, language, text, start_ms, end_ms, is_final)
    raise RemoteError(f"the server sent a caption that is none: {message!r:.200}")


class _Kept:
    """The newest audio that was sent, up to `sample_count`: what a lost connection may not have
    delivered is in it, and sent again."""

    def __init__(self, sample_count: int) -> None:
        self._most_bytes = sample_count * SAMPLE_BYTES
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._start_byte = 0

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._bytes += len(piece)
        while self._bytes > self._most_bytes:
            dropped = len(self._pieces.popleft())
            self._bytes -= dropped
            self._start_byte += dropped

    def since(self, sample: int) -> list[bytes]:
        """The pieces from there on. Raises RemoteError where that is no longer known."""
        before = sample * SAMPLE_BYTES - self._start_byte
        if before < 0:
            raise RemoteError("more audio was lost on the way than can be sent again; start anew")
        pieces: list[bytes] = []
        for piece in self._pieces:
            if before < len(piece):
                pieces.append(piece[before:])
            before = max(0, before - len(piece))
        return pieces


async def _publish_on(
    socket: ClientConnection,
    audio: AsyncIterator[bytes],
    kept: _Kept,
    received_samples: int,
    hear: Hear,
) -> None:
    """Go on with a session until it is stopped. Raises _Lost, RemoteError."""
    reading = asyncio.create_task(_hear_to_the_end(socket, hear))
    try:
        for piece in kept.since(received_samples):
            await socket.send(piece)
        # NOTE: a lost connection shows when the next piece is sent: nothing cancels `audio`.
        while piece := await anext(audio, b""):
            kept.add(piece)
            await socket.send(piece)
        await socket.send(json.dumps({"type": "stop"}))
        await reading
    except ConnectionClosed as error:
        await reading  # the server may have said why
        raise _Lost("the server has closed the connection") from error
    finally:
        reading.cancel()


async def _hear_to_the_end(socket: ClientConnection, hear: Hear) -> None:
    async for message in _messages(socket):
        hear(message)
        if message["type"] == "stopped":
            return
    raise _Lost("the server has closed the connection")


async def _start(socket: ClientConnection, fields: Message) -> Message:
    """Begin or resume a session; return the server's `started`. Raises _Lost, RemoteError."""
    with suppress(ConnectionClosed):  # the server may have said why
        await socket.send(json.dumps({"type": "start", "version": 1, **fields}))
    async for message in _messages(socket):
        if message["type"] == "started":
            return message
    raise _Lost("the server has closed the connection")


async def _messages(socket: ClientConnection) -> AsyncIterator[Message]:
    """Raises _Lost for a connection that breaks, RemoteError for an error that the server sends."""
    try:
        async for raw in socket:
            message = _parse(raw)
            if message["type"] == "error":
                text = f"the server says: {message.get('message')}"
                raise _Lost(text) if message.get("code") == "too_fast" else RemoteError(text)
            yield message
    except ConnectionClosed as error:
        raise _Lost("the connection broke") from error


def _parse(raw: str | bytes) -> Message:
    try:
        message: Any = json.loads(raw)
        if isinstance(message["type"], str):
            return cast(Message, message)
    except (ValueError, TypeError, KeyError):
        pass
    raise RemoteError(f"the server does not speak the caption protocol: {raw!r:.80}")


def _last_seen(message: Message) -> dict[str, str]:
    """What to add to the address of the next connection, to go on after this message."""
    seen: dict[str, str] = {}
    if message["type"] == "snapshot" and isinstance(message.get("session"), str):
        seen["session"] = message["session"]
    if isinstance(message.get("sequence"), int):
        seen["after"] = str(message["sequence"])
    return seen


def _refusal(error: InvalidStatus) -> str:
    status, body = error.response.status_code, error.response.body or b""
    if status == 401:
        return "the token is missing or wrong; give the right one with --token"
    said = bytes(body).decode(errors="replace").strip()[:200]
    return f"status {status}{': ' + said if said else ''}"


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    why = error.verify_message
    if error.verify_code in UNKNOWN_ISSUER:
        return f"{why}; if you trust its issuer, name the issuer's PEM file in SSL_CERT_FILE"
    return f"{why}; its certificate must be valid now, and for the name in the address"


def _growing_waits() -> Iterator[float]:
    wait_s = FIRST_WAIT_S
    while True:
        yield wait_s
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)
