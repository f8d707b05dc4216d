"""What passes through a translation as it is: signs, notes, tags, addresses, who speaks (pure).

At the edges of a text it is taken off, and put back around the translation. Inside of a sentence
there are marks, at which a text can be cut, and addresses, which are words of the sentence: both
must be found again in its translation.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

NOTE_WORDS = 5  # of a sound note in parentheses, at most: more is something that is said
_ENDINGS = (
    "txt pdf py js md csv json zip exe html htm jpg jpeg png gif mp3 mp4 mkv wav srt vtt docx xlsx"
)
_DOMAINS = (
    "com org net edu gov mil info biz app dev io ai eu uk de fr es it pt nl ch at us ca au jp"
)
_ADDRESS = re.compile(
    r"(?<![\w.@/\\-])(?:"
    r"(?:https?|ftp|file|wss?|rtmp|srt)://[^\s<>]+"  # with a scheme
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # of a mailbox
    rf"|(?:www\.[\w-]+|[\w-]+)(?:\.[\w-]+)*\.(?:{_DOMAINS.replace(' ', '|')})\b(?:[/?#:][^\s<>]*)?"
    r"|(?:~|\.{1,2})?/[\w.-]+/[\w./-]*|[A-Za-z]:\\[\w.\\-]+"  # of a file
    rf"|[\w-]+\.(?:{_ENDINGS.replace(' ', '|')})\b"
    r"|[#@][^\W\d]\w*)"  # of a topic, or of somebody
)
_AROUND = ".,;:!?…)]}\"'»”’"  # behind an address, of the sentence
_CLOCK = r"\d{1,2}:\d{2}:\d{2}(?:[.,:;]\d{2,3})?|\d{1,2}:\d{2}[.,]\d{3}"
_MARK = re.compile(
    r"</?[A-Za-z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}|&(?:amp|lt|gt|nbsp|lrm|rlm|#\d+);"  # tags
    r"|\[[^\[\]]*\]"  # notes
    rf"|(?<![\d:])(?:{_CLOCK})(?!\d)(?:\s*-->\s*(?:{_CLOCK}))?"
    # Arrows, dingbats, music notes, pictures, and what joins them.
    "|[\u2190-\u21ff\u2300-\u23ff\u25a0-\u27bf\u2b00-\u2bff\ufe0f\u200d\u20e3\U0001f000-\U0001faff"
    "\U000e0020-\U000e007f]+"
)
_NOTE = re.compile(r"\(([^()]*)\)|（([^（）]*)）|\*([^*\s][^*]*)\*")
_DASH = re.compile(r"(?:>>+|[-\u2010-\u2015](?=\s|[^\W\d]))\s*")
_NAME = re.compile(r"[^\W\d_][^:!?\n]{0,30}:(?=\s)")
_LIST_NUMBER = re.compile(r"\d+\)(?=\s)")
_HIDDEN = "\ue000"  # of no use to anybody: neither letter, digit nor mark


@dataclass(frozen=True, slots=True)
class Edges:
    """A text in three parts, which joined are the text."""

    before: str
    core: str
    behind: str


def edges(text: str) -> Edges:
    """What there is to translate, and what passes through around it; `core` is "" where there is
    nothing to translate."""
    start, end = 0, len(text)
    while (step := _after_first(text, start, end)) > start:
        start = step
    last = _last_pieces(text, start)
    while end > start:
        if text[end - 1].isspace():
            end -= 1
        elif end in last:
            end = last[end]
        else:
            break
    if not any(char.isalpha() for char in without_kept(text[start:end])):
        return Edges(text, "", "")
    return Edges(text[:start], text[start:end], text[end:])


def without_kept(text: str) -> str:
    """A text of the same length with nothing in the places of marks and addresses."""
    return _outside(text, lambda part: part, lambda part: _HIDDEN * len(part))


def addresses(text: str) -> list[tuple[int, int]]:
    """Where the addresses in a text begin and end, without the punctuation behind them."""
    return [
        (found.start(), found.start() + len(found[0].rstrip(_AROUND)))
        for found in _ADDRESS.finditer(text)
    ]


def marks(text: str) -> list[tuple[int, int]]:
    """Where the marks in a text begin and end."""
    return [found.span() for found in _MARK.finditer(text)]


def has_kept(text: str, translation: str) -> bool:
    """Whether a translation has each of the marks and addresses of its text, as often."""
    kept = Counter(text[start:end] for start, end in (*marks(text), *addresses(text)))
    return all(translation.count(each) >= count for each, count in kept.items())


def is_in_capitals(text: str) -> bool:
    """Whether all of a text is in capitals; a word of two letters is the least that tells."""
    rest = without_kept(text)
    return rest == rest.upper() != rest.lower() and re.search(r"[^\W\d_]{2}", rest) is not None


def as_written(text: str, language: str) -> str:
    """A text in capitals as people would write it normally, as far as one can tell."""
    lowered = _outside(text, str.lower)
    if language.startswith("en"):
        lowered = re.sub(r"\bi\b", "I", lowered)
    return re.sub(
        r"((?:^|[.!?…]\s)[\W\d_]*)([^\W\d_])", lambda found: found[1] + found[2].upper(), lowered
    )


def in_capitals(text: str, language: str) -> str:
    """A text in capitals, but for what passes through."""
    if language.startswith("tr"):
        text = text.replace("i", "İ")
    return _outside(text, str.upper)


def _after_first(text: str, start: int, end: int) -> int:
    """Where what follows the first piece begins, or `start` where that does not pass through."""
    if text[start:end][:1].isspace():
        return start + 1
    for pattern in _MARK, _DASH, _LIST_NUMBER:
        if found := pattern.match(text, start, end):
            return found.end()
    found = _NAME.match(text, start, end)
    if found and found[0].upper() == found[0] and len(found[0].split()) <= NOTE_WORDS:
        return found.end()
    found = _NOTE.match(text, start, end)
    if found and _is_note(found) and not text[found.end() : end].lstrip()[:1].islower():
        return found.end()
    return start


def _last_pieces(text: str, start: int) -> dict[int, int]:
    """By their ends, where the pieces begin that pass through at the end of a text."""
    found = {mark.end(): mark.start() for mark in _MARK.finditer(text, start)}
    for note in _NOTE.finditer(text, start):
        if _is_note(note) and _is_parted(text[start : note.start()]):
            found[note.end()] = note.start()
    for address in _ADDRESS.finditer(text, start):
        if address[0][0] == "#" or _is_parted(text[start : address.start()]):
            found[address.end()] = address.start()
    return found


def _is_note(found: re.Match[str]) -> bool:
    inside = next(filter(None, found.groups()), "").strip()
    return len(inside.split()) <= NOTE_WORDS and not inside.endswith((".", "!", "?"))


def _is_parted(before: str) -> bool:
    """Whether a sentence has ended before a piece."""
    return not before.strip() or before.rstrip()[-1] in ".!?…。！？"


def _outside(
    text: str, change: Callable[[str], str], kept: Callable[[str], str] = lambda part: part
) -> str:
    """A text changed outside of its marks and addresses, and these as `kept` has them."""
    parts: list[str] = []
    at = 0
    for start, end in sorted((*marks(text), *addresses(text))):
        if start >= at:
            parts += change(text[at:start]), kept(text[start:end])
            at = end
    return "".join((*parts, change(text[at:])))
