"""Birth and death of the server."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from surtitle.pipeline.config import ServerConfig, Tokens
from surtitle.pipeline.errors import SurtitleError
from surtitle.pipeline.server.app import PAGES, listen, open_server
from surtitle.pipeline.server.storage.store import Store
from surtitle.pipeline.translators.echo import EchoTranslator

from ..scripted_recognizer import ScriptedRecognizer, scripted_pool
from .scripted import Served, read, read_until, serve, speak

FINAL = "The harbor opens at six and the ferries leave soon."


def test_stopping_ends_the_sessions_and_keeps_their_finals(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        async with served.view("lang=en") as viewer:
            await speak(publisher)
            await read_until(viewer, "caption")
            served.stop()
            ended = await read_until(publisher, "stopped")
            assert any(m.get("text") == FINAL and m["is_final"] for m in ended)
            assert any(m.get("text") == FINAL for m in await read_until(viewer, "snapshot"))
            for connection in publisher, viewer:
                with pytest.raises(ConnectionClosed):
                    await read(connection)
                assert connection.close_code == 1001

    serve(scenario, tmp_path)
    with closing(Store(tmp_path / "sessions.sqlite")) as store:  # another server of the same store
        (session,) = asyncio.run(store.sessions(10))
        assert session.ended_at is not None
        captions = asyncio.run(store.captions(session.id))
        assert [caption.text for caption in captions if caption.language == "en"] == [FINAL]


def test_a_session_that_does_not_end_is_cut_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        served.recognizer.gate.clear()
        await speak(publisher, 1)
        served.stop()
        await read_until(publisher, "stopped")
        served.recognizer.gate.set()

    serve(scenario, tmp_path, shutdown_s=0.05)
    assert "1 sessions were cut off" in caplog.text


def test_no_token_is_ever_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokens = Tokens("publish-publish-publish", "view-view-view-view")
    caplog.set_level(logging.DEBUG)

    async def scenario(served: Served) -> None:
        async with served.connect("/v1/view?token=view-view-view-view", token=tokens.view):
            pass
        async with served.http() as http:
            await http.get("/overlay", headers={"authorization": f"Bearer {tokens.view}"})

    serve(scenario, tmp_path, tokens=tokens)
    ours = [
        r
        for r in caplog.records
        if not r.name.startswith(("websockets.client", "httpcore", "httpx"))
    ]
    assert not [record for record in ours if tokens.view in record.getMessage()]


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SurtitleError, match=f"port {port} cannot be listened on.*--port"):
            listen(ServerConfig(port=port))


def test_a_certificate_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("hello")
    config = replace(
        ServerConfig(), tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "missing.pem"
    )

    async def scenario(store: Store) -> None:
        pool = scripted_pool(ScriptedRecognizer(""))
        async with open_server(config, pool, EchoTranslator(), store):
            raise AssertionError("it cannot serve")

    with (
        closing(Store(tmp_path / "sessions.sqlite")) as store,
        pytest.raises(SurtitleError, match="TLS cannot be set up with .*cert.pem"),
    ):
        asyncio.run(scenario(store))


def test_the_pages_are_part_of_the_checkout() -> None:
    for name in "index.html", "overlay/index.html", "capture/index.html":
        assert (PAGES / name).is_file()
