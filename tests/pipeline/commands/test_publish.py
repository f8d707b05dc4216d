import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import to_s16
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.cli import main
from surtitle.pipeline.client.real_time import open_pieces, paced, start_message
from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.text.glossary import read_terms

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "samples" / "harbor.flac"
TERMS = json.loads((ROOT / "tests" / "terms.json").read_text(encoding="utf-8"))  # the page's too


def test_a_recording_is_sent_as_it_is_at_its_pace() -> None:
    async def first_half_second() -> tuple[bytes, float]:
        clock = asyncio.get_running_loop()
        started_s = clock.time()
        sent = b""
        async for piece in paced(open_pieces(SAMPLE, pytest.fail)):
            sent += piece
            if len(sent) >= 16_000:
                break
        return sent, clock.time() - started_s

    sent, took_s = asyncio.run(first_half_second())
    first = next(read_audio(SAMPLE)).samples
    np.testing.assert_array_equal(np.frombuffer(sent, np.int16), to_s16(first)[:8000])
    assert took_s >= 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--url", "nowhere"], "'nowhere'"), (["--to", "spanish"], "'spanish'")],
)
def test_wrong_usage(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(SAMPLE), *options]) == 2
    assert message in capsys.readouterr().err


def test_no_server_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(SAMPLE), "--url", "http://127.0.0.1:9"]) == 1
    error = capsys.readouterr().err
    assert "127.0.0.1:9 cannot be reached" in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "does not exist"), (b"", "is empty"), (b"hello\n", "holds text")],
)
def test_what_is_no_recording_is_one_line_and_no_session(
    content: bytes | None, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "talk.mp4").write_bytes(content)
    command = ["publish", str(tmp_path / "talk.mp4"), "--url", "http://127.0.0.1:9"]
    assert main(command) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert problem in line and "127.0.0.1" not in line


@pytest.mark.parametrize("case", TERMS["good"], ids=lambda case: repr(case["text"]))
def test_the_glossary_is_sent_for_the_languages_wanted(
    case: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "terms").write_text(case["text"], encoding="utf-8", newline="")
    config = LiveConfig("en", tuple(TERMS["targets"]), terms=read_terms(tmp_path / "terms"))
    assert start_message("main", config)["terms"] == case["terms"]
