"""How much of a shown caption may be taken back: the flicker budget (pure).

Normalized erasure of a segment is the number of shown units that its updates took back, divided by
the length of its final text (Arivazhagan et al. 2020, arXiv 1912.03393, section 3.3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..config import CaptionMode
from ..text.languages import language_rules

MAX_ERASURE: dict[CaptionMode, float] = {"stable": 0.0, "fresh": 0.2}

_WORDS = re.compile(r"\s*(?:[\w'’-]+|[^\w\s])")  # a word or a mark, with the space before it
_CHARACTERS = re.compile(r"\s*\S")
_MARKS = re.compile(r"\W+")


def units(text: str, language: str) -> list[str]:
    """What is counted: words and marks with the space before them, or characters in a script
    without spaces. Joined, they are the text without its surrounding space."""
    pattern = _WORDS if language_rules(language).has_spaces else _CHARACTERS
    return pattern.findall(text.strip())


class Wording:
    """What one language shows of one segment, from its first draft to its final text.

    `show` keeps two promises, whatever hypotheses come:
    1. erased <= max_erasure * shown, after every update, so also at the end;
    2. a unit that two hypotheses in a row agree on is shown at once, and of the doubtful ones only
       as many as the budget could take back.
    """

    def __init__(self, max_erasure: float) -> None:
        self._max_erasure = max_erasure
        self._shown: list[str] = []
        self._erased = 0

    @property
    def text(self) -> str:
        return "".join(self._shown)

    @property
    def shown(self) -> Sequence[str]:
        """The units of the text."""
        return self._shown

    @property
    def erased(self) -> int:
        """Units taken back so far."""
        return self._erased

    @property
    def pinned(self) -> str:
        """The beginning that the next hypothesis must keep, as the budget cannot take it back."""
        return "".join(self._shown[: self._pinned_units])

    @property
    def _pinned_units(self) -> int:
        """The fewest units k that keep the first promise: erased + shown - k <= max_erasure * k."""
        shown, erased = len(self._shown), self._erased
        return next(
            kept
            for kept in range(shown + 1)
            if erased + shown - kept <= self._max_erasure * kept or kept == shown
        )

    def show(self, hypothesis: Sequence[str], agreed: int, *, is_final: bool) -> bool:
        """Take units of which the first `agreed` are trusted; return whether the text changed.

        What the hypothesis has in place of the pinned beginning is ignored. A final hypothesis is
        shown to its end.
        """
        pinned = self._pinned_units
        hypothesis = [*self._shown[:pinned], *hypothesis[pinned:]]
        kept = common_prefix(self._shown, hypothesis)
        erased = self._erased + len(self._shown) - kept
        trusted = max(agreed, kept, pinned)
        doubtful = int(self._max_erasure * trusted) - erased
        visible = hypothesis if is_final else hypothesis[: trusted + max(0, doubtful)]
        changed = visible != self._shown
        self._erased, self._shown = erased, visible
        return changed


def common_prefix(first: Sequence[str], second: Sequence[str]) -> int:
    """How many units both begin with."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count


def without_end_marks(hypothesis: Sequence[str]) -> list[str]:
    """Of an unfinished sentence: translators put a mark there that the next draft takes back."""
    end = len(hypothesis)
    while end and _MARKS.fullmatch(hypothesis[end - 1]):
        end -= 1
    return list(hypothesis[:end])
