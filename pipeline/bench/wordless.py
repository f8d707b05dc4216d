"""Sounds in which nobody speaks, synthesized: whoever finds words in them invents (pure).

Each function returns 16 kHz mono float32 [N] in -1..1, the same for the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from ..audio.pcm import SAMPLE_RATE_HZ
from ..events import Samples

CHORDS_HZ = ((220.0, 261.6, 329.6), (174.6, 220.0, 261.6), (196.0, 246.9, 293.7), (164.8, 196, 247))
BEAT_S = 0.5
BREATH_S = 3.6  # in and out


def silence(duration_s: float, seed: int = 0) -> Samples:
    """What a microphone hears in an empty room: hiss at -70 dB, and a hum of the mains."""
    time_s = _time_s(duration_s)
    hiss = np.random.default_rng(seed).normal(0, 3e-4, time_s.size)
    return (hiss + 2e-4 * np.sin(2 * np.pi * 50 * time_s)).astype(np.float32)


def pink_noise(duration_s: float, seed: int = 0) -> Samples:
    """Equal power per octave, at -26 dB: a fan, a street, rain."""
    return _shaped(duration_s, seed, lambda hz: 1 / np.sqrt(hz), 0.05)


def music(duration_s: float, seed: int = 0) -> Samples:
    """Chords, a melody with vibrato and drums; every bar differs."""
    rng = np.random.default_rng(seed)
    time_s = _time_s(duration_s)
    sound = np.zeros(time_s.size)
    beat_samples = int(BEAT_S * SAMPLE_RATE_HZ)
    for beat, start in enumerate(range(0, time_s.size, beat_samples)):
        local_s = time_s[start : start + beat_samples] - time_s[start]
        chord = CHORDS_HZ[beat // 4 % len(CHORDS_HZ)]
        notes = [*chord, chord[int(rng.integers(3))] * 2]  # the last is the melody
        for note, hz in enumerate(notes):
            vibrato = 0.3 * np.sin(2 * np.pi * 5.5 * local_s) if note == 3 else 0
            for harmonic in range(1, 5):
                phase = 2 * np.pi * hz * harmonic * local_s + harmonic * vibrato
                sound[start : start + local_s.size] += np.sin(phase) / harmonic**1.5
        sound[start : start + local_s.size] += _drum(rng, local_s, 60 if beat % 2 else 25)
        sound[start : start + local_s.size] *= np.minimum(1, local_s / 0.01)
    return (0.2 * sound / max(1e-9, np.abs(sound).max())).astype(np.float32)


def _drum(
    rng: np.random.Generator, time_s: NDArray[np.float64], fading_per_s: float
) -> NDArray[np.float64]:
    return 3 * rng.standard_normal(time_s.size) * np.exp(-fading_per_s * time_s)


def breathing(duration_s: float, seed: int = 0) -> Samples:
    """Somebody near a microphone who breathes in and out, at -30 dB; the lips click."""
    noise = _shaped(duration_s, seed, lambda hz: np.exp(-(((hz - 900) / 900) ** 2)), 0.06)
    turn = _time_s(duration_s) % BREATH_S / BREATH_S  # 0..1
    breath_in = np.clip(np.sin(np.pi * turn / 0.35), 0, None) * (turn < 0.35)
    breath_out = np.clip(np.sin(np.pi * (turn - 0.45) / 0.4), 0, None) * (turn > 0.45)
    click = 0.15 * np.exp(-(((turn - 0.4) * BREATH_S * 400) ** 2))
    return (noise * (breath_in + 0.7 * breath_out * (turn < 0.85)) + click).astype(np.float32)


WORDLESS: Mapping[str, Callable[[float], Samples]] = {
    "silence": silence,
    "pink noise": pink_noise,
    "music": music,
    "breathing": breathing,
}


def with_noise(samples: Samples, snr_db: float, seed: int = 0) -> Samples:
    """Speech [N] in pink noise of so much less power, as loud as before."""
    noise = pink_noise(samples.size / SAMPLE_RATE_HZ, seed)[: samples.size]
    wanted = np.sqrt(np.square(samples).mean() / 10 ** (snr_db / 10))
    mixed = samples + noise * np.float32(wanted / np.sqrt(np.square(noise).mean()))
    return (mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32)


def quieter(samples: Samples, by_db: float) -> Samples:
    return (samples * np.float32(10 ** (-by_db / 20))).astype(np.float32)


def _time_s(duration_s: float) -> NDArray[np.float64]:
    return np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ


def _shaped(
    duration_s: float,
    seed: int,
    gain: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    rms: float,
) -> Samples:
    """Noise whose spectrum has `gain` of the frequency in Hz."""
    count = max(2, round(duration_s * SAMPLE_RATE_HZ))
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0, 1, count))
    hz = np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ), 20)
    noise = np.fft.irfft(spectrum * gain(hz), count)
    return (rms * noise / np.sqrt(np.square(noise).mean())).astype(np.float32)
