"""An OpenAI-compatible chat endpoint: a conversation in, the next answer out, as a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2

from ...config import is_loopback
from ...errors import TranslatorAway, TranslatorError

CONNECT_S = 5.0
MOST_BYTES = 4 << 20  # of one answer on the wire, thoughts and all
MOST_LINE_BYTES = 1 << 20
MOST_TOKENS = 2048  # of an answer with its thoughts; a server may refuse more than its context
END_S = 0.5  # after an answer, for the end of its stream
MOST_MESSAGE_CHARS = 200  # of what a server says is wrong

# Of what is asked besides the conversation, not every server knows all. The first that it takes is
# kept: without thoughts, where a model can do without them, an answer comes much sooner.
_EXTRAS: tuple[dict[str, Any], ...] = (
    {
        "temperature": 0,
        "max_tokens": MOST_TOKENS,
        "chat_template_kwargs": {"enable_thinking": False},
    },
    {"temperature": 0, "max_tokens": MOST_TOKENS},
    {"max_completion_tokens": MOST_TOKENS},
    {},
)
# These say that what was asked is wrong, not that nothing can be asked.
_OF_THE_TEXT = (400, 413, 422)
_COMES_BACK = (408, 425, 429)  # with all from 500 on


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for the next piece of an answer, and for all of it."""

    silence_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """`is_cut`: it had not come to its end where the server, or we, stopped."""

    text: str
    is_cut: bool


class Refused(TranslatorError):
    """The server is there, and does not take what it was asked."""


class ServerAway(TranslatorAway):
    """`is_passing`: the next try may do. `status` is None where there was no HTTP answer."""

    def __init__(
        self, message: str, *, is_passing: bool, status: int | None = None, after_s: float = 0.0
    ) -> None:
        """`after_s`: how long the server asks to be left alone."""
        super().__init__(message)
        self.is_passing, self.status, self.after_s = is_passing, status, after_s


class ChatServer:
    """To be used on one event loop. Nothing that it raises holds the key."""

    def __init__(
        self,
        address: str,
        model: str | None,
        key: str | None,
        connections: int,
    ) -> None:
        """`model` None: the one that the server has."""
        self.address = address.rstrip("/")
        self._model, self._found_model = model, model
        self._key = key
        self._extras = 0  # of _EXTRAS: those that the server took last
        headers = {"accept-encoding": "identity"}  # a small answer cannot become a huge one
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        self._http = httpx2.AsyncClient(
            headers=headers,
            limits=httpx2.Limits(max_connections=connections),
            # A proxy of the environment knows nothing of this computer.
            trust_env=not is_loopback(urlsplit(address).hostname or ""),
        )

    async def complete(
        self,
        messages: Sequence[dict[str, str]],
        patience: Patience,
        is_enough: Callable[[str], bool],
        **options: Any,
    ) -> Answer:
        """The next answer in a conversation; `options` go with it.

        It is not read further where `is_enough` holds for what there is of it. Raises Refused,
        ServerAway.
        """
        refusal: Refused | None = None
        for number in range(self._extras, len(_EXTRAS)):
            body = {"messages": messages, "stream": True, **_EXTRAS[number], **options}
            try:
                answer = await self._post(body, patience, is_enough)
            except Refused as error:
                refusal = refusal or error  # the first tells most
                continue
            self._extras = number
            return answer
        assert refusal is not None, "the last of what can be asked was refused as well"
        raise refusal

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _post(
        self, body: dict[str, Any], patience: Patience, is_enough: Callable[[str], bool]
    ) -> Answer:
        times = httpx2.Timeout(patience.silence_s, connect=CONNECT_S, pool=None)
        try:
            async with asyncio.timeout(patience.total_s):
                body["model"] = await self._its_model(times)
                url = f"{self.address}/chat/completions"
                async with self._http.stream("POST", url, json=body, timeout=times) as response:
                    await self._check(response)
                    async with aclosing(_contents(response)) as contents:
                        answer = await _read(contents, is_enough)
                        if not answer.is_cut:
                            await _to_its_end(contents)
                        return answer
        except TimeoutError as error:
            message = f"has not come to an end in {patience.total_s:g} s"
            raise ServerAway(message, is_passing=True) from error
        except httpx2.HTTPError as error:
            raise _away(error) from error

    async def _its_model(self, times: httpx2.Timeout) -> str:
        if self._found_model is None:
            url = f"{self.address}/models"
            async with self._http.stream("GET", url, timeout=times) as response:
                await self._check(response)
                listed = _json(await _body(response)).get("data")
            names = [_whole(str(_dict(each).get("id"))) for each in _list(listed)]
            if len(names) != 1:
                which = f"has {len(names)} models; name one with --llm-model"
                some = f": {', '.join(names[:20])}" if names else ""
                raise ServerAway(which + some, is_passing=False)
            self._found_model = names[0]
        return self._found_model

    async def _check(self, response: httpx2.Response) -> None:
        """Raises Refused, ServerAway for what is no answer."""
        status = response.status_code
        if status == HTTPStatus.OK:
            return
        name = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
        said = self._without_key(_message(await _body(response)))
        message = f"answers {status} {name}".rstrip() + (f": {said}" if said else "")
        if status in _OF_THE_TEXT:
            raise Refused(f"the LLM server {message}")
        if status == HTTPStatus.NOT_FOUND:
            self._found_model = self._model  # it may have another one by now
            message += " (an address mostly ends in /v1)"
        raise ServerAway(
            message,
            is_passing=status >= 500 or status in _COMES_BACK,
            status=status,
            after_s=_seconds(response.headers.get("retry-after", "")),
        )

    def _without_key(self, message: str) -> str:
        return message.replace(self._key, "***") if self._key else message


