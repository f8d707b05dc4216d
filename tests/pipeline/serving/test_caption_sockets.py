"""Publishers and viewers over real WebSockets. Every 300 ms of audio is a word of the script."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from surtitle.pipeline.config import Tokens
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.events import Caption

from .scripted import (
    RATE_HZ,
    START,
    WORD_PCM,
    WORDS,
    Served,
    ask,
    read,
    read_final,
    read_until,
    serve,
    speak,
)

FINAL = "The harbor opens at six and the ferries leave soon."
TRANSLATION = f"[es] {' '.join(WORDS)}"


def finals(messages: list[dict[str, Any]]) -> dict[str, str]:
    return {m["language"]: m["text"] for m in messages if m["type"] == "caption" and m["is_final"]}


async def refused(connection: ClientConnection) -> tuple[str, str]:
    """The error that a connection ends with: its code and message."""
    message = (await read_until(connection, "error"))[-1]
    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(connection.recv(), 5)
    assert connection.close_code == 1008
    return message["code"], message["message"]


def test_speech_becomes_captions_for_publisher_and_viewer(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.view("room=hall&lang=es") as viewer:
            empty = await read(viewer)
            assert (empty["type"], empty["session"], empty["is_live"]) == ("snapshot", None, False)
            publisher, started = await served.publish(room="hall")
            assert publisher.subprotocol == viewer.subprotocol == "surtitle.v1"
            assert started["recognizer"] == "script" and started["received_samples"] == 0
            begun = await read(viewer)
            assert (begun["session"], begun["is_live"]) == (started["session"], True)
            assert (begun["source"], begun["targets"]) == ("en", ["es"])
            await speak(publisher)
            await publisher.send('{"type": "stop"}')
            published = await read_until(publisher, "stopped")
            assert published[-1]["session"] == started["session"]
            assert finals(published) == {"en": FINAL, "es": TRANSLATION}
            viewed = await read_until(viewer, "snapshot")
            assert finals(viewed) == {"es": TRANSLATION}
            sequences = [m["sequence"] for m in viewed]
            assert sequences == sorted(sequences)
            assert (viewed[-1]["session"], viewed[-1]["is_live"]) == (None, False)
            await publisher.wait_closed()
            assert publisher.close_code == 1000

    serve(scenario, tmp_path)


def test_what_is_sent_before_the_recognizer_listens_is_captioned(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.recognizer.may_start.clear()
        publisher = await served.connect("/v1/publish")
        await publisher.send(json.dumps(START))
        await speak(publisher)
        await publisher.send('{"type": "stop"}')
        with pytest.raises(TimeoutError):  # nobody is told to speak yet
            await asyncio.wait_for(publisher.recv(), 0.2)
        served.recognizer.may_start.set()
        messages = await read_until(publisher, "stopped")
        assert "started" in [m["type"] for m in messages]
        assert finals(messages) == {"en": FINAL, "es": TRANSLATION}

    serve(scenario, tmp_path)


def test_a_publisher_that_leaves_before_it_started_leaves_the_room_free(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.recognizer.may_start.clear()
        async with served.view() as viewer:
            await read(viewer)
            publisher = await served.connect("/v1/publish")
            await publisher.send(json.dumps(START))
            assert (await read(viewer))["is_live"]
            publisher.transport.abort()
            served.recognizer.may_start.set()
            assert not (await read_until(viewer, "snapshot"))[-1]["is_live"]
            _, answer = await served.publish()
            assert answer["type"] == "started"

    serve(scenario, tmp_path)


def test_a_recognizer_that_does_not_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RecognizerError("its process has died")

    async def scenario(served: Served) -> None:
        monkeypatch.setattr(served.recognizer, "open_stream", fail)
        _, answer = await served.publish()
        assert (answer["type"], answer["code"]) == ("error", "internal")
        assert "has died" in answer["message"]

    serve(scenario, tmp_path)


def test_terms_that_the_recognizer_cannot_use_are_told(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        terms = [{"source": "harbor", "targets": {"es": "puerto"}}]
        publisher, started = await served.publish(terms=terms)
        (notice,) = started["notices"]
        assert notice.startswith("script cannot listen for the terms")
        await publisher.close()
        publisher, started = await served.publish(room="hall")
        assert started["notices"] == []
        await publisher.close()

    serve(scenario, tmp_path)


def test_flush_ends_the_segment(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish(targets=[])
        await speak(publisher, 3)
        await publisher.send('{"type": "flush"}')
        assert (await read_final(publisher, "en"))["segment_id"] == 0
        await publisher.close()

    serve(scenario, tmp_path)


def test_a_status_comes_each_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surtitle.pipeline.serving.rooms.STATUS_S", 0.02)

    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        async with served.view() as viewer, served.view() as other:
            await read(other)
            await speak(publisher, 4)
            while (status := (await read_until(viewer, "status"))[-1])["heard_ms"] < 1100:
                pass
            assert set(status) == {
                "type", "lag_ms", "queued", "dropped_drafts", "viewers", "heard_ms", "term_hits"
            }  # fmt: skip
            assert status["viewers"] == 2
            assert (await read_until(publisher, "status"))[-1]["type"] == "status"
        await publisher.close()

    serve(scenario, tmp_path)


def test_a_viewer_that_comes_back_reads_what_it_missed(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, started = await served.publish()
        async with served.view("lang=en") as viewer:
            await speak(publisher, 4)
            seen = (await read_until(viewer, "caption"))[-1]
        await speak(publisher, 6)
        await publisher.send('{"type": "stop"}')
        await read_until(publisher, "stopped")
        query = f"lang=en&session={started['session']}&after={seen['sequence']}"
        async with served.view(query) as viewer:
            snapshot = await read(viewer)
            assert snapshot["session"] == started["session"] and not snapshot["is_live"]
            (missed,) = snapshot["captions"]
            assert missed["sequence"] > seen["sequence"]
            assert (missed["text"], missed["is_final"]) == (FINAL, True)

    serve(scenario, tmp_path)


def test_a_publisher_goes_on_after_a_lost_connection(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, started = await served.publish()
        await speak(publisher, 4)
        await read_until(publisher, "caption")  # what was sent has arrived
        publisher.transport.abort()
        publisher = await served.connect("/v1/publish")
        resume = {"type": "start", "version": 1, "resume": started["resume"]}
        again = await ask(publisher, resume)
        assert (again["session"], again["resume"]) == (started["session"], started["resume"])
        arrived_words = again["received_samples"] * 2 // len(WORD_PCM)
        await speak(publisher, len(WORDS) - arrived_words)
        await publisher.send('{"type": "stop"}')
        assert finals(await read_until(publisher, "stopped"))["en"] == FINAL

    serve(scenario, tmp_path)


def test_who_resumes_takes_the_place_of_a_connection_that_hangs(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        hanging, started = await served.publish()
        publisher = await served.connect("/v1/publish")
        await ask(publisher, {"type": "start", "version": 1, "resume": started["resume"]})
        with pytest.raises(ConnectionClosed):
            while True:
                await read(hanging)
        assert hanging.close_code == 4000
        await speak(publisher)
        await publisher.send('{"type": "stop"}')
        assert finals(await read_until(publisher, "stopped"))["en"] == FINAL

    serve(scenario, tmp_path)


def test_a_session_ends_when_its_publisher_stays_away(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, started = await served.publish()
        async with served.view("lang=en") as viewer:
            await speak(publisher)
            await read_until(viewer, "caption")
            await publisher.close()
            assert finals(await read_until(viewer, "snapshot")) == {"en": FINAL}
            late = await served.connect("/v1/publish")
            await late.send(json.dumps({"type": "start", "version": 1, "resume": "x"}))
            assert (await refused(late))[0] == "unknown_session"

    serve(scenario, tmp_path, resume_s=0.05)


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
        served.recognizer.gate.clear()
        publisher, started = await served.publish()
        await publisher.send(bytes(2 * RATE_HZ))
        await publisher.send(bytes(2 * RATE_HZ))
        code, message = await refused(publisher)
        assert code == "too_fast"
        assert "2.0 s ahead of what has been recognized, 1.5 s are allowed" in message
        served.recognizer.gate.set()
        publisher = await served.connect("/v1/publish")
        resume = {"type": "start", "version": 1, "resume": started["resume"]}
        assert (await ask(publisher, resume))["received_samples"] == RATE_HZ
        await publisher.close()

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
        served.recognizer.is_broken = True
        publisher, _ = await served.publish()
        await speak(publisher, 1)
        error = (await read_until(publisher, "error"))[-1]
        assert error["code"] == "internal" and "the recognizer has died" in error["message"]
        served.recognizer.is_broken = False
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
        expected = [f"{segment}.9" for segment in range(50)]
        for segment_id in range(50):
            for revision in range(10):
                hub.publish(caption(segment_id, revision))
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
