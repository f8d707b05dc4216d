"""Speech -> a voiceprint: numbers that are alike where the voice is the same.

The network is that of Resemblyzer 0.1.4 (https://github.com/resemble-ai/Resemblyzer, Apache-2.0),
a GE2E encoder (Wan et al. 2018, arXiv 1710.10467) of three LSTM layers; voice_encoder.onnx holds
its weights in 16 bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..audio.pcm import SAMPLE_RATE_HZ, SAMPLES_PER_MS
from ..events import Samples

Voiceprint = NDArray[np.float32]  # [256], of length 1

MELS = 40
FFT_SAMPLES, HOP_SAMPLES = 25 * SAMPLES_PER_MS, 10 * SAMPLES_PER_MS
WINDOW_FRAMES, STEP_FRAMES = 160, 80  # mel frames: what the network hears at once is 1.6 s
WINDOW_SAMPLES = WINDOW_FRAMES * HOP_SAMPLES
MOST_WINDOWS = 128  # at once, 100 s of speech
RMS = 10 ** (-27 / 20)  # all is made as loud, as to this network a louder voice is another one


class _Session(Protocol):
    def run(
        self, outputs: None, inputs: dict[str, NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]: ...


class VoiceEncoder:
    """Loads 3 MB, in 0.1 s. It computes in the thread that calls it."""

    def __init__(self) -> None:
        onnxruntime: Any = import_module("onnxruntime")  # untyped, and 0.3 s: not for `--help`
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # recognition has the rest
        options.log_severity_level = 4
        weights = Path(__file__).with_name("voice_encoder.onnx").read_bytes()
        self._session: _Session = onnxruntime.InferenceSession(
            weights, sess_options=options, providers=["CPUExecutionProvider"]
        )
        self._filters = _mel_filters()  # [40, 201]

    def voiceprints(self, pieces: Sequence[Samples]) -> list[Voiceprint]:
        """For each piece the mean of what 1.6 s say, every 0.8 s; less is repeated to as much.

        Many together take less time than one by one. A piece must not be empty.
        """
        if not pieces:
            return []
        windows = [self._windows(samples) for samples in pieces]
        ends = np.cumsum([len(one) for one in windows])
        heard = np.concatenate([self._encode(batch) for batch in _batches(np.concatenate(windows))])
        return [as_voiceprint(one.mean(axis=0)) for one in np.split(heard, ends[:-1])]

    def _windows(self, samples: Samples) -> NDArray[np.float32]:
        """[windows, 160, 40]"""
        repeats = -(-WINDOW_SAMPLES // samples.size)
        frames = self._mel_frames(np.tile(samples, repeats) if repeats > 1 else samples)
        last = len(frames) - WINDOW_FRAMES
        starts = sorted({*range(0, last + 1, STEP_FRAMES), last})
        return np.stack([frames[at : at + WINDOW_FRAMES] for at in starts])

    def _mel_frames(self, samples: Samples) -> NDArray[np.float32]:
        """Mel energies [frames, 40] float32, not logarithmic: as the network was trained."""
        rms = float(np.sqrt(np.square(samples, dtype=np.float64).mean()))
        gain = RMS / (rms + 1e-9)
        padded = np.pad(samples * np.float32(gain), FFT_SAMPLES // 2)
        windows = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES]
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT_SAMPLES) / FFT_SAMPLES)
        power = np.square(np.abs(np.fft.rfft(windows * hann, axis=1)))  # [frames, 201]
        return (power @ self._filters.T).astype(np.float32)

    def _encode(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """[windows, 160, 40] -> [windows, 256], each of length 1."""
        mels = np.ascontiguousarray(windows.transpose(1, 0, 2))
        (prints,) = self._session.run(None, {"mels": mels})
        return prints


def _batches(windows: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(windows), MOST_WINDOWS):
        yield windows[start : start + MOST_WINDOWS]


def as_voiceprint(mean: NDArray[np.float32]) -> Voiceprint:
    return (mean / (np.linalg.norm(mean) + 1e-9)).astype(np.float32)


def _mel_filters() -> NDArray[np.float64]:
    """[40, 201] triangles of equal area, on the scale of Slaney's Auditory Toolbox: linear below
    1 kHz, logarithmic above."""
    edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel(SAMPLE_RATE_HZ / 2), MELS + 2))
    bins = np.linspace(0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return triangles * (2 / (edges[2:] - edges[:-2]))[:, None]


_LINEAR_HZ = 200 / 3  # a mel below 1 kHz, which is 15 mel
_OCTAVES = np.log(6.4) / 27  # a mel above it, as a logarithm


def _hz_to_mel(hz: float) -> float:
    return hz / _LINEAR_HZ if hz < 1000 else 15 + float(np.log(hz / 1000) / _OCTAVES)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(
        mel < 15, mel * _LINEAR_HZ, 1000 * np.exp(_OCTAVES * (np.maximum(mel, 15) - 15))
    )
