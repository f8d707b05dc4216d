"""Recordings over real HTTP, as the page /files and scripts send them."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from surtitle.pipeline.config import FilesConfig, Tokens
from surtitle.pipeline.errors import OutputError
from surtitle.pipeline.server.files import results

from ....patience import PATIENCE_S
from ...scripted_translator import ScriptedTranslator
from ..scripted import Served
from .hearing import Hears, serve_files, speech

TOKENS = Tokens("publish-publish-publish", "view-view-view-view")

Job = dict[str, Any]


async def ended(http: httpx.AsyncClient, job: Job) -> Job:
    """What has become of a job that goes on."""
    async with asyncio.timeout(PATIENCE_S):
        while job["state"] in ("waiting", "running"):
            await asyncio.sleep(0.01)
            answer = await http.get(f"/v1/jobs/{job['id']}")
            assert answer.status_code == 200
            job = answer.json()
    return job


async def sent(http: httpx.AsyncClient, query: str, data: bytes | None = None) -> Job:
    answer = await http.post(f"/v1/jobs?{query}", content=speech() if data is None else data)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    return answer.json()


def test_a_recording_becomes_subtitles_that_can_be_corrected(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            job = await ended(http, await sent(http, "name=talk.wav&from=en&to=es,de"))
            assert (job["state"], job["name"], job["language"]) == ("done", "talk.wav", "en")
            assert job["duration_ms"] == 4000 and list(job["cues"]) == ["en", "es", "de"]
            address = f"/v1/jobs/{job['id']}"
            correction = {"language": "es", "cue": 0, "text": " Buenos días. \n\n¡A todos! "}
            cue = (await http.patch(f"{address}/cues", json=correction)).json()
            assert cue == job["cues"]["es"][0] | {"lines": ["Buenos días.", "¡A todos!"]}
            for subtitle_format, begins in (
                ("srt", "1\n"), ("vtt", "WEBVTT"), ("ass", "[Script Info]"), ("ttml", "<?xml")
            ):  # fmt: skip
                query = f"lang=es&format={subtitle_format}"
                answer = await http.get(f"{address}/subtitles?{query}")
                assert answer.text.startswith(begins) and "¡A todos!" in answer.text
                name = f"talk.es.{subtitle_format}"
                assert answer.headers["content-disposition"].endswith(f"''{name}")
            english = await http.get(f"{address}/subtitles")
            assert "Good morning." in english.text
            (listed,) = (await http.get("/v1/jobs")).json()["jobs"]
            assert listed == job | {"cues": None}
            assert (await http.delete(address)).status_code == 204
            assert (await http.get(address)).status_code == 404

    serve_files(scenario, tmp_path, translator=ScriptedTranslator())
    assert list((tmp_path / "files").iterdir()) == []


def test_results_are_there_after_a_restart(tmp_path: Path) -> None:
    job: Job = {}

    async def before(served: Served) -> None:
        async with served.http() as http:
            job.update(await ended(http, await sent(http, "from=en")))

    async def after(served: Served) -> None:
        async with served.http() as http:
            assert (await http.get(f"/v1/jobs/{job['id']}")).json() == job

    serve_files(before, tmp_path)
    serve_files(after, tmp_path)
    assert (tmp_path / "files").stat().st_mode & 0o077 == 0  # it is not for other users


def test_what_waits_says_how_many_are_before_it_and_can_be_given_up(tmp_path: Path) -> None:
    ear = Hears()
    ear.gate.clear()

    async def scenario(served: Served) -> None:
        async with served.http() as http:
            one = await sent(http, "name=one.wav")
            assert await asyncio.to_thread(ear.has_begun.wait, 10)
            two, three = await sent(http, "name=two.wav"), await sent(http, "name=three.wav")
            jobs = (await http.get("/v1/jobs")).json()["jobs"]
            assert [(job["name"], job["state"], job["ahead"]) for job in jobs] == [
                ("three.wav", "waiting", 2), ("two.wav", "waiting", 1), ("one.wav", "running", 0)
            ]  # fmt: skip
            refused = await http.post("/v1/jobs", content=speech())
            assert (refused.status_code, refused.json()["code"]) == (503, "too_many_jobs")
            assert (await http.delete(f"/v1/jobs/{two['id']}")).status_code == 204
            ear.gate.set()
            for job in one, three:
                assert (await ended(http, job))["state"] == "done"
            assert (await http.get(f"/v1/jobs/{two['id']}")).status_code == 404

    serve_files(scenario, tmp_path, lambda: ear, files=FilesConfig(max_jobs=3, min_free_bytes=0))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "talk.wav is empty (0 bytes)"),
        (b"I am no recording.", "talk.wav holds text, not audio or video"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/\n#EXT-X-ENDLIST\n\0\xff\xfe", "not a recording"),
        (speech()[:20], "talk.wav is damaged, or not a recording"),
    ],
)
def test_a_bad_file_fails_and_says_why(data: bytes, said: str, tmp_path: Path) -> None:
    opened: list[Hears] = []

    def make() -> Hears:
        opened.append(Hears())
        return opened[-1]

    async def scenario(served: Served) -> None:
        async with served.http() as http:
            job = await ended(http, await sent(http, "name=talk.wav", data))
            assert job["state"] == "failed" and said in job["message"]
            assert str(tmp_path) not in job["message"]

    serve_files(scenario, tmp_path, make)
    assert opened == []  # nothing was loaded for it


def test_silence_is_told(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            silence = speech()[:44] + bytes(len(speech()) - 44)
            job = await ended(http, await sent(http, "name=s.wav", silence))
            assert (job["state"], job["cues"]) == ("done", {"en": []})
            assert job["warnings"] == ["s.wav: nobody speaks in it, as far as Hears can hear"]

    serve_files(scenario, tmp_path)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=fr", "what is spoken in 'fr' cannot be heard here, only en, es"),
        ("to=english", "a language must be a code like en or es, got 'english'"),
        ("from=en&to=de", "cannot translate en to de"),
        ("to=" + ",".join("abcdefghi"), "there may be 8 languages"),
    ],
)
def test_what_cannot_be_made_is_refused_before_it_is_sent(
    query: str, said: str, tmp_path: Path
) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            refused = await http.post(f"/v1/jobs?{query}", content=speech())
            assert refused.status_code == 400 and said in refused.json()["message"]

    translator = ScriptedTranslator(targets=frozenset({"es"}))
    serve_files(scenario, tmp_path, translator=translator)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"language": "en", "cue": 9, "text": "x"},
        {"language": "en", "cue": -1, "text": "x"},
        {"language": "fr", "cue": 0, "text": "x"},
        {"language": "en", "cue": 0, "text": "x\n" * 5},
        {"language": "en", "cue": 0, "text": "x" * 501},
    ],
)
def test_a_bad_correction_changes_nothing(fields: Job, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            job = await ended(http, await sent(http, "from=en"))
            refused = await http.patch(f"/v1/jobs/{job['id']}/cues", json=fields)
            assert refused.status_code == 400
            assert (await http.get(f"/v1/jobs/{job['id']}")).json() == job

    serve_files(scenario, tmp_path)


def test_a_recording_may_not_be_too_large(tmp_path: Path) -> None:
    async def chunks() -> Any:  # without a length
        for _ in range(100):
            yield bytes(1000)

    async def scenario(served: Served) -> None:
        async with served.http() as http:
            for content in bytes(2 << 20), chunks():
                refused = await http.post("/v1/jobs", content=content)
                assert (refused.status_code, refused.json()["code"]) == (413, "too_large")

    files = FilesConfig(max_upload_bytes=50_000, min_free_bytes=0)
    serve_files(scenario, tmp_path, files=files)


def test_a_recording_may_not_be_too_long(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            job = await ended(http, await sent(http, "name=talk.wav"))
            assert job["message"] == "talk.wav: a recording may last 0.001 hours here; cut it"

    serve_files(scenario, tmp_path, files=FilesConfig(max_recording_ms=3600, min_free_bytes=0))


def test_a_disk_that_is_nearly_full_is_left_to_live_captions(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            refused = await http.post("/v1/jobs", content=speech())
            assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")

    serve_files(scenario, tmp_path, files=FilesConfig(min_free_bytes=1 << 60))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no disk that is always full")
def test_a_disk_that_is_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: open("/dev/full", "r+b", 0))

    async def scenario(served: Served) -> None:
        async with served.http() as http:
            refused = await http.post("/v1/jobs", content=speech())
            assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")
            assert (await http.get("/v1/jobs")).json() == {"jobs": []}

    serve_files(scenario, tmp_path)


def test_what_the_disk_does_not_take_is_told_and_can_be_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: Path, text: str) -> None:
        raise OutputError(f"{path} cannot be written: the disk is full")

    async def scenario(served: Served) -> None:
        correction = {"language": "en", "cue": 0, "text": "Good evening."}
        async with served.http() as http:
            stored = await ended(http, await sent(http, "from=en"))
            monkeypatch.setattr(results, "write_text", write)
            refused = await http.patch(f"/v1/jobs/{stored['id']}/cues", json=correction)
            assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")
            assert str(tmp_path) not in refused.text
            job = await ended(http, await sent(http, "from=en"))
            assert (job["state"], job["warnings"]) == ("done", [results.NOT_STORED])
            address = f"/v1/jobs/{job['id']}"
            assert (await http.patch(f"{address}/cues", json=correction)).status_code == 200
            assert "Good evening." in (await http.get(f"{address}/subtitles")).text
            assert len((await http.get("/v1/jobs")).json()["jobs"]) == 2

    serve_files(scenario, tmp_path)


def test_recordings_are_for_publishers(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            for token, status in ((TOKENS.view, 401), (TOKENS.publish, 200)):
                headers = {"authorization": f"Bearer {token}"}
                assert (await http.get("/v1/jobs", headers=headers)).status_code == status
            assert (await http.post("/v1/jobs", content=b"x")).status_code == 401

    serve_files(scenario, tmp_path, tokens=TOKENS)


@pytest.mark.parametrize("job_id", ["x", "..%2Fsessions", "a" * 16, "." * 16])
def test_an_id_is_no_path(job_id: str, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            assert (await http.get(f"/v1/jobs/{job_id}")).status_code == 404

    serve_files(scenario, tmp_path)


def test_results_that_are_old_are_deleted(tmp_path: Path) -> None:
    async def before(served: Served) -> None:
        async with served.http() as http:
            for name in "old", "new":
                await ended(http, await sent(http, f"name={name}"))

    async def after(served: Served) -> None:
        async with served.http() as http, asyncio.timeout(PATIENCE_S):
            names: list[str] = []
            while names != ["new"]:
                jobs = (await http.get("/v1/jobs")).json()["jobs"]
                names = [job["name"] for job in jobs]

    serve_files(before, tmp_path)
    (old,) = (path for path in (tmp_path / "files").iterdir() if '"old"' in path.read_text())
    os.utime(old, (0, 0))
    serve_files(after, tmp_path, files=FilesConfig(keep_days=1, min_free_bytes=0))
