"""What a server answers over plain HTTP: sessions, transcripts, and how it is doing."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import segno
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from ..errors import RefusedError, StoreError, TranslatorError
from ..recognizers import can_find_language
from ..text.codes import known_languages
from ..translators import Translator
from .gate.access import Access, host_and_port
from .metrics import CONTENT_TYPE, Metrics
from .rooms import Rooms
from .storage.store import Store
from .storage.transcript import MEDIA_TYPES, parse_format, parse_languages, transcript

MAX_LISTED = 1000
MAX_QR_BYTES = 500
QR_CODES_AT_ONCE = 2  # each takes a thread of those that also recognize speech
_STATUS = {
    "unauthorized": HTTPStatus.UNAUTHORIZED,
    "unknown_session": HTTPStatus.NOT_FOUND,
    "session_live": HTTPStatus.CONFLICT,
}

log = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]


class WebApi:
    """The endpoints, each a method."""

    def __init__(
        self, rooms: Rooms, store: Store, translator: Translator, access: Access, metrics: Metrics
    ) -> None:
        self._rooms = rooms
        self._store = store
        self._access = access
        self._metrics = metrics
        self._languages = _languages(rooms, translator)
        self._drawing = asyncio.Semaphore(QR_CODES_AT_ONCE)

    def for_viewers(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, for who may view; what it refuses becomes an error in our format."""

        async def guarded(request: Request) -> Response:
            try:
                if "view" not in self._access.rights(request.headers):
                    raise RefusedError("unauthorized", "a token is needed that allows to view")
                return await endpoint(request)
            except RefusedError as error:
                return _refusal(error)
            except StoreError:  # says where our files lie: that is for the log only
                return _error(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "internal",
                    "the store of sessions cannot be read; see the server's log",
                )

        return guarded

    async def healthz(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def metrics(self, request: Request) -> Response:
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)

    async def languages(self, request: Request) -> Response:
        return JSONResponse(self._languages)

    async def sessions(self, request: Request) -> Response:
        stored = await self._store.sessions(MAX_LISTED)
        listed = [{**asdict(s), "is_live": self._rooms.is_live(s.id)} for s in stored]
        return JSONResponse({"sessions": listed})

    async def forget(self, request: Request) -> Response:
        """Delete a session that is over; for who may publish."""
        session_id = request.path_params["session_id"]
        if "publish" not in self._access.rights(request.headers):
            raise RefusedError("unauthorized", "a token is needed that allows to publish")
        if self._rooms.is_live(session_id):
            raise RefusedError("session_live", "this session goes on; delete it when it is over")
        if await self._store.session(session_id) is None:
            raise RefusedError("unknown_session", f"there is no session {session_id!r:.80}")
        if not await self._store.forget(session_id):
            raise StoreError("the deletion is not on the disk yet")
        return Response(status_code=204)

    async def transcript(self, request: Request) -> Response:
        query, session_id = request.query_params, request.path_params["session_id"]
        transcript_format = parse_format(query.get("format", "srt"))
        session = await self._store.session(session_id)
        if session is None:
            raise RefusedError("unknown_session", f"there is no session {session_id!r:.80}")
        languages = parse_languages(query.get("lang", ""), session)
        captions = await self._store.captions(session.id)
        text = await asyncio.to_thread(transcript, session, captions, transcript_format, languages)
        name = f"{session.id}.{'-'.join(languages)}.{transcript_format}"
        return Response(
            text,
            media_type=MEDIA_TYPES[transcript_format],
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    async def qr(self, request: Request) -> Response:
        """A QR code of an address of this server, and of no other: it is not a service for all.

        The address is the body, since it may hold a token, and addresses of requests are logged
        on their way by others.
        """
        text = await _short_text(request, MAX_QR_BYTES)
        asked, ours = (
            host_and_port(text),
            host_and_port(f"http://{request.headers.get('host', '')}"),
        )
        is_ours = asked[0] is not None and asked[0] == ours[0]
        if not is_ours or not text.startswith(("http://", "https://")):
            raise RefusedError("bad_request", "the body must be an address of this server")
        async with self._drawing:
            svg = await asyncio.to_thread(_qr_code, text)
        return Response(svg, media_type="image/svg+xml")


async def _short_text(request: Request, most_bytes: int) -> str:
    """The body of a request. Raises RefusedError."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > most_bytes:
            raise RefusedError("bad_request", f"the body must be at most {most_bytes} bytes")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise RefusedError("bad_request", "the body must be UTF-8") from error


def _qr_code(text: str) -> bytes:
    """An SVG image."""
    svg = io.BytesIO()
    segno.make_qr(text, error="m").save(svg, kind="svg", scale=8, light="#fff")
    return svg.getvalue()


def _languages(rooms: Rooms, translator: Translator) -> dict[str, Any]:
    """What can be spoken, what it can be translated to from at least one of these, and whether AUTO
    may stand for what is spoken."""
    sources = sorted(rooms.recognizer.languages)

    def is_target(language: str) -> bool:
        return any(_can_translate(translator, source, language) for source in sources)

    return {
        "source": sources,
        "targets": list(filter(is_target, known_languages())),
        "auto": can_find_language(rooms.recognizer),
    }


def _can_translate(translator: Translator, source: str, target: str) -> bool:
    try:
        translator.check(source, target)
    except TranslatorError:
        return False
    except Exception:  # it must not keep the server from starting
        log.exception("the translator could not say whether it knows %s to %s", source, target)
        return False
    return source != target


def _refusal(error: RefusedError) -> Response:
    status = _STATUS.get(error.code, HTTPStatus.BAD_REQUEST)
    headers = {"www-authenticate": "Bearer"} if error.code == "unauthorized" else None
    return _error(status, error.code, str(error), headers)


def _error(
    status: HTTPStatus, code: str, message: str, headers: dict[str, str] | None = None
) -> Response:
    return JSONResponse({"type": "error", "code": code, "message": message}, status, headers)
