from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import pytest

from surtitle.pipeline.audio import SAMPLE_RATE_HZ
from surtitle.pipeline.events import Utterance, Word
from surtitle.pipeline.recognizers.sphinx import SphinxRecognizer, words_from_segments
from surtitle.pipeline.sources.file import read_audio
from surtitle.pipeline.vad import Vad

TEXT = """Good morning everyone and welcome to our weekly meeting.
The train to the city leaves at seven thirty from the second platform.
The weather will be cold and cloudy with some rain in the evening.
They bought a small house near the river two years ago.
He has been working on this project since the beginning of the year.
The price of bread and milk has gone up again this month.
There are many beautiful places to see in this country.
Thank you very much for your help and your patience."""


@dataclass
class Segment:
    word: str
    start_frame: int
    end_frame: int
    prob: float = 1.0


@pytest.fixture(scope="module")
def recognizer() -> SphinxRecognizer:
    return SphinxRecognizer()


def test_segments_become_words_in_media_time():
    segments = [
        Segment("<s>", 0, 9),
        Segment("good", 10, 29, 0.75),
        Segment("<sil>", 30, 33),
        Segment("[NOISE]", 34, 39),
        Segment("and(2)", 40, 49, 1.001),
        Segment("</s>", 50, 59),
    ]
    assert words_from_segments(segments, SAMPLE_RATE_HZ) == [
        Word("good", 1100, 1300, 0.75),
        Word("and", 1400, 1500, 1.0),
    ]


def test_it_says_what_it_is(recognizer: SphinxRecognizer):
    assert recognizer.languages == {"en"}
    assert not recognizer.is_written
    assert recognizer.guess_language(Utterance(0, np.zeros(16_000, np.float32))).language == "en"


def test_another_language_is_refused(recognizer: SphinxRecognizer):
    with pytest.raises(ValueError, match="only 'en', got 'de'"):
        recognizer.recognize(Utterance(0, np.zeros(16_000, np.float32)), "de")


@pytest.mark.parametrize("sample_count", [0, 1, 100, 410])
def test_almost_nothing_gives_no_words(recognizer: SphinxRecognizer, sample_count: int):
    assert recognizer.recognize(Utterance(0, np.zeros(sample_count, np.float32)), "en") == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("flite") is None, reason="the speech synthesizer flite is missing")
@pytest.mark.parametrize("voice", ["rms", "awb", "slt"])
def test_clear_synthetic_speech_is_understood(
    recognizer: SphinxRecognizer, tmp_path: Path, voice: str
):
    path = tmp_path / "speech.wav"
    subprocess.run(["flite", "-voice", voice, "-t", TEXT, "-o", str(path)], check=True)
    vad = Vad(recognizer.file_vad)
    utterances = [u for chunk in read_audio(path) for u in vad.push(chunk)] + vad.flush()
    words = [word for u in utterances for word in recognizer.recognize(u, "en")]
    spoken = re.sub(r"[^a-z ]", "", TEXT.lower().replace("\n", " "))
    assert jiwer.wer(spoken, " ".join(word.text for word in words)) < 0.12
    times_ms = [(word.start_ms, word.end_ms) for word in words]
    assert times_ms == sorted(times_ms)
    assert all(start_ms < end_ms for start_ms, end_ms in times_ms)
