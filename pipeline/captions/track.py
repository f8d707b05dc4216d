"""The captions of a session in one language: what is to be translated, and what is shown (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..config import CaptionMode, Term
from ..events import Caption, SourceSegment, TranslationRequest
from ..text.glossary import contains, required
from .budget import MAX_ERASURE, Wording, common_prefix, units, without_end_marks

MIN_DRAFT_WORDS = 3  # of fewer, a translation is a guess


@dataclass(slots=True)
class _Open:
    """A segment that is still spoken: what is shown, and the last translation behind it."""

    wording: Wording
    hypothesis: list[str] = field(default_factory=list[str])
    draft: str = ""


class CaptionTrack:
    """Translations into one language. Holds the open segments only: they go with their finals."""

    def __init__(
        self,
        source: str,
        language: str,
        mode: CaptionMode,
        terms: tuple[Term, ...] = (),
        *,
        max_erasure: float | None = None,
    ) -> None:
        """`max_erasure`: another budget than that of the mode."""
        self.language = language
        self.term_hits = 0  # terms of the glossary in the final captions
        self._source = source
        self._terms = terms
        self._max_erasure = MAX_ERASURE[mode] if max_erasure is None else max_erasure
        self._open: dict[int, _Open] = {}

    def wants(self, segment: SourceSegment) -> bool:
        """Whether there is enough of the segment to translate."""
        return segment.is_final or len(segment.words) >= MIN_DRAFT_WORDS

    def request(self, segment: SourceSegment) -> TranslationRequest:
        """What to translate for this revision, given what is shown by now.

        A final is bound by what is pinned, and by nothing else of its drafts.
        """
        opened = self._open.get(segment.segment_id)
        return TranslationRequest(
            segment.text,
            self._source,
            self.language,
            draft=opened.draft if opened and not segment.is_final else "",
            pinned=opened.wording.pinned if opened else "",
            required=required(segment.text, self._terms, self.language),
        )

    def apply(self, segment: SourceSegment, translation: str) -> Caption | None:
        """Take the translation of `request(segment)`; the caption to show, None if none changes.

        A final segment always has a caption.
        """
        opened = self._open.setdefault(segment.segment_id, _Open(Wording(self._max_erasure)))
        hypothesis = units(translation, self.language)
        if not segment.is_final:
            hypothesis = without_end_marks(hypothesis)
        agreed = common_prefix(opened.hypothesis, hypothesis)
        changed = opened.wording.show(hypothesis, agreed, is_final=segment.is_final)
        opened.hypothesis, opened.draft = hypothesis, "".join(hypothesis[:agreed])
        if segment.is_final:
            del self._open[segment.segment_id]
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


class SourceTrack:
    """Captions in the language that is spoken: committed words, and as much of the tail as the
    budget allows."""

    def __init__(self, language: str, mode: CaptionMode) -> None:
        self.language = language
        self._max_erasure = MAX_ERASURE[mode]
        self._segment_id = -1
        self._wording = Wording(self._max_erasure)

    def apply(self, segment: SourceSegment, text: str, committed_text: str) -> Caption | None:
        """Show a revision of the newest segment; `committed_text` is the certain part of `text`."""
        if segment.segment_id != self._segment_id:
            self._segment_id, self._wording = segment.segment_id, Wording(self._max_erasure)
        agreed = len(units(committed_text, self.language))
        hypothesis = units(text, self.language)
        changed = self._wording.show(hypothesis, agreed, is_final=segment.is_final)
        return (
            caption(segment, self.language, self._wording) if changed or segment.is_final else None
        )


def caption(segment: SourceSegment, language: str, wording: Wording) -> Caption:
    return Caption(
        segment_id=segment.segment_id,
        revision=segment.revision,
        language=language,
        text=wording.text,
        start_ms=segment.start_ms,
        end_ms=segment.end_ms,
        is_final=segment.is_final,
    )
