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
from numpy.typing import NDArray

from ..audio.pcm import SAMPLE_RATE_HZ, SAMPLES_PER_MS, to_ms
from ..config import VadConfig
from ..errors import RecognizerError
from ..events import Samples, Utterance, Word
from . import LanguageGuess

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

STEP_MS = 20
STEP_SAMPLES = STEP_MS * SAMPLES_PER_MS
QUIET_STEPS = 8  # 160 ms: a pause
SILENCE_DB = -62.0  # of full scale: when not even one step is louder, nobody speaks
VOICED_BELOW_PEAK_DB = 30.0
VOICED_ABOVE_FLOOR = 0.25  # of the way from the quietest to the loudest
PAUSE_LETTERS = 2  # what a mark after a word adds to its share of the time, besides its letters
PAUSE_MARKS = ".,!?;:"
NO_CONFIDENCE_KNOWN = 1.0


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
        heard = np.convolve(power, np.ones(QUIET_STEPS), mode="valid")
        cut = (first + int(heard.argmin()) + QUIET_STEPS // 2) * STEP_SAMPLES
        yield Utterance(start_sample, samples[:cut])
        start_sample, samples = start_sample + cut, samples[cut:]
    yield Utterance(start_sample, samples)


def estimated_words(texts: Sequence[str], utterance: Utterance) -> list[Word]:
    """The words in media time: each has a share of the voiced time, by its letters.

    Compared with Whisper's word times (436 words of the shared clips and a sample), half of the
    starts are off by less than 120 ms, nine of ten by less than 280 ms.
    """
    voiced = np.flatnonzero(_voiced(utterance.samples))  # steps
    shares = np.cumsum([0, *map(_share, texts)])
    edges = np.rint(shares * (voiced.size / max(1, shares[-1]))).astype(int)
    first_ms = to_ms(utterance.start_sample)
    words: list[Word] = []
    for text, start, end in zip(texts, edges, edges[1:], strict=False):
        start = min(start, voiced.size - 1)
        steps = _longest_stretch(voiced[start : max(end, start + 1)])
        start_ms = first_ms + STEP_MS * int(steps[0])
        end_ms = first_ms + STEP_MS * (int(steps[-1]) + 1)
        words.append(Word(text, start_ms, end_ms, NO_CONFIDENCE_KNOWN, is_estimated=True))
    return words


def _longest_stretch(steps: NDArray[np.intp]) -> NDArray[np.intp]:
    """What lies on one side of the pauses: a word has none inside."""
    stretches = np.split(steps, np.flatnonzero(np.diff(steps) > QUIET_STEPS) + 1)
    return max(stretches, key=len)


def loudness_db(samples: Samples) -> NDArray[np.float64]:
    """The power of each STEP_MS, in dB of full scale; the last is of what is left over."""
    padded = np.pad(samples, (0, -samples.size % STEP_SAMPLES)).reshape(-1, STEP_SAMPLES)
    return 10 * np.log10(np.square(padded, dtype=np.float64).mean(axis=1) + 1e-12)


def _voiced(samples: Samples) -> NDArray[np.bool_]:
    """For each STEP_MS, whether it is loud beside the others."""
    db = loudness_db(samples)
    quiet, loud = np.percentile(db, [5, 95])
    floor = quiet + VOICED_ABOVE_FLOOR * (loud - quiet)
    return db >= max(loud - VOICED_BELOW_PEAK_DB, floor)


def _share(text: str) -> int:
    letters = sum(character.isalnum() for character in text)
    return letters + 1 + PAUSE_LETTERS * text.endswith(tuple(PAUSE_MARKS))


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
