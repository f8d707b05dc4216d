import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import to_s16
from surtitle.pipeline.audio.recording import read_audio
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


@pytest.mark.parametrize("case", TERMS["good"], ids=lambda case: repr(case["text"]))
def test_the_glossary_is_sent_for_the_languages_wanted(
    case: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "terms").write_text(case["text"], encoding="utf-8", newline="")
    config = LiveConfig("en", tuple(TERMS["targets"]), terms=read_terms(tmp_path / "terms"))
    assert start_message("main", config)["terms"] == case["terms"]
