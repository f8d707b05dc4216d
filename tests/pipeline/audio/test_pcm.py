from __future__ import annotations

import numpy as np

from surtitle.pipeline.audio.pcm import from_s16, to_ms, to_s16


def test_16_bits_survive_the_round_trip():
    pcm = np.arange(-32768, 32768, dtype=np.int16)
    assert from_s16(pcm).dtype == np.float32
    np.testing.assert_array_equal(to_s16(from_s16(pcm)), pcm)


def test_too_loud_samples_are_clipped():
    samples = np.array([1.0, 1.5, -1.5, 100], np.float32)
    np.testing.assert_array_equal(to_s16(samples), [32767, 32767, -32768, 32767])


def test_samples_in_milliseconds():
    assert [to_ms(count) for count in (0, 15, 16, 16_000)] == [0, 0, 1, 1000]
