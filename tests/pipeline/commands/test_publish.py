import asyncio
from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.audio import to_s16
from surtitle.pipeline.cli import main
from surtitle.pipeline.commands.publish import read_paced, start_message
from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.glossary import read_terms
from surtitle.pipeline.sources.file import read_audio

SAMPLE = Path(__file__).parents[3] / "samples" / "harbor.flac"


def test_a_recording_is_sent_as_it_is_at_its_pace() -> None:
    async def first_half_second() -> tuple[bytes, float]:
        clock = asyncio.get_running_loop()
        started_s = clock.time()
        sent = b""
        async for piece in read_paced(SAMPLE):
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


def test_the_glossary_is_sent_for_the_languages_wanted(tmp_path: Path) -> None:
    terms = tmp_path / "terms"
    terms.write_text("harbor = es: puerto; de: Hafen\nTarifa\nferry = ferry")
    config = LiveConfig("en", ("es", "fr"), terms=read_terms(terms))
    assert start_message("main", config)["terms"] == [
        {"source": "harbor", "targets": {"es": "puerto"}},
        {"source": "Tarifa", "targets": {}},
        {"source": "ferry", "targets": {"es": "ferry", "fr": "ferry"}},
    ]
