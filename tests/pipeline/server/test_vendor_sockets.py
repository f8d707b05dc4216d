"""The vendors' own client libraries against a real server on loopback, over a scripted recognizer.

Every 300 ms of audio is a word of the script, and the translation is the text marked with "[es]".
"""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deepgram import DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from openai import AsyncOpenAI
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from surtitle.pipeline.client.connection import Server, watch
from surtitle.pipeline.config import Tokens
from surtitle.pipeline.errors import RecognizerError

from .scripted import WORD_MS, WORDS, Served, read, read_until, serve

# The SDK asks websockets for names that it deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")

FINAL = "The harbor opens at six and the ferries leave soon."
TRANSLATION = f"[es] {' '.join(WORDS)}"
TOKENS = Tokens("publish-0123456789", "view-0123456789abc")


def speech(sample_rate_hz: int) -> Iterator[bytes]:
    """A word's time of silence for every word of the script."""
    for _ in WORDS:
        yield bytes(2 * sample_rate_hz * WORD_MS // 1000)


def test_openais_client_gets_a_translation_that_grows(tmp_path: Path) -> None:
    events: list[Any] = []

    async def scenario(served: Served) -> None:
        client = AsyncOpenAI(base_url=f"{served.url}/v1", api_key=TOKENS.publish)
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

    serve(scenario, tmp_path, tokens=TOKENS)
    kinds = [event.type for event in events]
    assert kinds[:2] == ["session.created", "session.updated"]
    assert kinds[-1] == "session.closed"
    text = {"session.input_transcript.delta": "", "session.output_transcript.delta": ""}
    for event in events[2:-1]:
        text[event.type] += event.delta
    assert list(text.values()) == [FINAL, TRANSLATION]
    assert kinds.count("session.input_transcript.delta") > 3
    assert events[-2].elapsed_ms == 3000


def deepgram_results(url: str, finalizes: bool = False, **options: Any) -> list[Any]:
    """What the vendor's client hears of the script."""
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


def listened(tmp_path: Path, **options: Any) -> list[Any]:
    heard: list[Any] = []

    async def scenario(served: Served) -> None:
        heard.extend(await asyncio.to_thread(deepgram_results, served.ws_url, **options))

    serve(scenario, tmp_path, tokens=TOKENS)
    return heard


def test_deepgrams_client_gets_a_transcript(tmp_path: Path) -> None:
    result, metadata = listened(tmp_path)
    assert result.type == "Results" and result.is_final and result.speech_final
    assert result.channel.alternatives[0].transcript == FINAL
    assert [word.word for word in result.channel.alternatives[0].words] == WORDS
    assert (metadata.type, metadata.duration, metadata.channels) == ("Metadata", 3.0, 1)


def test_deepgrams_client_gets_the_times_at_which_words_were_spoken(tmp_path: Path) -> None:
    result, _ = listened(tmp_path)
    found = [(word.start, word.end) for word in result.channel.alternatives[0].words]
    spoken_s = [n * WORD_MS / 1000 for n in range(len(WORDS) + 1)]
    assert found == list(zip(spoken_s, spoken_s[1:], strict=False))


def test_deepgrams_client_gets_a_translation_with_drafts(tmp_path: Path) -> None:
    options = {"additional_query_parameters": {"translate": "es"}}
    *results, metadata = listened(tmp_path, interim_results="true", request_options=options)
    texts = [result.channel.alternatives[0].transcript for result in results]
    assert texts[-1] == TRANSLATION and metadata.type == "Metadata"
    assert all(later.startswith(text) for text, later in zip(texts, texts[1:], strict=False))
    assert [result.is_final for result in results] == [False] * (len(results) - 1) + [True]


def test_finalize_ends_the_segment(tmp_path: Path) -> None:
    result, metadata = listened(tmp_path, finalizes=True)
    assert result.from_finalize and metadata.type == "Metadata"


LISTEN = "/v1/listen?encoding=linear16&sample_rate=16000"
TRANSLATIONS = "/v1/realtime/translations?model=any"


@pytest.mark.parametrize("path", [LISTEN, TRANSLATIONS])
@pytest.mark.parametrize("token", [None, TOKENS.view, "wrong"])
def test_who_may_not_publish_is_refused_in_the_handshake(
    tmp_path: Path, path: str, token: str | None
) -> None:
    async def scenario(served: Served) -> None:
        headers = {"Authorization": f"Token {token}"} if token else {}
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{served.ws_url}{path}", additional_headers=headers)
        assert refused.value.response.status_code == 401

    serve(scenario, tmp_path, tokens=TOKENS)


@pytest.mark.parametrize(
    ("path", "offered"),
    [
        (LISTEN, ["token", TOKENS.publish]),
        (TRANSLATIONS, ["realtime", f"openai-insecure-api-key.{TOKENS.publish}"]),
    ],
)
def test_a_browser_puts_its_key_into_the_subprotocols(
    tmp_path: Path, path: str, offered: list[Any]
) -> None:
    async def scenario(served: Served) -> None:
        async with connect(f"{served.ws_url}{path}", subprotocols=offered) as socket:
            assert socket.subprotocol == offered[0]

    serve(scenario, tmp_path, tokens=TOKENS)


def test_pages_of_other_servers_may_not_connect(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{served.ws_url}{LISTEN}", origin="https://example.org")  # type: ignore[arg-type]
        assert refused.value.response.status_code == 403

    serve(scenario, tmp_path)


@pytest.mark.parametrize("query", ["", "&room=a/b", "&channels=2"])
def test_what_is_not_served_is_refused_in_the_handshake(tmp_path: Path, query: str) -> None:
    async def scenario(served: Served) -> None:
        path = LISTEN + query if query else "/v1/listen"
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{served.ws_url}{path}")
        assert refused.value.response.status_code == 400

    serve(scenario, tmp_path)


def refusal(
    tmp_path: Path, pcm: bytes, path: str = LISTEN, *, is_broken: bool = False, **limits: Any
) -> Any:
    """The error that audio leads to, and that the connection is closed after it."""
    errors: list[Any] = []

    async def scenario(served: Served) -> None:
        if is_broken:
            served.recognizer.error = RecognizerError("the recognizer has died")
        async with connect(f"{served.ws_url}{path}") as socket:
            await socket.send(pcm)
            errors.append(await read(socket))
            await socket.wait_closed()
            errors.append(socket.close_code)

    serve(scenario, tmp_path, **limits)
    return errors


def test_a_recognizer_that_dies_is_told(tmp_path: Path) -> None:
    error, close_code = refusal(tmp_path, bytes(32_000), is_broken=True)
    assert error["variant"] == "internal" and "has died" in error["description"]
    assert close_code == 1011


def test_audio_far_ahead_is_too_fast(tmp_path: Path) -> None:
    error, close_code = refusal(tmp_path, bytes(64_000), max_ahead_ms=1000)
    assert (error["variant"], close_code) == ("too_fast", 1008)


def test_an_unknown_language_is_told(tmp_path: Path) -> None:
    error, close_code = refusal(tmp_path, bytes(3200), f"{LISTEN}&language=fr")
    assert error["variant"] == "unsupported_language" and "'fr'" in error["description"]
    assert close_code == 1008


@pytest.mark.parametrize("leaves", ["closes", "breaks off"])
def test_a_client_that_goes_frees_its_room(tmp_path: Path, leaves: str) -> None:
    async def scenario(served: Served) -> None:
        address = f"{served.ws_url}{LISTEN}&interim_results=true"
        socket = await connect(address)
        await socket.send(bytes(32_000))
        assert (await read(socket))["type"] == "Results"
        async with connect(address) as other:
            await other.send(bytes(3200))
            assert (await read(other))["variant"] == "room_taken"
        async with served.view() as viewer:
            assert (await read(viewer))["is_live"]
            if leaves == "closes":
                await socket.close()
            else:
                socket.transport.abort()
            assert not (await read_until(viewer, "snapshot"))[-1]["is_live"]
        async with connect(address) as other:
            await other.send(bytes(32_000))
            assert (await read(other))["type"] == "Results"

    serve(scenario, tmp_path)


def test_others_read_along_in_the_room(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        heard = asyncio.Queue[dict[str, Any]]()
        server = Server(served.url)
        reading = asyncio.create_task(watch(server, "den", "en", heard.put_nowait, print))
        await heard.get()  # the snapshot of an empty room
        async with connect(f"{served.ws_url}{LISTEN}&room=den") as socket:
            for pcm in speech(16_000):
                await socket.send(pcm)
            await socket.send('{"type": "CloseStream"}')
            async for _ in socket:
                pass
        while not (message := await heard.get()).get("is_final"):
            pass
        assert message["text"] == FINAL
        reading.cancel()

    serve(scenario, tmp_path)
