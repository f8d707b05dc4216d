from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.config import VadConfig
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.events import AudioChunk, Hypothesis, Samples, Utterance, Word
from surtitle.pipeline.recognizers.sphinx import (
    SphinxRecognizer,
    SphinxStream,
    words_from_segments,
)
from surtitle.pipeline.recognizers.vad import Vad

SAMPLES = Path(__file__).parents[3] / "samples"
CHUNK_SAMPLES = SAMPLE_RATE_HZ // 10

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
    assert not recognizer.is_written and not recognizer.uses_terms
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


@pytest.fixture(scope="module")
def harbor() -> Samples:
    return np.concatenate([chunk.samples for chunk in read_audio(SAMPLES / "harbor.flac")])


@pytest.fixture(scope="module")
def greeting(harbor: Samples) -> Samples:
    """Good morning and welcome to the old harbor. I have worked here for thirty years."""
    return harbor[: 7 * SAMPLE_RATE_HZ]


@pytest.fixture
def stream(recognizer: SphinxRecognizer) -> SphinxStream:
    return SphinxStream(recognizer.live_vad)


def hear(stream: SphinxStream, audio: Samples, chunk_samples: int) -> list[Hypothesis]:
    hypotheses: list[Hypothesis] = []
    for start in range(0, audio.size, chunk_samples):
        hypotheses += stream.push(AudioChunk(start, audio[start : start + chunk_samples]))
    return hypotheses + stream.flush()


def committed(hypotheses: list[Hypothesis]) -> list[Word]:
    return [word for hypothesis in hypotheses for word in hypothesis.committed]


def text(words: list[Word]) -> str:
    return " ".join(word.text for word in words)


def check_times(hypotheses: list[Hypothesis]) -> None:
    starts_ms = [word.start_ms for word in committed(hypotheses)]
    assert starts_ms == sorted(starts_ms)
    heard_ms = [hypothesis.heard_ms for hypothesis in hypotheses]
    assert heard_ms == sorted(heard_ms)
    assert max(np.diff(heard_ms)) < 500
    for hypothesis in hypotheses:
        for word in (*hypothesis.committed, *hypothesis.tail):
            assert word.start_ms < word.end_ms <= hypothesis.heard_ms
        assert not (hypothesis.is_end and hypothesis.tail)


def test_words_are_heard_while_they_are_spoken(stream: SphinxStream, greeting: Samples):
    hypotheses = hear(stream, greeting, CHUNK_SAMPLES)
    check_times(hypotheses)
    said = text(committed(hypotheses))
    assert said.startswith("good morning and welcome to the old harbor i have worked here for")
    harbor = next(word for word in committed(hypotheses) if word.text == "harbor")
    shown_ms = [
        h.heard_ms for h in hypotheses if any(w.text == "harbor" for w in (*h.committed, *h.tail))
    ]
    assert shown_ms[0] - harbor.end_ms < 500
    certain_ms = [h.heard_ms for h in hypotheses if any(w.text == "morning" for w in h.committed)]
    assert certain_ms[0] < harbor.start_ms  # and not only when the sentence is over


def test_hypotheses_do_not_depend_on_the_chunks(recognizer: SphinxRecognizer, greeting: Samples):
    audio = greeting[: 4 * SAMPLE_RATE_HZ]
    streams = [SphinxStream(recognizer.live_vad) for _ in range(2)]
    small, large = (
        hear(stream, audio, chunk_samples)
        for stream, chunk_samples in zip(streams, (777, audio.size), strict=True)
    )
    assert small == large
    assert committed(small)


def test_silence_gives_no_words_but_is_heard(stream: SphinxStream):
    hypotheses = hear(stream, np.zeros(3 * SAMPLE_RATE_HZ, np.float32), CHUNK_SAMPLES)
    check_times(hypotheses)
    assert committed(hypotheses) == []
    assert all(hypothesis.is_end for hypothesis in hypotheses)
    assert hypotheses[-1].heard_ms >= 2950


def test_flush_ends_the_utterance_and_the_stream_goes_on(stream: SphinxStream, greeting: Samples):
    half = 2 * SAMPLE_RATE_HZ  # in the middle of the first sentence
    before = stream.push(AudioChunk(0, greeting[:half]))
    assert before[-1].tail
    (end,) = stream.flush()
    assert end.is_end and not end.tail
    after = stream.push(AudioChunk(half, greeting[half : 2 * half])) + stream.flush()
    assert text(committed([*before, end])).startswith("good morning and wel")
    assert text(committed(after)).endswith("old harbor")
    check_times([*before, end, *after])


def test_a_split_utterance_loses_and_doubles_nothing(greeting: Samples):
    vad = VadConfig(min_silence_ms=300, speech_pad_ms=150, max_utterance_ms=2500)
    hypotheses = hear(SphinxStream(vad), greeting[: 4 * SAMPLE_RATE_HZ], CHUNK_SAMPLES)
    check_times(hypotheses)
    assert any(h.committed and not h.is_end for h in hypotheses)
    said = text(committed(hypotheses)).split()
    assert said[:3] == ["good", "morning", "and"]
    assert said.count("welcome") == said.count("harbor") == 1


def test_a_stream_runs_in_a_process_of_its_own(recognizer: SphinxRecognizer, greeting: Samples):
    stream = recognizer.open_stream("en", ("harbor",))
    hypotheses = stream.push(AudioChunk(0, greeting[: 2 * SAMPLE_RATE_HZ])) + stream.flush()
    stream.close()
    assert text(committed(hypotheses)).startswith("good morning")
    with pytest.raises(RecognizerError, match="only 'en', got 'de'"):
        recognizer.open_stream("de", ())


@pytest.mark.slow
def test_a_recording_is_understood_live(stream: SphinxStream, harbor: Samples):
    hypotheses = hear(stream, harbor, CHUNK_SAMPLES)
    check_times(hypotheses)
    spoken = re.findall(r"[a-z']+", (SAMPLES / "harbor.en.txt").read_text().lower())
    assert jiwer.wer(" ".join(spoken), text(committed(hypotheses))) < 0.05  # 2 % measured
