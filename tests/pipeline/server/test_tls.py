"""Our client and a server with a certificate, whose authority nobody knows by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from surtitle.pipeline.client.connection import Message, Server, watch
from surtitle.pipeline.client.publishing import publish
from surtitle.pipeline.errors import RemoteError

from .scripted import START, WORD_PCM, WORDS, Served, serve

FINAL = f"[es] {' '.join(WORDS)}"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """An authority that is trusted; its file is `authority.pem` in the folder."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority


def certified(authority: trustme.CA, folder: Path, name: str = "127.0.0.1") -> dict[str, Any]:
    """A server's options, with a certificate for a name."""
    certificate = authority.issue_cert(name)
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    return {"tls_cert": folder / "cert.pem", "tls_key": folder / "key.pem"}


def refusal(folder: Path, scheme: str = "https", **options: Any) -> str:
    """What a viewer is told that the client lets not through to the server."""
    told: list[str] = []

    async def scenario(served: Served) -> None:
        server = Server(f"{scheme}://127.0.0.1:{served.port}")
        with pytest.raises(RemoteError) as caught:
            await watch(server, "main", "", lambda message: None, told.append)
        told.append(str(caught.value))

    serve(scenario, folder, **options)
    (only,) = told  # it is not tried again
    return only


def test_speech_becomes_captions_over_tls(authority: trustme.CA, tmp_path: Path) -> None:
    async def words() -> AsyncIterator[bytes]:
        for _ in WORDS:
            yield WORD_PCM

    async def scenario(served: Served) -> None:
        server = Server(f"https://127.0.0.1:{served.port}")
        seen: asyncio.Queue[Message] = asyncio.Queue()
        heard: list[Message] = []
        watching = asyncio.create_task(watch(server, "main", "es", seen.put_nowait, print))
        assert (await seen.get())["type"] == "snapshot"
        await publish(server, START, words(), heard.append, print)
        assert FINAL in [message.get("text") for message in heard]
        while (await seen.get()).get("text") != FINAL:
            pass
        watching.cancel()

    serve(scenario, tmp_path, **certified(authority, tmp_path))


def test_a_server_of_an_unknown_authority_is_refused_with_a_remedy(
    authority: trustme.CA, tmp_path: Path
) -> None:
    told = refusal(tmp_path, **certified(trustme.CA(), tmp_path))
    assert "cannot be trusted" in told and "SSL_CERT_FILE" in told


def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    told = refusal(tmp_path, **certified(authority, tmp_path, "captions.example"))
    assert "mismatch" in told and "for the name in the address" in told


def test_http_to_a_server_of_https_is_told(authority: trustme.CA, tmp_path: Path) -> None:
    assert "speaks https" in refusal(tmp_path, "http", **certified(authority, tmp_path))


def test_https_to_a_server_of_http_is_told(tmp_path: Path) -> None:
    assert "http and not https?" in refusal(tmp_path)
