"""Sessions, transcripts and the rest over real HTTP."""

from __future__ import annotations

import json
import re
import threading
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pysubs2
import pytest

from surtitle.pipeline.config import LiveConfig, Tokens
from surtitle.pipeline.errors import DraftWithheld, StoreError
from surtitle.pipeline.events import TranslationRequest
from surtitle.pipeline.server import http as http_api
from surtitle.pipeline.server.storage.store import Store

from ..scripted_translator import ScriptedTranslator
from .scripted import Served, read_final, read_until, serve, speak

TOKENS = Tokens("publish-publish-publish", "view-view-view-view")
FINAL = "The harbor opens at six and the ferries leave soon."


def test_a_transcript_of_a_session_that_has_ended(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, started = await served.publish(room="hall")
        await speak(publisher)
        await publisher.send('{"type": "stop"}')
        await read_until(publisher, "stopped")
        async with served.http() as http:
            (session,) = (await http.get("/v1/sessions")).json()["sessions"]
            assert session["id"] == started["session"]
            assert (session["room"], session["source"], session["targets"]) == (
                "hall", "en", ["es"]
            )  # fmt: skip
            assert session["ended_at"] is not None and not session["is_live"]
            path = f"/v1/sessions/{session['id']}/transcript"
            srt = await http.get(path, params={"format": "srt", "lang": "en,es"})
            assert srt.headers["content-type"] == "application/x-subrip; charset=utf-8"
            assert f'filename="{session["id"]}.en-es.srt"' in srt.headers["content-disposition"]
            cues = pysubs2.SSAFile.from_string(srt.text, format_="srt")
            assert "harbor opens" in cues[0].plaintext and "[es]" in cues[0].plaintext
            assert (await http.get(path, params={"format": "txt"})).text == f"{FINAL}\n"
            vtt = await http.get(path, params={"format": "vtt", "lang": "es"})
            assert vtt.text.startswith("WEBVTT") and "[es] the harbor" in vtt.text
            answer = (await http.get(path, params={"format": "json"})).json()
            assert [caption["text"] for caption in answer["captions"]] == [FINAL]

    serve(scenario, tmp_path)


def test_a_transcript_of_a_session_that_goes_on(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, started = await served.publish()
        await speak(publisher, 3)
        await publisher.send('{"type": "flush"}')
        await read_final(publisher)
        async with served.http() as http:
            (session,) = (await http.get("/v1/sessions")).json()["sessions"]
            assert session["is_live"] and session["ended_at"] is None
            path = f"/v1/sessions/{started['session']}/transcript"
            text = (await http.get(path, params={"format": "txt", "lang": "es"})).text
            assert text == "[es] the harbor opens\n"

    serve(scenario, tmp_path)


def test_what_cannot_be_had_is_told(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, started = await served.publish()
        path = f"/v1/sessions/{started['session']}/transcript"
        async with served.http() as http:
            for address, status, code in (
                ("/v1/sessions/x/transcript", 404, "unknown_session"),
                (f"{path}?format=ass", 400, "bad_request"),
                (f"{path}?lang=fr", 400, "unsupported_language"),
            ):
                answer = await http.get(address)
                assert (answer.status_code, answer.json()["code"]) == (status, code)
        await publisher.close()

    serve(scenario, tmp_path)


def test_a_store_that_cannot_be_read_is_told_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "sessions.sqlite"
    with closing(Store(path)) as store:
        for n in range(500):
            store.begin(f"s-{n:04}", "main", LiveConfig("en", ("es",)))
    with path.open("r+b") as file:  # its first page is whole
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))

    async def scenario(served: Served) -> None:
        async with served.http() as http:
            for address in "/v1/sessions", "/v1/sessions/s-0100/transcript":
                answer = await http.get(address)
                assert (answer.status_code, answer.json()) == (
                    503,
                    {
                        "type": "error",
                        "code": "internal",
                        "message": "the store of sessions cannot be read; see the server's log",
                    },
                )
            assert (await http.get("/healthz")).status_code == 200
        publisher, started = await served.publish()
        assert started["type"] == "started"
        await publisher.close()

    with pytest.raises(StoreError, match="malformed"):  # the session is not stored either
        serve(scenario, tmp_path)
    damaged, unreadable = [r for r in caplog.records if "written" not in r.getMessage()][:2]
    assert re.search(r"sessions\.sqlite is damaged: .* move it away", damaged.getMessage())
    assert "cannot be read" in unreadable.getMessage()


def test_tokens_guard_what_was_said_and_not_the_pages(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            for path in "/v1/sessions", "/v1/sessions/x/transcript", "/metrics", "/v1/languages":
                answer = await http.get(path)
                assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
            for path in "/", "/overlay", "/capture", "/overlay/main.js", "/healthz":
                assert (await http.get(path)).status_code == 200
            headers = {"authorization": f"Bearer {TOKENS.view}"}
            assert (await http.get("/v1/sessions", headers=headers)).json() == {"sessions": []}
            assert (await http.get("/metrics", headers=headers)).status_code == 200

    serve(scenario, tmp_path, tokens=TOKENS)


def test_metrics_count_what_happens(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        async with served.view() as viewer, served.http() as http:
            await speak(publisher, 3)
            await publisher.send('{"type": "flush"}')
            await read_final(publisher)
            await read_final(viewer)
            text = (await http.get("/metrics")).text
        values = dict(re.findall(r"^(surtitle_\w+) ([\d.]+)$", text, re.MULTILINE))
        assert (values["surtitle_sessions"], values["surtitle_viewers"]) == ("1.0", "1.0")
        assert float(values["surtitle_captions_total"]) >= 2
        assert float(values["surtitle_captions_sent_total"]) >= 4
        assert "surtitle_event_loop_stall_seconds_bucket" in text
        await publisher.close()

    serve(scenario, tmp_path)


def test_drafts_that_are_withheld_are_counted(tmp_path: Path) -> None:
    class Careful(ScriptedTranslator):
        async def translate(self, request: TranslationRequest) -> str:
            if request.is_draft:
                raise DraftWithheld("an amount has changed")
            return await super().translate(request)

    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        async with publisher, served.http() as http:
            await speak(publisher)
            await publisher.send('{"type": "stop"}')
            await read_until(publisher, "stopped")
            text = (await http.get("/metrics")).text
        (count,) = re.findall(r"^surtitle_withheld_drafts_total (\d+)", text, re.MULTILINE)
        assert int(count) >= 2

    serve(scenario, tmp_path, Careful())


def test_languages_are_told_as_documented(tmp_path: Path) -> None:
    document = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text(encoding="utf-8")
    (example,) = re.findall(r'^\{"source".*\}$', document, re.MULTILINE)

    async def scenario(served: Served) -> None:
        async with served.http() as http:
            languages = (await http.get("/v1/languages")).json()
        assert languages.keys() == json.loads(example).keys()
        assert (languages["source"], languages["auto"]) == (["en"], False)
        assert {"es", "nl", "sw"} < set(languages["targets"]) and "en" not in languages["targets"]

    serve(scenario, tmp_path)


def test_a_qr_code_of_an_address_of_this_server(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            answer = await http.post("/v1/qr", content=f"{served.url}/overlay#token=x")
            assert answer.headers["content-type"] == "image/svg+xml"
            assert ElementTree.fromstring(answer.text).tag.endswith("svg")
            for text in (
                b"",
                b"https://evil.example/",
                b"javascript:alert(1)",
                f"{served.url}/{'x' * 500}".encode(),
                f"{served.url}/".encode() + b"\xff",
            ):
                refused = await http.post("/v1/qr", content=text)
                assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")
            assert (await http.get("/v1/qr", params={"text": served.url})).status_code == 404

    serve(scenario, tmp_path)


def test_a_qr_code_is_for_those_who_may_view(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            assert (await http.post("/v1/qr", content=served.url)).status_code == 401
            headers = {"authorization": f"Bearer {TOKENS.view}"}
            answer = await http.post("/v1/qr", content=served.url, headers=headers)
            assert answer.status_code == 200

    serve(scenario, tmp_path, tokens=TOKENS)


def test_qr_codes_are_drawn_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[threading.Thread] = []

    def draw(text: str) -> bytes:
        drawn.append(threading.current_thread())
        return b"<svg/>"

    monkeypatch.setattr(http_api, "_qr_code", draw)

    async def scenario(served: Served) -> None:
        async with served.http() as http:
            assert (await http.post("/v1/qr", content=served.url)).text == "<svg/>"

    serve(scenario, tmp_path)
    assert drawn and threading.main_thread() not in drawn


def test_a_session_that_is_over_can_be_deleted(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, started = await served.publish()
        await speak(publisher)
        address = f"/v1/sessions/{started['session']}"
        async with served.http() as http:
            refused = await http.delete(address)
            assert (refused.status_code, refused.json()["code"]) == (409, "session_live")
            await publisher.send('{"type": "stop"}')
            await read_until(publisher, "stopped")
            await publisher.wait_closed()
            assert (await http.delete(address)).status_code == 204
            assert (await http.get(f"{address}/transcript")).status_code == 404
            assert (await http.get("/v1/sessions")).json() == {"sessions": []}
            assert (await http.delete(address)).status_code == 404

    serve(scenario, tmp_path)


def test_only_publishers_delete_sessions(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            for token, status in ((TOKENS.view, 401), (TOKENS.publish, 404)):
                headers = {"authorization": f"Bearer {token}"}
                answer = await http.delete("/v1/sessions/x", headers=headers)
                assert answer.status_code == status

    serve(scenario, tmp_path, tokens=TOKENS)
