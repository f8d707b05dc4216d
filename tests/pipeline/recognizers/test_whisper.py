from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ctranslate2 import get_cuda_device_count

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.config import RecognizerConfig
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.events import AudioChunk, Utterance, Word
from surtitle.pipeline.recognizers.choice import open_recognizer
from surtitle.pipeline.recognizers.vad import Vad
from surtitle.pipeline.recognizers.whisper import WhisperRecognizer
from surtitle.pipeline.recognizers.whisper_words import words_from_segments

HARBOR = Path(__file__).parents[3] / "samples" / "harbor.flac"
STUB = Path(__file__).parents[4] / "shared" / "models" / "whisper-stub-random-int8"


@dataclass
class SpokenWord:
    word: str
    start: float
    end: float
    probability: float = 0.9


@dataclass
class Segment:
    words: list[SpokenWord] | None
    compression_ratio: float = 1.0


def utterance(seconds: float, start_s: float = 0) -> Utterance:
    noise = np.random.default_rng(0).normal(0, 0.1, int(seconds * SAMPLE_RATE_HZ))
    return Utterance(int(start_s * SAMPLE_RATE_HZ), noise.astype(np.float32))


@pytest.fixture(scope="module")
def english(english_whisper_folder: Path) -> WhisperRecognizer:
    return WhisperRecognizer(english_whisper_folder, model_name="random.en", device="cpu")


@pytest.fixture(scope="module")
def multilingual(whisper_folder: Path) -> WhisperRecognizer:
    return WhisperRecognizer(whisper_folder, model_name="random", device="cpu")


def test_words_are_in_media_time_without_spaces():
    segments = [Segment([SpokenWord(" Good", 0.1, 0.32), SpokenWord(" day.", 0.32, 0.7, 0.5)])]
    assert words_from_segments(segments, utterance(1, start_s=60)) == [
        Word("Good", 60_100, 60_320, 0.9),
        Word("day.", 60_320, 60_700, 0.5),
    ]


def test_words_stay_inside_of_the_utterance_and_in_order():
    segments = [
        Segment([SpokenWord(" a", 0.5, 0.9), SpokenWord(" b", 0.4, 0.6)]),
        Segment([SpokenWord(" c", 1.2, 29.98)]),
    ]
    words = words_from_segments(segments, utterance(1))
    assert [(word.start_ms, word.end_ms) for word in words] == [(500, 900), (500, 600), (980, 1000)]


def test_a_word_of_no_length_is_kept_only_if_it_is_likely():
    segments = [Segment([SpokenWord(" yes", 0.5, 0.5, 0.8), SpokenWord(" uh", 0.6, 0.6, 0.1)])]
    assert words_from_segments(segments, utterance(1)) == [Word("yes", 500, 520, 0.8)]


def test_empty_words_and_loops_are_dropped():
    segments = [
        Segment([SpokenWord(" ", 0, 0.5)]),
        Segment([SpokenWord(" la", 0, 0.1)] * 40, compression_ratio=7.0),
        Segment(None),
    ]
    assert words_from_segments(segments, utterance(1)) == []


def test_name_says_model_arithmetic_and_device(english: WhisperRecognizer):
    assert english.name == "Whisper random.en (int8 on CPU)"
    assert english.is_written and english.uses_terms


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 2), (64, 4), (None, 1)])
def test_it_has_no_more_threads_than_cores(
    english_whisper_folder: Path, monkeypatch: pytest.MonkeyPatch, cores: int | None, threads: int
):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    recognizer = WhisperRecognizer(english_whisper_folder, model_name="x", device="cpu")
    assert recognizer.cpu_threads == threads


def test_recognizes_words_in_media_time(english: WhisperRecognizer):
    words = english.recognize(utterance(2, start_s=100), "en")
    assert words
    for word in words:
        assert word.text == word.text.strip() != ""
        assert 100_000 <= word.start_ms < word.end_ms <= 102_020
        assert type(word.start_ms) is type(word.end_ms) is int
        assert type(word.confidence) is float and 0 <= word.confidence <= 1
    assert [word.start_ms for word in words] == sorted(word.start_ms for word in words)


