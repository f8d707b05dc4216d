"""Tags and notes among the words of a text, and where they go in its translation (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..text.tokens import Token

_CLOSES = re.compile(r"</|\{\\(?:[ibus]0|[rc])\}")
_NAME = re.compile(r"</?([A-Za-z:]+)|\{\\([a-z])")
_NO_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Mark:
    """A tag, or a note, which stands alone, with blanks around it. It comes before word number
    `at`; what closes something comes right behind the word before, and with `is_tight` before the
    marks that end that word."""

    raw: str
    at: int
    is_note: bool = False
    is_tight: bool = False

    @property
    def closes(self) -> bool:
        return not self.is_note and _CLOSES.match(self.raw) is not None


def moved(marks: Sequence[Mark], source: Sequence[Token], target: Sequence[Token]) -> list[Mark]:
    """The marks of a text in its translation, which has at least one word.

    1. A tag and the one that closes it stay around the same words, where these are found again: a
       name, a number.
    2. Else they keep their places, as shares of the text, and never come around nothing.
    3. Notes, and tags that stand for themselves, keep their places as well.
    """
    placed = list(marks)
    for opening, closing in _pairs(marks):
        start = 0 if opening is None else marks[opening].at
        end = len(source) if closing is None else marks[closing].at
        new_start, new_end = _span(source, start, end, target)
        if opening is not None:
            placed[opening] = replace(marks[opening], at=new_start)
        if closing is not None:
            placed[closing] = replace(marks[closing], at=new_end)
    paired = {at for pair in _pairs(marks) for at in pair}
    for at, mark in enumerate(marks):
        if at not in paired:
            place = min(_share(mark.at, source, target), len(target) - 1)
            placed[at] = replace(mark, at=place)
    return placed


def _pairs(marks: Sequence[Mark]) -> list[tuple[int | None, int | None]]:
    """Which mark is closed by which one; None where the other one stands outside of the text."""
    pairs: list[tuple[int | None, int | None]] = []
    is_open: list[int] = []
    for at, mark in enumerate(marks):
        if mark.is_note:
            continue
        if not mark.closes:
            is_open.append(at)
            continue
        same = [each for each in is_open if _name(mark) in (_name(marks[each]), "r")]
        if same:
            is_open.remove(same[-1])
        pairs.append((same[-1] if same else None, at))
    return pairs + [(at, None) for at in is_open if _name(marks[at])]


def _name(mark: Mark) -> str:
    """Of a tag that something closes; "" of others, like a time stamp."""
    found = _NAME.match(mark.raw)
    return (found[1] or found[2] or "") if found else ""


def _span(
    source: Sequence[Token], start: int, end: int, target: Sequence[Token]
) -> tuple[int, int]:
    if (start, end) == (0, len(source)):
        return 0, len(target)
    scale = len(target) / max(1, len(source))
    length = min(len(target), max(1, round((end - start) * scale)))
    first = round((start + end) * scale / 2 - length / 2)  # around the same middle
    first = 0 if start == 0 else min(max(0, first), len(target) - length)
    last = len(target) if end == len(source) else first + length
    run = [_bare(token) for token in source[start:end]]
    places = [
        at
        for at in range(len(target) - len(run) + 1)
        if run and [_bare(token) for token in target[at : at + len(run)]] == run
    ]
    if places:
        at = min(places, key=lambda place: abs(place - first))
        return at, at + len(run)
    return first, last


def _share(at: int, source: Sequence[Token], target: Sequence[Token]) -> int:
    return round(at * len(target) / max(1, len(source)))


def _bare(token: Token) -> str:
    return _NO_WORD.sub("", token.text).casefold() or token.text
