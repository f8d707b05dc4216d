from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surtitle.pipeline.audio.pcm import SAMPLES_PER_MS
from surtitle.pipeline.events import Samples, SourceSegment, Utterance, Word
from surtitle.pipeline.speakers.naming import EDGE_MS, SpeakerNamer
from surtitle.pipeline.speakers.voice_encoder import Voiceprint


class Encoder:
    """Takes what is louder than 0.5 for another voice than what is not."""

    def __init__(self) -> None:
        self.heard_ms: list[int] = []

    def voiceprints(self, pieces: Sequence[Samples]) -> list[Voiceprint]:
        self.heard_ms += [samples.size // SAMPLES_PER_MS for samples in pieces]
        return [np.eye(2, dtype=np.float32)[int(samples.mean() > 0.5)] for samples in pieces]


def utterance(start_ms: int, end_ms: int, loudness: float) -> Utterance:
    size = (end_ms - start_ms) * SAMPLES_PER_MS
    return Utterance(start_ms * SAMPLES_PER_MS, np.full(size, loudness, np.float32))


def segment(number: int, start_ms: int, end_ms: int) -> SourceSegment:
    words = (Word("so", start_ms, start_ms + 100, 1.0), Word("it", end_ms - 100, end_ms, 1.0))
    return SourceSegment(number, 0, words, is_final=True, language="en")


def test_each_segment_is_named_by_the_sound_of_its_words() -> None:
    encoder = Encoder()
    namer = SpeakerNamer(encoder)  # type: ignore[arg-type]
    segments = [segment(0, 0, 2000), segment(1, 3000, 5000), segment(2, 6000, 9000)]
    namer.hear(utterance(0, 2500, 0.1))
    namer.add([], 0)  # nothing is closed yet: its speech is kept
    namer.hear(utterance(2900, 5100, 0.9))
    namer.add(segments[:1], 3000)
    namer.hear(utterance(5900, 7000, 0.1))
    namer.add(segments[1:2], 6000)
    namer.hear(utterance(7200, 9100, 0.1))
    namer.add(segments[2:], None)
    assert [one.speaker for one in namer.named(segments)] == [1, 2, 1]
    assert encoder.heard_ms == [2000 + EDGE_MS, 2000 + 2 * EDGE_MS, 3000 + 2 * EDGE_MS - 200]


def test_a_segment_without_any_sound_costs_nothing() -> None:
    namer = SpeakerNamer(Encoder())  # type: ignore[arg-type]
    namer.add([segment(0, 0, 2000)], None)
    assert [one.speaker for one in namer.named([segment(0, 0, 2000)])] == [1]
    assert SpeakerNamer(Encoder()).named([]) == []  # type: ignore[arg-type]


def test_a_voice_changes_after_a_pause_between_phrases_that_are_long_enough() -> None:
    namer = SpeakerNamer(Encoder())  # type: ignore[arg-type]
    namer.hear(utterance(0, 3000, 0.1))
    namer.hear(utterance(3400, 6000, 0.9))
    namer.hear(utterance(6300, 6900, 0.1))  # too short to tell
    namer.hear(utterance(7200, 9000, 0.9))
    times = [(0, 1000), (1100, 1500), (1800, 3000), (3400, 6000), (6300, 6900), (7200, 9000)]
    words = [Word("so", start_ms, end_ms, 1.0) for start_ms, end_ms in times]
    assert namer.changes(words) == [3]
    assert namer.changes(words[3:]) == []
    assert namer.changes([]) == []