@pytest.mark.parametrize("sample_count", [0, 1, 160, 319, 1599, 1600])
def test_tiny_utterances_do_no_harm(english: WhisperRecognizer, sample_count: int):
    words = english.recognize(Utterance(0, np.zeros(sample_count, np.float32)), "en")
    assert sample_count >= 1600 or words == []


def test_english_model_knows_only_english(english: WhisperRecognizer):
    assert english.languages == {"en"}
    assert english.guess_language(utterance(1)) == ("en", 1.0)
    with pytest.raises(ValueError, match="does not understand 'de'"):
        english.recognize(utterance(1), "de")


def test_multilingual_model_knows_the_languages_of_its_tokenizer(multilingual: WhisperRecognizer):
    assert {"en", "de", "ja", "es"} <= multilingual.languages
    assert "yue" not in multilingual.languages  # faster-whisper lists it for every model
    language, probability = multilingual.guess_language(utterance(1))
    assert language in multilingual.languages
    assert 0 < probability < 1


def test_terms_are_given_as_hotwords(english_whisper_folder: Path, monkeypatch: pytest.MonkeyPatch):
    recognizer = WhisperRecognizer(
        english_whisper_folder, model_name="x", device="cpu", terms=("Ada", "Analytical Engine")
    )
    prompts: list[str | None] = []
    get_prompt = recognizer._model.get_prompt

    def listen(*args: object, **kwargs: object) -> list[int]:
        prompts.append(kwargs["hotwords"])  # type: ignore[arg-type]
        return get_prompt(*args, **kwargs)

    monkeypatch.setattr(recognizer._model, "get_prompt", listen)
    recognizer.recognize(utterance(0.5), "en")
    assert set(prompts) == {"Ada, Analytical Engine"}


