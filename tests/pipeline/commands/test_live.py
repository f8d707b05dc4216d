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


class Chunks:
    """A microphone that hears a second at a time."""

    lost_ms = 0

    async def listen(self) -> AsyncIterator[AudioChunk]:
        for n in range(40):
            yield AudioChunk(n * 16_000, np.zeros(16_000, np.float32))


def test_what_recognition_is_too_slow_for_is_left_out_and_told() -> None:
    told: list[str] = []
    view = SimpleNamespace(say=told.append, hear=lambda message: None)

    speaker = _Speaker(Chunks(), view)  # type: ignore[arg-type]

    async def listen() -> int:
        return len([piece async for piece in speaker.audio()])

    assert asyncio.run(listen()) == 31
    for _ in range(2):
        speaker.hear({"type": "status", "heard_ms": 0})
    assert len(told) == 2 and told[0].startswith("Listening") and "9 s" in told[1]
    advice = re.findall("--asr[a-z-]* [a-z]+", told[1])
    parser = argparse.ArgumentParser()
    add_recognizer_options(parser)
    for options in advice:
        parser.parse_args(options.split())
    assert len(advice) == 2


def test_another_session_has_heard_nothing_yet_and_is_sent_all() -> None:
    view = SimpleNamespace(say=lambda line: None, hear=lambda message: None)
    speaker = _Speaker(Chunks(), view)  # type: ignore[arg-type]

    async def listen() -> int:
        count = 0
        speaker.hear({"type": "started", "session": "s-1"})
        async for _ in speaker.audio():
            count += 1
            if count == 12:
                speaker.hear({"type": "started", "session": "s-1"})  # resumed
            if count == 14:  # after 14 s of the old one, none of which was heard
                speaker.hear({"type": "started", "session": "s-2"})
        return count

    assert asyncio.run(listen()) == 14 + 26
