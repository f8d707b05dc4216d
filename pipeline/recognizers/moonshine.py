"""Moonshine tiny: English, cased and punctuated, fast enough for live speech on any CPU.

Its weights are in its wheel. It gives no word times and no confidence: the times are estimated.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..audio.pcm import SAMPLE_RATE_HZ
from ..config import VadConfig
from ..errors import RecognizerError
from ..events import Utterance, Word
from . import LanguageGuess
from .word_times import PAUSE_STEPS, STEP_MS, STEP_SAMPLES, estimated_words, loudness_db

# One thread: a second one takes 5.8 s of CPU time where one takes 3.4, to be done in 3.0 s instead
# of 3.4 (the shared English clips, AMD EPYC, 2026-11-29). More speech at once is more recognizers.
SINGLE_THREAD_VARIABLE = "MOONSHINE_ORT_SINGLE_THREAD"
# Its own voice activity detection cuts words off and finds "You" in half of the beginnings; ours
# has cut already. Each call is then one line.
OPTIONS = {
    "vad_threshold": "0",
    "vad_max_segment_duration": "0",
    "return_audio_data": "false",
    "identify_speakers": "false",
}
# The cost grows with the square of the length: 0.03 s per second of sound up to 12 s, 0.05 at 30 s,
# 0.11 at 45 s.
MAX_PIECE_MS = 20_000
MIN_SAMPLES = SAMPLE_RATE_HZ // 10  # in less no word fits

SILENCE_DB = -62.0  # of full scale: when not even 20 ms are louder, nobody speaks


class _Line(Protocol):
    text: str


class MoonshineRecognizer:
    """Raises RecognizerError where its library or its weights are missing."""

    def __init__(self) -> None:
        try:
            library: Any = import_module("moonshine_voice")  # 0.1 s, and only here
            folder = Path(library.get_assets_path()) / "tiny-en"
            with _single_thread():
                self._transcriber = library.Transcriber(
                    str(folder), library.ModelArch.TINY, options=OPTIONS
                )
        except Exception as error:  # the import's, the system's loader's, or its own
            raise RecognizerError(
                f"Moonshine cannot be loaded ({_first_line(error)}); reinstall it, pip install "
                "--force-reinstall moonshine-voice==0.0.73, or use --asr whisper"
            ) from error

    @property
    def name(self) -> str:
        return "Moonshine tiny (English)"

    @property
    def languages(self) -> frozenset[str]:
        return frozenset({"en"})

    @property
    def is_written(self) -> bool:
        return True

    @property
    def uses_terms(self) -> bool:
        return False

    @property
    def cpu_threads(self) -> int:
        return 1

    @property
    def file_vad(self) -> VadConfig:
        # It hears better what it hears in one: 7 errors in the 328 words of the shared clips, where
        # pauses of 500 ms, as live, leave 15.
        return VadConfig(min_silence_ms=1200, speech_pad_ms=400, max_utterance_ms=MAX_PIECE_MS)

    @property
    def live_vad(self) -> VadConfig:
        return VadConfig(min_silence_ms=500, speech_pad_ms=200, max_utterance_ms=15_000)

    def guess_language(self, utterance: Utterance) -> LanguageGuess:
        return LanguageGuess("en", 1.0)

    def recognize(
        self,
        utterance: Utterance,
        language: str,
        terms: tuple[str, ...] = (),
        *,
        is_draft: bool = False,
    ) -> list[Word]:
        """Return the words of an utterance, their times estimated; it cannot use `terms`.

        A draft is decoded as everything else. ValueError for another language than English;
        RecognizerError where the library fails.
        """
        if language != "en":
            raise ValueError(f"{self.name} does not understand {language!r}")
        return [word for piece in pieces(utterance) for word in self._recognize_piece(piece)]

    def close(self) -> None:
        self._transcriber.close()

    def _recognize_piece(self, piece: Utterance) -> list[Word]:
        if piece.samples.size < MIN_SAMPLES or loudness_db(piece.samples).max() < SILENCE_DB:
            return []
        try:  # NOTE: a list, since it would take an array's samples one by one as objects of numpy
            heard: Any = self._transcriber.transcribe_without_streaming(
                piece.samples.tolist(), SAMPLE_RATE_HZ
            )
        except Exception as error:  # its own, of which it has several
            raise RecognizerError(f"{self.name} failed ({_first_line(error)})") from error
        lines: Sequence[_Line] = heard.lines
        text = " ".join(line.text for line in lines).replace("♪", " ")
        return estimated_words(text.split(), piece)


def pieces(utterance: Utterance) -> Iterator[Utterance]:
    """The utterance in pieces of MAX_PIECE_MS at most, cut where it is quietest."""
    start_sample, samples = utterance.start_sample, utterance.samples
    max_steps = MAX_PIECE_MS // STEP_MS
    while samples.size > max_steps * STEP_SAMPLES:
        first = max_steps * 2 // 3
        power = 10 ** (loudness_db(samples[: max_steps * STEP_SAMPLES])[first:] / 10)
        heard = np.convolve(power, np.ones(PAUSE_STEPS), mode="valid")
        cut = (first + int(heard.argmin()) + PAUSE_STEPS // 2) * STEP_SAMPLES
        yield Utterance(start_sample, samples[:cut])
        start_sample, samples = start_sample + cut, samples[cut:]
    yield Utterance(start_sample, samples)


@contextmanager
def _single_thread() -> Generator[None]:
    """The library has no option for it, and reads this when it loads."""
    before = os.environ.get(SINGLE_THREAD_VARIABLE)
    os.environ[SINGLE_THREAD_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SINGLE_THREAD_VARIABLE]
        else:
            os.environ[SINGLE_THREAD_VARIABLE] = before


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
