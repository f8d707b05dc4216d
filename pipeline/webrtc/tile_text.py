"""What stands on a tile: the newest sentences and who says them, in one language or two (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from ..config import AUTO
from ..events import Caption

KEPT_SEGMENTS = 8  # more than a tile has room for


@dataclass(frozen=True, slots=True)
class Row:
    """A sentence: `texts` are the same in each language shown, as far as it is translated."""

    speaker: str
    texts: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    language: str
    is_final: bool
    is_second: bool = False  # in the other language, which stands smaller


class TileText:
    """The newest captions of one session."""

    def __init__(self, languages: tuple[str, ...]) -> None:
        """The languages to show, the first one larger; AUTO is what is spoken."""
        if not 1 <= len(languages) <= 2:
            raise ValueError(f"a tile shows one language or two, got {', '.join(languages)}")
        self._languages = languages
        self._segments: dict[int, dict[str, Caption]] = {}

    def clear(self) -> None:
        """Another session begins."""
        self._segments.clear()

    def push(self, caption: Caption) -> bool:
        """Take a caption; return whether it changes what is shown."""
        before = self.rows()
        captions = self._segments.setdefault(caption.segment_id, {})
        for language in self._languages:
            shown = captions.get(language)
            if _is_of(caption, language) and (shown is None or shown.revision < caption.revision):
                captions[language] = caption
        while len(self._segments) > KEPT_SEGMENTS:
            del self._segments[min(self._segments)]
        return self.rows() != before

    def rows(self) -> list[Row]:
        """Oldest first. What is said in both languages alike stands there once."""
        found = (self._row(self._segments[number]) for number in sorted(self._segments))
        return [row for row in found if row.texts]

    def _row(self, captions: dict[str, Caption]) -> Row:
        shown = {
            caption: Line(caption.text, caption.language, caption.is_final, number > 0)
            for number, language in reversed([*enumerate(self._languages)])
            if (caption := captions.get(language)) is not None and caption.text.strip()
        }
        speaker = next((caption.speaker for caption in shown), "")
        return Row(speaker, tuple(reversed(shown.values())))


def _is_of(caption: Caption, language: str) -> bool:
    return caption.language == language or (caption.is_source and language == AUTO)
