"""The vendors' own client libraries against a real server on loopback, over a scripted recognizer.

Every 300 ms of audio is a word of the script, and the translation is the text marked with "[es]".
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from deepgram import DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from openai import AsyncOpenAI
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from surtitle.pipeline.client import Server, watch
from surtitle.pipeline.config import ServerConfig, Tokens
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.events import AudioChunk, Hypothesis, Word
from surtitle.pipeline.server.app import listen, open_server
from surtitle.pipeline.server.store import Store
from surtitle.pipeline.translators.echo import EchoTranslator

# The SDK asks websockets for names that it deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")

WORD_MS = 300
SCRIPT = "the harbor opens at six and the ferries leave soon".split()
FINAL = "The harbor opens at six and the ferries leave soon."
TRANSLATION = "[es] the harbor opens at six and the ferries leave soon"


class ScriptedRecognizer:
    name = "script"
    languages = frozenset({"en"})
    is_written = False

    def open_stream(self, language: str, terms: tuple[str, ...]) -> ScriptedStream:
        return ScriptedStream()


class ScriptedStream:
    def __init__(self) -> None:
        self._heard_ms = self._said = 0

    def push(self, chunk: AudioChunk) -> list[Hypothesis]:
        self._heard_ms += chunk.samples.size // 16
        return [self._hypothesis(is_end=False)]

    def flush(self) -> list[Hypothesis]:
        return [self._hypothesis(is_end=True)]

    def close(self) -> None:
        pass

    def _hypothesis(self, *, is_end: bool) -> Hypothesis:
        end = max(self._said, min(-(-self._heard_ms // WORD_MS), len(SCRIPT)))
        words = tuple(
            Word(SCRIPT[n], n * WORD_MS, (n + 1) * WORD_MS, 1.0) for n in range(self._said, end)
        )
        self._said = end
        return Hypothesis(words, (), self._heard_ms, is_end)


class BrokenStream(ScriptedStream):
    def push(self, chunk: AudioChunk) -> list[Hypothesis]:
        raise RecognizerError("the recognizer has died")


class BrokenRecognizer(ScriptedRecognizer):
    def open_stream(self, language: str, terms: tuple[str, ...]) -> BrokenStream:
        return BrokenStream()


TOKENS = Tokens("publish-0123456789", "view-0123456789abc")


async def served(
    work: Callable[[int], Awaitable[None]],
    store: Path,
    *,
    tokens: Tokens | None = None,
    recognizer: ScriptedRecognizer | None = None,
    **limits: Any,
) -> None:
    """Run `work` against a server on a free port."""
    config = ServerConfig(port=0, tokens=tokens, **limits)
    kept = Store(store)
    with listen(config) as listening:
        async with open_server(
            config,
            recognizer or ScriptedRecognizer(),  # type: ignore[arg-type]
            EchoTranslator(),
            kept,
        ) as server:
            serving = asyncio.create_task(server.serve([listening]))
            await asyncio.wait_for(work(listening.getsockname()[1]), 30)
            server.should_exit = True
            await serving
    kept.close()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite"


def speech(sample_rate_hz: int) -> Iterator[bytes]:
    """A word's time of silence for every word of the script."""
    for _ in SCRIPT:
        yield bytes(2 * sample_rate_hz * WORD_MS // 1000)


def test_openais_client_gets_a_translation_that_grows(store: Path) -> None:
    events: list[Any] = []

    async def work(port: int) -> None:
        client = AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=TOKENS.publish)
        async with client.realtime.translations.connect(model="any") as connection:
            session: Any = {
                "audio": {"output": {"language": "es"}, "input": {"transcription": {"model": "x"}}}
            }
            await connection.send({"type": "session.update", "session": session})
            for pcm in speech(24_000):
                audio = base64.b64encode(pcm).decode()
                await connection.send({"type": "session.input_audio_buffer.append", "audio": audio})
                await asyncio.sleep(0.01)
            await connection.send({"type": "session.close"})
            async for event in connection:
                events.append(event)

    asyncio.run(served(work, store, tokens=TOKENS))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["session.created", "session.updated"]
    assert kinds[-1] == "session.closed"
    text = {"session.input_transcript.delta": "", "session.output_transcript.delta": ""}
    for event in events[2:-1]:
        text[event.type] += event.delta
    assert list(text.values()) == [FINAL, TRANSLATION]
    assert kinds.count("session.input_transcript.delta") > 3
    assert events[-2].elapsed_ms == 3000


def deepgram_results(port: int, finalizes: bool = False, **options: Any) -> list[Any]:
    """What the vendor's client hears of the script."""
    url = f"ws://127.0.0.1:{port}"
    environment = DeepgramClientEnvironment(base=url, production=url, agent=url, agent_rest=url)
    client = DeepgramClient(api_key=TOKENS.publish, environment=environment)
    heard: list[Any] = []
    with client.listen.v1.connect(
        model="nova-3", encoding="linear16", sample_rate=16_000, **options
    ) as connection:
        connection.on(EventType.MESSAGE, heard.append)
        connection.on(EventType.ERROR, heard.append)
        listening = threading.Thread(target=connection.start_listening)
        listening.start()
        connection.send_keep_alive()
        for pcm in speech(16_000):
            connection.send_media(pcm)
        if finalizes:
            connection.send_finalize()
        connection.send_close_stream()
        listening.join()
    return heard


def listened(store: Path, **options: Any) -> list[Any]:
    heard: list[Any] = []

    async def work(port: int) -> None:
        heard.extend(await asyncio.to_thread(deepgram_results, port, **options))

    asyncio.run(served(work, store, tokens=TOKENS))
    return heard


