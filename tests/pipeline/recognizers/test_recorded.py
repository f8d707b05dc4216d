from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLES_PER_MS, from_s16
from surtitle.pipeline.config import RecognizerConfig
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.events import Utterance, Word
from surtitle.pipeline.recognizers.choice import open_recognizer
from surtitle.pipeline.recognizers.recorded import (
    RecordedRecognizer,
    RecordedSpeech,
    read_pcm,
    read_recorded,
    write_recorded,
)

SAMPLES = Path(__file__).parents[3] / "samples"
NOISE = np.random.default_rng(1).integers(-9000, 9000, 3000 * SAMPLES_PER_MS).astype(np.int16)
OTHER = np.random.default_rng(2).integers(-9000, 9000, 1000 * SAMPLES_PER_MS).astype(np.int16)
WORDS = tuple(Word(text, 1000 * n + 200, 1000 * n + 800, 1.0) for n, text in enumerate("abc"))
HEARD = RecordedRecognizer(
    [
        RecordedSpeech(Path("other.flac"), "en", OTHER, (Word("x", 0, 900, 1.0),)),
        RecordedSpeech(Path("noise.flac"), "en", NOISE, WORDS),
    ]
)


def utterance(from_ms: int, to_ms: int, at_ms: int) -> Utterance:
    """A part of the recording, heard `at_ms` after the beginning of the source."""
    part = NOISE[from_ms * SAMPLES_PER_MS : to_ms * SAMPLES_PER_MS]
    return Utterance(at_ms * SAMPLES_PER_MS, from_s16(part))


def test_words_are_heard_at_the_time_of_the_source() -> None:
    words = HEARD.recognize(utterance(1000, 2400, 61_000), "en")
    assert [(word.text, word.start_ms, word.end_ms) for word in words] == [("b", 61_200, 61_800)]


def test_a_word_is_in_the_part_that_has_its_middle() -> None:
    parts = utterance(0, 1550, 0), utterance(1550, 3000, 1550)
    assert [[word.text for word in HEARD.recognize(part, "en")] for part in parts] == [
        ["a", "b"], ["c"]
    ]  # fmt: skip


def test_a_draft_has_no_word_that_is_not_over() -> None:
    words = HEARD.recognize(utterance(0, 1700, 0), "en", is_draft=True)
    assert [word.text for word in words] == ["a"]


def test_each_recording_is_known() -> None:
    heard = HEARD.recognize(Utterance(0, from_s16(OTHER)), "en")
    assert [word.text for word in heard] == ["x"]


@pytest.mark.parametrize(
    "samples", [np.zeros(0, np.float32), np.zeros(900, np.float32), -from_s16(NOISE[:900])]
)
def test_nothing_is_heard_in_what_is_not_recorded(samples: np.ndarray) -> None:
    assert HEARD.recognize(Utterance(0, samples), "en") == []


def test_another_language_is_not_heard() -> None:
    assert HEARD.recognize(utterance(0, 3000, 0), "es") == []


def test_what_is_written_is_read() -> None:
    found = read_recorded(SAMPLES / "words.jsonl")
    assert [one.path.name for one in found] == ["harbor.flac", "soup.mp4"]
    assert all(len(one.words) > 100 for one in found)


def test_a_recording_goes_by_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "talk.flac").write_bytes((SAMPLES / "harbor.flac").read_bytes())
    speech = RecordedSpeech(tmp_path / "talk.flac", "en", read_pcm(tmp_path / "talk.flac"), WORDS)
    write_recorded(tmp_path / "words.jsonl", [speech])
    assert '"talk.flac"' in (tmp_path / "words.jsonl").read_text()
    (found,) = read_recorded(tmp_path / "words.jsonl")
    assert found.words == WORDS and np.array_equal(found.pcm, speech.pcm)


def test_a_recording_that_has_changed_is_told(tmp_path: Path) -> None:
    fields = {"recording": str(SAMPLES / "harbor.flac"), "language": "en", "samples": 1}
    (tmp_path / "words.jsonl").write_text(json.dumps(fields | {"words": []}))
    with pytest.raises(RecognizerError, match="had 1 when its words were written"):
        read_recorded(tmp_path / "words.jsonl")


@pytest.mark.parametrize("text", ["", "{}", "hello", '{"recording": 3, "samples": 1}', "[]"])
def test_what_is_no_file_of_words_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "words.jsonl").write_text(text)
    config = RecognizerConfig("recorded", str(tmp_path / "words.jsonl"))
    with pytest.raises(RecognizerError, match="no file of recorded words|no recordings"):
        open_recognizer(config, None, print)


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecognizerError, match="none.jsonl cannot be used"):
        read_recorded(tmp_path / "none.jsonl")


def test_its_file_must_be_named() -> None:
    with pytest.raises(ValueError, match="--asr-model FILE"):
        RecognizerConfig("recorded")
