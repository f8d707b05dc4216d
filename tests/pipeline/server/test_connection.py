"""What goes wrong in one connection or session ends it alone, with an error and a close code."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from surtitle.pipeline.protocols.deepgram import ListenDialect
from surtitle.pipeline.server.connection import MAX_EMPTY

from .scripted import (
    START,
    WORD_PCM,
    Message,
    Served,
    ask,
    finals,
    read,
    read_until,
    serve,
    speak,
)

FINAL = "The harbor opens at six and the ferries leave soon."
LISTEN = "/v1/listen?encoding=linear16&sample_rate=8000"
TRANSLATE = "/v1/realtime/translations?model=any"
SPANISH = json.dumps(
    {"type": "session.update", "session": {"audio": {"output": {"language": "es"}}}}
)
APPEND = "session.input_audio_buffer.append"


async def read_all(connection: ClientConnection) -> tuple[list[Message], int | None]:
    """All messages until the server closes, and its close code."""
    messages: list[Message] = []
    with pytest.raises(ConnectionClosed):
        while True:
            messages.append(await read(connection))
    return messages, connection.close_code


async def answers(served: Served, path: str, sent: Sequence[str | bytes]) -> tuple[Any, Any]:
    async with served.connect(path, subprotocols=()) as connection:
        for message in sent:
            await connection.send(message)
        return await read_all(connection)


def told(messages: list[Message]) -> str:
    """What the last error says, in either vendor's format."""
    error = [message for message in messages if message["type"].lower() == "error"][-1]
    return error["description"] if "description" in error else error["error"]["message"]


BROKEN = [
    (TRANSLATE, [SPANISH, json.dumps({"type": APPEND, "audio": "é"})], "not base64"),
    (TRANSLATE, [json.dumps({"type": "\ud800"})], "surrogate"),
    (TRANSLATE, [json.dumps({"type": "x", "event_id": "\ud800"})], "surrogate"),
    (
        TRANSLATE,
        [SPANISH.replace('"output"', '"input": {"transcription": {"model": "\\ud800"}}, "output"')],
        "surrogate",
    ),
    (LISTEN, [json.dumps({"type": "\udc00"})], "surrogate"),
    (LISTEN, [b"\0"], "no whole 16-bit samples"),
]


