"""The voices of the sample as they come, and what is kept of a sound."""

from __future__ import annotations

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.config import VadConfig
from surtitle.pipeline.events import Samples
from surtitle.pipeline.recognizers.vad import Vad
from surtitle.pipeline.speakers import following
from surtitle.pipeline.speakers.following import EDGE_MS, VoiceFollower
from surtitle.pipeline.speakers.voice_encoder import Voiceprint

from .test_clusters import voice
from .test_voice_encoder import SOUP, TURNS


class Literal:
    """An encoder for which a sound holds nothing but the number of its voice."""

    def voiceprints(self, pieces: list[Samples]) -> list[Voiceprint]:
        return [voice(int(piece[0]), 0.4, seed) for seed, piece in enumerate(pieces)]


def said(number: int, seconds: float = 3.0) -> Samples:
    return np.full(round(seconds * SAMPLE_RATE_HZ), number, np.float32)


@pytest.fixture
def follower(monkeypatch: pytest.MonkeyPatch) -> VoiceFollower:
    monkeypatch.setattr(following, "VoiceEncoder", Literal)
    return VoiceFollower()


def test_voices_are_numbered_as_they_come(follower: VoiceFollower) -> None:
    assert follower.numbers([said(7), said(7), said(3)]) == [1, 1, 2]
    assert follower.numbers([said(7), said(5), said(3)]) == [1, 3, 2]


def test_a_word_in_between_is_nobodys_first(follower: VoiceFollower) -> None:
    follower.numbers([said(7), said(3)])
    assert follower.numbers([said(9, 0.5)])[0] in (1, 2)
    assert follower.numbers([said(9)]) == [3]


def test_who_comes_when_there_are_many_is_one_of_them(
    follower: VoiceFollower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MOST_VOICES", 2)
    assert follower.numbers([said(1), said(2)]) == [1, 2]
    assert follower.numbers([said(3)])[0] in (1, 2)


def test_of_what_there_is_no_sound_there_is_no_speaker(follower: VoiceFollower) -> None:
    assert follower.numbers([said(7), said(7, 0)]) == [1, None]


def test_a_sound_is_that_of_its_time() -> None:
    follower = VoiceFollower()
    for n in range(10):
        follower.hear(np.full(SAMPLE_RATE_HZ, n, np.float32))
    sound = follower.sound(3500, 5000)
    assert sound.size == (1500 + 2 * EDGE_MS) * SAMPLE_RATE_HZ // 1000
    assert sound[0] == 3 and sound[-1] == 5 and sound.mean() == pytest.approx(3.7, abs=0.1)


def test_the_oldest_sound_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "KEPT_SAMPLES", 3 * SAMPLE_RATE_HZ)
    follower = VoiceFollower()
    for n in range(10):
        follower.hear(np.full(SAMPLE_RATE_HZ, n, np.float32))
    assert follower.sound(1000, 2000).size == 0
    assert follower.sound(8000, 9000)[SAMPLE_RATE_HZ // 2] == 8


def test_the_voices_of_the_sample_are_told_apart_as_they_come() -> None:
    vad = Vad(VadConfig())
    spoken = [one for chunk in read_audio(SOUP) for one in vad.push(chunk)] + vad.flush()
    follower = VoiceFollower()
    assert [follower.numbers([one.samples])[0] for one in spoken] == TURNS
