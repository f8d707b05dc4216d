"""Which recognizer listens: Whisper where its weights can be had, else PocketSphinx."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from ..audio.pcm import SAMPLE_RATE_HZ
from ..config import RecognizerConfig
from ..errors import RecognizerError
from ..events import Utterance
from . import Recognizer, terms_notices

if TYPE_CHECKING:
    from .whisper import WhisperRecognizer

Say = Callable[[str], None]

_WHISPER_REMEDY = "connect to the internet once, or name a model folder with --asr-model"

# What suits the device, then what is better than nothing when it is on disk already.
CPU_MODELS = ("small", "base", "medium", "large-v3-turbo", "tiny")
GPU_MODELS = ("large-v3-turbo", "large-v3", "medium", "small", "base", "tiny")


def open_recognizer(config: RecognizerConfig, source: str | None, say: Say) -> Recognizer:
    """Load the recognizer of `config`; `say` in one line which one it is, and why.

    `source` is the language spoken, ISO 639-1, or None where it is not known. Weights that have to
    be fetched are announced with their size. Raises RecognizerError where nothing can listen.
    """
    if config.engine == "sphinx":
        return _open_sphinx(config, source, "as asked", say)
    from .whisper_weights import FetchError  # 0.5 s: only where it is wanted

    try:
        weights = _whisper_weights(config.model, say)
    except FetchError as error:
        if config.engine == "auto":
            return _open_sphinx(config, source, f"since {error}", say)
        raise RecognizerError(f"{error}; {_WHISPER_REMEDY}, or use --asr sphinx") from error
    recognizer = _load_whisper(weights, config.terms, say)
    if source is not None and source not in recognizer.languages:
        raise RecognizerError(
            f"{recognizer.name} does not understand {source!r}; name a multilingual model"
        )
    say(f"Recognizing with {recognizer.name}, {weights.why}")
    return recognizer


class _Weights(NamedTuple):
    model: str
    folder: Path
    why: str


def _whisper_weights(model: str, say: Say) -> _Weights:
    """Find, else fetch, the model; for "auto", else find another one. Raises FetchError."""
    from .whisper_weights import FetchError, fetch_weights, find_weights

    others: tuple[str, ...] = ()
    if model == "auto":
        suitable = GPU_MODELS if _has_gpu() else CPU_MODELS
        model, others = suitable[0], suitable[1:]
    folder = find_weights(model)
    if folder is not None:
        return _Weights(model, folder, "whose weights are on disk")
    try:
        return _Weights(model, fetch_weights(model, say), "whose weights are fetched")
    except FetchError as error:
        for other in others:
            folder = find_weights(other)
            if folder is not None:
                return _Weights(other, folder, f"since {error}")
        raise


def _load_whisper(weights: _Weights, terms: tuple[str, ...], say: Say) -> WhisperRecognizer:
    """Load on the GPU, if there is one that works, else on the CPU."""
    from .whisper import WhisperRecognizer

    name = Path(weights.model).name
    if _has_gpu():
        try:
            recognizer = WhisperRecognizer(
                weights.folder, model_name=name, device="cuda", terms=terms
            )
            # NOTE: missing CUDA libraries are noticed only when something is computed.
            recognizer.recognize(Utterance(0, np.zeros(SAMPLE_RATE_HZ, np.float32)), "en")
            return recognizer
        except RecognizerError as error:
            say(f"The GPU cannot be used: {error}")
    return WhisperRecognizer(weights.folder, model_name=name, device="cpu", terms=terms)


def _has_gpu() -> bool:
    import ctranslate2  # pyright: ignore[reportMissingTypeStubs]

    count = cast(int, ctranslate2.get_cuda_device_count())  # pyright: ignore[reportUnknownMemberType]
    return count > 0


def _open_sphinx(config: RecognizerConfig, source: str | None, why: str, say: Say) -> Recognizer:
    from .sphinx import SphinxRecognizer

    recognizer = SphinxRecognizer()
    if source is not None and source not in recognizer.languages:
        raise RecognizerError(
            f"PocketSphinx understands only English, not {source!r}, and listens {why}; "
            f"for Whisper, {_WHISPER_REMEDY}"
        )
    say(f"Recognizing with {recognizer.name}, {why}; expect errors in everyday speech")
    for notice in terms_notices(recognizer, config.terms):
        say(notice)
    return recognizer
