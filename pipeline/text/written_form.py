"""Raw recognizer words -> text fit to read: a capital, "I", a period or question mark (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

from ..events import SourceSegment, Word

SENTENCE_PAUSE_MS = 300

_FULL_STOPS = {"zh": "。", "ja": "。", "hi": "।", "th": ""}

_AUXILIARIES = frozenset(
    "am is are was were do does did have has had can could will would shall should may might must "
    "isn't aren't wasn't weren't don't doesn't didn't haven't hasn't can't couldn't won't wouldn't "
    "shouldn't".split()
)
_SUBJECTS = frozenset("i you he she we they it this that there anyone anybody".split())
_QUESTION_WORDS = frozenset("what when where why how whom whose".split())
_ORDERS = frozenset({("do", "it"), ("do", "this"), ("do", "that"), ("have", "it")})
_OPENINGS = frozenset(
    [("how", "many"), ("how", "much"), ("how", "about"), ("what", "about"), ("what", "happened")]
)


def written_form(segments: Sequence[SourceSegment], language: str) -> list[SourceSegment]:
    """Give raw lower-case words capitals and marks; times stay.

    A segment that the next one follows without a pause was cut in the middle of a sentence: it
    gets no mark, and the next one no capital.
    """
    written: list[SourceSegment] = []
    begins = True
    for segment, following in zip_longest(segments, segments[1:]):
        ends = following is None or is_parted(segment.words[-1], following.words[0])
        written.append(written_segment(segment, language, begins=begins, ends=ends))
        begins = ends
    return written


def is_parted(last: Word, first: Word) -> bool:
    """Whether the pause between two words is that between two sentences."""
    return first.start_ms - last.end_ms >= SENTENCE_PAUSE_MS


def written_segment(
    segment: SourceSegment, language: str, *, begins: bool, ends: bool
) -> SourceSegment:
    """Give one segment a capital if a sentence `begins` with it, and a mark if one `ends`."""
    texts = _written(segment.words, language, begins=begins, ends=ends)
    words = zip(segment.words, texts, strict=True)
    return replace(segment, words=tuple(replace(word, text=text) for word, text in words))


def _written(words: Sequence[Word], language: str, *, begins: bool, ends: bool) -> list[str]:
    texts = [word.text for word in words]
    is_question = language == "en" and begins and _is_question(texts)
    if language == "en":
        texts = [re.sub(r"^i(?=$|')", "I", text) for text in texts]
    if begins:
        texts[0] = texts[0][:1].upper() + texts[0][1:]
    if ends and texts[-1][-1:].isalnum():
        texts[-1] += "?" if is_question else _FULL_STOPS.get(language, ".")
    return texts


def _is_question(texts: Sequence[str]) -> bool:
    if len(texts) < 2:
        return False
    first, second = (text.lower().split("'s")[0] for text in texts[:2])
    opening = (first, second)
    if opening in _OPENINGS or first == "who":
        return True
    if first in _QUESTION_WORDS:
        return second in _AUXILIARIES or texts[0].endswith("'s")
    return first in _AUXILIARIES and second in _SUBJECTS and opening not in _ORDERS
