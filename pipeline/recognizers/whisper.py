"""Whisper, run by faster-whisper: about a hundred languages, cased and punctuated."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import ctranslate2  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
from faster_whisper import (  # pyright: ignore[reportMissingTypeStubs]
    BatchedInferencePipeline,
    WhisperModel,
)
from numpy.typing import NDArray

from ..audio.pcm import SAMPLE_RATE_HZ
from ..config import VadConfig
from ..errors import RecognizerError
from ..events import AudioChunk, Utterance, Word
from . import LanguageGuess
from .vad import Vad
from .whisper_words import COMPRESSION_RATIO, DecodedSegment, words_from_segments
from .windows import WINDOW_SAMPLES, Window, full_windows

# Text is invented where nothing is said, or where the decoder loops. Whisper's own thresholds:
NO_SPEECH_PROBABILITY = 0.6  # above it, and the text unlikely: silence
LOG_PROBABILITY = -1.0  # mean per token; below it: decode again, warmer
TEMPERATURES = (0.0, 0.2, 0.4)  # one after the other; each is a whole decoding more
DRAFT_BEAMS, BEAMS = 1, 5  # a draft is thrown away a second later
SILENCE_AROUND_INVENTION_S = 2.0  # text of odd timing beside so much silence is dropped

# For files: what is spoken, cut at pauses to fill windows, several of which are decoded at once.
LONGEST_MS = 120_000
STRETCHES = VadConfig(min_silence_ms=800, speech_pad_ms=400, max_utterance_ms=30_000)
WINDOWS_AT_ONCE = 8
SEEKS_PER_S = 100  # also mel frames
EDGE_S = 0.02  # windows begin within a seek of where they should, and none is as short as this

# For the language half a window does: 0.42 s where the encoder takes 1.72 s for a whole one (AMD
# EPYC, 2 cores, 2026-11-29), and the answers are the same.
GUESS_S, WINDOW_S = 15, 30
CODE_LETTERS = 2  # ISO 639-1; some of Whisper's languages have none

MOST_THREADS = 4  # of a processor: more gain little, and are needed by others
MIN_SAMPLES = SAMPLE_RATE_HZ // 10  # in less no word fits, and below 20 ms faster-whisper fails


class _BatchSegment(DecodedSegment, Protocol):
    """`seek` is where the window begins that it was found in, in SEEKS_PER_S."""

    @property
    def seek(self) -> int: ...

    @property
    def avg_logprob(self) -> float: ...


class _PlacedWord(NamedTuple):
    word: str
    start: float
    end: float
    probability: float


class _PlacedSegment(NamedTuple):
    """What was found in one window of several, with times in that window."""

    words: Sequence[_PlacedWord]
    compression_ratio: float
    avg_logprob: float


class WhisperRecognizer:
    """Whisper from a folder of CTranslate2 weights, on "cpu" or "cuda".

    Raises RecognizerError for weights that cannot be loaded. `terms` are expressions to expect.
    """

    def __init__(
        self, folder: Path, *, model_name: str, device: str, terms: tuple[str, ...] = ()
    ) -> None:
        compute_type = _compute_type(device)
        self._name = f"Whisper {model_name} ({compute_type} on {device.upper()})"
        self._device = device
        self._cpu_threads = min(MOST_THREADS, os.cpu_count() or 1)
        self._terms = terms
        try:
            self._model = WhisperModel(
                str(folder), device=device, compute_type=compute_type, cpu_threads=self._cpu_threads
            )
        except Exception as error:  # the tokenizer's library raises nothing more precise
            raise RecognizerError(
                f"the Whisper model in {folder} cannot be loaded ({_first_line(error)}); "
                "delete the folder and fetch the model again"
            ) from error
        tokens = self._model.hf_tokenizer
        self._languages = frozenset(
            language
            for language in self._model.supported_languages
            if tokens.token_to_id(f"<|{language}|>") is not None or language == "en"
        )

    @property
    def name(self) -> str:
        return self._name

    @property
    def languages(self) -> frozenset[str]:
        return self._languages

    @property
    def is_written(self) -> bool:
        return True

    @property
    def uses_terms(self) -> bool:
        return True

    @property
    def file_vad(self) -> VadConfig:
        # Whisper always works on 30 s, however short the utterance: `recognize` fills windows from
        # what is spoken in a long stretch, silences and all.
        return VadConfig(
            min_silence_ms=LONGEST_MS // 4, speech_pad_ms=400, max_utterance_ms=LONGEST_MS
        )

    @property
    def live_vad(self) -> VadConfig:
        # It is decoded again and again while it grows, so that it must not grow long.
        return VadConfig(min_silence_ms=500, speech_pad_ms=200, max_utterance_ms=15_000)

    def guess_language(self, utterance: Utterance) -> LanguageGuess:
        if len(self._languages) == 1:
            return LanguageGuess("en", 1.0)
        sound = utterance.samples[:WINDOW_SAMPLES]
        is_short = sound.size <= GUESS_S * SAMPLE_RATE_HZ
        model: Any = self._model
        try:
            heard = cast("NDArray[np.float32]", model.feature_extractor(sound))  # [mels, frames]
            frames = SEEKS_PER_S * (GUESS_S if is_short else WINDOW_S)
            features = np.zeros((len(heard), frames), np.float32)
            features[:, : heard.shape[1]] = heard[:, :frames]
            (guesses,) = model.model.detect_language(model.encode(features))
        except RuntimeError as error:
            raise self._failure(error) from error
        codes = ((token.strip("<|>"), probability) for token, probability in guesses)
        return next(LanguageGuess(*guess) for guess in codes if len(guess[0]) == CODE_LETTERS)

    @property
    def cpu_threads(self) -> int:
        return 0 if self._device == "cuda" else self._cpu_threads

    def recognize(
        self,
        utterance: Utterance,
        language: str,
        terms: tuple[str, ...] = (),
        *,
        is_draft: bool = False,
    ) -> list[Word]:
        """Return the words of an utterance; ValueError for a language that is not in `languages`.

        Raises RecognizerError where the device fails.
        """
        if language not in self._languages:
            raise ValueError(f"{self._name} does not understand {language!r}")
        expected = tuple(dict.fromkeys((*terms, *self._terms)))
        return self._transcribe(language, expected, utterance, is_draft)

    def close(self) -> None:
        pass  # nothing but memory

    def _transcribe(
        self, language: str, terms: tuple[str, ...], utterance: Utterance, is_draft: bool
    ) -> list[Word]:
        """Decode once for a draft; otherwise again, where the text is unlikely."""
        if utterance.samples.size < MIN_SAMPLES:
            return []
        try:
            if utterance.samples.size > WINDOW_SAMPLES:
                return self._transcribe_long(language, terms, utterance)
            return self._transcribe_window(language, terms, utterance, is_draft)
        except RuntimeError as error:  # a GPU without memory, or without its libraries
            raise self._failure(error) from error

    def _failure(self, error: RuntimeError) -> RecognizerError:
        return RecognizerError(f"{self._name} failed ({_first_line(error)}); name a smaller model")

    def _transcribe_window(
        self, language: str, terms: tuple[str, ...], utterance: Utterance, is_draft: bool
    ) -> list[Word]:
        segments, _ = self._model.transcribe(  # pyright: ignore[reportUnknownMemberType]
            utterance.samples,
            language=language,
            word_timestamps=True,
            condition_on_previous_text=False,  # else an invented sentence breeds more of them
            beam_size=DRAFT_BEAMS if is_draft else BEAMS,
            temperature=TEMPERATURES[:1] if is_draft else TEMPERATURES,
            no_speech_threshold=NO_SPEECH_PROBABILITY,
            log_prob_threshold=LOG_PROBABILITY,
            compression_ratio_threshold=COMPRESSION_RATIO,
            hallucination_silence_threshold=SILENCE_AROUND_INVENTION_S,
            hotwords=", ".join(terms) or None,
        )
        return words_from_segments(segments, utterance, language)

    def _transcribe_long(
        self, language: str, terms: tuple[str, ...], utterance: Utterance
    ) -> list[Word]:
        """Pack what is spoken into full windows, and decode several of them at once.

        A window whose text is unlikely is decoded again, alone and with care.
        """
        vad = Vad(STRETCHES)
        stretches = vad.push(AudioChunk(utterance.start_sample, utterance.samples)) + vad.flush()
        windows = full_windows(stretches)
        words: list[Word] = []
        for window, decoded in zip(windows, self._decode(language, terms, windows), strict=True):
            sound = Utterance(0, window.samples)
            if any(map(_is_unlikely, decoded)):
                heard = self._transcribe_window(language, terms, sound, False)
            else:
                heard = words_from_segments(decoded, sound, language)
            words += window.in_media_time(heard)
        return words

    def _decode(
        self, language: str, terms: tuple[str, ...], windows: Sequence[Window]
    ) -> list[list[_PlacedSegment]]:
        """What each window holds, in its own time, decoded without a second try."""
        if not windows:
            return []
        sounds = [window.samples for window in windows]
        edges = np.cumsum([0, *(sound.size for sound in sounds)]) / SAMPLE_RATE_HZ
        clips = [{"start": float(start), "end": float(end)} for start, end in pairwise(edges)]
        segments, _ = BatchedInferencePipeline(self._model).transcribe(  # pyright: ignore[reportUnknownMemberType]
            np.concatenate(sounds),
            language=language,
            word_timestamps=True,
            beam_size=BEAMS,
            temperature=TEMPERATURES[:1],
            vad_filter=False,
            clip_timestamps=clips,
            batch_size=WINDOWS_AT_ONCE,
            hotwords=", ".join(terms) or None,
        )
        found: list[list[_PlacedSegment]] = [[] for _ in windows]
        for segment in cast("Iterable[_BatchSegment]", segments):
            at = int(np.searchsorted(edges, segment.seek / SEEKS_PER_S + EDGE_S, "right")) - 1
            found[at].append(_placed(segment))
        return found


def _placed(segment: _BatchSegment) -> _PlacedSegment:
    start_s = segment.seek / SEEKS_PER_S
    words = [
        _PlacedWord(word.word, word.start - start_s, word.end - start_s, word.probability)
        for word in segment.words or ()
    ]
    return _PlacedSegment(words, segment.compression_ratio, segment.avg_logprob)


def _is_unlikely(segment: _PlacedSegment) -> bool:
    return segment.compression_ratio > COMPRESSION_RATIO or segment.avg_logprob < LOG_PROBABILITY


def _compute_type(device: str) -> str:
    """8 bits on a CPU, 16 on a GPU that has them."""
    supported = cast(
        "set[str]",
        ctranslate2.get_supported_compute_types(device),  # pyright: ignore[reportUnknownMemberType]
    )
    preferred = ("float16", "int8_float32") if device == "cuda" else ("int8",)
    return next((name for name in preferred if name in supported), "float32")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
