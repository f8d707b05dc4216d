"""Recognizers by their libraries alone, as these come: what ours should not be worse than."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from ..audio.pcm import SAMPLE_RATE_HZ
from ..errors import RecognizerError
from ..events import Samples


def moonshine() -> Callable[[Samples], str]:
    """The library's own voice activity detection and threads."""
    library: Any = import_module("moonshine_voice")
    folder = Path(library.get_assets_path()) / "tiny-en"
    transcriber = library.Transcriber(str(folder), library.ModelArch.TINY)

    def hear(samples: Samples) -> str:
        heard = transcriber.transcribe_without_streaming(samples.tolist(), SAMPLE_RATE_HZ)
        return _joined(heard.lines)

    return hear


def whisper(name: str) -> Callable[[Samples], str]:
    """faster-whisper with its defaults, and with word times, as we need them."""
    from ..recognizers.whisper_weights import find_weights

    folder = find_weights(name)
    if folder is None:
        raise RecognizerError(f"Whisper {name} is not on disk: surtitle models fetch {name}")
    library: Any = import_module("faster_whisper")
    model = library.WhisperModel(str(folder), device="auto", compute_type="int8")

    def hear(samples: Samples) -> str:
        segments, _ = model.transcribe(samples, language="en", word_timestamps=True)
        return _joined(segments)

    return hear


def _joined(parts: Iterable[Any]) -> str:
    return " ".join(str(part.text) for part in parts)
