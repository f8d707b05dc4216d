"""What Whisper's pieces of words become: by hand for each kind, and by the real model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.config import SegmenterConfig
from surtitle.pipeline.events import Utterance, Word, joined_text
from surtitle.pipeline.recognizers.whisper import WhisperRecognizer
from surtitle.pipeline.recognizers.whisper_words import words_from_segments
from surtitle.pipeline.subtitles.build import source_cues
from surtitle.pipeline.subtitles.check import SubtitleRules
from surtitle.pipeline.text.segmenter import Segmenter

PRICE = Path(__file__).parents[2] / "fixtures" / "price.ogg"


@dataclass
class Part:
    word: str
    start: float
    end: float
    probability: float = 0.9


@dataclass
class Segment:
    words: list[Part] | None
    compression_ratio: float = 1.0


def said(parts: str, start_s: float = 0) -> Segment:
    """Parts as faster-whisper gives them, 0.2 s each, between bars; "|" begins each."""
    texts = parts.split("|")[1:]
    return Segment(
        [Part(text, start_s + 0.2 * at, start_s + 0.2 * (at + 1)) for at, text in enumerate(texts)]
    )


def heard(*segments: Segment, language: str = "en") -> list[Word]:
    sound = Utterance(0, np.zeros(30 * SAMPLE_RATE_HZ, np.float32))
    return words_from_segments(segments, sound, language)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ("| 3|.5| %", "3.5 %"),
        ("| 3|.5|%", "3.5%"),
        ("| $1|,200", "$1,200"),
        ("| well|-known", "well-known"),
        ("| state|-of|-the|-art", "state-of-the-art"),
        ("| 9| o|'clock|.", "9 o'clock."),
        ("| c|'est| l|'heure", "c'est l'heure"),
        ("| don|'t", "don't"),
        ("| www|.example|.com", "www.example.com"),
        ("| mail|@example|.com", "mail@example.com"),
        ("| und|/oder", "und/oder"),
        ("| 10|:30| p|.m|.", "10:30 p.m."),
        ("| 1990|–2000", "1990–2000"),
        ("| l|’été", "l’été"),
    ],
)
def test_a_part_without_a_blank_belongs_to_the_word_before_it(parts: str, words: str):
    found = heard(said(parts))
    assert [word.text for word in found] == words.split(" ")
    assert not any(word.is_joined for word in found)


def test_a_word_has_the_times_of_its_parts_and_the_worst_of_their_certainties():
    segment = Segment([Part(" well", 0.5, 0.8, 0.9), Part("-known", 0.8, 1.3, 0.6)])
    assert heard(segment) == [Word("well-known", 500, 1300, 0.6)]


def test_a_part_that_got_no_time_is_not_lost_from_its_word():
    segment = Segment([Part(" 3", 0.5, 0.8), Part(".5", 0.8, 0.8, 0.2), Part(" %", 0.8, 1)])
    assert [word.text for word in heard(segment)] == ["3.5", "%"]


def test_a_segment_that_begins_without_a_blank_begins_a_word():
    assert [word.text for word in heard(said("| Yes|."), said("|Hello| there", 1))] == [
        "Yes.",
        "Hello",
        "there",
    ]


def test_a_word_may_go_on_in_the_next_segment():
    words = heard(said("| www"), said("|.example|.com", 1))
    assert [word.text for word in words] == ["www.example.com"]


@pytest.mark.parametrize(
    ("language", "parts", "text"),
    [
        ("ja", "|東|京|に|行|きます|。", "東京に行きます。"),
        ("zh", "|我|们|走|吧", "我们走吧"),
        ("ja", "|東|京| 2020|年", "東京 2020年"),
        ("ja", "|i|Phone|を|買|う", "iPhoneを買う"),
        ("th", "|สวั|สดี", "สวัสดี"),
    ],
)
def test_scripts_without_blanks_keep_their_parts_with_their_times(
    language: str, parts: str, text: str
):
    words = heard(said(parts), language=language)
    assert len(words) == parts.count("|")
    assert [word.start_ms for word in words] == [200 * at for at in range(len(words))]
    assert joined_text(words) == text


def test_cues_and_what_is_translated_have_no_other_blanks():
    words = heard(said("|i|Phone|を|買|う|。"), language="ja")
    segmenter = Segmenter(SegmenterConfig(), "ja", is_written=True)
    segments = [*segmenter.push(words), *segmenter.flush()]
    assert [segment.text for segment in segments] == ["iPhoneを買う。"]
    (cue,) = source_cues(segments, SubtitleRules())
    assert cue.lines == ("iPhoneを買う。",)


def test_a_recording_full_of_them(whisper_base: WhisperRecognizer):
    samples = np.concatenate([chunk.samples for chunk in read_audio(PRICE)])
    text = joined_text(whisper_base.recognize(Utterance(0, samples), "en"))
    for expected in ("3.5%", "$1,200", "well-known", "www.example.com", "9 o'clock"):
        assert expected in text
    for blank in (" .", " ,", " -", " '", " %"):
        assert blank not in text
