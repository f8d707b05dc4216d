"""Recognizers, one per file. Each is imported only when it is chosen (see asr.py)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ..config import VadConfig
from ..events import Utterance, Word


class LanguageGuess(NamedTuple):
    """The language that an utterance seems to be spoken in, ISO 639-1, and how likely it is."""

    language: str
    probability: float


class Recognizer(Protocol):
    """Speech to words. It keeps nothing between calls, so that one serves any number of files."""

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
    def file_vad(self) -> VadConfig:
        """How it likes the utterances of a file to be cut, when nobody waits for each of them."""
        ...

    def guess_language(self, utterance: Utterance) -> LanguageGuess: ...

    def recognize(self, utterance: Utterance, language: str) -> list[Word]:
        """Return the words spoken, in media time (ms), in order; none when nothing was said."""
        ...
