"""How it ends where publishers and viewers may not go on: rights, wrong messages, bounds."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from surtitle.pipeline.config import LiveConfig, Tokens
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.events import Caption

from .scripted import (
    RATE_HZ,
    START,
    WORDS,
    Served,
    ask,
    finals,
    read,
    read_until,
    refused,
    serve,
    speak,
)

FINAL = "The harbor opens at six and the ferries leave soon."
TOKENS = Tokens("publish-publish-publish", "view-view-view-view")


def test_tokens_give_rights(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.connect("/v1/publish", token=TOKENS.publish) as publisher:
            assert (await ask(publisher, START))["type"] == "started"
            browser = ("surtitle.v1", f"bearer.{TOKENS.view}")
            async with served.view(subprotocols=browser) as viewer:
                assert (await read(viewer))["is_live"]
                assert viewer.subprotocol == "surtitle.v1"
            async with served.view(token=TOKENS.publish) as viewer:
                assert (await read(viewer))["is_live"]
        async with served.connect("/v1/publish", token=TOKENS.view) as publisher:
            assert (await refused(publisher))[0] == "unauthorized"
        async with served.view() as viewer:
            assert await refused(viewer) == (
                "unauthorized", "a token is needed that allows to view"
            )  # fmt: skip

    serve(scenario, tmp_path, tokens=TOKENS)


WRONG = [
    (["hello"], "bad_request", "must be JSON, got 'hello'"),
    ([b"\0\0"], "bad_request", "first message must be a text"),
    ([START | {"sample_rate_hz": 0}], "bad_request", "sample_rate_hz must be 8000 to 96000"),
    ([START | {"source": "fr"}], "unsupported_language", "does not understand 'fr'"),
    ([START | {"room": "a"}, b"\0\0\0"], "bad_request", "whole 16-bit samples, got 3 bytes"),
    ([START | {"room": "b"}, {"type": "dance"}], "bad_request", "type 'dance' is not known"),
]


def test_a_publisher_is_told_what_is_wrong(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        for sent, code, message in WRONG:
            async with served.connect("/v1/publish") as publisher:
                for each in sent:
                    await publisher.send(json.dumps(each) if isinstance(each, dict) else each)
                told = await refused(publisher)
            assert told[0] == code and message in told[1]

    serve(scenario, tmp_path)


def test_a_viewer_is_told_what_is_wrong(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.view("room=a+b") as viewer:
            assert (await refused(viewer))[0] == "bad_request"
        async with served.view() as viewer:
            await viewer.send("hello")
            assert "only reads, got 'hello'" in (await refused(viewer))[1]
        async with served.view(subprotocols=("other",)) as viewer:
            assert "name the subprotocol surtitle.v1" in (await refused(viewer))[1]

    serve(scenario, tmp_path)


def test_who_never_starts_is_let_go(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.connect("/v1/publish") as publisher:
            assert "no start came within" in (await refused(publisher))[1]

    serve(scenario, tmp_path, start_timeout_s=0.05)


def test_a_message_that_is_too_long_ends_the_connection(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, started = await served.publish()
        await publisher.send(bytes((1 << 20) + 2))
        with pytest.raises(ConnectionClosed):
            while True:
                await read(publisher)
        assert publisher.close_code == 1009
        publisher = await served.connect("/v1/publish")
        resume = {"type": "start", "version": 1, "resume": started["resume"]}
        assert (await ask(publisher, resume))["received_samples"] == 0

    serve(scenario, tmp_path)


def test_audio_too_far_ahead_ends_the_connection_and_not_the_session(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.ears.may_hear.clear()
        publisher, started = await served.publish()
        await publisher.send(bytes(2 * RATE_HZ))
        await publisher.send(bytes(2 * RATE_HZ))
        code, message = await refused(publisher)
        assert code == "too_fast"
        assert "2.0 s ahead of what has been heard, 1.5 s are allowed" in message
        served.ears.may_hear.set()
        publisher = await served.connect("/v1/publish")
        resume = {"type": "start", "version": 1, "resume": started["resume"]}
        assert (await ask(publisher, resume))["received_samples"] == RATE_HZ
        await publisher.close()

    serve(scenario, tmp_path, max_ahead_ms=1500)


def test_who_sends_as_it_is_spoken_is_not_refused_while_the_recognizer_catches_up(
    tmp_path: Path,
) -> None:
    async def scenario(served: Served) -> None:
        served.recognizer.gate.clear()
        publisher, _ = await served.publish()
        listener = served.rooms._sessions["main"].speakers[0].session.listener
        for count in range(1, 1 + len(WORDS)):  # twice as long as max_ahead_ms
            await speak(publisher, 1)
            while listener.received_ms < 290 * count or listener.ahead_ms:  # noqa: ASYNC110
                await asyncio.sleep(0.001)  # it is heard in a thread
        assert listener.heard_ms == 0
        served.recognizer.gate.set()
        await publisher.send('{"type": "stop"}')
        assert finals(await read_until(publisher, "stopped"))["en"] == FINAL

    serve(scenario, tmp_path, max_ahead_ms=1500)


def test_a_room_has_one_publisher(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        await served.publish(room="hall")
        publisher = await served.connect("/v1/publish")
        await publisher.send(json.dumps(START | {"room": "hall"}))
        assert (await refused(publisher))[0] == "room_taken"

    serve(scenario, tmp_path)


def test_there_are_only_so_many_sessions_and_viewers(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        await served.publish(room="a")
        publisher = await served.connect("/v1/publish")
        await publisher.send(json.dumps(START | {"room": "b"}))
        assert (await refused(publisher))[0] == "too_many_sessions"
        async with served.view("room=a"), served.view("room=b") as other:
            await read(other)
            async with served.view("room=b") as viewer:
                assert (await refused(viewer))[0] == "too_many_viewers"

    serve(scenario, tmp_path, max_sessions=1, max_viewers=2)


def test_a_recognizer_that_fails_ends_its_session_only(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.recognizer.error = RecognizerError("the recognizer has died")
        publisher, _ = await served.publish()
        await speak(publisher)
        error = (await read_until(publisher, "error"))[-1]
        assert error["code"] == "internal" and "the recognizer has died" in error["message"]
        served.recognizer.error = None
        publisher, _ = await served.publish()
        await speak(publisher)
        await publisher.send('{"type": "stop"}')
        assert finals(await read_until(publisher, "stopped"))["en"] == FINAL

    serve(scenario, tmp_path)


def test_a_slow_viewer_misses_drafts_and_no_finals(tmp_path: Path) -> None:
    """What it does not read waits for it alone; others are not kept waiting."""

    def caption(segment_id: int, revision: int) -> Caption:
        is_final = revision == 9
        text = f"{segment_id}.{revision} " + "x" * 4000
        return Caption(segment_id, revision, "es", text, segment_id, segment_id, is_final)

    async def scenario(served: Served) -> None:
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.setblocking(False)
        await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", served.port))
        slow = await served.view(sock=small, max_queue=1)
        quick = await served.view()
        await read(slow), await read(quick)
        hub = served.rooms._hubs["main"]
        hub.begin("s", LiveConfig("en", ("es",)))
        await read(slow), await read(quick)
        expected = [f"{segment}.9" for segment in range(50)]
        for segment_id in range(50):
            for revision in range(10):
                hub.publish("s", caption(segment_id, revision))
            while (message := await read(quick))["segment_id"] != segment_id:
                pass  # the end of the segment before
        got = [message]
        while got[-1]["text"].split()[0] != "49.9":
            got.append(await read(quick))
        late = [await read(slow)]
        while late[-1]["text"].split()[0] != "49.9":
            late.append(await read(slow))
        texts = [message["text"].split()[0] for message in late]
        assert [text for text in texts if text.endswith(".9")] == expected
        assert len(texts) < 400
        await slow.close()
        await quick.close()

    serve(scenario, tmp_path)
