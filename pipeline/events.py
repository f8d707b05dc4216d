"""The nouns that travel through the pipeline. Frozen, without logic.

Media time is integer milliseconds from the start of the source; audio is 16 kHz mono float32.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A piece of a source: `samples` [N] float32 in -1..1, 16 kHz mono."""

    start_sample: int
    samples: Samples


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of speech found by voice activity detection, `samples` [N] as in AudioChunk."""

    start_sample: int
    samples: Samples


@dataclass(frozen=True, slots=True)
class Word:
    """A recognized word. `text` carries no surrounding space; punctuation stays attached to it."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What a recognizer makes of live speech at one moment.

    `committed` are the words that became certain since the last hypothesis and never change; `tail`
    are those that follow and still may. `heard_ms` is how much of the source it has heard. With
    `is_end` nobody speaks any more: the tail is empty, and what comes next is another utterance.
    """

    committed: tuple[Word, ...]
    tail: tuple[Word, ...]
    heard_ms: int
    is_end: bool


@dataclass(frozen=True, slots=True)
class SourceSegment:
    """Words that are translated together: a sentence, or what a pause or the length limit closed.

    (segment_id, revision) identifies the text; a newer revision of the same id replaces the older.
    """

    segment_id: int
    revision: int
    words: tuple[Word, ...]
    is_final: bool

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def start_ms(self) -> int:
        return self.words[0].start_ms

    @property
    def end_ms(self) -> int:
        return self.words[-1].end_ms


@dataclass(frozen=True, slots=True)
class TranslationRequest:
    """One text to translate. Languages are ISO 639-1 codes ("en", "es").

    For live captions: `draft` is the last translation of an earlier state of the text, from which
    the new one starts; `pinned` is the beginning that it must keep, word for word. The translation
    must contain each of the `required` expressions, from the glossary. Revisions of one segment
    have the same `key`: a translator may keep what it has computed of their common beginning.
    """

    text: str
    source: str
    target: str
    draft: str = ""
    pinned: str = ""
    required: tuple[str, ...] = ()
    key: Hashable | None = None


@dataclass(frozen=True, slots=True)
class Caption:
    """A text in one language, ready to show. Replaces an older one by (segment_id, language)."""

    segment_id: int
    revision: int
    language: str
    text: str
    start_ms: int
    end_ms: int
    is_final: bool
