"""Who is let in, and how those are turned away for whom there is no place."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from pathlib import Path

import pytest
import trustme

from surtitle.pipeline.config import Tokens
from surtitle.pipeline.server.gate import door, limits

from ....patience import PATIENCE_S
from ..scripted import Served, ask, read, read_until, serve, speak

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def come(served: Served) -> Streams:
    return await asyncio.open_connection("127.0.0.1", served.port)


async def answer(streams: Streams) -> bytes:
    """All that the server sends until it closes the connection."""
    try:
        return await asyncio.wait_for(streams[0].read(), PATIENCE_S)
    except ConnectionResetError:
        return b""
    finally:
        streams[1].close()


async def held(served: Served, count: int) -> None:
    """Wait until the server holds so many connections."""
    for _ in range(500):
        if len(served.server.places) == count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"it holds {len(served.server.places)} connections")


def test_above_the_cap_one_is_refused_at_once_and_sessions_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        async with served.view("lang=en") as viewer:
            await read(viewer)
            idle = [await come(served) for _ in range(4)]
            refused = await answer(await come(served))
            assert refused.startswith(b"HTTP/1.1 503 ") and b"\r\nretry-after: 5\r\n" in refused
            assert refused.endswith(b"try again.\n")
            await speak(publisher)
            await publisher.send('{"type": "stop"}')
            assert (await read_until(viewer, "snapshot"))[-2]["is_final"]
            await read_until(publisher, "stopped")
            for streams in idle:
                streams[1].close()

    serve(scenario, tmp_path, max_connections=6, max_address_connections=6)
    told = [r for r in caplog.records if r.name == door.__name__]
    assert [record.getMessage() for record in told] == ["no place for a connection"]


def test_who_waits_without_a_request_gives_way_to_who_comes(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        first, second = await come(served), await come(served)
        await held(served, 2)
        for place in served.server.places:
            place.waits_since_s = (
                place.waits_since_s and place.waits_since_s - limits.PATIENCE_S - 1
            )
        async with served.http() as http:
            assert (await http.get("/healthz")).text == "ok\n"
        assert await answer(first) == b""
        second[1].close()

    serve(scenario, tmp_path, max_connections=2, max_address_connections=2)


@pytest.mark.parametrize("tokens", [None, Tokens("publish-publish-publish", "view-view-view-view")])
def test_who_is_known_counts_for_no_address(tokens: Tokens | None, tmp_path: Path) -> None:
    token = tokens and tokens.view

    async def scenario(served: Served) -> None:
        async with served.view("room=a", token=token) as one:
            await read(one)
            async with served.view("room=b", token=token) as two:
                await read(two)
                silent = await come(served)
                refused = await come(served)
                refused[1].write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
                assert (await answer(refused)).startswith(b"HTTP/1.1 503 ")
                silent[1].close()

    serve(scenario, tmp_path, max_connections=10, max_address_connections=1, tokens=tokens)


def test_a_tls_handshake_has_a_deadline(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")

    async def scenario(served: Served) -> None:
        silent, talking = await come(served), await come(served)
        talking[1].write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert await answer(silent) == b""
        await answer(talking)
        await held(served, 0)

    serve(
        scenario, tmp_path, request_timeout_s=0.2,
        tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem",
    )  # fmt: skip
    told = [r for r in caplog.records if r.name == door.__name__]
    assert len(told) == 2
    assert all(r.getMessage().startswith("a TLS handshake failed") for r in told)
    assert not [record for record in caplog.records if record.exc_info]


def test_a_system_out_of_descriptors_is_a_line_and_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door, "NO_DESCRIPTORS_WAIT_S", 0.01)
    left = [OSError(errno.EMFILE, "Too many open files")] * 3

    async def scenario(served: Served) -> None:
        loop = asyncio.get_running_loop()
        accept = loop.sock_accept

        async def fail_first(listening: socket.socket) -> tuple[socket.socket, object]:
            if left:
                raise left.pop()
            return await accept(listening)

        monkeypatch.setattr(loop, "sock_accept", fail_first)
        async with served.http() as http:
            for _ in range(5):
                assert (await http.get("/healthz", headers={"connection": "close"})).text == "ok\n"
        publisher = await served.connect("/v1/publish")
        assert (await ask(publisher, {}))["type"] == "error"

    serve(scenario, tmp_path)
    assert left == []
    told = [r.getMessage() for r in caplog.records if r.name == door.__name__]
    assert told == ["a connection could not be taken: Too many open files"] * 3