@pytest.mark.parametrize(("path", "sent", "why"), BROKEN)
def test_what_a_vendors_client_breaks_is_answered_with_an_error_and_a_close_code(
    path: str, sent: list[Any], why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(served: Served) -> None:
        # What follows the broken message has no answer, and does no harm.
        messages, close_code = await answers(served, path, [*sent, SPANISH, b"\0\0"])
        assert why in told(messages) and close_code == 1008

    serve(scenario, tmp_path)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("path", "stop"),
    [(TRANSLATE, '{"type": "session.close"}'), (LISTEN, '{"type": "CloseStream"}')],
)
def test_what_follows_the_end_of_a_session_that_never_began_is_not_heard(
    path: str, stop: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(served: Served) -> None:
        messages, close_code = await answers(served, path, [stop, '{"type": "x"}', b"\0\0"])
        assert messages[-1]["type"] in ("session.closed", "Metadata") and close_code == 1000

    serve(scenario, tmp_path)
    assert "Exception" not in caplog.text


def frame(opcode: int, payload: bytes) -> bytes:
    """As a client sends it, masked with zeros."""
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


@pytest.mark.parametrize(
    ("invalid", "close_code"), [(frame(1, b"\xff"), 1007), (frame(3, b"x"), 1002)]
)
def test_frames_after_an_invalid_one_are_not_heard(
    invalid: bytes, close_code: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(served: Served) -> None:
        async with served.connect(TRANSLATE, subprotocols=()) as connection:
            connection.transport.write(invalid + 3 * frame(1, SPANISH.encode()))
            assert (await read_all(connection))[1] == close_code

    serve(scenario, tmp_path)
    assert "Exception in ASGI application" not in caplog.text


def test_endless_empty_messages_end_the_connection(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish(room="a")
        for _ in range(MAX_EMPTY + 1):
            await publisher.send(b"")
        messages, close_code = await read_all(publisher)
        assert messages[-1]["code"] == "bad_request" and "without audio" in messages[-1]["message"]
        assert close_code == 1008
        messages, close_code = await answers(served, LISTEN, [b""] * (MAX_EMPTY + 1))
        assert "without audio" in told(messages) and close_code == 1008
        empty = json.dumps({"type": APPEND, "audio": ""})
        messages, close_code = await answers(served, TRANSLATE, [SPANISH, *[empty] * MAX_EMPTY * 2])
        assert "without audio" in told(messages) and close_code == 1008

    serve(scenario, tmp_path, resume_s=0.0)


def test_empty_messages_between_audio_do_no_harm(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        for _ in range(10):
            for _ in range(MAX_EMPTY // 2):
                await publisher.send(b"")
            await publisher.send(WORD_PCM)
        await publisher.send('{"type": "stop"}')
        assert finals(await read_until(publisher, "stopped"))["en"] == FINAL

    serve(scenario, tmp_path)


def test_empty_text_is_an_error(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        for path in LISTEN, TRANSLATE:
            messages, close_code = await answers(served, path, [""])
            assert "must be JSON" in told(messages) and close_code == 1008

    serve(scenario, tmp_path)


async def goes_on(publisher: ClientConnection) -> None:
    """That a session beside the one that fails is captioned to its end."""
    await speak(publisher)
    await publisher.send('{"type": "stop"}')
    messages, close_code = await read_all(publisher)
    assert finals(messages)["en"] == FINAL
    assert (messages[-1]["type"], close_code) == ("stopped", 1000)


async def ends_alone(served: Served, broken: ClientConnection, other: ClientConnection) -> None:
    """That a session ends with an error, and the other one with its last caption."""
    messages, close_code = await read_all(broken)
    assert (messages[-1]["type"], messages[-1]["code"]) == ("error", "internal")
    assert close_code == 1011
    await goes_on(other)
    publisher, answer = await served.publish(room="broken")  # the room is free again
    assert answer["type"] == "started"
    await publisher.close()


class Unexpected(Exception):
    """Nobody knows it."""


def fail(*_: object, **__: object) -> Any:
    raise Unexpected("the inside of an error")


@pytest.mark.parametrize("broken", ["hearing", "publishing", "status", "flush"])
def test_whatever_fails_in_a_session_ends_it_alone(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("surtitle.pipeline.server.rooms.STATUS_S", 0.02)

    async def scenario(served: Served) -> None:
        other, _ = await served.publish(room="other")
        publisher, _ = await served.publish(room="broken")
        live = served.rooms._sessions["broken"].speakers[0]
        match broken:
            case "hearing":
                monkeypatch.setattr(live._resampler, "push", fail)
            case "publishing":
                monkeypatch.setattr(live.hub, "_publish_caption", fail)
            case "status":
                monkeypatch.setattr(live.session, "status", fail)
            case _:
                monkeypatch.setattr(live._listener, "flush", fail)
        await speak(publisher)
        await publisher.send('{"type": "flush"}')
        await ends_alone(served, publisher, other)

    serve(scenario, tmp_path)
    (record,) = {record.message for record in caplog.records if record.levelno >= logging.ERROR}
    assert record == "a session failed"


def test_a_viewer_sees_that_a_session_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        async with served.view() as viewer:
            assert (await read(viewer))["is_live"]
            monkeypatch.setattr(served.rooms._sessions["main"].speakers[0]._resampler, "push", fail)
            await speak(publisher, 1)
            assert not (await read_until(viewer, "snapshot"))[-1]["is_live"]

    serve(scenario, tmp_path)


def test_what_cannot_be_encoded_ends_that_connection_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(served: Served) -> None:
        other, _ = await served.publish(room="other")
        async with (
            served.view("room=broken") as viewer,
            served.connect(LISTEN + "&room=broken", subprotocols=()) as connection,
        ):
            await read(viewer)
            monkeypatch.setattr(ListenDialect, "encode", fail)
            await speak(connection)
            messages, close_code = await read_all(connection)
            assert messages[-1]["variant"] == "internal" and close_code == 1011
            assert "inside" not in messages[-1]["description"]
            assert finals(
                await read_until(viewer, "snapshot") + await read_until(viewer, "snapshot")
            )
        await goes_on(other)

    serve(scenario, tmp_path)


@pytest.mark.parametrize("broken", ["rooms.Session", "storage.store.Store.begin"])
def test_a_failed_start_is_told_and_no_session_is_left(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(served: Served) -> None:
        monkeypatch.setattr(f"surtitle.pipeline.server.{broken}", fail)
        publisher = await served.connect("/v1/publish")
        assert (await ask(publisher, START))["code"] == "internal"
        assert (await read_all(publisher))[1] == 1011
        monkeypatch.undo()
        publisher, answer = await served.publish()
        assert answer["type"] == "started"
        await publisher.close()

    serve(scenario, tmp_path)


def test_the_first_message_may_come_late_where_a_vendor_lets_it(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.connect(TRANSLATE, subprotocols=()) as connection:
            await read(connection)
            await asyncio.sleep(0.1)  # longer than a publisher of ours may take
            audio = base64.b64encode(bytes(480)).decode()
            await connection.send(SPANISH)
            await connection.send(json.dumps({"type": APPEND, "audio": audio}))
            await connection.send('{"type": "session.close"}')
            assert (await read_all(connection))[1] == 1000

    serve(scenario, tmp_path, start_timeout_s=0.05)
