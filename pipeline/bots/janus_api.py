"""A Janus gateway, as its WebSocket API has it: a session, handles in it, requests and events.

https://janus.conf.meetecho.com/docs/rest.html
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from ..client.connection import CLOSE_S, ConnectionLost
from ..errors import RemoteError
from .broadcast import shown

SUBPROTOCOL = Subprotocol("janus-protocol")
ANSWER_S = 10.0
KEEPALIVE_S = 25.0  # Janus forgets a session that has said nothing for 60 s
WAITING_EVENTS = 1000  # of one handle

Message = dict[str, Any]


class JanusRefused(RemoteError):
    """`code` is Janus's, or its plugin's."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"Janus refuses: {reason} ({code})")
        self.code = code


@dataclass(frozen=True, slots=True)
class JanusRoom:
    """A room of a gateway, and as whom to come there."""

    url: str
    room: int | str
    pin: str | None
    display: str

    @property
    def entry(self) -> Message:
        """What a request to join says of the room."""
        return {"room": self.room} | ({} if self.pin is None else {"pin": self.pin})


@dataclass(frozen=True, slots=True)
class Event:
    """What a plugin says, or Janus of its connection: `kind` is "event", "hangup", "detached"..."""

    kind: str
    data: Message
    jsep: Message


class Handle:
    """A plugin that is attached. WAITING_EVENTS wait in `events`; one more ends the session."""

    def __init__(self, session: Session, number: int) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue(WAITING_EVENTS)
        self.number = number
        self._session = session

    async def ask(self, request: str, jsep: Message | None = None, **fields: Any) -> Event:
        """Ask the plugin; return what it answers. Raises JanusRefused, ConnectionLost."""
        body = {"request": request} | fields
        message: Message = {"janus": "message", "handle_id": self.number, "body": body}
        answer = _event(await self._session.ask(message | ({"jsep": jsep} if jsep else {})))
        if "error_code" in answer.data:
            raise _refused(answer.data["error_code"], answer.data.get("error"))
        return answer

    async def detach(self) -> None:
        """Let go of it, if the gateway is there."""
        self._session.forget(self)
        with suppress(RemoteError, ConnectionLost):
            await self._session.ask({"janus": "detach", "handle_id": self.number})


class Session:
    """Made by `open_session`. `lost` is set to a ConnectionLost when Janus is gone."""

    def __init__(self, socket: ClientConnection) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._socket = socket
        self._number: int | None = None
        self._asked: dict[str, tuple[str, asyncio.Future[Message]]] = {}  # by transaction
        self._handles: dict[int, Handle] = {}

    async def begin(self) -> None:
        """Raises JanusRefused, ConnectionLost."""
        self._number = _number(await self.ask({"janus": "create"}))

    async def attach(self, plugin: str) -> Handle:
        """Raises JanusRefused, also for a plugin that Janus does not have; ConnectionLost."""
        number = _number(await self.ask({"janus": "attach", "plugin": plugin}))
        self._handles[number] = handle = Handle(self, number)
        return handle

    def forget(self, handle: Handle) -> None:
        self._handles.pop(handle.number, None)

    async def ask(self, message: Message) -> Message:
        """Its answer: for a request to a plugin what comes after the acknowledgement.

        Raises JanusRefused, ConnectionLost.
        """
        if self.lost.done():
            self.lost.result()
        transaction = secrets.token_hex(8)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked[transaction] = message["janus"], answer
        session = {} if self._number is None else {"session_id": self._number}
        whole = message | session | {"transaction": transaction}
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._socket.send(json.dumps(whole))
                return await answer
        except TimeoutError as error:
            raise ConnectionLost(f"Janus has not answered for {ANSWER_S:g} s") from error
        except ConnectionClosed as error:
            raise ConnectionLost("Janus has closed the connection") from error
        finally:
            del self._asked[transaction]

    async def read(self) -> None:
        """Hear the gateway until the connection ends."""
        why = "Janus has closed the connection"
        try:
            async for raw in self._socket:
                self._hear(_parse(raw))
        except ConnectionClosed:
            pass
        except asyncio.QueueFull:
            why = f"more than {WAITING_EVENTS} events of Janus wait"
        except ConnectionLost as error:
            why = str(error)
        self._lose(why)

    async def keep_alive(self) -> None:
        """Until cancelled, or the connection is lost."""
        try:
            while True:
                await asyncio.sleep(KEEPALIVE_S)
                await self.ask({"janus": "keepalive"})
        except (ConnectionLost, RemoteError) as error:
            self._lose(str(error))

    def _hear(self, message: Message) -> None:
        """Raises ConnectionLost, QueueFull."""
        kind = message["janus"]
        asked, answer = self._asked.get(str(message.get("transaction")), ("", None))
        sender = message.get("sender")
        handle = self._handles.get(sender) if isinstance(sender, int) else None
        if answer is not None and not answer.done():
            if kind == "error":
                error = _object(message.get("error"))
                answer.set_exception(_refused(error.get("code"), error.get("reason")))
            elif kind != "ack" or asked != "message":
                answer.set_result(message)
        elif kind == "timeout":
            raise ConnectionLost("Janus has given up the session")
        elif handle is not None:
            handle.events.put_nowait(_event(message))

    def _lose(self, why: str) -> None:
        answers = (answer for _, answer in self._asked.values())
        for waiting in (*answers, self.lost):
            if not waiting.done():
                waiting.set_exception(ConnectionLost(why))


