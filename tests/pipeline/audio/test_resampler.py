import numpy as np
import pytest

from surtitle.pipeline.audio.resampler import Resampler


def tone(sample_rate_hz: int, sample_count: int) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(sample_count) / sample_rate_hz)


@pytest.mark.parametrize("sample_rate_hz", [8000, 16_000, 24_000, 44_100, 48_000, 96_000])
def test_a_tone_stays_a_tone_however_it_is_cut(sample_rate_hz: int) -> None:
    pcm = (tone(sample_rate_hz, sample_rate_hz) * 32767).astype("<i2").tobytes()
    resampler = Resampler(sample_rate_hz)
    cuts = [0, 2, 2, 1000, 9998, len(pcm)]
    found = [resampler.push(pcm[a:b]) for a, b in zip(cuts, cuts[1:], strict=False)]
    waiting = 16_000 - sum(piece.size for piece in found)
    heard = np.concatenate([*found, resampler.flush()])
    assert 0 <= waiting <= 40
    assert heard.dtype == np.float32
    assert heard.size == pytest.approx(16_000, abs=2)
    heard = heard[:16_000]
    np.testing.assert_allclose(heard[200:-200], tone(16_000, heard.size)[200:-200], atol=1e-3)


def test_what_is_at_16_khz_stays_as_it_is() -> None:
    resampler = Resampler(16_000)
    pcm = np.arange(-800, 800, dtype="<i2")
    assert np.array_equal(resampler.push(pcm.tobytes()), pcm.astype(np.float32) / 32768)
    assert resampler.flush().size == 0
