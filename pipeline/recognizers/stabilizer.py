"""Hypotheses that are revised -> words that are certain, and a tail (pure)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ..events import Word

EDIT_MS = 150  # a seam so far from its time is as bad as one word more or less
# Where times are estimated, and change with each hypothesis: with 150 as well, Moonshine said words
# twice and left others out at seams, 25 to 27 errors in 328 words of human speech, now 18 to 20.
ESTIMATED_EDIT_MS = 500


class Agreement(NamedTuple):
    """`committed` became certain just now and never changes; `tail` follows, and still may."""

    committed: tuple[Word, ...]
    tail: tuple[Word, ...]


class Stabilizer:
    """LocalAgreement-n: certain is what n hypotheses in a row begin with.

    Liu et al. 2020 (Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial
    Hypothesis Selection); Macháček et al. 2023, arXiv 2307.14743. Holds the certain words of one
    utterance.

    1. Leave out of the hypothesis what is certain already, however it reads now.
    2. Commit the beginning on which it agrees with the n - 1 before it; at the end, all of it.
    """

    def __init__(self, hypotheses: int = 2) -> None:
        if hypotheses < 2:
            raise ValueError(f"hypotheses must be at least 2, got {hypotheses}")
        self._certain: list[Word] = []
        self._earlier: deque[list[str]] = deque(maxlen=hypotheses - 1)  # what they leave open

    def push(self, words: Sequence[Word], *, since_ms: int, is_end: bool) -> Agreement:
        """Take what is heard from `since_ms` to now, in order; with `is_end` it is the last word
        on it, and what comes next is of other audio."""
        self._certain = [word for word in self._certain if _middle_ms(word) >= since_ms]
        rest = [*words[_seam(self._certain, words) :]]  # 1.
        spellings = [_spelling(word) for word in rest]
        agreed = len(rest) if is_end else self._agreed(spellings)  # 2.
        if is_end:
            self._earlier.clear()
        else:
            self._earlier.append(spellings)
            for earlier in self._earlier:
                del earlier[:agreed]
        rest = _in_order(rest, self._certain[-1].end_ms if self._certain else since_ms)
        self._certain += rest[:agreed]
        return Agreement(tuple(rest[:agreed]), tuple(rest[agreed:]))

    def _agreed(self, spellings: list[str]) -> int:
        if len(self._earlier) < (self._earlier.maxlen or 0):
            return 0
        alike = [len(set(column)) == 1 for column in zip(spellings, *self._earlier, strict=False)]
        return [*alike, False].index(False)


def _seam(certain: Sequence[Word], words: Sequence[Word]) -> int:
    """How many of `words` stand for the `certain` ones.

    The words decide, by the fewest that are more, less or other; since any word can be misheard or
    said twice, so does the time: where the last certain word ends.
    """
    if not certain:
        return 0
    spellings = [_spelling(word) for word in words]
    edits = list(range(len(words) + 1))  # between the certain words so far and words[:n]
    for index, word in enumerate(certain, 1):
        spelling, above = _spelling(word), edits
        edits = [index]
        for n, other in enumerate(words):
            apart = word.end_ms <= other.start_ms or other.end_ms <= word.start_ms
            changed = 0 if spelling == spellings[n] else 1 + apart
            edits.append(min(above[n] + changed, above[n + 1] + 1, edits[n] + 1))
    end_ms = certain[-1].end_ms
    edit_ms = ESTIMATED_EDIT_MS if certain[-1].is_estimated else EDIT_MS
    costs = [count + _gap_ms(words, n, end_ms) / edit_ms for n, count in enumerate(edits)]
    return costs.index(min(costs))


def _gap_ms(words: Sequence[Word], cut: int, time_ms: int) -> int:
    """How far `time_ms` is from lying between words[:cut] and the others."""
    before = words[cut - 1] if cut else None
    after = words[cut] if cut < len(words) else None
    return max(
        0,
        _middle_ms(before) - time_ms if before else 0,
        time_ms - _middle_ms(after) if after else 0,
    )


def _middle_ms(word: Word) -> int:
    return (word.start_ms + word.end_ms) // 2


def _spelling(word: Word) -> str:
    """The word without case and without punctuation at its edges."""
    return re.sub(r"^\W+|\W+$", "", word.text).casefold() or word.text


def _in_order(words: Sequence[Word], start_ms: int) -> list[Word]:
    """The words with times that do not go back behind `start_ms`, nor behind one another."""
    ordered: list[Word] = []
    for word in words:
        start_ms = max(word.start_ms, start_ms)
        ordered.append(replace(word, start_ms=start_ms, end_ms=max(word.end_ms, start_ms + 1)))
    return ordered
