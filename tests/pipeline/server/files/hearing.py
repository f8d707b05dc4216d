"""A recognizer for recordings that are sent, and the beginning of a real one."""

from __future__ import annotations

import io
import threading
import wave
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ, to_ms, to_s16
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.events import Utterance, Word
from surtitle.pipeline.recognizers import LanguageGuess, Recognizer
from surtitle.pipeline.translators import Translator

from ...scripted_recognizer import ScriptedRecognizer
from ..scripted import Scenario, serve

SAMPLE = Path(__file__).parents[4] / "samples" / "harbor.flac"


class Hears(ScriptedRecognizer):
    """Hears a sentence in every utterance; it is held up while `gate` is not set. It knows English
    and Spanish, and takes what it hears for English."""

    name = "Hears"

    def __init__(self) -> None:
        super().__init__("", is_written=True)
        self.languages = frozenset({"en", "es"})
        self.has_begun, self.has_closed = threading.Event(), threading.Event()

    def guess_language(self, utterance: Utterance) -> LanguageGuess:
        return LanguageGuess("en", 0.75)

    def recognize(
        self,
        utterance: Utterance,
        language: str,
        terms: tuple[str, ...] = (),
        *,
        is_draft: bool = False,
    ) -> list[Word]:
        self.has_begun.set()
        super().recognize(utterance, language, terms, is_draft=is_draft)
        start_ms, end_ms = to_ms(utterance.start_sample), to_ms(utterance.samples.size)
        middle_ms = start_ms + end_ms // 2
        return [
            Word("Good", start_ms, middle_ms, 0.5),
            Word("morning.", middle_ms, start_ms + end_ms, 1.0),
        ]

    def close(self) -> None:
        super().close()
        self.has_closed.set()


def serve_files(
    scenario: Scenario,
    folder: Path,
    ear: Callable[[], Recognizer] = Hears,
    translator: Translator | None = None,
    **changes: Any,
) -> None:
    """`serve` with a server that takes recordings; what is live knows the same languages."""
    serve(scenario, folder, translator, worker=Hears(), ear=ear, **changes)


@cache
def speech_pcm(seconds: int = 4) -> bytes:
    """16-bit samples, 16 kHz, mono."""
    samples = np.concatenate([chunk.samples for chunk in read_audio(SAMPLE)])
    return to_s16(samples[: seconds * SAMPLE_RATE_HZ]).tobytes()


@cache
def speech(seconds: int = 4) -> bytes:
    """A WAV file."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(speech_pcm(seconds))
    return data.getvalue()
