"""Sessions whose language is found out: of every 300 ms of audio one word of the talk is heard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..scripted_recognizer import ScriptedRecognizer
from .scripted import WORD_MS, Served, read, read_until, serve, speak

TALK = "Good morning. Buenos días. Is it late?"
TURNS = [(0, "en", 0.9), (2 * WORD_MS, "es", 0.9), (4 * WORD_MS, "en", 0.9)]


def recognizer() -> ScriptedRecognizer:
    return ScriptedRecognizer(TALK, is_written=True, turns=TURNS)


def said(messages: list[Any], language: str | None = None) -> dict[int, tuple[str, str, bool]]:
    """The finals by segment: language, text, and whether that is what was spoken."""
    return {
        m["segment_id"]: (m["language"], m["text"], m["is_source"])
        for m in messages
        if m["type"] == "caption" and m["is_final"] and language in (None, m["language"])
    }


def test_a_session_in_several_languages_is_captioned_viewed_and_stored(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with (
            served.view("lang=auto") as spoken,
            served.view("lang=es") as spanish,
            served.http() as http,
        ):
            for viewer in spoken, spanish:
                await read_until(viewer, "snapshot")
            publisher, started = await served.publish(source="auto", targets=["es"])
            assert started["source"] == "auto"
            for viewer in spoken, spanish:
                assert (await read(viewer))["source"] == "auto"
            await speak(publisher, len(TALK.split()))
            await publisher.send('{"type": "stop"}')
            assert set(said(await read_until(publisher, "stopped"))) == {0, 1, 2}
            assert said(await read_until(spoken, "snapshot")) == {
                0: ("en", "Good morning.", True),
                1: ("es", "Buenos días.", True),
                2: ("en", "Is it late?", True),
            }
            assert said(await read_until(spanish, "snapshot")) == {
                0: ("es", "[es] Good morning.", False),
                1: ("es", "Buenos días.", True),
                2: ("es", "[es] Is it late?", False),
            }
            address = f"/v1/sessions/{started['session']}/transcript"
            text = (await http.get(address, params={"format": "txt", "lang": "auto,es"})).text
            assert text.split("\n\n")[1] == "Buenos días."
            stored = (await http.get("/v1/sessions")).json()["sessions"][0]
            assert (stored["source"], stored["targets"]) == ("auto", ["es"])
            assert (await http.get("/v1/languages")).json()["auto"] is True

    serve(scenario, tmp_path, worker=recognizer())


def test_a_recognizer_of_one_language_is_no_use_for_that(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        _, answer = await served.publish(source="auto")
        assert answer["code"] == "unsupported_language"
        assert answer["message"].startswith("script cannot find out the language")

    serve(scenario, tmp_path)
