"""Recognized words -> segments: sentences where the evidence allows (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from .clauses import binds, cut_cost, ends_sentence
from .config import SegmenterConfig
from .events import SourceSegment, Word
from .subtitle_rules import language_rules


class Segmenter:
    """Closes a segment at a sentence's end, at a pause, or at the length limit.

    The word after a place is part of the evidence for it ("Mr. | Smith", a pause), so the last
    word stays open until another arrives or `flush` is called. How the words are dealt out over
    calls of `push` makes no difference.
    """

    def __init__(self, config: SegmenterConfig, language: str, *, is_written: bool) -> None:
        self._config = config
        self._rules = language_rules(language)
        self._is_written = is_written
        self._open: list[Word] = []
        self._next_id = 0

    def push(self, words: Sequence[Word]) -> list[SourceSegment]:
        """Take the next words, in order, and return the segments that they close."""
        closed: list[SourceSegment] = []
        for word in words:
            if self._open and self._ends_between(self._open[-1], word):
                closed.append(self._close(len(self._open)))
            self._open.append(word)
            while self._is_too_long():
                closed.append(self._close(self._best_cut()))
        return closed

    def flush(self) -> list[SourceSegment]:
        """Close what is open: no further words belong to it."""
        return [self._close(len(self._open))] if self._open else []

    def _close(self, word_count: int) -> SourceSegment:
        words = tuple(self._open[:word_count])
        del self._open[:word_count]
        self._next_id += 1
        return SourceSegment(self._next_id - 1, revision=0, words=words, is_final=True)

    def _ends_between(self, last: Word, word: Word) -> bool:
        if ends_sentence(last.text, word.text, self._rules):
            return True
        leans = self._is_written or binds(last.text, self._rules)
        limit_ms = self._config.long_pause_ms if leans else self._config.pause_ms
        return word.start_ms - last.end_ms >= limit_ms

    def _is_too_long(self) -> bool:
        if len(self._open) < 2:
            return False
        # A "word" of a script without spaces is often one character: there only time counts.
        is_wordy = self._rules.has_spaces and len(self._open) > self._config.max_words
        duration_ms = self._open[-1].end_ms - self._open[0].start_ms
        return is_wordy or duration_ms > self._config.max_duration_ms

    def _best_cut(self) -> int:
        """Return how many words to close; of equal places the last, so that segments stay long."""
        count = len(self._open)
        return min(range(max(1, count // 2), count), key=lambda cut: (self._cut_cost(cut), -cut))

    def _cut_cost(self, cut: int) -> float:
        before, after = self._open[cut - 1], self._open[cut]
        pause_ms = after.start_ms - before.end_ms
        return cut_cost(before.text, after.text, self._rules, pause_ms)
