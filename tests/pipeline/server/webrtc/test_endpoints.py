"""WHIP and WHEP as requests: what is refused, and how."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from surtitle.pipeline.config import Tokens

from ...webrtc.tone import ToneTrack
from ..scripted import Served, serve
from .calling import SDP, caller, speaker

TOKENS = Tokens(publish="publish-0123456789", view="view-0123456789abc")
FRAGMENT = {"content-type": "application/trickle-ice-sdpfrag"}
CANDIDATE = "a=mid:0\r\na=candidate:1 1 udp 2122260223 127.0.0.1 9 typ host\r\n"


def refusal(
    tmp_path: Path,
    address: str,
    body: str | bytes = "v=0",
    headers: Mapping[str, str] = SDP,
    method: str = "POST",
    **changes: Any,
) -> tuple[int, str]:
    """The status of a request, and the message of its error."""
    found: list[tuple[int, str]] = []

    async def scenario(served: Served) -> None:
        async with served.http() as client:
            response = await client.request(method, address, content=body, headers=headers)
            found.append((response.status_code, response.json()["message"]))

    serve(scenario, tmp_path, **changes)
    return found[0]


def test_garbage_is_a_bad_request(tmp_path: Path) -> None:
    status, message = refusal(tmp_path, "/whip/hall", "hello")
    assert (status, message) == (400, "a session description begins with v=0, got 'hello'")


def test_a_body_that_is_no_text_is_a_bad_request(tmp_path: Path) -> None:
    assert refusal(tmp_path, "/whip/hall", b"v=0\xff")[0] == 400


def test_a_description_without_end_is_a_bad_request(tmp_path: Path) -> None:
    status, message = refusal(tmp_path, "/whip/hall", "v=0\r\n" * 30_000)
    assert (status, message) == (400, "the body must be at most 100000 bytes")


def test_another_content_type_is_not_taken(tmp_path: Path) -> None:
    status, message = refusal(tmp_path, "/whip/hall", headers={"content-type": "text/plain"})
    assert (status, message) == (
        415, "the content type must be application/sdp, got 'text/plain'"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/whip/a%20b", "room must be 1 to 64"),
        ("/whip/hall?source=english", "a language must be a code like en or es"),
        ("/whip/hall?source=en&targets=es,es", "each target language must be given once"),
        ("/whip/hall?mode=swift", "mode must be fresh or stable, got 'swift'"),
        ("/whip/hall?targets=aa,bb,cc,dd,ee,ff,gg,hh,ii", "targets may be at most 8, got 9"),
        ("/whip/hall?speaker=" + "x" * 81, "speaker must be at most 80 printable characters"),
        ("/whep/hall?lang=spanish", "lang must be codes like es"),
    ],
)
def test_a_wrong_address_is_told_what_is_wrong(address: str, message: str, tmp_path: Path) -> None:
    status, found = refusal(tmp_path, address)
    assert status == 400 and message in found


@pytest.mark.parametrize(
    ("address", "token", "right"),
    [
        ("/whip/hall", None, "publish"),
        ("/whip/hall", "wrong", "publish"),
        ("/whip/hall", TOKENS.view, "publish"),
        ("/whep/hall", "wrong", "view"),
        ("/v1/offer", TOKENS.view, "publish"),
    ],
)
def test_the_right_token_is_needed(
    address: str, token: str | None, right: str, tmp_path: Path
) -> None:
    headers = SDP | ({"authorization": f"Bearer {token}"} if token else {})
    found = refusal(tmp_path, address, headers=headers, tokens=TOKENS)
    assert found == (401, f"a token is needed that allows to {right}")


def test_a_page_of_another_server_may_not_call(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as client:
            headers = SDP | {"origin": "https://evil.example"}
            response = await client.post("/whip/hall", content="v=0", headers=headers)
            assert response.status_code == 403 and "--allow-origin" in response.text

    serve(scenario, tmp_path)


def test_who_is_let_in_by_token_is_answered(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with caller() as calling:
            calling.peer.connection.addTrack(ToneTrack())
            response = await calling.call(
                served, "/whip/hall?source=en", authorization=f"Bearer {TOKENS.publish}"
            )
            assert response.status_code == 201
            assert response.headers["content-type"] == "application/sdp"
            assert calling.location.startswith("/whip/hall/") and calling.etag.startswith('"')

    serve(scenario, tmp_path, tokens=TOKENS)


def test_what_the_room_refuses_is_refused(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with speaker(served):
            for address, status, code in (
                ("/whip/hall?source=en", 409, "room_taken"),
                ("/whip/yard?source=fr", 400, "unsupported_language"),
            ):
                async with caller() as calling:
                    calling.peer.connection.addTrack(ToneTrack())
                    response = await calling.call(served, address)
                    assert (response.status_code, response.json()["code"]) == (status, code)

    serve(scenario, tmp_path)


@pytest.mark.parametrize("kind", ["video", "channel"])
def test_who_publishes_without_sound_is_told_so(kind: str, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with caller() as calling:
            if kind == "video":
                calling.peer.connection.addTransceiver("video", direction="sendonly")
            else:
                calling.open_channel()
            response = await calling.call(served, "/whip/hall?source=en")
            assert response.status_code == (406 if kind == "video" else 400)
        assert not served.rooms._sessions

    serve(scenario, tmp_path)


def test_candidates_may_come_late(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with speaker(served) as calling, served.http() as client:

            async def patch(body: str, **headers: str) -> int:
                response = await client.patch(
                    calling.location, content=body, headers=FRAGMENT | headers
                )
                return response.status_code

            tag = {"if-match": calling.etag}
            assert await patch(CANDIDATE, **tag) == 204
            assert await patch(CANDIDATE.replace("127.0.0.1", "x.local"), **tag) == 204
            assert await patch(CANDIDATE) == 428
            assert await patch(CANDIDATE, **{"if-match": '"another"'}) == 412
            assert await patch("a=ice-ufrag:new\r\n", **{"if-match": "*"}) == 422
            assert await patch("a=ice-ufrag:new\r\n" + CANDIDATE, **tag) == 422
            assert await patch("hello", **tag) == 400
            assert await patch(CANDIDATE * 51, **tag) == 400
            wrong = await client.patch(calling.location, content=CANDIDATE, headers=SDP | tag)
            assert wrong.status_code == 415
            for method in "GET", "POST", "PUT":
                response = await client.request(method, calling.location)
                assert response.status_code == 405
                assert response.headers["allow"] == "PATCH, DELETE"
            assert (await client.get("/whip/hall")).status_code == 405
            nobody = await client.patch("/whip/hall/x", content=CANDIDATE, headers=FRAGMENT | tag)
            assert nobody.status_code == 404

    serve(scenario, tmp_path)


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "{",
        '{"sdp": 5}',
        '{"sdp": "v=0"}',
        '{"sdp": "v=0", "start": {"type": "start", "version": 1, "source": "english"}}',
        '{"sdp": "v=0", "start": {"type": "start", "version": 1, "resume": "key"}}',
        '{"sdp": "v=0", "start": {"type": "start", "version": 1, "source": "en"}}',
    ],
)
def test_a_page_that_offers_nonsense_is_told_so(body: str, tmp_path: Path) -> None:
    headers = {"content-type": "application/json"}
    assert refusal(tmp_path, "/v1/offer", body, headers)[0] == 400
