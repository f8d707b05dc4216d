"""The one place that decides in which order captions are shown (pure).

Finals may be ready in another order than they were spoken: a long sentence takes longer to
translate than the short one that follows it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..events import Caption

HELD_SEGMENTS = 8  # so many later finals wait for a missing one
FARTHEST_DRAFT = 64  # segments ahead; a draft farther ahead is not kept
GAPS = 64  # so many stretches of segments that were given up are remembered, the newest


class CaptionOrder:
    """Captions of one session in, the same captions in the order of their segments out.

    For each language by itself, and for what is spoken, in whatever language each segment is:
    1. Finals leave in the order of their segments, each once. One that comes too early is held.
    2. A draft leaves while its segment is the first that is not final; of a later one, the newest
       is held until then. A draft that was replaced before it could leave does not leave.
    3. When HELD_SEGMENTS finals wait for a missing one, they leave without it. Should it come after
       all, it leaves at once, behind later ones.

    Memory is bounded for each language: HELD_SEGMENTS finals, FARTHEST_DRAFT drafts, GAPS gaps.
    """

    def __init__(self) -> None:
        self._spoken = _Stream()
        self._languages: dict[str, _Stream] = {}

    def begin(self, captions: Iterable[Caption]) -> None:
        """Wait for no segment before those of `captions`: for who comes in the middle of a session.
        Without it, the first is 0."""
        firsts: dict[_Stream, int] = {}
        for caption in captions:
            for stream in self._streams(caption):
                segment_id = caption.segment_id
                firsts[stream] = min(segment_id, firsts.get(stream, segment_id))
        for stream, segment_id in firsts.items():
            stream.skip_to(segment_id)

    def push(self, caption: Caption) -> list[Caption]:
        """Take a caption; return those that are to be shown now.

        What is spoken has a place in two orders, as segments that are spoken in another language
        have translations in its own. It leaves once, as soon as one of them lets it.
        """
        held = _Held(caption)
        return _leaving([one for stream in self._streams(caption) for one in stream.push(held)])

    def flush(self) -> list[Caption]:
        """The finals that are held, language by language: what is missing comes no more."""
        streams = (self._spoken, *self._languages.values())
        return _leaving([one for stream in streams for one in stream.flush()])

    def _streams(self, caption: Caption) -> list[_Stream]:
        language = self._language(caption.language)
        return [self._spoken, language] if caption.is_source else [language]

    def _language(self, language: str) -> _Stream:
        return self._languages.setdefault(language, _Stream())


@dataclass(slots=True, eq=False)
class _Held:
    caption: Caption
    has_left: bool = False


def _leaving(held: list[_Held]) -> list[Caption]:
    """Those that have not left before."""
    left: list[Caption] = []
    for one in held:
        if not one.has_left:
            one.has_left = True
            left.append(one.caption)
    return left


class _Stream:
    def __init__(self) -> None:
        self._first_open = 0  # all segments below it have left, or were given up
        self._newest: dict[int, _Held] = {}  # of the segments from there on
        self._gaps: list[range] = []  # segments below it that were given up

    def push(self, held: _Held) -> list[_Held]:
        caption, segment_id = held.caption, held.caption.segment_id
        if segment_id < self._first_open:
            return [held] if caption.is_final and self._was_missing(segment_id) else []
        older = self._newest.get(segment_id)
        if older is not None and not _replaces(caption, older.caption):
            return []
        if not caption.is_final and segment_id > self._first_open + FARTHEST_DRAFT:
            return []
        self._newest[segment_id] = held
        finals = self._held_finals()
        if len(finals) >= HELD_SEGMENTS:
            self.skip_to(finals[0])
        elif segment_id != self._first_open:
            return []
        return self._leave()

    def flush(self) -> list[_Held]:
        left: list[_Held] = []
        for segment_id in self._held_finals():
            if segment_id >= self._first_open:  # else it has left behind the one before it
                self.skip_to(segment_id)
                left += [held for held in self._leave() if held.caption.is_final]
        return left

    def skip_to(self, segment_id: int) -> None:
        """Give up what is missing before a segment."""
        if segment_id <= self._first_open:
            return
        self._gaps = [*self._gaps, range(self._first_open, segment_id)][-GAPS:]
        self._newest = {k: held for k, held in self._newest.items() if k >= segment_id}
        self._first_open = segment_id

    def _leave(self) -> list[_Held]:
        """The first open segment, and those that follow a final."""
        left: list[_Held] = []
        while held := self._newest.get(self._first_open):
            left.append(held)
            if not held.caption.is_final:
                break
            del self._newest[self._first_open]
            self._first_open += 1
        return left

    def _held_finals(self) -> list[int]:
        return sorted(k for k, held in self._newest.items() if held.caption.is_final)

    def _was_missing(self, segment_id: int) -> bool:
        """Whether a segment was given up; from now on it is not."""
        for index, gap in enumerate(self._gaps):
            if segment_id in gap:
                parts = range(gap.start, segment_id), range(segment_id + 1, gap.stop)
                self._gaps[index : index + 1] = [part for part in parts if part]
                return True
        return False


def _replaces(caption: Caption, older: Caption) -> bool:
    if older.is_final:
        return False
    return caption.is_final or caption.revision > older.revision
