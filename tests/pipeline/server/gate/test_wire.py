"""What peers do that are slow, or speak no HTTP, or stop speaking WebSocket."""

from __future__ import annotations

import asyncio
import logging
import struct
from pathlib import Path

import pytest

from surtitle.pipeline.server.gate.wire import FRAGMENTS

from ..scripted import Served, serve
from .test_door import answer, come, held

UPGRADE = (
    b"GET /v1/view HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"sec-websocket-protocol: surtitle.v1\r\n"
)


def text(payload: bytes, first_byte: int = 0x81) -> bytes:
    """A frame of a client, masked with zeros; 0x81: the last one of a text."""
    return struct.pack("!BB4x", first_byte, 0x80 | len(payload)) + payload


SLOW = {
    "nothing": (b"", b""),
    "half a request line": (b"GET /hea", b"HTTP/1.1 408 "),
    "half of the headers": (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ", b"HTTP/1.1 408 "),
    "half of a body": (
        b"POST /v1/qr HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50\r\n\r\nhttp",
        b"",
    ),
    "half of a second request": (
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nGET /hea",
        b"HTTP/1.1 200 ",
    ),
}


@pytest.mark.parametrize("sent", SLOW)
def test_a_request_that_does_not_come_ends_the_connection(sent: str, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        streams = await come(served)
        streams[1].write(SLOW[sent][0])
        assert (await answer(streams)).startswith(SLOW[sent][1])
        await held(served, 0)

    serve(scenario, tmp_path, request_timeout_s=0.2)


def test_a_request_that_trickles_in_has_no_more_time(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        reader, writer = await come(served)
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200 ")

        async def trickle() -> None:
            while True:
                writer.write(b"G")
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        await answer((reader, writer))  # what came meanwhile may take the last words back
        trickling.cancel()

    serve(scenario, tmp_path, request_timeout_s=0.3)


def test_a_connection_is_not_kept_long_without_requests(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        streams = await come(served)
        streams[1].write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert (await answer(streams)).startswith(b"HTTP/1.1 200 ")

    serve(scenario, tmp_path, keep_alive_s=0.05)


def test_an_answer_that_is_not_taken_ends_the_connection(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        (tmp_path / "web" / "large.bin").write_bytes(bytes(8 << 20))
        streams = await come(served)
        streams[1].transport.pause_reading()
        streams[1].write(b"GET /large.bin HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await held(served, 1)
        await held(served, 0)
        streams[1].close()

    serve(scenario, tmp_path, response_timeout_s=0.2)


REFUSED = {
    "a long line": (
        UPGRADE.replace(b"/view", b"/view?room=" + b"x" * 9000) + b"\r\n",
        b"HTTP/1.1 414 ",
    ),
    "a long header": (UPGRADE + b"cookie: " + b"x" * 9000 + b"\r\n\r\n", b"HTTP/1.1 431 "),
    "many headers": (UPGRADE + b"x: y\r\n" * 200 + b"\r\n", b"HTTP/1.1 431 "),
    "a body": (UPGRADE + b"content-length: 5\r\n\r\nhello", b"HTTP/1.1 400 "),
    "a short key": (UPGRADE.replace(b"AA==", b"") + b"\r\n", b"HTTP/1.1 400 "),
    "no HTTP": (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9 + b"\r\n\r\n",
        b"HTTP/1.1 400 ",
    ),
    "an endless line": (b"GET /" + b"x" * 20_000, b"HTTP/1.1 400 "),
}


@pytest.mark.parametrize("sent", REFUSED)
def test_a_handshake_that_is_none_is_answered_and_closed(
    sent: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(served: Served) -> None:
        streams = await come(served)
        streams[1].write(REFUSED[sent][0])
        assert (await answer(streams)).startswith(REFUSED[sent][1])

    serve(scenario, tmp_path)
    assert not [record for record in caplog.records if record.exc_info]


INVALID = {
    "reserved bits": (text(b"", 0xF1) + text(b"more"), 1002),
    "a frame without a mask": (b"\x81\x02hi" + text(b"more"), 1002),
    "no UTF-8": (text(b"\xff\xfe") + text(b"more"), 1007),
    "a continuation of nothing": (text(b"x", 0x80) + text(b"more"), 1002),
    "endless fragments": (text(b"", 0x01) + text(b"", 0x00) * (FRAGMENTS + 1), 1009),
}


@pytest.mark.parametrize("sent", INVALID)
def test_an_invalid_frame_ends_the_connection_with_a_code_and_no_trace_of_the_application(
    sent: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        reader, writer = await come(served)
        writer.write(UPGRADE + b"\r\n")
        await reader.readuntil(b'"is_live"')
        frames, code = INVALID[sent]
        writer.write(frames)
        await publisher.send(bytes(3200))
        assert struct.pack("!BBH", 0x88, 2, code)[2:] in await answer((reader, writer))
        await held(served, 1)
        assert len(served.rooms._hubs["main"].viewers) == 0
        await publisher.close()

    serve(scenario, tmp_path)
    assert "ASGI" not in caplog.text


def test_who_pings_and_takes_no_answers_is_let_go(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        reader, writer = await come(served)
        writer.write(UPGRADE + b"\r\n")
        await reader.readuntil(b'"is_live"')
        writer.transport.pause_reading()
        pings = text(bytes(125), 0x89) * 100
        for _ in range(10_000):
            if not len(served.server.places):
                break
            writer.write(pings)
            await asyncio.sleep(0)
        assert len(served.server.places) == 0
        writer.close()

    serve(scenario, tmp_path)


def test_a_peer_that_goes_while_it_is_refused_is_no_fault_of_ours(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    async def scenario(served: Served) -> None:
        for _ in range(20):
            _, writer = await come(served)
            writer.write(UPGRADE.replace(b"localhost", b"evil.example") + b"\r\n")
            await writer.drain()
            writer.transport.abort()
        await held(served, 0)

    serve(scenario, tmp_path)
    assert caplog.text == ""


@pytest.mark.parametrize("path", ["/whep/main", "/v1/qr"])
def test_who_leaves_in_the_middle_of_a_request_is_no_fault(
    path: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(served: Served) -> None:
        _, writer = await come(served)
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/sdp\r\n"
        writer.write(f"{head}content-length: 9\r\n\r\nv=0".encode())
        await writer.drain()
        await asyncio.sleep(0.1)  # its beginning is there
        writer.transport.abort()
        await held(served, 0)

    serve(scenario, tmp_path)
    assert not [record for record in caplog.records if record.exc_info]
