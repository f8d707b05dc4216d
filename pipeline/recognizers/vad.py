"""Voice activity detection: a stream of audio in, utterances out (pure).

The speech probabilities are those of Silero VAD, whose weights faster-whisper carries.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..audio.pcm import SAMPLE_RATE_HZ, SAMPLES_PER_MS
from ..config import VadConfig
from ..errors import RecognizerError
from ..events import AudioChunk, Samples, Utterance

WINDOW_SAMPLES = 512  # what one speech probability stands for; the model knows no other size
WINDOW_MS = 1000 * WINDOW_SAMPLES // SAMPLE_RATE_HZ  # 32 ms
CONTEXT_SAMPLES = 64  # of the previous window, seen again by the model
QUIET_WINDOWS = 5  # 160 ms: longer than the closure of a "p", shorter than most pauses


class Vad:
    """Cuts a source into utterances as VadConfig says. Holds `max_utterance_ms` of audio at most.

    After `flush` it is as new. A hole between two chunks ends what was spoken before it. For live
    speech: `speaking_since` and `spoken` tell of the utterance that is not over yet.
    """

    def __init__(self, config: VadConfig, judge: Judge | None = None) -> None:
        """`judge`: what tells speech from the rest, instead of Silero."""
        self._judge = Silero() if judge is None else judge
        self._cutter = Cutter(config)
        self._rest = np.zeros(0, np.float32)  # [0..511] samples, not yet a window
        self._next_sample = 0

    def push(self, chunk: AudioChunk) -> list[Utterance]:
        """Take the next chunk; return the utterances that are over now."""
        return list(self.cut(chunk))

    def cut(self, chunk: AudioChunk) -> Iterator[Utterance]:
        """As `push`; what is being spoken is told as of the end of each utterance when it comes. To
        be iterated to the end."""
        if chunk.start_sample != self._next_sample:
            yield from self.flush()
            self._cutter.restart(chunk.start_sample)
        self._next_sample = chunk.start_sample + chunk.samples.size
        samples = np.concatenate([self._rest, chunk.samples])
        whole = samples.size - samples.size % WINDOW_SAMPLES
        self._rest = samples[whole:]
        yield from self._cut(samples[:whole])

    def flush(self) -> list[Utterance]:
        """Return what is still being spoken; the source has ended."""
        padding = -self._rest.size % WINDOW_SAMPLES
        utterances = list(self._cut(np.pad(self._rest, (0, padding))))
        utterances += self._cutter.flush(padding)
        self._rest = self._rest[:0]
        self._judge.restart()
        self._cutter.restart(0)
        self._next_sample = 0
        return utterances

    @property
    def speaking_since(self) -> int | None:
        """The sample where the utterance begins that is being spoken; None while nobody speaks."""
        return self._cutter.speaking_since

    def spoken(self, start_sample: int) -> Samples:
        """What is being spoken, from `start_sample` on, a copy.

        The utterance that is returned when it is over begins with it, unless it has to be split.
        """
        return self._cutter.spoken(start_sample)

    @property
    def spoken_until(self) -> int:
        """Where what `spoken` returns would end now, while somebody speaks."""
        return self._cutter.spoken_until

    @property
    def heard_sample(self) -> int:
        """The end of what has been judged: whole windows."""
        return self._next_sample - self._rest.size

    def _cut(self, samples: Samples) -> Iterator[Utterance]:
        windows = samples.reshape(-1, WINDOW_SAMPLES)
        for window, probability in zip(windows, self._judge.push(windows), strict=True):
            yield from self._cutter.push(window, probability)


class Vads:
    """Makes Vads that share Silero's network, which keeps nothing between two calls; each with its
    own would be 1.5 MB, and 2 ms (AMD EPYC, 2026-11-30). May be called in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._network: SileroNetwork | None = None

    def make(self, config: VadConfig) -> Vad:
        """Raises RecognizerError."""
        with self._lock:
            if self._network is None:
                self._network = load_network()
        return Vad(config, Silero(self._network))


