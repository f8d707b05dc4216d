"""Recordings over real HTTP, as the vendors' clients send them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import openai
import pytest

from surtitle.pipeline.config import FilesConfig, Tokens

from ....patience import PATIENCE_S
from ...scripted_translator import ScriptedTranslator
from ..gate.test_door import answer, come, held
from ..scripted import Served
from .hearing import Hears, serve_files, speech, speech_pcm

TOKENS = Tokens("publish-publish-publish", "view-view-view-view")
HEAD = (
    b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: localhost\r\n"
    b"content-type: multipart/form-data; boundary=b\r\n"
)
PART = b'--b\r\ncontent-disposition: form-data; name="file"; filename="talk.wav"\r\n\r\n'


def client(served: Served, key: str = "none") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=0)


async def asr(served: Served, data: bytes, query: str = "", **options: object) -> httpx.Response:
    async with served.http() as http:
        files = {"audio_file": data}
        return await http.post(f"/asr?{query}", files=files, timeout=PATIENCE_S, **options)  # type: ignore[arg-type]


def test_openai_s_client_gets_each_format(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with client(served) as ai:
            create = ai.audio.transcriptions.create
            file = ("talk.wav", speech())
            assert (await create(model="whisper-1", file=file)).text == "Good morning."
            verbose = await create(
                model="whisper-1",
                file=file,
                response_format="verbose_json",
                timestamp_granularities=["word", "segment"],
            )
            assert (verbose.language, verbose.duration) == ("english", 4.0)
            assert verbose.segments is not None and verbose.words is not None
            assert verbose.segments[0].text == " Good morning."
            assert [word.word for word in verbose.words] == ["Good", "morning."]
            assert verbose.words[0].end == verbose.words[1].start > 0
            srt = await create(model="whisper-1", file=file, response_format="srt")
            assert srt.startswith("1\n00:00:00,") and srt.rstrip().endswith("Good morning.")
            vtt = await create(model="whisper-1", file=file, response_format="vtt")
            assert vtt.startswith("WEBVTT\n")
            assert await create(model="x", file=file, response_format="text") == "Good morning.\n"

    serve_files(scenario, tmp_path)


def test_a_stream_says_what_is_heard_as_it_is_heard(tmp_path: Path) -> None:
    ear = Hears()

    async def scenario(served: Served) -> None:
        ear.gate.clear()
        async with client(served) as ai:
            stream = await ai.audio.transcriptions.create(
                model="whisper-1", file=("talk.wav", speech(8)), language="en", stream=True
            )
            assert len(await served_jobs(served)) == 1
            ear.gate.set()
            events = [event async for event in stream]
        *deltas, done = events
        assert len(deltas) > 1 and done.type == "transcript.text.done"
        assert "".join(delta.delta for delta in deltas) == done.text
        assert done.text.startswith("Good morning. Good morning.")

    serve_files(scenario, tmp_path, lambda: ear)


async def served_jobs(served: Served) -> list[dict[str, object]]:
    async with served.http() as http:
        return (await http.get("/v1/jobs")).json()["jobs"]


def test_a_prompt_is_what_the_recognizer_expects_to_hear(tmp_path: Path) -> None:
    ear = Hears()

    async def scenario(served: Served) -> None:
        async with client(served) as ai:
            await ai.audio.transcriptions.create(
                model="whisper-1", file=("talk.wav", speech()), prompt="Tatiana, the Old Harbor."
            )
        assert ear.calls[0].terms == ("Tatiana", "the Old Harbor")

    serve_files(scenario, tmp_path, lambda: ear)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_translations_are_into_english(tmp_path: Path) -> None:
    class HearsSpanish(Hears):
        def guess_language(self, utterance):  # type: ignore[no-untyped-def]
            return super().guess_language(utterance)._replace(language="es")

    async def scenario(served: Served) -> None:
        async with client(served) as ai:
            create = ai.audio.translations.create
            file = ("talk.wav", speech())
            verbose = await create(model="whisper-1", file=file, response_format="verbose_json")
            assert (verbose.text, verbose.language) == ("[en] Good morning.", "english")
            vtt = await create(model="whisper-1", file=file, response_format="vtt")
            assert "[en] Good morning." in vtt

    serve_files(scenario, tmp_path, HearsSpanish, ScriptedTranslator())


def test_bazarr_gets_subtitles_of_raw_sound(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        query = "task=transcribe&language=en&output=srt&encode=false"
        srt = (await asr(served, speech_pcm(), query)).text
        assert "Good morning." in srt and srt.startswith("1\n00:00:00,")
        translated = await asr(served, speech(), "task=translate&language=es&output=json")
        assert translated.json()["text"] == "[en] Good morning."
        async with served.http() as http:
            detected = await http.post(
                "/detect-language?encode=false", files={"audio_file": speech_pcm()}
            )
        assert detected.json() == {
            "detected_language": "english",
            "language_code": "en",
            "confidence": 0.75,
        }

    serve_files(scenario, tmp_path, Hears, ScriptedTranslator())


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("task=sing", 400, "task must be transcribe or translate, got 'sing'"),
        ("output=tsv", 400, "output must be txt, srt, vtt, json, got 'tsv'"),
        ("language=xx", 400, "no language is called 'xx'"),
        ("language=fr", 400, "spoken in 'fr' cannot be heard here, only en, es"),
    ],
)
def test_bazarr_learns_what_was_wrong(query: str, status: int, said: str, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        refused = await asr(served, speech(), query)
        assert refused.status_code == status and said in refused.text

    serve_files(scenario, tmp_path)


def test_a_token_may_be_a_bearer_s_or_a_password(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with client(served, TOKENS.publish) as ai:
            file = ("talk.wav", speech())
            heard = await ai.audio.transcriptions.create(model="whisper-1", file=file)
            assert heard.text == "Good morning."
        for key in TOKENS.view, "wrong":
            async with client(served, key) as ai:
                with pytest.raises(openai.AuthenticationError, match="allows to publish"):
                    await ai.audio.transcriptions.create(model="whisper-1", file=file)
        assert (await asr(served, speech(), auth=("bazarr", TOKENS.publish))).status_code == 200
        assert (await asr(served, speech(), auth=("bazarr", TOKENS.view))).status_code == 401

    serve_files(scenario, tmp_path, tokens=TOKENS)


BAD_FORMS: dict[str, tuple[bytes, str]] = {
    "garbage": (b"\0garbage", "the form cannot be read"),
    "no recording": (
        b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nx\r\n--b--\r\n',
        "must hold a recording as 'file', whole",
    ),
    "one that does not end": (PART + b"\0" * 100, "must hold a recording as 'file', whole"),
    "two recordings": (
        PART + b"x\r\n" + PART + b"y\r\n--b--\r\n",
        "may hold one recording as 'file'",
    ),
    "a wrong format": (
        PART
        + b'x\r\n--b\r\ncontent-disposition: form-data; name="response_format"\r\n\r\n'
        + b"docx\r\n--b--\r\n",
        "response_format must be json, text, srt, verbose_json, vtt, got 'docx'",
    ),
    "text": (PART + b"I am no recording.\r\n--b--\r\n", "talk.wav holds text"),
    "nothing": (PART + b"\r\n--b--\r\n", "talk.wav is empty"),
}


@pytest.mark.parametrize("name", BAD_FORMS)
def test_a_bad_form_is_refused_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    body, said = BAD_FORMS[name]

    async def scenario(served: Served) -> None:
        streams = await come(served)
        length = f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
        streams[1].write(HEAD + length + body)
        told = await answer(streams)
        assert told.startswith(b"HTTP/1.1 400 ")
        error = json.loads(told.partition(b"\r\n\r\n")[2])["error"]
        assert said in error["message"] and error["type"] == "invalid_request_error"
        assert await served_jobs(served) == []

    serve_files(scenario, tmp_path)
    assert list((tmp_path / "files").iterdir()) == []


def test_an_upload_that_is_cut_frees_its_place(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        streams = await come(served)
        streams[1].write(HEAD + b"content-length: 1000000\r\n\r\n" + PART + bytes(5000))
        await held(served, 1)
        assert (await asr(served, speech())).status_code == 503  # its place is taken
        streams[1].close()
        await held(served, 0)
        assert (await asr(served, speech())).status_code == 200

    serve_files(scenario, tmp_path, files=FilesConfig(max_jobs=1, min_free_bytes=0))


def test_an_upload_may_take_longer_than_other_requests_but_must_go_on(tmp_path: Path) -> None:
    body = PART + speech() + b"\r\n--b--\r\n"

    async def scenario(served: Served) -> None:
        reader, writer = await come(served)
        writer.write(HEAD + f"content-length: {len(body)}\r\n\r\n".encode())
        for at in range(0, len(body), 1 + len(body) // 4):
            writer.write(body[at : at + 1 + len(body) // 4])
            await asyncio.sleep(0.6)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        stalled = await come(served)
        stalled[1].write(HEAD + b"content-length: 1000\r\n\r\n" + PART)
        assert await answer(stalled) == b""

    serve_files(scenario, tmp_path, request_timeout_s=2)


@pytest.mark.parametrize("streams", [False, True])
def test_a_client_that_goes_away_frees_its_job(streams: bool, tmp_path: Path) -> None:
    first, second = Hears(), Hears()
    first.gate.clear()
    ears = iter((first, second))

    async def scenario(served: Served) -> None:
        async with client(served) as ai:
            file = ("talk.wav", speech())
            asking = asyncio.create_task(
                ai.audio.transcriptions.create(model="x", file=file, stream=streams)
            )
            assert await asyncio.to_thread(first.has_begun.wait, PATIENCE_S)
            assert len(await served_jobs(served)) == 1
            if streams:
                await (await asking).close()
            asking.cancel()
        while await served_jobs(served):
            first.gate.set()  # closing waits for a call of this one; a process would be ended
            await asyncio.sleep(0.01)
        assert first.is_closed
        assert "Good morning." in (await asr(served, speech(), "output=txt")).text

    serve_files(scenario, tmp_path, lambda: next(ears))


def test_a_recognizer_that_fails_is_told_without_its_inside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def make() -> Hears:
        ear = Hears()
        ear.error = RuntimeError("/secret/path")
        return ear

    async def scenario(served: Served) -> None:
        refused = await asr(served, speech())
        assert (refused.status_code, refused.text) == (500, "see the server's log\n")

    serve_files(scenario, tmp_path, make)
    assert "/secret/path" in caplog.text
