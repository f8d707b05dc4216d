"""WHIP (RFC 9725), WHEP, and a plain exchange of offer and answer for pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...config import AUTO
from ...errors import RefusedError
from ...recognizers import LiveRecognizer, can_find_language
from ...webrtc.descriptions import MAX_CHARS
from ...webrtc.peer import Unspoken
from ..gate.access import Access, Right
from .calls import Answered, Calls
from .requests import parse_fragment, parse_offer, parse_publish, parse_tile

SDP, FRAGMENT = "application/sdp", "application/trickle-ice-sdpfrag"
_STATUS = {
    "unauthorized": HTTPStatus.UNAUTHORIZED,
    "unknown_session": HTTPStatus.NOT_FOUND,
    "room_taken": HTTPStatus.CONFLICT,
    "too_many_sessions": HTTPStatus.SERVICE_UNAVAILABLE,
    "too_many_viewers": HTTPStatus.SERVICE_UNAVAILABLE,
}
_HEADERS = {
    HTTPStatus.SERVICE_UNAVAILABLE: {"retry-after": "5"},
    HTTPStatus.UNAUTHORIZED: {"www-authenticate": "Bearer"},
}

Endpoint = Callable[[Request], Awaitable[Response]]


class WebRtcApi:
    """The endpoints, each a method. Their errors are those of our format, as JSON."""

    def __init__(self, calls: Calls, access: Access, recognizer: LiveRecognizer) -> None:
        self._calls = calls
        self._access = access
        self._recognizer = recognizer

    def guarded(self, right: Right, endpoints: Mapping[str, Endpoint]) -> Endpoint:
        """The endpoint of each method, for who has the right; what it refuses becomes an error."""
        allowed = {"allow": ", ".join(endpoints)}

        async def serve(request: Request) -> Response:
            endpoint = endpoints.get(request.method)
            try:
                if endpoint is None:
                    why = f"{request.method} is not for this address"
                    raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, why, allowed)
                if right not in self._access.rights(request.headers):
                    why = f"a token is needed that allows to {right}"
                    raise RefusedError("unauthorized", why)
                return await endpoint(request)
            except RefusedError as error:
                return _error(_STATUS.get(error.code, HTTPStatus.BAD_REQUEST), error.code, error)
            except HTTPException as error:
                status = HTTPStatus(error.status_code)
                return _error(status, "bad_request", error.detail, error.headers)
            except Unspoken as error:
                return _error(HTTPStatus.NOT_ACCEPTABLE, "bad_request", error)
            except ValueError as error:  # of the description
                return _error(HTTPStatus.BAD_REQUEST, "bad_request", error)

        return serve

    async def whip(self, request: Request) -> Response:
        offer = await _body(request, SDP)
        room, query = request.path_params["room"], request.query_params
        publish = parse_publish(room, query, self._usual_source())
        return _created(request, await self._calls.publish(publish, offer))

    async def whep(self, request: Request) -> Response:
        offer = await _body(request, SDP)
        view, drawn = parse_tile(request.path_params["room"], request.query_params)
        return _created(request, await self._calls.view(view, drawn, offer))

    async def change(self, request: Request) -> Response:
        """PATCH: candidates that come late. ICE is not begun anew."""
        call_id, tag = request.path_params["call_id"], request.headers.get("if-match")
        current = self._calls.ice_tag(call_id)
        fragment = parse_fragment(await _body(request, FRAGMENT))
        if tag is None:
            raise HTTPException(HTTPStatus.PRECONDITION_REQUIRED, "If-Match must name the ETag")
        if tag not in ("*", current):
            raise HTTPException(HTTPStatus.PRECONDITION_FAILED, "If-Match names another ETag")
        if tag == "*" or not await self._calls.add_candidates(call_id, fragment):
            raise HTTPException(
                HTTPStatus.UNPROCESSABLE_ENTITY, "ICE is not begun anew here; call again instead"
            )
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def end(self, request: Request) -> Response:
        await self._calls.end(request.path_params["call_id"])
        return Response(status_code=HTTPStatus.OK)

    async def offer(self, request: Request) -> Response:
        """`{"type": "offer", "sdp": …, "start": …}`, which is the caption protocol's; `lang` and
        `dual` are as for WHEP. The answer has the same form, and an `id` to end it by."""
        offer = parse_offer(await _body(request, "application/json"))
        answered = await self._calls.publish(offer.publish, offer.description, offer.drawn)
        answer = {"type": "answer", "sdp": answered.description, "id": answered.id}
        return JSONResponse(answer, HTTPStatus.CREATED)

    def _usual_source(self) -> str:
        """What is spoken where nobody says: whatever is heard."""
        if can_find_language(self._recognizer):
            return AUTO
        return next(iter(self._recognizer.languages))


async def _body(request: Request, media_type: str) -> str:
    """Raises RefusedError, and ValueError for what is no text."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != media_type:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"the content type must be {media_type}, got {given!r:.80}",
        )
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_CHARS:
            raise RefusedError("bad_request", f"the body must be at most {MAX_CHARS} bytes")
    return body.decode()


def _created(request: Request, answered: Answered) -> Response:
    headers = {
        "location": f"{request.url.path.rstrip('/')}/{answered.id}",
        "etag": answered.ice_tag,
        "accept-patch": FRAGMENT,
    }
    return Response(answered.description, HTTPStatus.CREATED, headers, media_type=SDP)


def _error(
    status: HTTPStatus,
    code: str,
    error: Exception | str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    headers = headers or _HEADERS.get(status)
    return JSONResponse({"type": "error", "code": code, "message": str(error)}, status, headers)
