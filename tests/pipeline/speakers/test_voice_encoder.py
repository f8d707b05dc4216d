"""The network on synthesized voices; the sample speaks with two of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.config import VadConfig
from surtitle.pipeline.events import Utterance
from surtitle.pipeline.recognizers.vad import Vad
from surtitle.pipeline.speakers.clusters import who_speaks
from surtitle.pipeline.speakers.voice_encoder import MOST_WINDOWS, VoiceEncoder

SOUP = Path(__file__).parents[3] / "samples" / "soup.mp4"
TURNS = [1, 1, 2, 2, 1, 2, 1, 1, 2, 1, 2, 1, 2, 2, 1, 1, 2, 1, 2, 2]  # as samples/make.py says


@pytest.fixture(scope="module")
def encoder() -> VoiceEncoder:
    return VoiceEncoder()


@pytest.fixture(scope="module")
def sentences() -> list[Utterance]:
    vad = Vad(VadConfig())
    return [one for chunk in read_audio(SOUP) for one in vad.push(chunk)] + vad.flush()


def test_two_voices_are_told_apart(encoder: VoiceEncoder, sentences: list[Utterance]) -> None:
    prints = encoder.voiceprints([one.samples for one in sentences])
    seconds = [one.samples.size / 16_000 for one in sentences]
    assert who_speaks(prints, seconds) == TURNS
    alike = np.stack(prints) @ np.stack(prints).T
    same = np.equal.outer(TURNS, TURNS)
    assert alike[same].mean() > 0.8 and alike[~same].mean() < 0.65


def test_a_voice_is_the_same_alone_and_among_many_quiet_and_loud(
    encoder: VoiceEncoder, sentences: list[Utterance]
) -> None:
    first, *others = [one.samples for one in sentences]
    (alone,) = encoder.voiceprints([first])
    assert np.linalg.norm(alone) == pytest.approx(1, abs=1e-5)
    among = encoder.voiceprints([*others, first])[-1]
    (quiet,) = encoder.voiceprints([first * np.float32(0.01)])
    assert among @ alone == pytest.approx(1, abs=1e-4)
    assert quiet @ alone == pytest.approx(1, abs=1e-4)


def test_less_speech_than_is_heard_at_once_and_much_more(
    encoder: VoiceEncoder, sentences: list[Utterance]
) -> None:
    long = np.tile(sentences[0].samples, 1 + MOST_WINDOWS * 12_800 // sentences[0].samples.size)
    for samples in (long[:1], long[:8000], long):
        (found,) = encoder.voiceprints([samples])
        assert found.shape == (256,) and np.isfinite(found).all()
    assert encoder.voiceprints([]) == []
