"""How far a session has come, as its publisher is told (pure)."""

from __future__ import annotations

from collections.abc import Collection

from ..events import Caption
from .connection import Message, parse_caption

UNSEEN_MS = 5000  # words that were heard are seen as a draft by then
REMEMBERED_SEGMENTS = 64


class Progress:
    """How far a session has come, as its messages tell (pure).

    With a `speaker` it is in a conversation, whose other captions do not count, and whose clock is
    another than that of the speaker's sound.
    """

    def __init__(self, languages: Collection[str], speaker: str = "") -> None:
        self.heard_ms = 0
        self._languages = frozenset(languages)
        self._speaker = speaker
        self._segments: dict[int, dict[str, Caption]] = {}  # the newest, each by language

    def push(self, message: Message) -> bool:
        """Take a message; return whether it tells something new. Raises RemoteError for a caption
        that is none."""
        if message["type"] == "status":
            heard_ms = message.get("heard_ms")
            if type(heard_ms) is int and heard_ms > self.heard_ms:
                self.heard_ms = heard_ms
                return True
        if message["type"] != "caption":
            return False
        caption = parse_caption(message)
        return caption.speaker == self._speaker and self._take(caption)

    @property
    def has_open_segments(self) -> bool:
        return any(map(self._is_open, self._segments.values()))

    @property
    def captioned_ms(self) -> int:
        """Up to here all that was said has its final captions in all languages.

        What was heard since the last word, and has no draft after UNSEEN_MS, is silence. In a
        conversation captions tell no times of the sound: what was heard of late may have none yet.
        """
        if self._speaker:
            return max(0, self.heard_ms - UNSEEN_MS)
        starts = [
            min(caption.start_ms for caption in captions.values())
            for captions in self._segments.values()
            if self._is_open(captions)
        ]
        if starts:
            return min(starts)
        ends = [one.end_ms for captions in self._segments.values() for one in captions.values()]
        return max(0, self.heard_ms - UNSEEN_MS, *ends)

    def _is_open(self, captions: dict[str, Caption]) -> bool:
        finals = {language for language, caption in captions.items() if caption.is_final}
        return not self._languages <= finals

    def _take(self, caption: Caption) -> bool:
        captions = self._segments.setdefault(caption.segment_id, {})
        older = captions.get(caption.language)
        if older is not None and (
            older.is_final or (caption.revision <= older.revision and not caption.is_final)
        ):
            return False
        captions[caption.language] = caption
        if len(self._segments) > REMEMBERED_SEGMENTS:
            del self._segments[min(self._segments)]
        return True
