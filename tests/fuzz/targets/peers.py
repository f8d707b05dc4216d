"""What others say to programs of ours that call them: servers, gateways, browsers."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Coroutine
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import httpx2
from rich.console import Console

from surtitle.pipeline.bots.janus_api import SUBPROTOCOL, Session
from surtitle.pipeline.client.connection import ConnectionLost, ServerError, _View, messages
from surtitle.pipeline.client.progress import Progress
from surtitle.pipeline.commands.terminal import TerminalView
from surtitle.pipeline.errors import RemoteError, TranslatorError
from surtitle.pipeline.events import TranslationRequest
from surtitle.pipeline.translators.llm_server.chat import ChatServer, Patience
from surtitle.pipeline.translators.llm_server.prompt import (
    complaint,
    continuation_in,
    pinned_and_rest,
    translation_in,
)
from surtitle.pipeline.webrtc.network import Network
from surtitle.pipeline.webrtc.peer import Peer

from .target import Fuzz, Target, as_text
from .target import messages as split
from .wire import FRAGMENT, OFFER, WORDS

LOOPBACK = Network(("127.0.0.1",))
REQUEST = TranslationRequest(
    "The harbor opens.", "en", "es", key="k", pinned="El puerto", required=("puerto",)
)
CAPTION = (
    '{"type": "caption", "sequence": 4, "segment_id": 7, "revision": 3, "language": "es", '
    '"text": "El puerto", "start_ms": 15250, "end_ms": 17020, "is_final": true, '
    '"is_source": false, "speaker": "Ana"}'
)
SAID = [
    CAPTION,
    '{"type": "snapshot", "version": 1, "room": "main", "session": "s", "sequence": 41, '
    f'"source": "en", "targets": ["es"], "is_live": true, "captions": [{CAPTION}]}}',
    '{"type": "started", "version": 1, "session": "s", "resume": "k", "notices": ["a"], '
    '"received_samples": 0}',
    '{"type": "status", "lag_ms": 640, "queued": 2, "heard_ms": 61250, "notice": "slow"}',
    '{"type": "stopped", "session": "s"}',
    '{"type": "error", "code": "internal", "message": "x"}',
]
JANUS = [
    '{"janus": "success", "transaction": "t", "data": {"id": 7}}',
    '{"janus": "event", "transaction": "t", "sender": 7, "plugindata": {"data": {"videoroom": '
    '"event", "publishers": [{"id": 1, "display": "Ann", "streams": [{"mid": "0"}]}]}}, '
    '"jsep": {"type": "offer", "sdp": "v=0"}}',
    '{"janus": "error", "transaction": "t", "error": {"code": 433, "reason": "no"}}',
    '{"janus": "timeout"}',
    '{"janus": "ack", "transaction": "t"}',
]
COMPLETIONS = [
    b'data: {"choices": [{"delta": {"content": "El puerto abre."}}]}\n\n'
    b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n',
    b'{"choices": [{"message": {"content": [{"type": "text", "text": "x"}]}}]}',
    b'{"error": {"message": "no such model", "code": 404}}',
    b'{"data": [{"id": "m"}]}',
    b'data: {"choices": [{"delta": {"content": "<think>hm</think>Translation: \\"x\\""}}]}\n\n',
]


class _Said:
    """A socket that has said all that it will."""

    def __init__(self, said: list[str | bytes]) -> None:
        self._said = said

    async def recv(self) -> str | bytes:
        if not self._said:
            raise ConnectionLost("it is over")
        return self._said.pop(0)


class _InALoop:
    """Reads on an event loop of its own."""

    def __init__(self, read: Callable[[bytes], Coroutine[Any, Any, None]]) -> None:
        self._read = read
        self._loop = asyncio.new_event_loop()

    def __call__(self, data: bytes) -> None:
        self._loop.run_until_complete(self._read(data))

    def __del__(self) -> None:
        self._loop.close()


def _in_a_loop(read: Callable[[bytes], Coroutine[Any, Any, None]]) -> Callable[[], Fuzz]:
    return lambda: _InALoop(read)


async def _listen(data: bytes) -> None:
    """What `surtitle listen` and `publish` make of a server's messages."""
    socket: Any = _Said(split(data))
    view, progress = _View(), Progress({"en", "es"})
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        with TerminalView(Console(file=io.StringIO()), names_languages=True) as terminal:
            try:
                async for message in messages(socket, lambda: None):
                    view.push(message)
                    progress.push(message)
                    assert progress.captioned_ms >= 0
                    terminal.hear(message)
            except (RemoteError, ServerError, ConnectionLost):
                return


