"""Several speakers in one room: their captions in one order, by one clock (pure).

Each is heard by a session of its own, which numbers its segments from its own beginning and knows
no time but that of its own sound. So who talks while another does has captions of his own.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from ..events import Caption


class Conversation:
    """What the speakers of a room have in common; its media time 0 is the first sound of all."""

    def __init__(self) -> None:
        self._numbers = count()
        self._began_s: float | None = None

    def join(self, speaker: str) -> Voice:
        """Somebody comes, with the name that readers see."""
        return Voice(self, speaker)

    def next_number(self) -> int:
        return next(self._numbers)

    def elapsed_ms(self, now_s: float) -> int:
        """How long it has gone on; it begins when this is asked first."""
        if self._began_s is None:
            self._began_s = now_s
        return round(1000 * (now_s - self._began_s))


class Voice:
    """One speaker in a conversation.

    Remembers the number of each of its segments, since a translation may come long after the
    sentence: two numbers for a sentence, as long as it stays.
    """

    def __init__(self, conversation: Conversation, speaker: str) -> None:
        self._conversation = conversation
        self._speaker = speaker
        self._numbers: dict[int, int] = {}  # by the number that its own session gives
        self._start_ms: int | None = None

    def begin(self, now_s: float) -> None:
        """Its first sound is there now."""
        if self._start_ms is None:
            self._start_ms = self._conversation.elapsed_ms(now_s)

    def place(self, caption: Caption) -> Caption:
        """Its caption as the conversation has it."""
        number = self._numbers.get(caption.segment_id)
        if number is None:
            number = self._numbers[caption.segment_id] = self._conversation.next_number()
        start_ms = self._start_ms or 0
        return replace(
            caption,
            segment_id=number,
            speaker=self._speaker,
            start_ms=caption.start_ms + start_ms,
            end_ms=caption.end_ms + start_ms,
            words=tuple(
                replace(word, start_ms=word.start_ms + start_ms, end_ms=word.end_ms + start_ms)
                for word in caption.words
            ),
        )