def test_a_draft_is_decoded_once_and_the_end_with_care(
    english_whisper_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    recognizer = WhisperRecognizer(
        english_whisper_folder, model_name="x", device="cpu", terms=("Ada", "Byron")
    )
    calls: list[dict[str, object]] = []
    transcribe = recognizer._model.transcribe

    def listen(samples: np.ndarray, **kwargs: object) -> object:
        calls.append(kwargs)
        return transcribe(samples, **kwargs)

    monkeypatch.setattr(recognizer._model, "transcribe", listen)
    for is_draft in True, False:
        recognizer.recognize(utterance(1), "en", ("Analytical Engine", "Ada"), is_draft=is_draft)
    assert [call["temperature"] for call in calls] == [(0.0,), (0.0, 0.2, 0.4)]
    assert {call["hotwords"] for call in calls} == {"Analytical Engine, Ada, Byron"}


def test_speech_between_long_silences_is_decoded_in_one_window(
    whisper_base: WhisperRecognizer, monkeypatch: pytest.MonkeyPatch
):
    window_counts: list[int] = []
    encode = whisper_base._model.encode

    def count(features: np.ndarray) -> object:
        window_counts.append(len(features) if features.ndim == 3 else 1)
        return encode(features)

    monkeypatch.setattr(whisper_base._model, "encode", count)
    audio = np.concatenate([chunk.samples for chunk in read_audio(HARBOR)])
    live = Vad(whisper_base.live_vad)
    sentences = live.push(AudioChunk(0, audio))[:4]
    source = np.zeros(40 * SAMPLE_RATE_HZ, np.float32)
    for at, sentence in enumerate(sentences):
        start = 10 * at * SAMPLE_RATE_HZ
        source[start : start + sentence.samples.size] = sentence.samples
    vad = Vad(whisper_base.file_vad)
    utterances = vad.push(AudioChunk(0, source)) + vad.flush()
    words = [word for one in utterances for word in whisper_base.recognize(one, "en")]
    assert sum(window_counts) == 1
    ends_ms = [word.end_ms for word in words if word.text.endswith(".")]
    assert [end_ms // 10_000 for end_ms in ends_ms] == [0, 1, 2, 3]
    assert all(end_ms % 10_000 <= 4500 for end_ms in ends_ms)


def test_each_full_window_has_the_times_of_its_words(whisper_base: WhisperRecognizer):
    audio = np.concatenate([chunk.samples for chunk in read_audio(HARBOR)])
    words = whisper_base.recognize(Utterance(SAMPLE_RATE_HZ, audio), "en")
    assert len(words) == pytest.approx(148, abs=4)
    starts_ms = [word.start_ms for word in words]
    assert starts_ms == sorted(starts_ms)
    last = words[-1]
    assert last.text == "coffee." and last.end_ms == pytest.approx(69_200, abs=600)


def test_a_window_whose_text_is_unlikely_is_decoded_again_with_care(
    english: WhisperRecognizer, monkeypatch: pytest.MonkeyPatch
):
    audio = np.concatenate([chunk.samples for chunk in read_audio(HARBOR)])
    alone: list[int] = []
    transcribe = english._model.transcribe

    def listen(samples: np.ndarray, **options: object) -> object:
        alone.append(samples.size)
        return transcribe(samples, **options)

    monkeypatch.setattr(english._model, "transcribe", listen)
    english.recognize(Utterance(0, audio), "en")  # its random words are all unlikely
    assert len(alone) >= 2 and max(alone) <= 30 * SAMPLE_RATE_HZ


def test_a_long_silence_has_no_words(english: WhisperRecognizer):
    assert english.recognize(Utterance(0, np.zeros(40 * SAMPLE_RATE_HZ, np.float32)), "en") == []


def test_damaged_weights_are_reported(english_whisper_folder: Path, tmp_path: Path):
    folder = shutil.copytree(english_whisper_folder, tmp_path / "model")
    (folder / "model.bin").write_bytes((folder / "model.bin").read_bytes()[:1000])
    with pytest.raises(RecognizerError, match=r"cannot be loaded .*; delete the folder and fetch"):
        WhisperRecognizer(folder, model_name="x", device="cpu")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(RecognizerError, match="cannot be loaded"):
        WhisperRecognizer(folder, model_name="x", device="cpu")


def test_a_local_folder_is_opened_by_name(english_whisper_folder: Path):
    said: list[str] = []
    config = RecognizerConfig(model=str(english_whisper_folder))
    recognizer = open_recognizer(config, "en", said.append)
    assert said == [f"Recognizing with {recognizer.name}, whose weights are on disk"]
    assert recognizer.name.startswith("Whisper random.en (")
    with pytest.raises(
        RecognizerError, match="does not understand 'de'; name a multilingual model"
    ):
        open_recognizer(config, "de", said.append)


@pytest.mark.gpu
@pytest.mark.skipif(get_cuda_device_count() == 0, reason="no CUDA device")
def test_recognizes_on_the_gpu(english_whisper_folder: Path):
    recognizer = open_recognizer(
        RecognizerConfig(model=str(english_whisper_folder)), "en", lambda line: None
    )
    assert "on CUDA" in recognizer.name
    recognizer.recognize(utterance(1), "en")


@pytest.mark.skipif(not STUB.is_dir(), reason=f"no model in {STUB.name} beside the checkout")
def test_a_model_with_the_real_tokenizer():
    recognizer = WhisperRecognizer(STUB, model_name="stub", device="cpu")
    assert len(recognizer.languages) == 99
    recognizer.recognize(utterance(1), "es")


def test_the_language_of_a_few_seconds_is_guessed_from_half_a_window(
    whisper_base: WhisperRecognizer, monkeypatch: pytest.MonkeyPatch
):
    frames: list[int] = []
    encode = whisper_base._model.encode

    def count(features: np.ndarray):
        frames.append(features.shape[-1])
        return encode(features)

    monkeypatch.setattr(whisper_base._model, "encode", count)
    audio = np.concatenate([chunk.samples for chunk in read_audio(HARBOR)])
    for seconds in (3, 20):
        sound = Utterance(0, audio[: seconds * SAMPLE_RATE_HZ])
        language, probability = whisper_base.guess_language(sound)
        assert language == "en" and probability > 0.8
    assert frames == [1500, 3000]


def test_a_language_without_a_code_of_two_letters_is_not_guessed(
    multilingual: WhisperRecognizer, monkeypatch: pytest.MonkeyPatch
):
    class Model:
        def detect_language(self, encoded: object) -> list[list[tuple[str, float]]]:
            return [[("<|haw|>", 0.6), ("<|mi|>", 0.3), ("<|en|>", 0.1)]]

    monkeypatch.setattr(multilingual._model, "encode", lambda features: features)
    monkeypatch.setattr(multilingual._model, "model", Model())
    assert multilingual.guess_language(utterance(2)) == ("mi", 0.3)