async def _janus(data: bytes) -> None:
    """A session that is asked something while the gateway says what it likes."""

    class Gateway:
        subprotocol = SUBPROTOCOL

        async def send(self, message: str) -> None:
            # Whatever is answered, it may be an answer to this.
            transaction = json.loads(message)["transaction"]
            self.said = [
                each.replace('"t"', f'"{transaction}"') for each in as_text(data).split("\n")
            ]

        def __aiter__(self) -> Gateway:
            return self

        async def __anext__(self) -> str:
            while not hasattr(self, "said"):  # noqa: ASYNC110
                await asyncio.sleep(0)
            if not self.said:
                raise StopAsyncIteration
            return self.said.pop(0)

    gateway: Any = Gateway()
    session = Session(gateway)
    reading = asyncio.create_task(session.read())
    try:
        handle = await session.attach("janus.plugin.videoroom")
        del gateway.said
        await handle.ask("join")
    except (RemoteError, ConnectionLost):
        pass
    if not hasattr(gateway, "said"):
        gateway.said = []
    await reading  # raises nothing, and whoever waits has been told
    assert session.lost.done()
    session.lost.exception()


def _complete() -> Fuzz:
    """An LLM server's answer, whichever it says it is."""
    kinds = "application/json", "text/event-stream; charset=utf-8"
    ways = [(200, kinds[0]), (200, kinds[1]), (400, kinds[0]), (503, kinds[0])]
    answer: tuple[int, bytes, str] = 200, b"", ""

    def handle(request: httpx2.Request) -> httpx2.Response:
        status, content, kind = answer
        return httpx2.Response(status, content=content, headers={"content-type": kind})

    server = ChatServer("http://127.0.0.1:1/v1", None, "key", 1)
    server._http = httpx2.AsyncClient(transport=httpx2.MockTransport(handle))

    async def ask() -> None:
        try:
            said = await server.complete([], Patience(600.0, 600.0), lambda text: False)
        except TranslatorError as error:
            assert str(error)
            return
        said.text.encode()
        for found in (translation_in, continuation_in):
            text = found(said.text, REQUEST)
            complaint(text, REQUEST)
            pinned_and_rest(text, REQUEST)

    async def read(data: bytes) -> None:
        nonlocal answer
        for status, kind in ways:
            for model in "m", None:
                server._found_model = model
                answer = status, data, kind
                await ask()

    return _InALoop(read)


async def _answer(data: bytes) -> None:
    """A description, as an offer to a peer of ours."""
    peer = Peer(LOOPBACK)
    try:
        await peer.answer(as_text(data))
    except ValueError:
        pass
    finally:
        await peer.aclose()


async def _candidate(data: bytes) -> None:
    """A candidate that comes late."""
    peer = Peer(LOOPBACK)
    try:
        await peer.answer(OFFER.decode())
        for line in as_text(data).splitlines():
            try:
                await peer.add_candidate(line, "0")
            except ValueError:
                continue
    finally:
        await peer.aclose()


TARGETS = [
    Target(
        "listen", _in_a_loop(_listen), [*map(str.encode, SAID), "\n".join(SAID[:5]).encode()], WORDS
    ),
    Target(
        "janus", _in_a_loop(_janus), [*map(str.encode, JANUS), "\n".join(JANUS[:3]).encode()], WORDS
    ),
    Target("completion", _complete, COMPLETIONS, [*WORDS, b"data: ", b"```"], 2),
    Target("answer", _in_a_loop(_answer), [OFFER], [b"m=audio 9 UDP/TLS/RTP/SAVPF 0"], 1),
    Target("candidate", _in_a_loop(_candidate), [FRAGMENT], [b"raddr", b"tcptype", b"99999"], 1),
]
