"""The vendors' own client libraries against a real server on loopback, over a scripted recognizer.

Every 300 ms of audio is a word of the script, and the translation is the text marked with "[es]".
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from deepgram import DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from openai import AsyncOpenAI
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from surtitle.pipeline import vendor_conversation
from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.events import AudioChunk, Hypothesis, Word
from surtitle.pipeline.protocols.deepgram import ListenDialect, parse_query
from surtitle.pipeline.protocols.openai_realtime import TranslationDialect
from surtitle.pipeline.session import Session
from surtitle.pipeline.translation_loop import TranslationLoop
from surtitle.pipeline.translators.echo import EchoTranslator
from surtitle.pipeline.vendor_conversation import converse

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


async def served(
    work: Callable[[int], Awaitable[None]], recognizer: ScriptedRecognizer | None = None
) -> None:
    """Run `work` against a server on a free port."""
    translations = TranslationLoop(EchoTranslator())
    translating = asyncio.create_task(translations.run())

    def open_session(config: LiveConfig, publish: Any) -> Session:
        return Session("s-1", config, recognizer or ScriptedRecognizer(), translations, publish)  # type: ignore[arg-type]

    async def handle(socket: ServerConnection) -> None:
        assert socket.request is not None
        address = urlsplit(socket.request.path)
        query = parse_qsl(address.query)
        dialect: Any
        if address.path == "/v1/listen":
            dialect = ListenDialect(parse_query(query), "s-1", "script", "2026-11-24T10:15:00Z")
        else:
            dialect = TranslationDialect("s-1", "any", "en", 1_800_000_000, translations.check)
        await converse(socket, dialect, open_session)

    async with serve(handle, "127.0.0.1", 0) as server:
        await asyncio.wait_for(work(next(iter(server.sockets)).getsockname()[1]), 20)
    translating.cancel()


def speech(sample_rate_hz: int) -> Iterator[bytes]:
    """A word's time of silence for every word of the script."""
    for _ in SCRIPT:
        yield bytes(2 * sample_rate_hz * WORD_MS // 1000)


def test_openais_client_gets_a_translation_that_grows() -> None:
    events: list[Any] = []

    async def work(port: int) -> None:
        client = AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="key")
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

    asyncio.run(served(work))
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
    client = DeepgramClient(api_key="key", environment=environment)
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


def listened(**options: Any) -> list[Any]:
    heard: list[Any] = []

    async def work(port: int) -> None:
        heard.extend(await asyncio.to_thread(deepgram_results, port, **options))

    asyncio.run(served(work))
    return heard


def test_deepgrams_client_gets_a_transcript() -> None:
    result, metadata = listened()
    assert result.type == "Results" and result.is_final and result.speech_final
    assert result.channel.alternatives[0].transcript == FINAL
    assert [word.word for word in result.channel.alternatives[0].words] == SCRIPT
    assert (metadata.type, metadata.duration, metadata.channels) == ("Metadata", 3.0, 1)


def test_deepgrams_client_gets_a_translation_with_drafts() -> None:
    options = {"additional_query_parameters": {"translate": "es"}}
    *results, metadata = listened(interim_results="true", request_options=options)
    texts = [result.channel.alternatives[0].transcript for result in results]
    assert texts[-1] == TRANSLATION and metadata.type == "Metadata"
    assert all(later.startswith(text) for text, later in zip(texts, texts[1:], strict=False))
    assert [result.is_final for result in results] == [False] * (len(results) - 1) + [True]


def test_finalize_ends_the_segment() -> None:
    result, metadata = listened(finalizes=True)
    assert result.from_finalize and metadata.type == "Metadata"


def test_a_recognizer_that_dies_is_told_and_ends_the_session() -> None:
    async def work(port: int) -> None:
        address = f"ws://127.0.0.1:{port}/v1/listen?encoding=linear16&sample_rate=16000"
        async with connect(address) as socket:
            await socket.send(bytes(3200))
            error = json.loads(await socket.recv())
            assert error["variant"] == "internal" and "has died" in error["description"]
            await socket.wait_closed()
            assert socket.close_code == 1011

    asyncio.run(served(work, BrokenRecognizer()))


def test_audio_far_ahead_is_too_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_conversation, "MAX_AHEAD_MS", 1000)

    async def work(port: int) -> None:
        address = f"ws://127.0.0.1:{port}/v1/listen?encoding=linear16&sample_rate=16000"
        async with connect(address) as socket:
            await socket.send(bytes(32_000 * 2))
            error = json.loads(await socket.recv())
            assert error["variant"] == "too_fast"

    asyncio.run(served(work))


@pytest.mark.parametrize("leaves", ["closes", "breaks off"])
def test_a_client_that_goes_without_a_word_ends_its_session(leaves: str) -> None:
    async def work(port: int) -> None:
        before = asyncio.all_tasks()
        address = f"ws://127.0.0.1:{port}/v1/listen?encoding=linear16&sample_rate=16000"
        socket = await connect(address)
        await socket.send(bytes(3200))
        await asyncio.sleep(0.05)
        begun = asyncio.all_tasks() - before
        assert any("Session.run" in repr(task) for task in begun)
        if leaves == "closes":
            await socket.close()
        else:
            socket.transport.abort()
        await asyncio.wait(begun)

    asyncio.run(served(work))