def test_deepgrams_client_gets_a_transcript(store: Path) -> None:
    result, metadata = listened(store)
    assert result.type == "Results" and result.is_final and result.speech_final
    assert result.channel.alternatives[0].transcript == FINAL
    assert [word.word for word in result.channel.alternatives[0].words] == SCRIPT
    assert (metadata.type, metadata.duration, metadata.channels) == ("Metadata", 3.0, 1)


def test_deepgrams_client_gets_a_translation_with_drafts(store: Path) -> None:
    options = {"additional_query_parameters": {"translate": "es"}}
    *results, metadata = listened(store, interim_results="true", request_options=options)
    texts = [result.channel.alternatives[0].transcript for result in results]
    assert texts[-1] == TRANSLATION and metadata.type == "Metadata"
    assert all(later.startswith(text) for text, later in zip(texts, texts[1:], strict=False))
    assert [result.is_final for result in results] == [False] * (len(results) - 1) + [True]


def test_finalize_ends_the_segment(store: Path) -> None:
    result, metadata = listened(store, finalizes=True)
    assert result.from_finalize and metadata.type == "Metadata"


LISTEN = "/v1/listen?encoding=linear16&sample_rate=16000"
TRANSLATIONS = "/v1/realtime/translations?model=any"


@pytest.mark.parametrize("path", [LISTEN, TRANSLATIONS])
@pytest.mark.parametrize("token", [None, TOKENS.view, "wrong"])
def test_who_may_not_publish_is_refused_in_the_handshake(
    store: Path, path: str, token: str | None
) -> None:
    async def work(port: int) -> None:
        headers = {"Authorization": f"Token {token}"} if token else {}
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{port}{path}", additional_headers=headers)
        assert refused.value.response.status_code == 401

    asyncio.run(served(work, store, tokens=TOKENS))


@pytest.mark.parametrize(
    ("path", "offered"),
    [
        (LISTEN, ["token", TOKENS.publish]),
        (TRANSLATIONS, ["realtime", f"openai-insecure-api-key.{TOKENS.publish}"]),
    ],
)
def test_a_browser_puts_its_key_into_the_subprotocols(
    store: Path, path: str, offered: list[Any]
) -> None:
    async def work(port: int) -> None:
        async with connect(f"ws://127.0.0.1:{port}{path}", subprotocols=offered) as socket:
            assert socket.subprotocol == offered[0]

    asyncio.run(served(work, store, tokens=TOKENS))


def test_pages_of_other_servers_may_not_connect(store: Path) -> None:
    async def work(port: int) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{port}{LISTEN}", origin="https://example.org")  # type: ignore[arg-type]
        assert refused.value.response.status_code == 403

    asyncio.run(served(work, store))


@pytest.mark.parametrize("query", ["", "&room=a/b", "&channels=2"])
def test_what_is_not_served_is_refused_in_the_handshake(store: Path, query: str) -> None:
    async def work(port: int) -> None:
        path = LISTEN + query if query else "/v1/listen"
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{port}{path}")
        assert refused.value.response.status_code == 400

    asyncio.run(served(work, store))


def refusal(store: Path, *messages: bytes, path: str = LISTEN, **server: Any) -> Any:
    """The error that audio leads to, and that the connection is closed after it."""
    errors: list[Any] = []

    async def work(port: int) -> None:
        async with connect(f"ws://127.0.0.1:{port}{path}") as socket:
            for message in messages:
                await socket.send(message)
            errors.append(json.loads(await socket.recv()))
            await socket.wait_closed()
            errors.append(socket.close_code)

    asyncio.run(served(work, store, **server))
    return errors


def test_a_recognizer_that_dies_is_told(store: Path) -> None:
    error, close_code = refusal(store, bytes(3200), recognizer=BrokenRecognizer())
    assert error["variant"] == "internal" and "has died" in error["description"]
    assert close_code == 1011


def test_audio_far_ahead_is_too_fast(store: Path) -> None:
    error, close_code = refusal(store, bytes(64_000), max_ahead_ms=1000)
    assert (error["variant"], close_code) == ("too_fast", 1008)


def test_an_unknown_language_is_told(store: Path) -> None:
    error, close_code = refusal(store, bytes(3200), path=f"{LISTEN}&language=fr")
    assert error["variant"] == "unsupported_language" and "'fr'" in error["description"]


@pytest.mark.parametrize("leaves", ["closes", "breaks off"])
def test_a_client_that_goes_frees_its_room(store: Path, leaves: str) -> None:
    async def work(port: int) -> None:
        address = f"ws://127.0.0.1:{port}{LISTEN}&interim_results=true"
        socket = await connect(address)
        await socket.send(bytes(32_000))
        await socket.recv()
        async with connect(address) as other:
            await other.send(bytes(3200))
            assert json.loads(await other.recv())["variant"] == "room_taken"
        if leaves == "closes":
            await socket.close()
        else:
            socket.transport.abort()
        await asyncio.sleep(0.3)
        async with connect(address) as other:
            await other.send(bytes(32_000))
            assert json.loads(await other.recv())["type"] == "Results"

    asyncio.run(served(work, store))


def test_others_read_along_in_the_room(store: Path) -> None:
    async def work(port: int) -> None:
        heard = asyncio.Queue[dict[str, Any]]()
        server = Server(f"http://127.0.0.1:{port}")
        reading = asyncio.create_task(watch(server, "den", "en", heard.put_nowait, print))
        await heard.get()  # the snapshot of an empty room
        async with connect(f"ws://127.0.0.1:{port}{LISTEN}&room=den") as socket:
            for pcm in speech(16_000):
                await socket.send(pcm)
            await socket.send('{"type": "CloseStream"}')
            async for _ in socket:
                pass
        while not (message := await heard.get()).get("is_final"):
            pass
        assert message["text"] == FINAL
        reading.cancel()

    asyncio.run(served(work, store))
