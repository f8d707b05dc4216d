"""The nouns that travel through the pipeline. Frozen, without logic.

Media time is integer milliseconds from the start of the source; audio is 16 kHz mono float32.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
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
    """A recognized word. `text` carries no surrounding space; punctuation stays attached to it.

    `is_estimated`: its times were not measured, but are its share of the time of a longer stretch.
    `is_joined`: no space stands between it and the word before it, as in Japanese.
    """

    text: str
    start_ms: int
    end_ms: int
    confidence: float
    is_estimated: bool = False
    is_joined: bool = False


def joined_text(words: Sequence[Word]) -> str:
    """What the words are as a text."""
    parts = (word.text if word.is_joined else f" {word.text}" for word in words)
    return "".join(parts).lstrip(" ")


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What a recognizer makes of live speech at one moment.

    `committed` are the words that became certain since the last hypothesis and never change; `tail`
    are those that follow and still may. `heard_ms` is how much of the source it has heard. With
    `is_end` nobody speaks any more: the tail is empty, and what comes next is another utterance.
    With `is_flush` a segment ends here, whatever follows. `language` is that of the words, ISO
    639-1, where it is found out by listening; else None.
    """

    committed: tuple[Word, ...]
    tail: tuple[Word, ...]
    heard_ms: int
    is_end: bool
    is_flush: bool = False
    language: str | None = None


@dataclass(frozen=True, slots=True)
class SourceSegment:
    """Words that are translated together: a sentence, or what a pause or the length limit closed.

    (segment_id, revision) identifies the text; a newer revision of the same id replaces the older.
    `language` is the one spoken in it, ISO 639-1; `speaker` who speaks, from 1, where known.
    """

    segment_id: int
    revision: int
    words: tuple[Word, ...]
    is_final: bool
    language: str
    speaker: int | None = None

    @property
    def text(self) -> str:
        return joined_text(self.words)

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
    With `is_draft` a newer revision follows soon. `is_written`: the text is cased and punctuated,
    not raw words of a recognizer. `context` is what was said just before, the oldest first: texts,
    each with its translation, or "" where it has none yet.
    """

    text: str
    source: str
    target: str
    draft: str = ""
    pinned: str = ""
    required: tuple[str, ...] = ()
    key: Hashable | None = None
    is_written: bool = True
    context: tuple[tuple[str, str], ...] = ()
    is_draft: bool = False


@dataclass(frozen=True, slots=True)
class Caption:
    """A text in one language, ready to show. Replaces an older one by (segment_id, language).

    `is_source`: it is in the language that is spoken; then `words` are those of `text`, with their
    times. A translation has none. `speaker` is who says it: a name where several speak in a room,
    each of them heard alone, or in finals the number of a voice, where that was asked for.
    """

    segment_id: int
    revision: int
    language: str
    text: str
    start_ms: int
    end_ms: int
    is_final: bool
    is_source: bool = False
    words: tuple[Word, ...] = ()
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """How well a session keeps up, once a second.

    `lag_ms`: how far the newest caption is behind the audio received; `heard_ms` is how much of
    that the recognizer has heard. `queued` translations wait; `dropped_drafts` were replaced by
    newer ones while they waited; `term_hits` terms of the glossary stand in final captions.
    `notice` says in a sentence what is wrong now, for people; it is empty when all is well.
    """

    lag_ms: int
    queued: int
    dropped_drafts: int
    heard_ms: int
    term_hits: int
    viewers: int = 0
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A session is over as it should be; nothing of it follows."""

    session_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A session is over before its time; nothing of it follows. `message` is for people."""

    session_id: str
    code: str
    message: str


SessionEvent = Caption | Status | Ended | Failed