@asynccontextmanager
async def open_session(url: str) -> AsyncGenerator[Session, None]:
    """Raises RemoteError for what is no Janus, ConnectionLost where it is out of reach."""
    try:
        socket = await connect(url, subprotocols=[SUBPROTOCOL], close_timeout=CLOSE_S)
    except InvalidStatus as error:
        status = error.response.status_code
        if status >= 500:  # of a proxy, whose Janus is away
            raise ConnectionLost(f"{shown(url)} answers with status {status}") from error
        raise RemoteError(
            f"{shown(url)} answers with status {status}, as no Janus does; its WebSockets have "
            "mostly the port 8188"
        ) from error
    except InvalidHandshake as error:
        raise RemoteError(
            f"{shown(url)} is no WebSocket of Janus: {error}; that has mostly the port 8188"
        ) from error
    except OSError as error:  # ssl.SSLError is one
        raise ConnectionLost(f"{shown(url)} cannot be reached: {error}") from error
    if socket.subprotocol != SUBPROTOCOL:
        await socket.close()
        raise RemoteError(f"{shown(url)} does not speak {SUBPROTOCOL}")
    session = Session(socket)
    tasks = [asyncio.create_task(session.read())]
    try:
        await session.begin()
        tasks.append(asyncio.create_task(session.keep_alive()))
        yield session
    finally:
        with suppress(RemoteError, ConnectionLost):
            await session.ask({"janus": "destroy"})
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await socket.close()
        if not session.lost.done():
            session.lost.cancel()
        elif not session.lost.cancelled():
            session.lost.exception()  # it has been told, or nobody asks any more


def check_address(url: str) -> str:
    """The address. Raises ValueError for one that Janus's WebSockets cannot have."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError(
            f"Janus is reached by its WebSockets, like ws://127.0.0.1:8188, got {shown(url)!r}"
        )
    return url


def _parse(raw: str | bytes) -> Message:
    """Raises ConnectionLost for what Janus does not say."""
    try:
        message: Any = json.loads(raw)
        if isinstance(message["janus"], str):
            return cast(Message, message)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise ConnectionLost(f"what Janus says is not understood: {raw!r:.80}")


def _event(message: Message) -> Event:
    plugin = _object(message.get("plugindata"))
    return Event(message["janus"], _object(plugin.get("data")), _object(message.get("jsep")))


def _refused(code: object, reason: object) -> JanusRefused:
    return JanusRefused(code if type(code) is int else 0, str(reason)[:200])


def _number(answer: Message) -> int:
    """Raises ConnectionLost for an answer without one."""
    number = _object(answer.get("data")).get("id")
    if type(number) is not int:
        raise ConnectionLost(f"what Janus says is not understood: {answer!r:.80}")
    return number


def _object(value: object) -> Message:
    return cast(Message, value) if isinstance(value, dict) else {}
