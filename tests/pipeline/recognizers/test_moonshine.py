"""Moonshine itself where its wheel exists; what surrounds it everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.bench.wordless import quieter, silence
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.events import Samples, Utterance
from surtitle.pipeline.recognizers import moonshine
from surtitle.pipeline.recognizers.moonshine import (
    MAX_PIECE_MS,
    SINGLE_THREAD_VARIABLE,
    MoonshineRecognizer,
    pieces,
)

HARBOR = Path(__file__).parents[3] / "samples" / "harbor.flac"
GREETING = "Good morning and welcome to the old harbor."

has_moonshine = pytest.mark.skipif(
    find_spec("moonshine_voice") is None, reason="moonshine-voice has no wheel for this machine"
)


@pytest.fixture(scope="module")
def recognizer() -> MoonshineRecognizer:
    return MoonshineRecognizer()


@pytest.fixture(scope="module")
def harbor() -> Samples:
    return np.concatenate([chunk.samples for chunk in read_audio(HARBOR)])


def tone(duration_s: float) -> Samples:
    time_s = np.arange(int(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (0.3 * np.sin(2 * np.pi * 200 * time_s)).astype(np.float32)


def text_of(recognizer: MoonshineRecognizer, samples: Samples) -> str:
    return " ".join(word.text for word in recognizer.recognize(Utterance(0, samples), "en"))


def test_long_utterances_are_cut_in_a_pause():
    quiet = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    sound = np.concatenate([tone(16), quiet, tone(10)])
    first, second = pieces(Utterance(1000, sound))
    cut = first.samples.size
    assert 16 * SAMPLE_RATE_HZ <= cut <= 16.5 * SAMPLE_RATE_HZ
    assert (first.start_sample, second.start_sample) == (1000, 1000 + cut)
    assert np.array_equal(np.concatenate([first.samples, second.samples]), sound)


def test_no_piece_is_too_long_where_there_is_no_pause():
    lengths = [piece.samples.size for piece in pieces(Utterance(0, tone(70)))]
    assert sum(lengths) == 70 * SAMPLE_RATE_HZ
    assert max(lengths) <= MAX_PIECE_MS * SAMPLE_RATE_HZ // 1000


def test_where_the_library_is_missing_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "moonshine_voice", None)
    with pytest.raises(RecognizerError, match="Moonshine cannot be loaded .* --asr whisper"):
        MoonshineRecognizer()
    assert SINGLE_THREAD_VARIABLE not in os.environ


@has_moonshine
def test_damaged_weights_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import moonshine_voice

    monkeypatch.setattr(moonshine_voice, "get_assets_path", lambda: tmp_path)
    with pytest.raises(RecognizerError, match="Moonshine cannot be loaded .*; reinstall it"):
        MoonshineRecognizer()


@has_moonshine
def test_speech_is_heard_cased_and_punctuated(recognizer: MoonshineRecognizer, harbor: Samples):
    words = recognizer.recognize(Utterance(SAMPLE_RATE_HZ, harbor[: 4 * SAMPLE_RATE_HZ]), "en")
    text = " ".join(word.text for word in words)
    assert text in (GREETING, GREETING.replace("or.", "our."))
    assert 1000 <= words[0].start_ms < words[-1].end_ms <= 5000
    assert recognizer.is_written and not recognizer.uses_terms
    assert recognizer.languages == {"en"} and recognizer.guess_language(Utterance(0, harbor))


@has_moonshine
def test_a_draft_is_what_the_same_sound_is_at_the_end(
    recognizer: MoonshineRecognizer, harbor: Samples
):
    utterance = Utterance(0, harbor[: 4 * SAMPLE_RATE_HZ])
    draft = recognizer.recognize(utterance, "en", is_draft=True)
    assert draft == recognizer.recognize(utterance, "en") != []


@has_moonshine
def test_quiet_speech_is_heard(recognizer: MoonshineRecognizer, harbor: Samples):
    heard = text_of(recognizer, quieter(harbor[: 4 * SAMPLE_RATE_HZ], by_db=20))
    assert heard in (GREETING, GREETING.replace("or.", "our."))


@has_moonshine
def test_more_than_it_likes_at_once_loses_nothing(recognizer: MoonshineRecognizer, harbor: Samples):
    text = text_of(recognizer, harbor)
    assert text.startswith("Good morning and welcome") and text.endswith("a cup of coffee.")
    assert 140 <= len(text.split()) <= 155  # 147 were spoken


@has_moonshine
def test_nothing_is_invented_in_silence(recognizer: MoonshineRecognizer):
    assert text_of(recognizer, silence(5)) == ""
    assert text_of(recognizer, np.zeros(5 * SAMPLE_RATE_HZ, np.float32)) == ""


@has_moonshine
@pytest.mark.parametrize("sample_count", [0, 1, 319, 1599, 1600])
def test_tiny_utterances_do_no_harm(recognizer: MoonshineRecognizer, sample_count: int):
    words = recognizer.recognize(Utterance(0, tone(1)[:sample_count]), "en")
    assert sample_count >= 1600 or words == []


@has_moonshine
def test_another_language_is_refused(recognizer: MoonshineRecognizer):
    with pytest.raises(ValueError, match="does not understand 'de'"):
        recognizer.recognize(Utterance(0, tone(1)), "de")


@has_moonshine
def test_it_computes_in_the_thread_that_calls():
    code = (
        "import threading, numpy as np, os\n"
        "from surtitle.pipeline.recognizers.moonshine import MoonshineRecognizer\n"
        "from surtitle.pipeline.events import Utterance\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "recognizer = MoonshineRecognizer()\n"
        "sound = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)\n"
        "recognizer.recognize(Utterance(0, sound), 'en')\n"
        "assert len(os.listdir('/proc/self/task')) == before\n"
    )
    if not Path("/proc/self/task").is_dir():
        pytest.skip("threads are counted in /proc")
    subprocess.run([sys.executable, "-c", code], check=True)


@has_moonshine
def test_a_failing_library_is_an_error_of_ours(
    recognizer: MoonshineRecognizer, monkeypatch: pytest.MonkeyPatch
):
    def fail(*arguments: object) -> None:
        raise RuntimeError("Unknown error\nat line 3")

    monkeypatch.setattr(recognizer._transcriber, "transcribe_without_streaming", fail)
    with pytest.raises(RecognizerError, match=r"Moonshine tiny \(English\) failed \(Unknown error"):
        recognizer.recognize(Utterance(0, tone(1)), "en")


def test_importing_it_does_not_import_the_library():
    code = f"import sys, {moonshine.__name__}; sys.exit('moonshine_voice' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
