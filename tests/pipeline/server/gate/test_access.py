from __future__ import annotations

from base64 import b64encode

import pytest

from surtitle.pipeline.config import ServerConfig, Tokens
from surtitle.pipeline.server.gate.access import Access

TOKENS = Tokens("publish-publish-publish", "view-view-view-view")
OPEN = Access(ServerConfig())
CLOSED = Access(ServerConfig(host="0.0.0.0", tokens=TOKENS))


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def subprotocol(token: str) -> dict[str, str]:
    return {"sec-websocket-protocol": f"surtitle.v1, bearer.{token}"}


def deepgram(token: str) -> dict[str, str]:
    return {"sec-websocket-protocol": f"token, {token}"}


def openai(token: str) -> dict[str, str]:
    return {"sec-websocket-protocol": f"realtime, openai-insecure-api-key.{token}"}


def basic(token: str) -> dict[str, str]:
    return {"authorization": f"Basic {b64encode(f'anybody:{token}'.encode()).decode()}"}


@pytest.mark.parametrize("name", [bearer, subprotocol, deepgram, openai, basic])
def test_a_token_gives_its_rights(name: type[dict[str, str]]) -> None:
    assert CLOSED.rights(name(TOKENS.publish)) == {"publish", "view"}
    assert CLOSED.rights(name(TOKENS.view)) == {"view"}
    assert CLOSED.rights(name("something-else-entirely")) == frozenset()


@pytest.mark.parametrize(
    "headers",
    [{}, bearer(""), {"authorization": TOKENS.view}, {"authorization": f"Basic {TOKENS.view}"},
     bearer(TOKENS.view[:-1]), bearer("é" * 20), {"sec-websocket-protocol": TOKENS.view}],
)  # fmt: skip
def test_what_is_no_token_gives_none(headers: dict[str, str]) -> None:
    assert CLOSED.rights(headers) == frozenset()


def test_who_shows_a_token_is_known_and_without_tokens_who_opens_a_socket() -> None:
    for scope_type in "http", "websocket":
        assert CLOSED.knows(bearer(TOKENS.view), scope_type)
        assert not CLOSED.knows(bearer("something-else-entirely"), scope_type)
        assert not CLOSED.knows({}, scope_type)
    assert OPEN.knows({}, "websocket") and not OPEN.knows({}, "http")


def test_without_tokens_all_is_allowed() -> None:
    assert OPEN.rights({}) == {"publish", "view"}


@pytest.mark.parametrize(
    "host",
    ["localhost:8765", "127.0.0.1:8765", "127.0.0.1", "[::1]:9000", "127.0.0.2", "LOCALHOST"],
)
def test_a_host_that_is_ours(host: str) -> None:
    assert OPEN.allows_host({"host": host})


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8765",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "192.168.1.5",
        "",
        "[::1",
    ],
)
def test_a_host_that_was_rebound(host: str) -> None:
    assert not OPEN.allows_host({"host": host})
    assert CLOSED.allows_host({"host": host})  # the token protects there


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8765", "localhost:8765"),
        ("https://captions.example", "captions.example"),
        ("https://captions.example", "captions.example:443"),
        ("http://[::1]:8765", "[::1]:8765"),
        ("https://Captions.example", "captions.example"),
    ],
)
def test_a_page_of_ours(origin: str, host: str) -> None:
    assert OPEN.allows_origin({"origin": origin, "host": host})


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "localhost:8765"),
        ("http://localhost:3000", "localhost:8765"),
        ("http://localhost:8765.evil.example", "localhost:8765"),
        ("null", "localhost:8765"),
        ("null", ""),
        ("", "localhost:8765"),
        ("http://[", "["),
    ],
)
def test_a_page_of_others(origin: str, host: str) -> None:
    assert not OPEN.allows_origin({"origin": origin, "host": host})


def test_a_program_names_no_origin() -> None:
    assert OPEN.allows_origin({"host": "localhost:8765"})


def test_an_origin_that_was_allowed() -> None:
    access = Access(ServerConfig(allowed_origins=("https://Stage.example", "null")))
    assert access.allows_origin({"origin": "https://stage.example", "host": "localhost"})
    assert access.allows_origin({"origin": "null", "host": "localhost"})
    assert not access.allows_origin({"origin": "http://stage.example", "host": "localhost"})
