"""How many words of a text were misheard (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TITLES = {"mr": "mister", "mrs": "missus", "dr": "doctor"}
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


class Errors(NamedTuple):
    """`errors` of `words` that were spoken: other words, missing ones and added ones."""

    errors: int
    words: int

    @property
    def rate(self) -> float:
        return self.errors / max(1, self.words)


def word_errors(spoken: str, heard: str) -> Errors:
    """The fewest words to change, take out or put in, whatever their case and punctuation."""
    reference, hypothesis = spelled_words(spoken), spelled_words(heard)
    return Errors(_edits(reference, hypothesis), len(reference))


def all_errors(pairs: Sequence[tuple[str, str]]) -> Errors:
    """Of many texts, each with what was heard of it."""
    found = [word_errors(spoken, heard) for spoken, heard in pairs]
    return Errors(sum(one.errors for one in found), sum(one.words for one in found))


def spelled_words(text: str) -> list[str]:
    """Words in lower case, without punctuation; titles and small numbers as English words."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text.casefold().replace("’", "'"))
    words = re.findall(r"\d+|[^\W\d_]+(?:'[^\W\d_]+)*", text)
    return [part for word in words for part in _spelled(word)]


def _spelled(word: str) -> list[str]:
    if not word.isascii() or not word.isdigit() or len(word) > 4:
        return [_TITLES.get(word, word)]
    number = int(word)
    parts: list[str] = []
    for unit, name in ((1000, "thousand"), (100, "hundred")):
        if number >= unit:
            parts += [_ONES[number // unit], name]
            number %= unit
    if number >= 20:
        parts.append(_TENS[number // 10 - 2])
        number %= 10
        if not number:
            return parts
    return [*parts, _ONES[number]] if number or not parts else parts


def _edits(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """The Levenshtein distance."""
    edits = list(range(len(hypothesis) + 1))
    for count, word in enumerate(reference, 1):
        above, edits = edits, [count]
        for at, other in enumerate(hypothesis):
            edits.append(min(above[at] + (word != other), above[at + 1] + 1, edits[at] + 1))
    return edits[-1]
