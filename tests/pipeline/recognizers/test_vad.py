from __future__ import annotations

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from faster_whisper.vad import get_vad_model

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.config import VadConfig
from surtitle.pipeline.events import AudioChunk, Utterance
from surtitle.pipeline.recognizers.vad import (
    WINDOW_MS,
    WINDOW_SAMPLES,
    Cutter,
    Silero,
    Vad,
    Vads,
)

CONFIG = VadConfig(
    min_silence_ms=4 * WINDOW_MS, speech_pad_ms=2 * WINDOW_MS, min_speech_ms=2 * WINDOW_MS
)


def cut(
    probabilities: list[float], config: VadConfig = CONFIG, power: dict[int, float] | None = None
) -> list[tuple[int, int]]:
    """Cut windows with these probabilities; the utterances as (start, end), in windows."""
    cutter = Cutter(config)
    utterances: list[Utterance] = []
    for index, probability in enumerate(probabilities):
        window = np.full(WINDOW_SAMPLES, (power or {}).get(index, 1.0), np.float32)
        utterances += cutter.push(window, probability)
    utterances += cutter.flush(0)
    return [
        (u.start_sample // WINDOW_SAMPLES, (u.start_sample + u.samples.size) // WINDOW_SAMPLES)
        for u in utterances
    ]


def speech(seconds: float, seed: int = 0) -> np.ndarray:
    """Something that Silero takes for a voice: a buzz with moving formants, in syllables."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    pitch_hz = 120 + 20 * np.sin(2 * np.pi * 0.7 * time_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    formants_hz = 500 + 200 * np.sin(2 * np.pi * 3 * time_s), 1500 + 400 * np.cos(15 * time_s)
    sound = np.zeros_like(time_s)
    for harmonic in range(1, 30):
        for formant_hz in formants_hz:
            loudness = np.exp(-(((harmonic * pitch_hz - formant_hz) / 150) ** 2))
            sound += loudness * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 2 * time_s) + 0.8, 0, 1)
    noise = 0.001 * rng.standard_normal(time_s.size)
    return (0.1 * sound * syllables + noise).astype(np.float32)


def silence(seconds: float, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (0.001 * rng.standard_normal(int(seconds * SAMPLE_RATE_HZ))).astype(np.float32)


def test_speech_is_padded_on_both_sides():
    assert cut([0] * 10 + [1] * 5 + [0] * 10) == [(8, 17)]


def test_padding_ends_with_the_source():
    assert cut([1] * 5) == [(0, 5)]
    assert cut([0] + [1] * 5 + [0]) == [(0, 7)]


def test_short_silence_does_not_end_speech():
    assert cut([1] * 5 + [0] * 3 + [1] * 5 + [0] * 9) == [(0, 15)]


def test_hesitant_speech_goes_on_but_does_not_begin():
    assert cut([0.4] * 10) == []
    assert cut([1] * 3 + [0.4] * 20 + [0] * 9) == [(0, 25)]


def test_a_click_is_dropped():
    assert cut([0] * 5 + [1] + [0] * 10) == []


def test_neighbors_do_not_overlap():
    assert cut(([1] * 3 + [0] * 4) * 3) == [(0, 5), (5, 12), (12, 19)]


def test_too_long_speech_is_split_at_the_quietest_place_of_its_last_third():
    config = VadConfig(speech_pad_ms=0, min_speech_ms=0, max_utterance_ms=60 * WINDOW_MS)
    quiet = {10: 0.0, 20: 0.0} | {index: 0.1 for index in range(49, 54)}
    assert cut([1] * 90, config, quiet) == [(0, 51), (51, 90)]


def test_silence_after_a_split_is_no_utterance():
    config = VadConfig(
        min_silence_ms=100 * WINDOW_MS, speech_pad_ms=0, max_utterance_ms=60 * WINDOW_MS
    )
    quiet = {index: 0.0 for index in range(45, 60)}
    assert cut([1] * 42 + [0] * 58, config, quiet) == [(0, 47)]


def test_no_utterance_is_longer_than_the_limit():
    config = VadConfig(max_utterance_ms=2000)
    lengths = [end - start for start, end in cut([1] * 1000, config)]
    assert max(lengths) * WINDOW_MS <= 2000
    assert sum(lengths) == 1000


def test_streaming_gives_the_probabilities_of_the_whole():
    audio = np.concatenate([silence(1), speech(2), silence(1.5), speech(1, seed=2), silence(0.5)])
    windows = np.pad(audio, (0, -audio.size % WINDOW_SAMPLES + WINDOW_SAMPLES))
    expected = get_vad_model()(windows.copy()).reshape(-1)
    windows = windows.reshape(-1, WINDOW_SAMPLES)
    assert expected.max() > 0.9 > 0.1 > expected.min()
    silero = Silero()
    streamed = [p for window in windows for p in silero.push(window[None])]
    np.testing.assert_allclose(streamed, expected, atol=1e-6)


@pytest.mark.parametrize("chunk_samples", [1, 160, 511, 512, 513, 16_000, 10**6])
def test_utterances_do_not_depend_on_the_chunks(chunk_samples: int):
    audio = np.concatenate([silence(0.3), speech(0.7), silence(0.8)])
    if chunk_samples > 1:
        audio = np.concatenate([audio, speech(0.9), silence(0.01)])
    vad = Vad(VadConfig())
    utterances: list[Utterance] = []
    for start in range(0, audio.size, chunk_samples):
        utterances += vad.push(AudioChunk(start, audio[start : start + chunk_samples]))
    utterances += vad.flush()
    assert len(utterances) == (2 if chunk_samples > 1 else 1)
    for utterance in utterances:
        end = utterance.start_sample + utterance.samples.size
        np.testing.assert_array_equal(utterance.samples, audio[utterance.start_sample : end])


@pytest.mark.parametrize("chunk_samples", [160, 512, 4000])
def test_what_is_spoken_becomes_the_utterance(chunk_samples: int):
    audio = np.concatenate([silence(0.5), speech(1.5), silence(1)])
    vad = Vad(VadConfig())
    since: list[int] = []
    pieces: list[np.ndarray] = []
    gathered = 0
    for start in range(0, audio.size, chunk_samples):
        utterances = vad.push(AudioChunk(start, audio[start : start + chunk_samples]))
        if utterances:
            break
        if vad.speaking_since is not None:
            since.append(vad.speaking_since)
            pieces.append(vad.spoken(since[0] + gathered))
            gathered += pieces[-1].size
            np.testing.assert_array_equal(vad.spoken(since[0]), np.concatenate(pieces))
    (utterance,) = utterances
    assert set(since) == {utterance.start_sample}
    heard = np.concatenate(pieces)
    np.testing.assert_array_equal(heard, utterance.samples[: heard.size])
    assert heard.size >= utterance.samples.size - chunk_samples - WINDOW_SAMPLES
    assert vad.speaking_since is None
    assert vad.spoken(0).size == 0


class Loud:
    """A Judge that takes for speech what is not silent."""

    def push(self, windows: np.ndarray) -> list[float]:
        return [float(np.abs(window).max() > 0) for window in windows]

    def restart(self) -> None: ...


def test_after_each_utterance_it_is_known_whether_speech_goes_on():
    config = VadConfig(min_silence_ms=100, speech_pad_ms=0, max_utterance_ms=1000)
    audio = np.concatenate([np.ones(24_000, np.float32), np.zeros(8000, np.float32)] * 2)
    vad = Vad(config, Loud())
    goes_on = [vad.speaking_since is not None for _ in vad.cut(AudioChunk(0, audio))]
    assert goes_on == [True, False, True, False]


def test_vads_that_share_a_network_do_not_hear_each_other():
    sounds = [np.concatenate([silence(0.5), speech(1, seed=seed), silence(1)]) for seed in (1, 2)]
    vads = Vads()
    both = [vads.make(VadConfig()) for _ in sounds]
    heard: list[list[Utterance]] = [[], []]
    for start in range(0, sounds[0].size, 1600):
        for vad, sound, utterances in zip(both, sounds, heard, strict=True):
            utterances += vad.push(AudioChunk(start, sound[start : start + 1600]))
    for vad, sound, utterances in zip(both, sounds, heard, strict=True):
        alone = Vad(VadConfig())
        expected = alone.push(AudioChunk(0, sound)) + alone.flush()
        utterances += vad.flush()
        assert [one.start_sample for one in utterances] == [one.start_sample for one in expected]
        assert [one.samples.size for one in utterances] == [one.samples.size for one in expected]


def test_a_click_and_silence_are_not_being_spoken():
    cutter = Cutter(CONFIG)
    window = np.zeros(WINDOW_SAMPLES, np.float32)
    for probability in [0, 0, 1, 0, 0, 0, 0, 0]:
        cutter.push(window, probability)
        assert cutter.speaking_since is None
    since: list[int | None] = []
    for probability in [1, 1, 0, 0, 0, 0]:
        cutter.push(window, probability)
        since.append(cutter.speaking_since)
    assert since == [None, *[6 * WINDOW_SAMPLES] * 4, None]


def test_after_a_split_the_rest_is_being_spoken():
    config = VadConfig(speech_pad_ms=0, min_speech_ms=0, max_utterance_ms=60 * WINDOW_MS)
    cutter = Cutter(config)
    utterances: list[Utterance] = []
    while not utterances:
        utterances = cutter.push(np.zeros(WINDOW_SAMPLES, np.float32), 1.0)
    end = utterances[0].samples.size
    assert cutter.speaking_since == end
    assert cutter.spoken(end).size == 60 * WINDOW_SAMPLES - end


def test_after_flush_it_is_as_new():
    vad = Vad(VadConfig())
    chunk = AudioChunk(0, np.concatenate([silence(0.5), speech(1)]))
    first = vad.push(chunk) + vad.flush()
    second = vad.push(chunk) + vad.flush()
    assert [u.start_sample for u in first] == [u.start_sample for u in second]
    assert [u.samples.size for u in first] == [u.samples.size for u in second]


def test_a_hole_ends_the_utterance_and_time_goes_on_behind_it():
    vad = Vad(VadConfig())
    assert vad.push(AudioChunk(0, speech(1))) == []
    (before,) = vad.push(AudioChunk(10 * SAMPLE_RATE_HZ, speech(1)))
    (after,) = vad.flush()
    assert before.start_sample + before.samples.size == SAMPLE_RATE_HZ
    assert after.start_sample >= 10 * SAMPLE_RATE_HZ
    assert after.start_sample + after.samples.size == 11 * SAMPLE_RATE_HZ


def test_silence_and_nothing_give_no_utterance():
    vad = Vad(VadConfig())
    assert vad.flush() == []
    assert vad.push(AudioChunk(0, silence(3))) + vad.flush() == []
    assert vad.push(AudioChunk(0, np.zeros(48_000, np.float32))) + vad.flush() == []
    assert vad.push(AudioChunk(0, np.zeros(0, np.float32))) + vad.flush() == []


def test_memory_is_bounded_in_endless_speech():
    vad = Vad(VadConfig(max_utterance_ms=5000))
    second = speech(1)
    for index in range(10):  # the first utterances pay for what is made once
        vad.push(AudioChunk(index * SAMPLE_RATE_HZ, second))
    tracemalloc.start()
    for index in range(10, 120):
        vad.push(AudioChunk(index * SAMPLE_RATE_HZ, second))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 4 * 5 * SAMPLE_RATE_HZ * 4


def test_importing_it_imports_nothing_slow():
    code = (
        "import sys, surtitle.pipeline.recognizers.vad; "
        "sys.exit(any(m in sys.modules for m in ('onnxruntime', 'faster_whisper', 'av')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
