"""Recognized words -> segments: sentences where the evidence allows (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..config import SegmenterConfig
from ..events import SourceSegment, Word, joined_text
from .clauses import ANYWHERE, INSIDE_WORD, binds, cut_cost, ends_sentence
from .languages import language_rules
from .scripts import are_parted

LONGEST = 2  # times too long: there a word that never ends is cut


class Segmenter:
    """Closes a segment at a sentence's end, at a pause, or at the length limit.

    The word after a place is part of the evidence for it ("Mr. | Smith", a pause), so the last
    word stays open until another arrives, silence follows, or `flush` is called. How the words are
    dealt out over calls of `push` makes no difference.
    """

    def __init__(
        self, config: SegmenterConfig, language: str, *, is_written: bool, is_live: bool = False
    ) -> None:
        """`is_written`: words come cased and punctuated. `is_live`: they are shown before their
        segment closes, so that a long one is not cut at its best place, but where it has come to a
        good one."""
        self.language = language  # of the words that come
        self._config = config
        self._is_live = is_live
        self._rules = language_rules(language)
        self._is_written = is_written
        self._open: list[Word] = []
        self._next_id = 0
        self._draft: SourceSegment | None = None  # the last one of the open segment

    def push(self, words: Sequence[Word]) -> list[SourceSegment]:
        """Take the next words, in order, and return the segments that they close."""
        closed: list[SourceSegment] = []
        for word in words:
            if self._open and self._ends_before(word, self._open):
                closed.append(self._close(len(self._open)))
            self._open.append(word)
            while not self._is_live and self._length(self._open) > 1:
                closed.append(self._close(self._best_cut()))
        return closed

    def flush(self) -> list[SourceSegment]:
        """Close what is open: no further words belong to it."""
        return [self._close(len(self._open))] if self._open else []

    def close_in_silence(self, heard_ms: int) -> list[SourceSegment]:
        """Close what is open if nothing more was said for long enough, up to `heard_ms`."""
        if not self._open:
            return []
        last = self._open[-1]
        silence_ms = heard_ms - last.end_ms
        ends = ends_sentence(last.text, None, self._rules)
        limit_ms = self._config.pause_ms if ends else self._pause_limit_ms(last)
        return self.flush() if silence_ms >= limit_ms else []

    def withdraw(self) -> SourceSegment | None:
        """Give up a segment of which no word became certain: its last draft, as a final. None where
        there is no draft; `flush` comes first."""
        draft = self._draft
        if draft is None:
            return None
        self._draft = None
        self._next_id += 1
        return replace(draft, revision=draft.revision + 1, is_final=True)

    def switch(self, language: str) -> None:
        """Go on in another language, when nothing is open any more."""
        assert not self._open and self._draft is None, "no segment is in two languages"
        self.language, self._rules = language, language_rules(language)

    def draft(self, tail: Sequence[Word]) -> SourceSegment | None:
        """A new revision of the open segment, followed by words that are not certain yet, as far as
        they seem to belong to it; None where nothing is open, or its text is that of the last
        revision."""
        words = list(self._open)
        for word in tail:
            if words and self._ends_before(word, words):
                break
            words.append(word)
        last = self._draft
        if not words or (last and last.text == joined_text(words)):
            return None
        revision = last.revision + 1 if last else 0
        self._draft = SourceSegment(
            self._next_id, revision, tuple(words), is_final=False, language=self.language
        )
        return self._draft

    @property
    def open_words(self) -> Sequence[Word]:
        """The certain words of the open segment."""
        return self._open

    def _close(self, word_count: int) -> SourceSegment:
        words = tuple(self._open[:word_count])
        del self._open[:word_count]
        revision = self._draft.revision + 1 if self._draft else 0
        self._draft = None
        self._next_id += 1
        return SourceSegment(
            self._next_id - 1, revision, words, is_final=True, language=self.language
        )

    def _ends_before(self, word: Word, words: Sequence[Word]) -> bool:
        """Whether a segment of `words` ends where `word` follows."""
        last = words[-1]
        if _is_inside_word(last, word):
            return self._length([*words, word]) > LONGEST
        if ends_sentence(last.text, word.text, self._rules):
            return True
        pause_ms = word.start_ms - last.end_ms
        if pause_ms >= self._pause_limit_ms(last):
            return True
        if not self._is_live:
            return False
        # The longer it is, the worse a place will do: a clause mark at 0.6, any at 1.
        length = self._length([*words, word])
        cost = cut_cost(last.text, word.text, self._rules, pause_ms)
        return length > 1 or cost <= ANYWHERE * (2 * length - 1)

    def _pause_limit_ms(self, last: Word) -> int:
        leans = self._is_written or binds(last.text, self._rules)
        return self._config.long_pause_ms if leans else self._config.pause_ms

    def _length(self, words: Sequence[Word]) -> float:
        """How long a segment is; above 1 it is too long."""
        if len(words) < 2:
            return 0.0
        share = (words[-1].end_ms - words[0].start_ms) / self._config.max_duration_ms
        # A "word" of a script without spaces is often one character: there only time counts.
        if not self._rules.has_spaces:
            return share
        count = sum(not word.is_joined for word in words)
        return max(share, count / self._config.max_words)

    def _best_cut(self) -> int:
        """Return how many words to close; of equal places the last, so that segments stay long."""
        count = len(self._open)
        return min(range(max(1, count // 2), count), key=lambda cut: (self._cut_cost(cut), -cut))

    def _cut_cost(self, cut: int) -> float:
        before, after = self._open[cut - 1], self._open[cut]
        if _is_inside_word(before, after):
            return INSIDE_WORD
        pause_ms = after.start_ms - before.end_ms
        return cut_cost(before.text, after.text, self._rules, pause_ms)


def _is_inside_word(last: Word, word: Word) -> bool:
    """Whether two are parts of one word, or of a number: "3." and "5"."""
    return word.is_joined and not are_parted(last.text, word.text)
