"""The command over a fake sound card and a real server in the same process."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import to_s16
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.cli import main
from surtitle.pipeline.commands.live import _Speaker
from surtitle.pipeline.commands.options import add_recognizer_options
from surtitle.pipeline.events import AudioChunk

SAMPLE = Path(__file__).parents[3] / "samples" / "harbor.flac"


@pytest.fixture
def speech() -> list[bytes]:
    """The first four seconds of the sample, as a sound card hands them over."""
    chunks = islice(read_audio(SAMPLE), 5)
    pcm = b"".join(to_s16(chunk.samples).tobytes() for chunk in chunks)
    return [pcm[at : at + 1600] for at in range(0, 4 * 32_000, 1600)]


def test_devices_are_listed(card: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["live", "--list-devices"]) == 0
    assert capsys.readouterr().out == "1: webcam (default)\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "spanish"], "'spanish'"),
        (["--terms", "/nonexistent/terms"], "/nonexistent/terms"),
        (["--port", "70000"], "70000"),
    ],
)
def test_wrong_usage(
    card: Any, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["live", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_what_is_spoken_is_captioned_until_the_microphone_stops(
    card: Any,
    speech: list[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    card.blocks = speech
    command = ["live", "--port", "0", "--asr", "moonshine", "--translator", "echo", "--to", "es"]
    assert main(command) == 1
    captured = capsys.readouterr()
    assert "the microphone has stopped" in captured.err
    assert "Overlay: http://127.0.0.1:" in captured.err
    assert "/overlay?room=main&lang=es" in captured.err
    assert captured.err.index("Overlay") < captured.err.index("Listening; Ctrl-C ends it")
    lines = captured.out.splitlines()
    heard = next(line for line in lines if line.startswith("en: Good morning"))
    assert "welcome to the old harbo" in heard and heard.endswith("r.")
    assert heard.replace("en: ", "es: [es] ") in lines


class SlowlyHeard:
    """A microphone at which 12 s of speech wait."""

    lost_ms, waiting_ms = 0, 12_000

    async def listen(self) -> AsyncIterator[AudioChunk]:
        for n in range(40):
            yield AudioChunk(n * 16_000, np.zeros(16_000, np.float32))


def test_where_recognition_is_too_slow_what_is_spoken_waits_and_is_told() -> None:
    told: list[str] = []
    shown: list[dict[str, Any]] = []
    microphone = SlowlyHeard()
    view = SimpleNamespace(say=told.append, hear=shown.append)
    speaker = _Speaker(microphone, view)  # type: ignore[arg-type]

    async def listen() -> int:
        return len([piece async for piece in speaker.audio()])

    assert asyncio.run(listen()) == 40  # all of it
    for waiting_ms in (12_000, 13_000, 30_000):
        microphone.waiting_ms = waiting_ms
        speaker.hear({"type": "status", "lag_ms": 25_000})
    assert shown[-1]["lag_ms"] == 55_000
    assert [line[:4] for line in told] == ["List", "12 s", "30 s"]
    assert "none is lost" in told[1] and "10 minutes" in told[1]
    advice = re.findall("--asr[a-z-]* [a-z]+", told[1])
    parser = argparse.ArgumentParser()
    add_recognizer_options(parser)
    for options in advice:
        parser.parse_args(options.split())
    assert len(advice) == 2


def test_what_was_lost_and_what_still_waits_at_the_end_is_told() -> None:
    told: list[str] = []
    microphone = SlowlyHeard()
    microphone.lost_ms = 5000
    view = SimpleNamespace(say=told.append, hear=lambda message: None)
    speaker = _Speaker(microphone, view)  # type: ignore[arg-type]
    speaker.hear({"type": "status", "lag_ms": 0})
    speaker.tell_unheard()
    assert told[0].startswith("5 s of speech are lost so far.")
    assert told[1] == "the last 12 s of speech have no captions"
