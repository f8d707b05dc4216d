"""Publishers and viewers over real WebSockets. Every 300 ms of audio is a word of the script."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from surtitle.pipeline.errors import RecognizerError

from ..scripted_recognizer import ScriptedRecognizer
from .scripted import (
    START,
    WORD_MS,
    WORD_PCM,
    WORDS,
    Served,
    ask,
    finals,
    read,
    read_final,
    read_until,
    refused,
    serve,
    speak,
)

FINAL = "The harbor opens at six and the ferries leave soon."
TRANSLATION = f"[es] {' '.join(WORDS)}"


def test_speech_becomes_captions_for_publisher_and_viewer(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.view("room=hall&lang=es") as viewer:
            empty = await read(viewer)
            assert (empty["type"], empty["session"], empty["is_live"]) == ("snapshot", None, False)
            publisher, started = await served.publish(room="hall")
            assert publisher.subprotocol == viewer.subprotocol == "surtitle.v1"
            assert started["recognizer"] == "script" and started["received_samples"] == 0
            begun = await read(viewer)
            assert (begun["session"], begun["is_live"]) == (started["session"], True)
            assert (begun["source"], begun["targets"]) == ("en", ["es"])
            await speak(publisher)
            await publisher.send('{"type": "stop"}')
            published = await read_until(publisher, "stopped")
            assert published[-1]["session"] == started["session"]
            assert finals(published) == {"en": FINAL, "es": TRANSLATION}
            viewed = await read_until(viewer, "snapshot")
            assert finals(viewed) == {"es": TRANSLATION}
            sequences = [m["sequence"] for m in viewed]
            assert sequences == sorted(sequences)
            assert (viewed[-1]["session"], viewed[-1]["is_live"]) == (None, False)
            await publisher.wait_closed()
            assert publisher.close_code == 1000

    serve(scenario, tmp_path)


def test_a_final_of_what_was_said_has_the_times_of_its_words(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        await speak(publisher)
        await publisher.send('{"type": "stop"}')
        messages = await read_until(publisher, "stopped")
        spoken, translated = (
            next(m for m in messages if m.get("is_final") and m["language"] == language)
            for language in ("en", "es")
        )
        assert (spoken["is_source"], spoken["times"]) == (True, "measured")
        texts = FINAL.split()
        assert spoken["words"] == [
            {"text": text, "start_ms": n * WORD_MS, "end_ms": (n + 1) * WORD_MS}
            for n, text in enumerate(texts)
        ]
        assert not translated["is_source"] and "words" not in translated

    serve(scenario, tmp_path)


def test_what_is_sent_before_the_recognizer_listens_is_captioned(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.ears.may_start.clear()
        publisher = await served.connect("/v1/publish")
        await publisher.send(json.dumps(START))
        await speak(publisher)
        await publisher.send('{"type": "stop"}')
        with pytest.raises(TimeoutError):  # nobody is told to speak yet
            await asyncio.wait_for(publisher.recv(), 0.2)
        served.ears.may_start.set()
        messages = await read_until(publisher, "stopped")
        assert "started" in [m["type"] for m in messages]
        assert finals(messages) == {"en": FINAL, "es": TRANSLATION}

    serve(scenario, tmp_path)


def test_a_publisher_is_told_the_end_once(tmp_path: Path) -> None:
    """The end of all replaces its own, where both wait: see Hub.tell."""

    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        await speak(publisher)
        await publisher.send('{"type": "stop"}')
        kinds = [json.loads(message)["type"] async for message in publisher]
        assert kinds.count("stopped") == 1 and kinds[-1] == "stopped"

    serve(scenario, tmp_path)


def test_a_publisher_that_leaves_before_it_started_leaves_the_room_free(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.ears.may_start.clear()
        async with served.view() as viewer:
            await read(viewer)
            publisher = await served.connect("/v1/publish")
            await publisher.send(json.dumps(START))
            assert (await read(viewer))["is_live"]
            publisher.transport.abort()
            # Until the server has noticed, of which uvicorn tells nobody.
            while len(served.server.server_state.connections) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            served.ears.may_start.set()
            assert not (await read_until(viewer, "snapshot"))[-1]["is_live"]
            _, answer = await served.publish()
            assert answer["type"] == "started"

    serve(scenario, tmp_path)


def test_a_session_that_cannot_listen_is_told(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.ears.error = RecognizerError("its process has died")
        _, answer = await served.publish()
        assert (answer["type"], answer["code"]) == ("error", "internal")
        assert "has died" in answer["message"]

    serve(scenario, tmp_path)


def test_terms_that_the_recognizer_cannot_use_are_told(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        terms = [{"source": "harbor", "targets": {"es": "puerto"}}]
        publisher, started = await served.publish(terms=terms)
        (notice,) = started["notices"]
        assert notice.startswith("script cannot listen for the terms")
        await publisher.close()
        publisher, started = await served.publish(room="hall")
        assert started["notices"] == []
        await publisher.close()

    serve(scenario, tmp_path)


def test_flush_ends_the_segment(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish(targets=[])
        await speak(publisher, 3)
        await publisher.send('{"type": "flush"}')
        assert (await read_final(publisher, "en"))["segment_id"] == 0
        await publisher.close()

    serve(scenario, tmp_path)


def test_a_status_comes_each_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surtitle.pipeline.server.rooms.STATUS_S", 0.02)

    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        async with served.view() as viewer, served.view() as other:
            await read(other)
            await speak(publisher, 4)
            while (status := (await read_until(viewer, "status"))[-1])["heard_ms"] < 1100:
                pass
            fields = {"lag_ms", "queued", "dropped_drafts", "viewers", "heard_ms", "term_hits"}
            assert set(status) == {"type", "notice"} | fields
            assert (status["viewers"], status["notice"]) == (2, "")
            assert (await read_until(publisher, "status"))[-1]["type"] == "status"
        await publisher.close()

    serve(scenario, tmp_path)


def test_a_viewer_that_comes_back_reads_what_it_missed(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, started = await served.publish()
        async with served.view("lang=en") as viewer:
            await speak(publisher, 4)
            seen = (await read_until(viewer, "caption"))[-1]
        await speak(publisher, 6)
        await publisher.send('{"type": "stop"}')
        await read_until(publisher, "stopped")
        query = f"lang=en&session={started['session']}&after={seen['sequence']}"
        async with served.view(query) as viewer:
            snapshot = await read(viewer)
            assert snapshot["session"] == started["session"] and not snapshot["is_live"]
            (missed,) = snapshot["captions"]
            assert missed["sequence"] > seen["sequence"]
            assert (missed["text"], missed["is_final"]) == (FINAL, True)

    serve(scenario, tmp_path)


def test_a_publisher_goes_on_after_a_lost_connection(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, started = await served.publish()
        await speak(publisher, 4)
        await read_until(publisher, "caption")  # what was sent has arrived
        publisher.transport.abort()
        publisher = await served.connect("/v1/publish")
        resume = {"type": "start", "version": 1, "resume": started["resume"]}
        again = await ask(publisher, resume)
        assert (again["session"], again["resume"]) == (started["session"], started["resume"])
        arrived_words = again["received_samples"] * 2 // len(WORD_PCM)
        await speak(publisher, len(WORDS) - arrived_words)
        await publisher.send('{"type": "stop"}')
        assert finals(await read_until(publisher, "stopped"))["en"] == FINAL

    serve(scenario, tmp_path)


def test_who_resumes_takes_the_place_of_a_connection_that_hangs(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        hanging, started = await served.publish()
        publisher = await served.connect("/v1/publish")
        await ask(publisher, {"type": "start", "version": 1, "resume": started["resume"]})
        with pytest.raises(ConnectionClosed):
            while True:
                await read(hanging)
        assert hanging.close_code == 4000
        await speak(publisher)
        await publisher.send('{"type": "stop"}')
        assert finals(await read_until(publisher, "stopped"))["en"] == FINAL

    serve(scenario, tmp_path)


def test_a_session_ends_when_its_publisher_stays_away(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, started = await served.publish()
        async with served.view("lang=en") as viewer:
            await speak(publisher)
            await read_until(viewer, "caption")
            await publisher.close()
            assert finals(await read_until(viewer, "snapshot")) == {"en": FINAL}
            late = await served.connect("/v1/publish")
            await late.send(json.dumps({"type": "start", "version": 1, "resume": "x"}))
            assert (await refused(late))[0] == "unknown_session"

    serve(scenario, tmp_path, resume_s=0.05)


def test_a_publisher_of_loud_sound_without_words_is_asked_for_its_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("surtitle.pipeline.server.rooms.STATUS_S", 0.05)
    deaf = ScriptedRecognizer("")
    loud = (8000 * np.sin(np.arange(8000))).astype("<i2").tobytes()  # a second

    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        for _ in range(12):
            await publisher.send(loud)
        message = await read(publisher)
        while not message.get("notice"):
            message = await read(publisher)
        assert message["type"] == "status" and "at 8000 Hz" in message["notice"]

    serve(scenario, tmp_path, worker=deaf)
