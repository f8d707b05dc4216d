"""A caption server on loopback, over a recognizer that follows a script."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from surtitle.pipeline.config import FilesConfig, ServerConfig
from surtitle.pipeline.recognizers import Recognizer
from surtitle.pipeline.server.app import CaptionServer, open_server
from surtitle.pipeline.server.files.service import FilesService
from surtitle.pipeline.server.storage.store import Store
from surtitle.pipeline.translators import Translator
from surtitle.pipeline.translators.echo import EchoTranslator

from ...patience import PATIENCE_S
from ..scripted_recognizer import Ears, ScriptedRecognizer, scripted_pool

WORD_MS = 300
WORDS = "the harbor opens at six and the ferries leave soon".split()
RATE_HZ = 8000
WORD_PCM = bytes(2 * RATE_HZ * WORD_MS // 1000)  # so much audio is a word
START = {
    "type": "start",
    "version": 1,
    "source": "en",
    "targets": ["es"],
    "sample_rate_hz": RATE_HZ,
    "codec": "pcm_s16le",
}

Message = dict[str, Any]


@dataclass
class Served:
    """A server that runs, and how to reach it."""

    server: CaptionServer
    rooms: Any
    recognizer: ScriptedRecognizer
    ears: Ears
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def connect(
        self,
        path: str,
        *,
        token: str | None = None,
        origin: str | None = None,
        subprotocols: tuple[str, ...] = ("surtitle.v1",),
        name: str = "127.0.0.1",
        **options: Any,
    ) -> connect:
        """`name` is what the server is called, where `options` say how to reach it."""
        return connect(
            f"ws://{name}:{self.port}{path}",
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            origin=None if origin is None else Origin(origin),
            additional_headers={"Authorization": f"Bearer {token}"} if token else {},
            proxy=None,
            open_timeout=PATIENCE_S,
            **options,
        )

    def view(self, query: str = "", **options: Any) -> connect:
        return self.connect(f"/v1/view?{query}", **options)

    def http(self) -> httpx.AsyncClient:
        # Without TLS there is nothing to verify, and loading certificates takes long.
        return httpx.AsyncClient(
            base_url=self.url, trust_env=False, verify=False, timeout=PATIENCE_S
        )

    async def publish(self, **fields: Any) -> tuple[ClientConnection, Message]:
        """A publisher that has started, and what it was answered."""
        publisher = await self.connect("/v1/publish")
        return publisher, await ask(publisher, START | fields)

    def stop(self) -> None:
        self.server.should_exit = True


async def ask(publisher: ClientConnection, message: Message) -> Message:
    await publisher.send(json.dumps(message))
    return await read(publisher)


async def read(connection: ClientConnection) -> Message:
    return json.loads(await asyncio.wait_for(connection.recv(), PATIENCE_S))


async def read_until(connection: ClientConnection, message_type: str) -> list[Message]:
    """All messages up to the first of a type."""
    messages = [await read(connection)]
    while messages[-1]["type"] != message_type:
        messages.append(await read(connection))
    return messages


async def read_final(connection: ClientConnection, language: str = "es") -> Message:
    while True:
        message = await read(connection)
        if message.get("is_final") and message["language"] == language:
            return message


async def speak(publisher: ClientConnection, words: int = len(WORDS)) -> None:
    for _ in range(words):
        await publisher.send(WORD_PCM)


Scenario = Callable[[Served], Awaitable[None]]


def serve(
    scenario: Scenario,
    folder: Path,
    translator: Translator | None = None,
    *,
    worker: Recognizer | None = None,
    ear: Callable[[], Recognizer] | None = None,
    files: FilesConfig | None = None,
    real_pages: Path | None = None,
    **changes: Any,
) -> None:
    """Run a scenario against a server with a configuration of its own, and stop the server.

    Its pages are in `folder`, and its store is `sessions.sqlite` there. `worker` recognizes instead
    of `Served.recognizer`. With an `ear` it takes recordings too, as `files` says, into `files`.
    `real_pages` stand in place of those of the tests.
    """
    service = ear and FilesService(folder / "files", files or FilesConfig(min_free_bytes=0), ear)
    config = replace(ServerConfig(port=0), **changes)
    pages = real_pages or _pages(folder / "web")
    with closing(Store(folder / "sessions.sqlite")) as store:
        translator = translator or EchoTranslator()
        serving = _serve(scenario, config, store, pages, translator, worker, service)
        asyncio.run(asyncio.wait_for(serving, PATIENCE_S))


def _pages(folder: Path) -> Path:
    for name in "", "overlay", "capture":
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "index.html").write_text(f"<title>{name or 'start'}</title>")
    (folder / "overlay" / "main.js").write_text("export {};")
    return folder


async def _serve(
    scenario: Scenario,
    config: ServerConfig,
    store: Store,
    pages: Path,
    translator: Translator,
    worker: Recognizer | None,
    files: FilesService | None,
) -> None:
    recognizer, ears = ScriptedRecognizer(WORDS), Ears(WORD_MS)
    pool = scripted_pool(worker or recognizer, ears)
    listening = socket.create_server(("127.0.0.1", config.port))
    # Small buffers: what a slow viewer does not read must come to wait in the server.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    port = listening.getsockname()[1]
    async with open_server(config, pool, translator, store, pages, files) as server:
        serving = asyncio.create_task(server.serve([listening]))
        try:
            await scenario(Served(server, server.rooms, recognizer, ears, port))
        finally:
            for event in ears.may_start, ears.may_hear, recognizer.gate:
                event.set()
            server.should_exit = True
            await serving


def finals(messages: list[Message]) -> dict[str, str]:
    return {m["language"]: m["text"] for m in messages if m["type"] == "caption" and m["is_final"]}


async def refused(connection: ClientConnection) -> tuple[str, str]:
    """The error that a connection ends with: its code and message."""
    message = (await read_until(connection, "error"))[-1]
    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(connection.recv(), PATIENCE_S)
    assert connection.close_code == 1008
    return message["code"], message["message"]
