"""The captions of a session in one language: what is to be translated, and what is shown (pure)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import NamedTuple

from ..config import CaptionMode, Term
from ..events import Caption, SourceSegment, TranslationRequest, Word, joined_text
from ..text.glossary import contains, required
from .budget import MAX_ERASURE, Wording, common_prefix, units, without_end_marks

MIN_DRAFT_WORDS = 3  # of fewer, a translation is a guess
CONTEXT_SEGMENTS = 3  # before a segment, that tell what it is about
WITHDRAWN = 64  # segments that are remembered, for translations that were under way


@dataclass(slots=True)
class _Open:
    """A segment that is still spoken: what is shown, and the last translation behind it."""

    wording: Wording
    hypothesis: list[str] = field(default_factory=list[str])
    draft: str = ""


class _Said(NamedTuple):
    """A final, and its translation once it is there."""

    language: str
    text: str
    translation: str


class CaptionTrack:
    """Translations into one language. Holds the open segments, which go with their finals, and as
    context the texts of the last finals."""

    def __init__(
        self,
        language: str,
        mode: CaptionMode,
        terms: tuple[Term, ...] = (),
        *,
        is_written: bool = True,
        max_erasure: float | None = None,
    ) -> None:
        """`is_written`: segments come cased and punctuated. `max_erasure`: another budget than that
        of the mode."""
        self.language = language
        self.term_hits = 0  # terms of the glossary in the final captions
        self._terms = terms
        self._is_written = is_written
        self._max_erasure = MAX_ERASURE[mode] if max_erasure is None else max_erasure
        self._open: dict[int, _Open] = {}
        self._said: dict[int, _Said] = {}  # finals
        self._withdrawn: deque[int] = deque(maxlen=WITHDRAWN)

    def wants(self, segment: SourceSegment) -> bool:
        """Whether there is enough of the segment to translate."""
        return segment.is_final or len(segment.words) >= MIN_DRAFT_WORDS

    def request(self, segment: SourceSegment) -> TranslationRequest:
        """What to translate for this revision, given what is shown by now.

        A final is bound by what is pinned, and by nothing else of its drafts. It is context of what
        follows from now on.
        """
        opened = self._open.get(segment.segment_id)
        context = self._context(segment)
        if segment.is_final:
            self._remember(segment, "")
        return TranslationRequest(
            segment.text,
            segment.language,
            self.language,
            draft=opened.draft if opened and not segment.is_final else "",
            pinned=opened.wording.pinned if opened else "",
            required=required(segment.text, self._terms, self.language),
            is_written=self._is_written,
            context=context,
            is_draft=not segment.is_final,
        )

    def apply(self, segment: SourceSegment, translation: str) -> Caption | None:
        """Take the translation of `request(segment)`; the caption to show, None if none changes.

        A final segment always has a caption.
        """
        if segment.segment_id in self._withdrawn:
            return None
        opened = self._open.setdefault(segment.segment_id, _Open(Wording(self._max_erasure)))
        hypothesis = units(translation, self.language)
        if not segment.is_final:
            hypothesis = without_end_marks(hypothesis)
        agreed = common_prefix(opened.hypothesis, hypothesis)
        changed = opened.wording.show(hypothesis, agreed, is_final=segment.is_final)
        opened.hypothesis, opened.draft = hypothesis, "".join(hypothesis[:agreed])
        if segment.is_final:
            del self._open[segment.segment_id]
            self._remember(segment, opened.wording.text)
            terms = required(segment.text, self._terms, self.language)
            self.term_hits += sum(contains(opened.wording.text, term) for term in terms)
        return (
            caption(segment, self.language, opened.wording) if changed or segment.is_final else None
        )

    def give_up(self, segment: SourceSegment) -> Caption | None:
        """The translation failed: a final segment keeps what is shown of it, or else its source."""
        if not segment.is_final:
            return None
        opened = self._open.get(segment.segment_id)
        return self.apply(segment, (opened and opened.wording.text) or segment.text)

    def withdraw(self, segment: SourceSegment) -> Caption:
        """A segment turned out to be nothing: what is shown of it goes, as far as it may."""
        self._withdrawn.append(segment.segment_id)
        opened = self._open.pop(segment.segment_id, None) or _Open(Wording(self._max_erasure))
        opened.wording.show([], 0, is_final=True)
        return caption(segment, self.language, opened.wording)

    def _context(self, segment: SourceSegment) -> tuple[tuple[str, str], ...]:
        before = sorted(n for n in self._said if n < segment.segment_id)[-CONTEXT_SEGMENTS:]
        said = (self._said[n] for n in before)
        return tuple(
            (one.text, one.translation) for one in said if one.language == segment.language
        )

    def _remember(self, segment: SourceSegment, translation: str) -> None:
        """A text that stands for its own translation has none."""
        known = translation if translation != segment.text else ""
        self._said[segment.segment_id] = _Said(segment.language, segment.text, known)
        # One more than is asked for: this one is no context of itself.
        for oldest in sorted(self._said)[: -CONTEXT_SEGMENTS - 1]:
            del self._said[oldest]


class SourceTrack:
    """Captions in the language that is spoken: committed words, and as much of the tail as the
    budget allows."""

    def __init__(self, mode: CaptionMode) -> None:
        self._max_erasure = MAX_ERASURE[mode]
        self._segment_id = -1
        self._wording = Wording(self._max_erasure)

    def apply(self, segment: SourceSegment, committed_words: int) -> Caption | None:
        """Show a revision of the newest segment, of which so many words are certain."""
        if segment.segment_id != self._segment_id:
            self._segment_id, self._wording = segment.segment_id, Wording(self._max_erasure)
        wording = self._wording
        hypothesis = units(segment.text, segment.language)
        certain = units(joined_text(segment.words[:committed_words]), segment.language)
        agreed = common_prefix(certain, hypothesis)  # not a word whose end is uncertain
        changed = wording.show(hypothesis, agreed, is_final=segment.is_final)
        if not changed and not segment.is_final:
            return None
        words = _shown_words(segment.words, hypothesis, wording.shown)
        if segment.is_final:
            words += _words_left(words or segment.words, wording.text)
        shown = caption(segment, segment.language, wording)
        return replace(shown, is_source=True, words=tuple(words))

    def withdraw(self, segment: SourceSegment) -> Caption:
        """A segment turned out to be nothing; as no word was certain, nothing of it is shown."""
        nothing = caption(segment, segment.language, Wording(self._max_erasure))
        return replace(nothing, is_source=True)


def _shown_words(
    words: Sequence[Word], hypothesis: Sequence[str], shown: Sequence[str]
) -> list[Word]:
    """The words that are shown to their end, spelled as they are shown: a pinned beginning may not
    read as it is heard by now. `hypothesis` are the units of their text."""
    ends = accumulate(map(len, hypothesis))
    end = next(ends, 0)
    found: list[Word] = []
    at = begin = length = 0  # units passed, the first of the word, characters of the text so far
    start_ms: int | None = None  # of a word that shares its last unit with the next one
    for n, word in enumerate(words):
        length += len(word.text) + (n > 0 and not word.is_joined)
        while at < len(hypothesis) and end <= length:
            at, end = at + 1, next(ends, 0)
        if at > len(shown):
            break
        start_ms = word.start_ms if start_ms is None else start_ms
        if at > begin:
            text = "".join(shown[begin:at])
            is_joined = bool(found) and text == text.lstrip()
            one = replace(word, text=text.strip(), start_ms=start_ms, is_joined=is_joined)
            found.append(one)
            begin, start_ms = at, None
    return found


def _words_left(words: Sequence[Word], text: str) -> list[Word]:
    """What a final text shows beyond its words, as it could not be taken back: it is as late as the
    last of them."""
    last = words[-1]
    rest = text[len(joined_text(words)) :]
    return [
        Word(part, last.end_ms, last.end_ms, last.confidence, True, at == 0 and rest[0] != " ")
        for at, part in enumerate(rest.split())
    ]


def caption(segment: SourceSegment, language: str, wording: Wording) -> Caption:
    return Caption(
        segment_id=segment.segment_id,
        revision=segment.revision,
        language=language,
        text=wording.text,
        start_ms=segment.start_ms,
        end_ms=segment.end_ms,
        is_final=segment.is_final,
        speaker="" if segment.speaker is None else str(segment.speaker),
    )
