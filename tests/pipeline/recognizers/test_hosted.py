from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.config import RecognizerConfig
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.events import Utterance
from surtitle.pipeline.recognizers.hosted import open_pool, process_count


@pytest.mark.parametrize(
    ("cpu_threads", "cores", "count"),
    [
        (0, 64, 1),  # a GPU
        (4, 2, 1),
        (4, 8, 1),
        (4, 16, 2),
        (1, 2, 1),
        (1, 6, 3),
        (1, 64, 4),
    ],
)
def test_half_of_the_processor_is_for_translations(
    cpu_threads: int, cores: int, count: int
) -> None:
    assert process_count(cpu_threads, cores) == count


def test_a_recognizer_is_chosen_and_works_in_its_process(
    english_whisper_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("surtitle.pipeline.recognizers.hosted.MOST_PROCESSES", 1)
    said: list[str] = []
    pool = open_pool(RecognizerConfig(model=str(english_whisper_folder)), "en", said.append)

    async def scenario() -> None:
        samples = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE_HZ).astype(np.float32)
        words = await pool.recognize(lambda: Utterance(0, samples), "en", owner="me")
        assert all(0 <= word.start_ms < word.end_ms <= 1000 for word in words)
        assert pool.cost is not None
        await pool.aclose()

    assert said[0].startswith("Recognizing with Whisper random.en (")
    assert said[1] == "It runs in a process of its own"
    assert pool.name.startswith("Whisper random.en (") and pool.languages == {"en"}
    asyncio.run(scenario())


def test_as_many_processes_as_are_asked_for(english_whisper_folder: Path) -> None:
    said: list[str] = []
    config = RecognizerConfig(model=str(english_whisper_folder), processes=2)
    pool = open_pool(config, "en", said.append)
    asyncio.run(pool.aclose())
    assert said[1:] == ["It runs in 2 processes of its own"]


def test_a_recognizer_that_cannot_be_opened_is_told(english_whisper_folder: Path) -> None:
    config = RecognizerConfig(model=str(english_whisper_folder))
    with pytest.raises(RecognizerError, match="does not understand 'de'; name a multilingual"):
        open_pool(config, "de", print)