async def _read(contents: AsyncIterator[_Piece], is_enough: Callable[[str], bool]) -> Answer:
    """Join the pieces of an answer. Raises ServerAway where there is no end of it."""
    text, asked_chars = "", 0
    async for piece in contents:
        text += piece.text
        if piece.ends:
            return Answer(_whole(text), piece.is_cut)
        if len(text) > 1.2 * asked_chars:  # not at every piece: texts are looked through
            if is_enough(text):
                return Answer(_whole(text), True)
            asked_chars = len(text)
    raise ServerAway("broke off in the middle of an answer", is_passing=True)


def _whole(text: str) -> str:
    """Halves of a surrogate pair, which may come in two pieces, become one character; a half alone,
    which is no text, is replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


async def _to_its_end(contents: AsyncIterator[_Piece]) -> None:
    """Only a connection that was read to the end can be used again."""
    with suppress(TimeoutError, httpx2.HTTPError, TranslatorError):
        async with asyncio.timeout(END_S):
            async for _ in contents:
                pass


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    ends: bool
    is_cut: bool


async def _contents(response: httpx2.Response) -> AsyncGenerator[_Piece, None]:
    """What an answer says, piece by piece; all at once where the server does not stream."""
    kind = response.headers.get("content-type", "")
    if kind.startswith("application/json"):
        piece = _piece(_json(await _body(response)), "message")
        if piece is None:
            raise _wrong_shape()
        yield replace(piece, ends=True)
        return
    if not kind.startswith("text/event-stream"):  # a page of something in between, mostly
        raise _wrong_shape()
    async for line in _lines(response):
        if not line.startswith(b"data:"):
            continue  # a comment that keeps the connection, or another field
        data = line.removeprefix(b"data:").strip()
        if data == b"[DONE]":
            yield _Piece("", True, False)
        elif (piece := _piece(_json(data), "delta")) is not None:
            yield piece


async def _lines(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Bytes are cut at line feeds only: a text may hold others of Unicode's line ends."""
    rest, taken = b"", 0
    async for chunk in response.aiter_bytes():
        taken += len(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MOST_LINE_BYTES or taken > MOST_BYTES:
            raise _wrong_shape()
        for line in lines:
            yield line.rstrip(b"\r")
    if rest:
        yield rest.rstrip(b"\r")


def _piece(event: dict[str, Any], field: str) -> _Piece | None:
    """Raises ServerAway. None where an event says nothing, as that of usage."""
    if event.get("error"):
        raise ServerAway(f"failed: {_message(json.dumps(event).encode())}", is_passing=True)
    choices = _list(event.get("choices"))
    if not choices:
        return None
    choice = _dict(choices[0])
    reason = choice.get("finish_reason")
    said = _dict(choice.get(field) or {}).get("content")
    if isinstance(said, list):
        said = "".join(str(_dict(part).get("text") or "") for part in cast(list[Any], said))
    if not isinstance(said, str | None):
        raise _wrong_shape()
    return _Piece(said or "", reason is not None, reason == "length")


def _json(data: bytes) -> dict[str, Any]:
    try:
        return _dict(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise _wrong_shape() from error


def _dict(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong_shape()
    return cast(dict[str, Any], value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong_shape()
    return cast(list[Any], value)


def _wrong_shape() -> ServerAway:
    return ServerAway("does not answer as a chat endpoint does", is_passing=False)


def _away(error: httpx2.HTTPError) -> ServerAway:
    match error:
        case httpx2.ConnectTimeout() | httpx2.ConnectError():
            return ServerAway(f"cannot be reached ({error or 'no answer'})", is_passing=True)
        case httpx2.TimeoutException():
            return ServerAway("does not answer", is_passing=True)
        case _:
            return ServerAway(f"broke off ({error or type(error).__name__})", is_passing=True)


async def _body(response: httpx2.Response) -> bytes:
    """As much of it as can be right."""
    found = b""
    async for chunk in response.aiter_bytes():
        found += chunk
        if len(found) > MOST_LINE_BYTES:
            break
    return found


def _message(body: bytes) -> str:
    """What a server says is wrong, in one line. A page for browsers says nothing."""
    try:
        found: Any = json.loads(body)
        for name in ("error", "message"):
            found = (
                cast(dict[str, Any], found).get(name, found) if isinstance(found, dict) else found
            )
    except (ValueError, RecursionError):
        return ""
    return " ".join(str(found).split())[:MOST_MESSAGE_CHARS]


def _seconds(header: str) -> float:
    return float(header) if header.isascii() and header.isdigit() else 0.0