class Judge(Protocol):
    """Tells speech from the rest, window by window; what it judges depends on those before."""

    def push(self, windows: Samples) -> list[float]:
        """The speech probability of each of the next `windows` [N, 512] float32."""
        ...

    def restart(self) -> None:
        """Forget the past; the next window is the first of a source."""
        ...


class Cutter:
    """Windows and their speech probabilities in, utterances out: the rules of VadConfig.

    1. Outside of speech, keep only the windows that could become padding.
    2. Speech begins where the probability reaches `threshold`.
    3. It ends at the first of `min_silence_ms` of windows below `end_threshold`.
    4. When it grows too long, it is split, and goes on after the split.
    """

    def __init__(self, config: VadConfig) -> None:
        self._threshold = config.threshold
        self._end_threshold = config.end_threshold
        self._pad_samples = config.speech_pad_ms * SAMPLES_PER_MS
        self._pad_windows = -(-config.speech_pad_ms // WINDOW_MS)
        self._silence_windows = max(1, -(-config.min_silence_ms // WINDOW_MS))
        self._min_speech_windows = -(-config.min_speech_ms // WINDOW_MS)
        self._max_windows = config.max_utterance_ms // WINDOW_MS
        self.restart(0)

    def restart(self, start_sample: int) -> None:
        """Forget everything; the next window begins at `start_sample`."""
        self._windows: list[Samples] = []  # kept windows; those below count in them
        self._start_sample = start_sample  # of the first kept window
        self._speech_start: int | None = None
        self._silence_start: int | None = None  # the speech may have ended here

    def push(self, window: Samples, probability: float) -> list[Utterance]:
        self._windows.append(window)
        if self._speech_start is None:
            if probability < self._threshold:
                self._drop(len(self._windows) - self._pad_windows)  # 1.
            else:
                self._speech_start = len(self._windows) - 1  # 2.
            return []
        if probability >= self._end_threshold:
            self._silence_start = None
        elif self._silence_start is None:
            self._silence_start = len(self._windows) - 1
        if self._silence_start is not None:
            if len(self._windows) - self._silence_start >= self._silence_windows:
                return self._close(self._silence_start)  # 3.
        if len(self._windows) >= self._max_windows:
            return self._split()  # 4.
        return []

    @property
    def speaking_since(self) -> int | None:
        """The sample where the open utterance begins; None where it could still be dropped."""
        if self._speech_start is None:
            return None
        if self._speech_end() - self._speech_start < self._min_speech_windows:
            return None
        return self._start_sample + self._padded_start(self._speech_start)

    @property
    def spoken_until(self) -> int:
        """The end of the open utterance, with what its padding would be now."""
        end = self._speech_end() * WINDOW_SAMPLES + self._pad_samples
        return self._start_sample + min(end, len(self._windows) * WINDOW_SAMPLES)

    def spoken(self, start_sample: int) -> Samples:
        """The open utterance from `start_sample` on, up to `spoken_until`."""
        end = self.spoken_until - self._start_sample
        start = max(0, start_sample - self._start_sample)
        if self.speaking_since is None or start >= end:
            return np.zeros(0, np.float32)
        first = start // WINDOW_SAMPLES
        samples = np.concatenate([np.zeros(0, np.float32), *self._windows[first:]])
        return samples[start - first * WINDOW_SAMPLES : end - first * WINDOW_SAMPLES]

    def flush(self, padding_samples: int) -> list[Utterance]:
        """Return the speech that is still open. The last `padding_samples` are not real."""
        if self._speech_start is None:
            return []
        if padding_samples:
            self._windows[-1] = self._windows[-1][:-padding_samples]
        return self._close(self._speech_end())

    def _speech_end(self) -> int:
        return len(self._windows) if self._silence_start is None else self._silence_start

    def _padded_start(self, speech_start: int) -> int:
        return max(0, speech_start * WINDOW_SAMPLES - self._pad_samples)

    def _close(self, speech_end: int) -> list[Utterance]:
        utterances = self._utterance(speech_end, self._pad_samples)
        self._speech_start = self._silence_start = None
        self._drop(len(self._windows) - self._pad_windows)
        return utterances

    def _split(self) -> list[Utterance]:
        assert self._speech_start is not None, "only speech is split"
        place = _quietest(self._windows, len(self._windows) * 2 // 3)
        utterances = self._utterance(place, 0)
        if self._silence_start is not None and self._silence_start <= place:
            self._speech_start = self._silence_start = None  # nothing was said after the split
        else:
            self._speech_start = place
        self._drop(place)
        return utterances

    def _utterance(self, speech_end: int, pad_samples: int) -> list[Utterance]:
        """The speech up to window `speech_end`; none where it is too short."""
        assert self._speech_start is not None, "an utterance holds speech"
        if speech_end - self._speech_start < self._min_speech_windows:
            return []
        samples = np.concatenate(self._windows)
        start = self._padded_start(self._speech_start)
        samples = samples[start : speech_end * WINDOW_SAMPLES + pad_samples]
        return [Utterance(self._start_sample + start, samples)]

    def _drop(self, window_count: int) -> None:
        """Forget the first `window_count` windows, if there are so many."""
        window_count = max(0, window_count)
        del self._windows[:window_count]
        self._start_sample += window_count * WINDOW_SAMPLES
        if self._speech_start is not None:
            self._speech_start -= window_count
        if self._silence_start is not None:
            self._silence_start -= window_count


def _quietest(windows: list[Samples], first: int) -> int:
    """The window, from `first` on, in the middle of the quietest QUIET_WINDOWS."""
    power = np.array([np.square(window).mean() for window in windows[first:]])
    heard = np.convolve(power, np.ones(QUIET_WINDOWS), mode="valid")
    return first + int(heard.argmin()) + QUIET_WINDOWS // 2


class SileroNetwork(Protocol):
    def run(
        self, outputs: None, inputs: dict[str, NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]: ...


class Silero:
    """The Silero VAD network, window by window: the same numbers as over all of them at once."""

    def __init__(self, network: SileroNetwork | None = None) -> None:
        """`network`: one that others use as well."""
        self._network = load_network() if network is None else network
        self.restart()

    def restart(self) -> None:
        """Forget the past; the next window is the first of a source."""
        self._h = np.zeros((1, 1, 128), np.float32)
        self._c = np.zeros((1, 1, 128), np.float32)
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)

    def push(self, windows: Samples) -> list[float]:
        """The speech probability of each of the next `windows` [N, 512] float32."""
        if not len(windows):
            return []
        tails = np.vstack([self._context, windows[:, -CONTEXT_SAMPLES:]])  # [N + 1, 64]
        self._context = tails[-1]
        inputs = np.hstack([tails[:-1], windows])  # [N, 576]
        probabilities, self._h, self._c = self._network.run(
            None, {"input": inputs, "h": self._h, "c": self._c}
        )
        return [float(probability) for probability in probabilities.reshape(-1)]


def load_network() -> SileroNetwork:
    """Raises RecognizerError."""
    onnxruntime: Any = import_module("onnxruntime")  # untyped, and 0.3 s: not for `--help`
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # it is tiny
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        str(_weights_path()), sess_options=options, providers=["CPUExecutionProvider"]
    )


def _weights_path() -> Path:
    spec = find_spec("faster_whisper")  # found, not imported: that takes 0.5 s
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "assets" / "silero_vad_v6.onnx"
        if path.is_file():
            return path
    raise RecognizerError(
        "the voice activity detector of faster-whisper is missing; reinstall it: "
        'pip install --force-reinstall "faster-whisper>=1.2.1"'
    )
