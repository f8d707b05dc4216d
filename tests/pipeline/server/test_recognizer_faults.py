"""A server whose recognizer is a real process that dies, hangs, and cannot be made again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from surtitle.pipeline.recognizers.child_process import ChildProcessRecognizer, Patience

from ...patience import PATIENCE_S
from ..scripted_recognizer import Fate, ScriptedRecognizer, doomed, processes
from .scripted import WORDS, Scenario, Served, finals, read, read_until, serve, speak

QUICK = Patience(silence_s=3.0, answer_s=PATIENCE_S, start_s=PATIENCE_S)
FINAL = "The harbor opens at six and the ferries leave soon."


Make = Callable[[Callable[[str], None]], ScriptedRecognizer]


def run(scenario: Scenario, make: Make, folder: Path) -> None:
    """Run a scenario against a server whose recognizer `make` makes in a process."""
    serve(scenario, folder, worker=ChildProcessRecognizer(make, lambda line: None, QUICK))


async def captioned(served: Served) -> str:
    """What a whole session in the room "main" says in the end."""
    publisher, started = await served.publish()
    assert started["type"] == "started"
    await speak(publisher)
    await publisher.send('{"type": "stop"}')
    return finals(await read_until(publisher, "stopped"))["en"]


@pytest.mark.parametrize("happens", ["dies", "hangs"])
def test_a_session_loses_no_word_with_its_recognizers_process(tmp_path: Path, happens: str) -> None:
    async def scenario(served: Served) -> None:
        assert await captioned(served) == FINAL
        assert len(processes(tmp_path)) == 2

    run(scenario, partial(doomed, WORDS, Fate(happens, 1, tmp_path)), tmp_path)


def test_a_process_that_is_stopped_while_somebody_speaks_is_replaced(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        await speak(publisher, 3)
        await read_until(publisher, "caption")
        (process,) = processes(tmp_path)
        os.kill(process, signal.SIGSTOP)
        await speak(publisher, len(WORDS) - 3)
        await publisher.send('{"type": "stop"}')
        assert finals(await read_until(publisher, "stopped"))["en"] == FINAL

    run(scenario, partial(doomed, WORDS, Fate("", 0, tmp_path)), tmp_path)


def test_an_utterance_that_kills_twice_is_left_out_and_the_session_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(served: Served) -> None:
        assert await captioned(served) == FINAL.replace("The harbor", "Harbor")

    run(scenario, partial(doomed, WORDS, Fate("dies", 2, tmp_path)), tmp_path)
    assert "0.3 s of speech could not be recognized and are left out" in caplog.text


def once(folder: Path, say: Callable[[str], None]) -> ScriptedRecognizer:
    """Only one process can be made, and the first word kills it, as long as "broken" is there."""
    if (folder / "broken").exists():
        if processes(folder):
            os.kill(os.getpid(), signal.SIGKILL)
        return doomed(WORDS, Fate("dies", 1, folder), say)
    return ScriptedRecognizer(WORDS)


def test_a_recognizer_that_cannot_be_replaced_ends_its_session_and_frees_the_room(
    tmp_path: Path,
) -> None:
    (tmp_path / "broken").touch()

    async def scenario(served: Served) -> None:
        publisher, _ = await served.publish()
        await speak(publisher)
        error = (await read_until(publisher, "error"))[-1]
        assert error["code"] == "internal" and "cannot be started again" in error["message"]
        (tmp_path / "broken").unlink()
        async with served.view() as viewer:
            assert not (await read(viewer))["is_live"]
        assert await captioned(served) == FINAL  # in the same room, with a recognizer that is well

    run(scenario, partial(once, tmp_path), tmp_path)
