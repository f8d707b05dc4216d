"""Faults of ours, of any kind: each costs what it belongs to, and the server goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from surtitle.pipeline.server import rooms, supervision

from ...patience import PATIENCE_S
from ..scripted_translator import ScriptedTranslator
from .scripted import START, WORDS, Served, ask, finals, read_until, serve, speak

FINAL = "The harbor opens at six and the ferries leave soon."
SAID = " ".join(WORDS)


class FaultyTranslator(ScriptedTranslator):
    """Cannot bear to hear of German."""

    def check(self, source: str, target: str) -> None:
        assert target != "de", "the impossible has happened"


async def captioned(served: Served, room: str) -> dict[str, str]:
    """The finals of a whole session."""
    publisher, started = await served.publish(room=room, targets=["es", "fr"])
    assert started["type"] == "started"
    await speak(publisher)
    await publisher.send('{"type": "stop"}')
    return finals(await read_until(publisher, "stopped"))


def test_a_translation_that_fails_in_any_way_costs_itself_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    translator = ScriptedTranslator(errors={SAID: AssertionError("the impossible has happened")})

    async def scenario(served: Served) -> None:
        told = await captioned(served, "one")
        assert told["en"] == FINAL and told["es"] != f"[es] {SAID}"
        translator.errors.clear()
        assert (await captioned(served, "one"))["es"] == f"[es] {SAID}"

    serve(scenario, tmp_path, translator)
    assert "the impossible has happened" in caplog.text


def test_a_translator_that_fails_when_it_is_asked_what_it_knows_costs_this_session_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            targets = (await http.get("/v1/languages")).json()["targets"]
            assert "es" in targets and "de" not in targets
        publisher = await served.connect("/v1/publish")
        error = await ask(publisher, START | {"targets": ["de"]})
        assert (error["type"], error["code"]) == ("error", "internal")
        assert "impossible" not in error["message"]  # the inside of an error is for the log
        assert (await captioned(served, "main"))["en"] == FINAL

    serve(scenario, tmp_path, FaultyTranslator())
    assert "the impossible has happened" in caplog.text


def test_a_recognizer_that_fails_in_any_way_costs_its_session_only(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.recognizer.error = RuntimeError("of a library")
        publisher, _ = await served.publish()
        await speak(publisher)
        error = (await read_until(publisher, "error"))[-1]
        assert error["code"] == "internal" and "of a library" not in error["message"]
        served.recognizer.error = None
        assert (await captioned(served, "main"))["en"] == FINAL

    serve(scenario, tmp_path)


def test_what_cannot_be_measured_costs_no_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rooms, "STATUS_S", 0.01)
    monkeypatch.setattr(supervision, "FIRST_WAIT_S", 0.01)
    failed = asyncio.Event()

    def fail(lag_s: float) -> None:
        failed.set()
        raise ValueError("out of buckets")

    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        monkeypatch.setattr(served.rooms._metrics.lag_s, "observe", fail)
        await asyncio.wait_for(failed.wait(), PATIENCE_S)
        monkeypatch.undo()
        await read_until(publisher, "status")  # it begins again
        await speak(publisher)
        await publisher.send('{"type": "stop"}')
        assert finals(await read_until(publisher, "stopped"))["en"] == FINAL

    serve(scenario, tmp_path)
    assert caplog.text.count("the status of sessions failed; it begins again") >= 1


def test_a_session_whose_status_cannot_be_told_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "STATUS_S", 0.01)

    async def scenario(served: Served) -> None:
        broken, _ = await served.publish(room="broken")
        live = served.rooms._sessions["broken"].speakers[0]
        monkeypatch.setattr(live.session, "status", lambda: 1 / 0)
        error = (await read_until(broken, "error"))[-1]
        assert error["code"] == "internal"
        assert (await captioned(served, "other"))["en"] == FINAL

    serve(scenario, tmp_path)
