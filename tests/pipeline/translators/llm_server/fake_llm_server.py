"""An OpenAI-compatible chat server of real sockets, for tests: it answers as it is told to, and has
bad days."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

MODEL = "fake-7b"
CHUNKED = "transfer-encoding: chunked\r\n"


@dataclass(frozen=True)
class Asked:
    """A request to /chat/completions."""

    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def messages(self) -> list[dict[str, str]]:
        return self.body["messages"]

    @property
    def last(self) -> str:
        return self.messages[-1]["content"]

    @property
    def text(self) -> str:
        """Of the translation that is asked for."""
        turns = [each["content"] for each in self.messages if each["role"] == "user"]
        return turns[-1].rpartition("\n")[2].removeprefix("Text: ")


Behavior = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class FakeLlmServer:
    """`days` are how it meets its next requests, one each; then it is as `usually`."""

    usually: Behavior
    days: list[Behavior] = field(default_factory=list[Behavior])
    models: list[str] = field(default_factory=lambda: [MODEL])
    asked: list[Asked] = field(default_factory=list[Asked])
    connections: int = 0
    at_work: int = 0
    most_at_work: int = 0
    port: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # a request
    gone: asyncio.Event = field(default_factory=asyncio.Event)  # a client, in the middle

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[FakeLlmServer]:
        """At the same port again, where it has had one."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        tasks = self._tasks = set[asyncio.Task[Any]]()
        try:
            yield self
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().strip().split("\r\n")
                headers = {k.lower(): v.strip() for k, v in (x.split(":", 1) for x in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                await self._answer(first.split()[1], headers, body, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            self.gone.set()
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(
        self,
        path: str,
        headers: dict[str, str],
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if path == "/v1/models":
            await whole(writer, {"data": [{"id": name} for name in self.models]})
            return
        if path != "/v1/chat/completions":
            await whole(writer, {"error": "no such page"}, "404 Not Found")
            return
        asked = Asked(json.loads(body), headers)
        self.asked.append(asked)
        self.begun.set()
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        behavior = self.days.pop(0) if self.days else self.usually
        answering = asyncio.create_task(behavior(asked, writer))
        hanging_up = asyncio.create_task(reader.read(1))  # nothing else comes meanwhile
        try:
            await asyncio.wait((answering, hanging_up), return_when=asyncio.FIRST_COMPLETED)
            if hanging_up.done():
                raise ConnectionError
            await answering
        finally:
            self.at_work -= 1
            for task in (answering, hanging_up):
                task.cancel()
            await asyncio.gather(answering, hanging_up, return_exceptions=True)


async def whole(writer: asyncio.StreamWriter, body: Any, status: str = "200 OK") -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/html" if data.startswith(b"<") else "application/json"
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}"
    writer.write(head.encode() + b"\r\n\r\n" + data)
    await writer.drain()


async def begin(writer: asyncio.StreamWriter) -> None:
    writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{CHUNKED}\r\n".encode())
    await writer.drain()


async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    """A chunk; an empty one is the last."""
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    await writer.drain()


async def say(writer: asyncio.StreamWriter, content: str, reason: str | None = None) -> None:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": reason}
    event = json.dumps({"choices": [choice]}, ensure_ascii=False)
    await send(writer, f"data: {event}\n\n".encode())


def streams(answer: str | Callable[[Asked], str], reason: str = "stop") -> Behavior:
    """An answer word by word, with what real servers send beside it."""

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await begin(writer)
        await send(writer, b": ping\n\n")
        await send(writer, b'data: {"choices":[{"delta":{"role":"assistant","content":null}}]}\n\n')
        words = (answer if isinstance(answer, str) else answer(asked)).split(" ")
        for n, word in enumerate(words):
            await say(writer, word if n == 0 else f" {word}")
        await say(writer, "", reason)
        await send(writer, b'data: {"choices":[],"usage":{"total_tokens":7}}\n\n')
        await send(writer, b"data: [DONE]\n\n")
        await send(writer, b"")

    return behave


def refuses(status: str, body: Any = None, headers: str = "") -> Behavior:
    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        del asked
        await whole(writer, body or {"error": {"message": "not today"}}, f"{status}{headers}")

    return behave


async def hangs(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Takes the request and says nothing."""
    del asked, writer
    await asyncio.Event().wait()


async def drips(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """A word now and then, for ever: no single wait is long."""
    del asked
    await begin(writer)
    while True:
        await say(writer, " más")
        await asyncio.sleep(0.02)


async def pours(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """As much as it can, for ever."""
    del asked
    await begin(writer)
    while True:
        await say(writer, " bla" * 5000)


async def pours_one_line(asked: Asked, writer: asyncio.StreamWriter) -> None:
    del asked
    await begin(writer)
    while True:
        await send(writer, b"x" * 65536)


async def breaks_off(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """In the middle of an answer."""
    del asked
    await begin(writer)
    await say(writer, "El puerto")
    writer.transport.abort()


async def ends_early(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """The stream is whole, the answer in it is not."""
    del asked
    await begin(writer)
    await say(writer, "El puerto")
    await send(writer, b"")


def raw(data: bytes) -> Behavior:
    """Such bytes as a stream of events."""

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        del asked
        await begin(writer)
        await send(writer, data)
        await send(writer, b"")

    return behave


async def talks_otherwise(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Not even HTTP."""
    del asked
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n" * 10)
    await writer.drain()
    writer.close()
