"""Which recognizer listens: by the language, who waits for it, the device, and what is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
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

_REMEDY = "connect to the internet once, or name a model folder with --asr-model"
_FETCH_BASE = "surtitle models fetch base"

# What suits best first, then what is better than nothing when it is on disk already. Live on a CPU
# "small" falls behind the speaker.
CPU_LIVE_MODELS = ("base", "tiny", "small", "medium", "large-v3-turbo")
CPU_FILE_MODELS = ("small", "base", "medium", "large-v3-turbo", "tiny")
GPU_MODELS = ("large-v3-turbo", "large-v3", "medium", "small", "base", "tiny")


class _Opened(NamedTuple):
    recognizer: Recognizer
    why: str  # goes on after its name


class _Weights(NamedTuple):
    model: str
    folder: Path


def open_recognizer(
    config: RecognizerConfig, source: str | None, say: Say, *, is_live: bool = True
) -> Recognizer:
    """Load the recognizer of `config`; `say` in one line which one it is, and why.

    `source` is the language spoken, ISO 639-1, or None where it is not known yet. Weights that have
    to be fetched are announced with their size. Raises RecognizerError where nothing can listen.
    """
    recognizer, why = _open(config, source, say, is_live)
    if source is not None and source not in recognizer.languages:
        raise RecognizerError(
            f"{recognizer.name} does not understand {source!r}; name a multilingual model"
        )
    say(f"Recognizing with {recognizer.name}, {why}")
    for notice in terms_notices(recognizer, config.terms):
        say(notice)
    return recognizer


def for_other_languages(
    config: RecognizerConfig, *, may_fetch: bool = False
) -> RecognizerConfig | None:
    """What is to hear all languages but English live, if `config` leaves that open: Whisper, where
    Moonshine hears English and some Whisper is on disk, or may be fetched. Else None."""
    if config.engine != "auto" or config.model != "auto" or not _hears_english_by_moonshine():
        return None
    if not may_fetch and _on_disk(CPU_LIVE_MODELS) is None:
        return None
    return replace(config, engine="whisper")


def _hears_english_by_moonshine() -> bool:
    return find_spec("moonshine_voice") is not None and not _has_gpu()


def _open(config: RecognizerConfig, source: str | None, say: Say, is_live: bool) -> _Opened:
    """Decide, and load. Raises RecognizerError.

    1. What was asked for: an engine, or a Whisper model by name.
    2. English live on a CPU: Moonshine, which keeps up.
    3. English in files, on a CPU: Whisper if it is on disk, as it times each word; else Moonshine.
    4. All else: Whisper, fetched if need be. English, if that fails: Moonshine.
    """
    from .whisper_weights import FetchError  # 0.5 s: only where something is opened

    if config.engine == "moonshine":
        return _moonshine(source, "as asked")  # 1.
    if config.engine == "recorded":
        from .recorded import RecordedRecognizer, read_recorded

        speech = read_recorded(Path(config.model).expanduser())
        return _Opened(RecordedRecognizer(speech), f"which are in {config.model}")
    if config.engine == "whisper" or config.model != "auto":
        try:
            return _whisper(config, say, is_live)
        except FetchError as error:
            raise RecognizerError(f"{error}; {_REMEDY}, or use --asr moonshine") from error
    may_be_english = source in ("en", None) and find_spec("moonshine_voice") is not None
    if may_be_english and not _has_gpu():
        if is_live:
            return _live_english(source)  # 2.
        if source == "en" and _on_disk(CPU_FILE_MODELS) is None:
            return _moonshine(source, f"since no Whisper is on disk ({_FETCH_BASE})")  # 3.
    try:
        return _whisper(config, say, is_live)  # 4.
    except FetchError as error:
        if may_be_english:
            return _moonshine(source, f"since {error}; it hears only English")
        raise RecognizerError(f"{error}; {_REMEDY}") from error


def _live_english(source: str | None) -> _Opened:
    why = "which keeps up with live English on a CPU"
    if source is None and _on_disk(CPU_LIVE_MODELS) is None:
        why += f"; for other languages: {_FETCH_BASE}, and start again"
    return _moonshine(source, why)


def _moonshine(source: str | None, why: str) -> _Opened:
    from .moonshine import MoonshineRecognizer

    if source not in ("en", None):
        raise RecognizerError(
            f"Moonshine understands only English, not {source!r}; for Whisper, {_REMEDY}"
        )
    return _Opened(MoonshineRecognizer(), why)


def _whisper(config: RecognizerConfig, say: Say, is_live: bool) -> _Opened:
    """Find, else fetch, the model; for "auto", any that is on disk. Raises FetchError."""
    from .whisper_weights import fetch_weights

    models = _models(is_live) if config.model == "auto" else (config.model,)
    found = _on_disk(models)
    if found is None:
        found = _Weights(models[0], fetch_weights(models[0], say))
        return _Opened(_load_whisper(found, config.terms, say), "whose weights are fetched")
    why = "whose weights are on disk"
    if found.model != models[0]:
        why += f" ({models[0]} would suit better: surtitle models fetch {models[0]})"
    return _Opened(_load_whisper(found, config.terms, say), why)


def _models(is_live: bool) -> tuple[str, ...]:
    if _has_gpu():
        return GPU_MODELS
    return CPU_LIVE_MODELS if is_live else CPU_FILE_MODELS


def _on_disk(models: tuple[str, ...]) -> _Weights | None:
    """The first of the models that is on disk."""
    from .whisper_weights import find_weights

    folders = ((model, find_weights(model)) for model in models)
    return next((_Weights(model, folder) for model, folder in folders if folder), None)


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
