import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.bench.wordless import WORDLESS, quieter, with_noise


@pytest.mark.parametrize("name", WORDLESS)
def test_sounds_have_their_length_and_are_within_full_scale(name: str):
    samples = WORDLESS[name](2.5)
    assert samples.dtype == np.float32 and samples.size == 2.5 * SAMPLE_RATE_HZ
    assert 0 < np.abs(samples).max() < 1
    assert np.array_equal(samples, WORDLESS[name](2.5))


def test_noise_is_so_much_weaker_than_the_speech():
    speech = np.random.default_rng(1).normal(0, 0.05, SAMPLE_RATE_HZ).astype(np.float32)
    noise = with_noise(speech, snr_db=10) - speech
    assert np.square(speech).mean() / np.square(noise).mean() == pytest.approx(10, rel=1e-3)


def test_loud_speech_in_noise_is_not_clipped():
    speech = np.full(SAMPLE_RATE_HZ, 0.99, np.float32)
    assert np.abs(with_noise(speech, snr_db=0)).max() <= 1


def test_quieter_is_in_decibels():
    assert quieter(np.ones(1, np.float32), by_db=20)[0] == pytest.approx(0.1)
