"""Recognizers, one per file. Each is imported only when it is chosen (see asr.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ..config import VadConfig
from ..events import AudioChunk, Hypothesis, Utterance, Word


class LanguageGuess(NamedTuple):
    """The language that an utterance seems to be spoken in, ISO 639-1, and how likely it is."""

    language: str
    probability: float


class RecognizerStream(Protocol):
    """One source that is heard live. Its methods compute, and may be called from any one thread."""

    def push(self, chunk: AudioChunk) -> list[Hypothesis]:
        """Take the next chunk, of any length; return the hypotheses that it leads to, in order."""
        ...

    def flush(self) -> list[Hypothesis]:
        """End the utterance that is open; the stream goes on."""
        ...

    def close(self) -> None:
        """Give back what the stream holds; it hears no more."""
        ...


class Recognizer(Protocol):
    """Speech to words. One serves any number of files, one after the other, and live streams."""

    @property
    def name(self) -> str:
        """What listens, for messages: "Whisper small (int8 on CPU)"."""
        ...

    @property
    def languages(self) -> frozenset[str]:
        """The languages that `recognize` accepts, ISO 639-1."""
        ...

    @property
    def is_written(self) -> bool:
        """Whether the words come cased and punctuated, or raw in lower case."""
        ...

    @property
    def uses_terms(self) -> bool:
        """Whether it is helped by names and expressions to expect."""
        ...

    @property
    def file_vad(self) -> VadConfig:
        """How it likes the utterances of a file to be cut, when nobody waits for each of them."""
        ...

    @property
    def live_vad(self) -> VadConfig:
        """How it likes live speech to be cut, where somebody waits for every word."""
        ...

    def guess_language(self, utterance: Utterance) -> LanguageGuess: ...

    def recognize(self, utterance: Utterance, language: str) -> list[Word]:
        """Return the words spoken, in media time (ms), in order; none when nothing was said."""
        ...

    def open_stream(self, language: str, terms: tuple[str, ...]) -> RecognizerStream:
        """Begin to listen live; `terms` are names and expressions to expect.

        Raises RecognizerError for a language that is not in `languages`.
        """
        ...


def terms_notices(recognizer: Recognizer, terms: Sequence[object]) -> list[str]:
    """What to tell people who gave terms to a recognizer that cannot use them; else nothing."""
    if not terms or recognizer.uses_terms:
        return []
    return [f"{recognizer.name} cannot listen for the terms; only translations use them"]
