"""Jitsi's bridge against a real server on loopback, with real Opus, over a scripted recognizer.

Every 300 ms of a participant's audio is a word of the script, whatever is heard in it.
"""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from surtitle.pipeline.config import Tokens
from surtitle.pipeline.server import meeting

from ..opus_packets import PACKET_MS, PACKET_TICKS, tone_packets
from .scripted import WORD_MS, WORDS, Message, Served, read, read_final, serve

SPEECH = tone_packets(WORD_MS * len(WORDS) + 2 * PACKET_MS)
SAID = " ".join(WORDS).capitalize()
BACK = "sendBack=true"
TOKENS = Tokens("publish-0123456789", "view-0123456789abc")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "LOOK_S", 0.02)
    monkeypatch.setattr(meeting, "PAUSE_S", 0.1)


def bridge(served: Served, path: str = f"/transcribe?sessionId=m1&{BACK}", **options: Any) -> Any:
    return served.connect(path, subprotocols=(), **options)


async def send(connection: ClientConnection, event: str, **fields: Any) -> None:
    await connection.send(json.dumps({"event": event} | fields))


async def speak(connection: ClientConnection, tag: str, packets: list[bytes] = SPEECH) -> None:
    await send(connection, "start", start={"tag": tag, "mediaFormat": {"encoding": "opus"}})
    for chunk, packet in enumerate(packets):
        payload = base64.b64encode(packet).decode()
        media = {"tag": tag, "chunk": chunk, "timestamp": chunk * PACKET_TICKS, "payload": payload}
        await send(connection, "media", media=media)


async def results(connection: ClientConnection, count: int) -> list[Message]:
    return [await read(connection) for _ in range(count)]


def by_person(messages: list[Message]) -> dict[tuple[str, str], str]:
    return {
        (one["participant"]["id"], one["language"]): one.get("text") or one["transcript"][0]["text"]
        for one in messages
    }


def test_a_meeting_gets_what_each_says_in_all_languages_from_one_recognition(
    tmp_path: Path,
) -> None:
    found: dict[tuple[str, str], str] = {}

    async def scenario(served: Served) -> None:
        async with bridge(served) as connection, served.view("room=m1") as viewer:
            await send(connection, "sources", exports=["a1"], requests=["es", "de-AT"])
            await asyncio.gather(speak(connection, "a1-11"), speak(connection, "b2-22"))
            found.update(by_person(await results(connection, 6)))
            captions = [await read_final(viewer), await read_final(viewer)]
            assert {caption["speaker"] for caption in captions} == {"a1", "b2"}
        calls = len(served.recognizer.finals)
        assert calls == pytest.approx(2 * len(WORDS), abs=2)  # however many languages

    serve(scenario, tmp_path)
    for person in "a1", "b2":
        assert found[person, "en"] == f"{SAID}."
        assert found[person, "es"].startswith("[es] ") and found[person, "de-AT"].startswith("[de]")


def test_languages_change_while_somebody_speaks(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with bridge(served) as connection:
            await speak(connection, "a1-11")
            (first,) = await results(connection, 1)
            await send(connection, "sources", requests=["fr"])
            await speak(connection, "b2-22")
            second, third = await results(connection, 2)
        assert [one["language"] for one in (first, second, third)] == ["en", "en", "fr"]

    serve(scenario, tmp_path)


def test_translate_answers_with_translations_alone(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with bridge(served, f"/translate?sessionId=m1&{BACK}") as connection:
            await send(connection, "sources", exports=["a1-a0"], requests=["a1-a0.es"])
            await speak(connection, "a1-a0")
            await speak(connection, "b2-a0")
            (result,) = await results(connection, 1)
        assert result["type"] == "realtime-translation-result"
        assert (result["participant"]["id"], result["language"]) == ("a1-a0", "es")

    serve(scenario, tmp_path)


def test_who_is_muted_has_the_last_words_closed_and_then_gives_a_place_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meeting, "IDLE_S", 0.3)

    async def scenario(served: Served) -> None:
        async with bridge(served) as connection:
            for tag in "a1-11", "b2-22":  # one after the other, where there is place for one
                await speak(connection, tag)
                (result,) = await results(connection, 1)
                assert result["participant"]["id"] == tag[:2]
                while served.rooms._running:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    serve(scenario, tmp_path, max_sessions=1)


def test_who_finds_no_place_costs_no_other(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with bridge(served) as connection:
            await speak(connection, "a1-11", SPEECH[:1])
            await speak(connection, "b2-22")
            await speak(connection, "a1-11")
            (result,) = await results(connection, 1)
            assert result["participant"]["id"] == "a1"

    serve(scenario, tmp_path, max_sessions=1)


def test_who_sends_too_fast_is_left_out_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meeting, "AGAIN_S", 0.2)

    async def scenario(served: Served) -> None:
        async with bridge(served) as connection:
            served.ears.may_hear.clear()
            await speak(connection, "a1-11")  # 3 s, where 1 s may wait
            await send(connection, "ping", id=1)
            assert (await read(connection))["event"] == "pong"
            served.ears.may_hear.set()
            while served.rooms._running:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await speak(connection, "b2-22", SPEECH[:40])
            found = await results(connection, 2)
            assert {result["participant"]["id"] for result in found} == {"a1", "b2"}

    serve(scenario, tmp_path, max_ahead_ms=1000)


def test_a_session_that_fails_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(served: Served) -> None:
        async with bridge(served) as connection:
            await speak(connection, "a1-11", SPEECH[:1])
            await send(connection, "ping", id=1)
            await read(connection)
            (live,) = served.rooms._sessions["m1"].speakers
            monkeypatch.setattr(live._resampler, "push", lambda pcm: 1 / 0)
            await speak(connection, "a1-11", SPEECH[:1])
            await speak(connection, "b2-22")
            (result,) = await results(connection, 1)
            assert result["participant"]["id"] == "b2"

    serve(scenario, tmp_path)


def test_pings_are_answered_and_garbage_ends_the_connection_alone(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with bridge(served) as other, bridge(served) as connection:
            await send(connection, "ping", id=3)
            assert await read(connection) == {"event": "pong", "id": 3}
            for garbage in ["{", b"\0\1"] * 5:
                await connection.send(garbage)
                assert (await read(connection))["event"] == "error"
            with pytest.raises(ConnectionClosed):
                await read(connection)
            assert connection.close_code == 1008
            await send(other, "ping", id=4)
            assert (await read(other))["id"] == 4

    serve(scenario, tmp_path)


@pytest.mark.parametrize("path", ["/transcribe", "/translate"])
def test_the_token_of_a_publisher_is_wanted(path: str, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        for token in None, TOKENS.view, "wrong":
            with pytest.raises(InvalidStatus) as refused:
                async with bridge(served, f"{path}?sessionId=m1", token=token):
                    pass
            assert refused.value.response.status_code == 401
        async with bridge(served, f"{path}?sessionId=m1", token=TOKENS.publish):
            pass

    serve(scenario, tmp_path, tokens=TOKENS)


def test_an_address_that_cannot_be_served_says_why(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with bridge(served, "/transcribe"):
                pass
        response = refused.value.response
        assert response.status_code == 400 and b"{{MEETING_ID}}" in (response.body or b"")

    serve(scenario, tmp_path)


def test_the_sessions_of_a_bridge_end_with_it(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.view("room=m1") as viewer:
            async with bridge(served) as connection:
                await speak(connection, "a1-11")
            assert (await read_final(viewer, "en"))["speaker"] == "a1"
            while (await read(viewer)).get("is_live") is not False:
                pass

    serve(scenario, tmp_path)
