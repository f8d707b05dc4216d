from __future__ import annotations

import asyncio

import numpy as np
import pytest

from surtitle.pipeline.bench.live_text import live_text
from surtitle.pipeline.events import Samples
from surtitle.pipeline.recognizers import vad

from ..scripted_recognizer import ScriptedRecognizer

SCRIPT = "the harbor opens at six and the ferries leave soon"  # 3 s


class Loud:
    """What is not silent is speech."""

    def push(self, windows: Samples) -> list[float]:
        return [float(window.any()) for window in windows]

    def restart(self) -> None:
        pass


@pytest.fixture(autouse=True)
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vad, "Silero", Loud)


def test_the_words_of_live_speech_are_those_of_its_drafts_and_its_end() -> None:
    recognizer = ScriptedRecognizer(SCRIPT, mishears=True)
    sound = np.concatenate([np.ones(48_000), np.zeros(16_000)]).astype(np.float32)
    assert asyncio.run(live_text(recognizer, "en", sound)) == SCRIPT
    assert len(recognizer.drafts) >= 4 and len(recognizer.finals) == 1


def test_where_nobody_speaks_there_are_no_words() -> None:
    silence = np.zeros(16_000, np.float32)
    assert asyncio.run(live_text(ScriptedRecognizer(SCRIPT), "en", silence)) == ""
