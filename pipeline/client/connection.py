"""A server of ours as a program meets it: how it is reached, and a room that is read."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    ConnectionClosedOK,
    InvalidHandshake,
    InvalidStatus,
)
from websockets.typing import Subprotocol

from ..errors import RemoteError
from ..events import Caption

SUBPROTOCOL = Subprotocol("surtitle.v1")
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 16.0
SILENCE_S = 10.0  # a live room has a status each second
CLOSE_S = 2.0  # for a peer to say goodbye
PASSING = frozenset(  # error codes after which a later try may succeed
    {"internal", "too_fast", "too_many_sessions", "too_many_viewers", "unknown_session"}
)
UNKNOWN_ISSUER = (18, 19, 20, 21)  # OpenSSL's codes of certificates that nothing vouches for

Message = dict[str, Any]
Hear = Callable[[Message], None]
Say = Callable[[str], None]


class ConnectionLost(Exception):
    """The connection is gone, or there is none to be had now; a later one may succeed."""


class ServerError(Exception):
    """The server has sent an `error` and closes; `code` is one of the caption protocol's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"the server says: {message}")
        self.code = code


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
        """Raises RemoteError where the server refuses, ConnectionLost where it is out of reach."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            return await connect(
                self.address(path, query),
                subprotocols=[SUBPROTOCOL],
                additional_headers=headers,
                close_timeout=CLOSE_S,
            )
        except InvalidStatus as error:
            status = error.response.status_code
            if status >= 500:
                raise ConnectionLost(f"{self.url} answers with status {status}") from error
            raise RemoteError(f"{self.url} refuses: {_refusal(error)}") from error
        except InvalidHandshake as error:
            if isinstance(error.__cause__, EOFError):  # as a server does that stops
                raise ConnectionLost(
                    f"{self.url} has closed the connection unanswered: it stops, or speaks https"
                ) from error
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
            raise ConnectionLost(f"{self.url} cannot be reached: {error}") from error


class Waits:
    """How long to wait before each next try: ever longer, until `reset`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Something was heard: that the server answers alone is no success."""
        self.waited_s = 0.0
        self._next_s = FIRST_WAIT_S

    def next(self) -> float:
        wait_s = self._next_s
        self.waited_s += wait_s
        self._next_s = min(2 * wait_s, LONGEST_WAIT_S)
        return wait_s


async def watch(server: Server, room: str, languages: str, hear: Hear, say: Say) -> None:
    """Hear the messages of a room until cancelled; `languages` like "en,es", empty: all.

    A lost connection is told to `say` and made again, after waits that grow until a new caption
    came or a connection stood for long; what was missed is heard then. Raises RemoteError where the
    server refuses, or cannot be reached the first time.
    """
    query = {"room": room} | ({"lang": languages} if languages else {})
    view, waits, clock = _View(), Waits(), asyncio.get_running_loop().time
    while True:
        try:
            async with await server.connect("/v1/view", query | view.seen) as socket:
                connected_s = clock()
                async for message in messages(socket, lambda: SILENCE_S if view.is_live else None):
                    if view.push(message) or clock() - connected_s > LONGEST_WAIT_S:
                        waits.reset()
                    hear(message)
            raise ConnectionLost(f"{server.url} has closed the connection")
        except ServerError as error:
            if not (view.has_begun and error.code in PASSING):
                raise RemoteError(str(error)) from error
            if error.code == "unknown_session":
                view.seen = {}
            lost = str(error)
        except ConnectionLost as error:
            if not view.has_begun:
                raise RemoteError(f"{error}; is it started, and the address right?") from error
            lost = str(error)
        wait_s = waits.next()
        say(f"{lost}; trying again in {wait_s:g} s")
        await asyncio.sleep(wait_s)


class _View:
    """What a viewer has seen of its room."""

    def __init__(self) -> None:
        self.has_begun = self.is_live = False
        self.seen: dict[str, str] = {}  # goes into the address of the next connection

    def push(self, message: Message) -> bool:
        """Take a message; return whether it is a caption that was not there before."""
        self.has_begun = True
        if message["type"] == "snapshot":
            session = message.get("session")
            self.is_live = message.get("is_live") is True
            if not isinstance(session, str):
                self.seen = {}
            elif session != self.seen.get("session"):  # also one that began while we were away
                self.seen = {"session": session}
        sequence = message.get("sequence")
        is_new = type(sequence) is int and sequence > int(self.seen.get("after", -1))
        if is_new and "session" in self.seen:
            self.seen |= {"after": str(sequence)}
        return is_new and message["type"] == "caption"


def parse_captions(snapshot: Message) -> list[Caption]:
    """Those of a snapshot. Raises RemoteError for what are none."""
    captions: object = snapshot.get("captions", [])
    if not isinstance(captions, list):
        raise RemoteError(f"the server sent captions that are none: {captions!r:.200}")
    return [parse_caption(caption) for caption in cast("list[object]", captions)]


def parse_caption(caption: object) -> Caption:
    """The times of its words are left out. Raises RemoteError for what is no caption."""
    message = cast("Message", caption) if isinstance(caption, dict) else Message()
    texts = [message.get(name) for name in ("language", "text")]
    numbers = [message.get(name) for name in ("segment_id", "revision", "start_ms", "end_ms")]
    if all(isinstance(text, str) for text in texts) and all(type(n) is int for n in numbers):
        language, text = cast("list[str]", texts)
        segment_id, revision, start_ms, end_ms = cast("list[int]", numbers)
        is_final, is_source = (message.get(name) is True for name in ("is_final", "is_source"))
        speaker = str(message.get("speaker", ""))
        return Caption(
            segment_id,
            revision,
            language,
            text,
            start_ms,
            end_ms,
            is_final,
            is_source,
            speaker=speaker,
        )
    raise RemoteError(f"the server sent a caption that is none: {caption!r:.200}")


async def messages(
    socket: ClientConnection, silence_s: Callable[[], float | None]
) -> AsyncIterator[Message]:
    """What a server sends, until it closes as it should.

    Each message may take `silence_s()`, None: any time. Raises ConnectionLost for a connection that
    breaks or falls silent, ServerError, and RemoteError for what is no message of the protocol.
    """
    while True:
        limit_s = silence_s()
        try:
            async with asyncio.timeout(limit_s):
                raw = await socket.recv()
        except TimeoutError as error:
            socket.transport.abort()  # a peer that is dead would not say goodbye
            raise ConnectionLost(f"nothing has come for {limit_s:g} s") from error
        except ConnectionClosedOK:
            return
        except ConnectionClosed as error:
            raise ConnectionLost("the connection broke") from error
        message = _parse(raw)
        if message["type"] == "error":
            raise ServerError(str(message.get("code")), str(message.get("message")))
        yield message


def _parse(raw: str | bytes) -> Message:
    try:
        message: Any = json.loads(raw)
        if isinstance(message["type"], str):
            return cast(Message, message)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise RemoteError(f"the server does not speak the caption protocol: {raw!r:.80}")


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
