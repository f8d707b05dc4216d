"""What SIGINT and SIGTERM do, to a process alone and to its group."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from surtitle.pipeline.commands.stopping import Stop, run_until_wanted, until_wanted

from ...patience import PATIENCE_S
from ..scripted_command import command, open_socket, served
from ..server.scripted import START, WORD_PCM, WORDS

SAMPLE = Path(__file__).parents[3] / "samples" / "harbor.flac"
FINAL = "The harbor opens at six and the ferries leave soon."
SIGNALS = signal.SIGINT, signal.SIGTERM


def test_the_first_signal_is_heard_and_a_double_of_it_is_none() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]

    async def scenario(stop: Stop) -> None:
        waiting = asyncio.create_task(stop.wanted())
        await asyncio.sleep(0)
        assert not stop.is_wanted
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(waiting, PATIENCE_S)
        assert stop.is_wanted
        await stop.wanted()  # also for who asks afterwards

    with Stop(lambda: 0.0) as stop:
        asyncio.run(scenario(stop))
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_signal_before_anybody_waits_is_heard() -> None:
    with Stop() as stop:
        signal.raise_signal(signal.SIGINT)
        asyncio.run(asyncio.wait_for(stop.wanted(), PATIENCE_S))


def test_work_is_cancelled_when_its_grace_is_over() -> None:
    ended: list[str] = []
    said: list[str] = []

    async def work(name: str, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
            ended.append(f"{name} came to its end")
        finally:
            ended.append(f"{name} is over")

    with Stop() as stop:
        signal.raise_signal(signal.SIGINT)
        asyncio.run(run_until_wanted(stop, work("short", 0.01), 30, said.append))
        asyncio.run(run_until_wanted(stop, work("long", 30), 0.01, said.append))
    assert said == ["Ending after the last captions; once more ends it at once"] * 2
    assert ended == ["short came to its end", "short is over", "long is over"]


def test_audio_ends_where_a_stop_is_wanted() -> None:
    async def audio() -> AsyncIterator[bytes]:
        for n in range(3):
            yield bytes([n])
            if n == 1:
                signal.raise_signal(signal.SIGINT)

    async def heard(stop: Stop) -> list[bytes]:
        return [piece async for piece in until_wanted(stop, audio())]

    with Stop() as stop:
        assert asyncio.run(heard(stop)) == [b"\0", b"\1"]


def wait_for(url: str, text: str) -> None:
    """Until viewers see what was spoken, as a draft."""
    with open_socket(url, "/v1/view") as viewer:
        while text not in str(viewer.recv(timeout=PATIENCE_S)):
            pass


def stored(folder: Path) -> set[str]:
    with closing(sqlite3.connect(folder / "surtitle" / "sessions.sqlite")) as store:
        return {text for (text,) in store.execute("SELECT text FROM captions")}


def ended_well(ended: tuple[int, str, str]) -> str:
    """What a command printed that ended as it should."""
    status, out, err = ended
    assert status == 0, err
    assert "Traceback" not in err and "Error" not in err, err
    return out


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_to_the_group_ends_the_sessions_of_a_server_in_order(
    number: signal.Signals, tmp_path: Path
) -> None:
    with served(tmp_path) as (server, url), open_socket(url, "/v1/publish") as publisher:
        publisher.send(json.dumps(START))
        for _ in WORDS:
            publisher.send(WORD_PCM)
        wait_for(url, "the ferries leave")
        server.signal(number)
        server.signal(number)  # `timeout` sends it to the process and to its group
        said = [json.loads(message) for message in publisher]
        assert said[-1]["type"] == "stopped"
        assert FINAL in [m.get("text") for m in said if m.get("is_final")]
        ended_well(server.end())
    assert FINAL in stored(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_to_the_group_ends_live_captions_in_order(
    number: signal.Signals, tmp_path: Path
) -> None:
    options = ("--port", "0", "--translator", "echo", "--to", "es")
    with command(tmp_path, "live", *options) as live:
        found = re.search(r"http://127.0.0.1:\d+", live.line_with("Overlay: "))
        assert found is not None
        wait_for(found[0], "the ferries leave soon")
        live.signal(number)
        out = ended_well(live.end())
    assert f"en: {FINAL}" in out.splitlines() and "es: [es] " in out
    assert FINAL in stored(tmp_path)


@pytest.mark.slow
def test_the_last_captions_come_though_nobody_reads_the_notices(tmp_path: Path) -> None:
    with command(tmp_path, "live", "--port", "0", "--translator", "echo", "--to", "es") as live:
        found = re.search(r"http://127.0.0.1:\d+", live.line_with("Overlay: "))
        assert found is not None and live.process.stderr is not None
        wait_for(found[0], "the ferries leave soon")
        live.process.stderr.close()  # as when Ctrl-C has ended `tee`, too
        live.signal(signal.SIGINT)
        out = ended_well(live.end())
    assert f"en: {FINAL}" in out.splitlines()
    assert FINAL in stored(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_publish_with_its_last_captions_and_listen_at_once(
    number: signal.Signals, tmp_path: Path
) -> None:
    with (
        served(tmp_path) as (_, url),
        command(tmp_path, "listen", url) as listening,
        command(tmp_path, "publish", str(SAMPLE), "--url", url) as publishing,
    ):
        wait_for(url, "the ferries leave soon")
        publishing.signal(number)
        assert FINAL in ended_well(publishing.end()).splitlines()
        assert listening.process.stdout is not None
        assert listening.process.stdout.readline() == f"en: {FINAL}\n"
        listening.signal(number)
        ended_well(listening.end())
    assert FINAL in stored(tmp_path)


SLOW_TO_END = """
import itertools, sys, time
from surtitle.pipeline.commands.stopping import Stop
seconds = itertools.count()
with Stop(lambda: next(seconds)) as stop:
    print("ready", flush=True)
    while not stop.is_wanted:
        time.sleep(0.01)
    print("ending", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_another_signal_ends_the_process_at_once(number: signal.Signals) -> None:
    command = [sys.executable, "-c", SLOW_TO_END]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in "ready\n", "ending\n":
            assert process.stdout.readline() == line
            process.send_signal(number)
        assert process.wait(PATIENCE_S) == -number
