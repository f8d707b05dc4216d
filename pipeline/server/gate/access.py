"""Who may do what on a server (pure)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from hmac import compare_digest
from typing import Literal
from urllib.parse import urlsplit

from ...config import ServerConfig, is_loopback
from ...protocols.captions import TOKEN_PREFIX

Right = Literal["publish", "view"]
_PREFIXES = (TOKEN_PREFIX, "openai-insecure-api-key.")  # of a token among the subprotocols
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Access:
    """The rules of one server. `headers` are those of a request, by lower-case name."""

    def __init__(self, config: ServerConfig) -> None:
        self._tokens = config.tokens
        self._allowed_origins = frozenset(origin.lower() for origin in config.allowed_origins)

    def rights(self, headers: Mapping[str, str]) -> frozenset[Right]:
        """What the token of a request allows; without tokens, everything is allowed to all."""
        if self._tokens is None:
            return frozenset(("publish", "view"))
        token = _token(headers).encode()
        # Both are compared, whatever the first has given, to take the same time for each.
        publishes = compare_digest(token, self._tokens.publish.encode())
        views = compare_digest(token, self._tokens.view.encode())
        if publishes:
            return frozenset(("publish", "view"))
        return frozenset(("view",)) if views else frozenset()

    def knows(self, headers: Mapping[str, str], scope_type: str) -> bool:
        """Whether a connection counts as one of ours: it shows a token. Without tokens WebSockets
        count, as their number has bounds of its own."""
        if self._tokens is None:
            return scope_type == "websocket"
        return bool(self.rights(headers))

    def allows_host(self, headers: Mapping[str, str]) -> bool:
        """Whether the request means this server.

        Without tokens a page from anywhere could otherwise reach it, by giving its own name the
        address 127.0.0.1 (DNS rebinding).
        """
        if self._tokens is not None:
            return True
        return is_loopback(host_and_port(f"http://{headers.get('host', '')}")[0] or "")

    def allows_origin(self, headers: Mapping[str, str]) -> bool:
        """Whether the page that opens a WebSocket, or changes something, is ours or allowed;
        programs name none."""
        origin = headers.get("origin")
        if origin is None or self.shares_with(headers) is not None:
            return True
        # The scheme is the page's: a proxy in front of us may speak https, and we do not.
        scheme = origin.partition("://")[0]
        ours = host_and_port(f"{scheme}://{headers.get('host', '')}")
        return ours[0] is not None and host_and_port(origin) == ours

    def shares_with(self, headers: Mapping[str, str]) -> str | None:
        """The origin of the page that asks, where it is another server's and may read answers."""
        origin = headers.get("origin", "")
        return origin if origin.lower() in self._allowed_origins else None


def _token(headers: Mapping[str, str]) -> str:
    """The token that a request shows: of a header, or in a browser of one of the subprotocols."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "token"):
        return token.strip()
    if scheme.lower() == "basic":
        return _password(token.strip())
    offered = [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",")]
    if offered[:1] == ["token"] and len(offered) > 1:
        return offered[1]  # as Deepgram's clients do
    for name in offered:
        for prefix in _PREFIXES:
            if name.startswith(prefix):
                return name.removeprefix(prefix)
    return ""


def _password(credentials: str) -> str:
    """Of Basic authentication, whoever the user says to be: some clients know nothing else."""
    try:
        return b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def host_and_port(url: str) -> tuple[str | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None, None
