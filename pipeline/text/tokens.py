"""Text -> tokens, the pieces that no line break may cut (pure)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..events import Word
from .clauses import OPENING_QUOTES, SENTENCE_MARKS, WEAK_MARKS
from .languages import LanguageRules

_SPACES = re.compile(r"[^\S\u00a0\u202f]+")  # not the no-break ones: "10 000", "Quoi ?"
CLOSING = SENTENCE_MARKS | WEAK_MARKS | frozenset(";:；：%”’»›)]}」』）】》ー々")
OPENING = frozenset(OPENING_QUOTES) | frozenset("เแโใไ")
_LAST_LATIN = "\u024f"
_JOINER = "\u200d"


@dataclass(frozen=True, slots=True)
class Token:
    """A word, or a character of a script without spaces, with the punctuation that sticks to it.

    `space` stands before it unless it begins a line. Times are 0 where the text was not spoken.
    """

    text: str
    space: str
    start_ms: int = 0
    end_ms: int = 0


def tokenize(text: str, rules: LanguageRules) -> list[Token]:
    tokens: list[Token] = []
    for word in _SPACES.split(text):
        parts = [word] if rules.has_spaces else clusters(word, keep_latin=True)
        tokens += (Token(part, "" if at else " ") for at, part in enumerate(parts) if part)
    return _fitted(tokens, rules)


def tokenize_words(words: Iterable[Word], rules: LanguageRules) -> list[Token]:
    """Tokens with the times of the words they come from."""
    tokens: list[Token] = []
    for word in words:
        text = _SPACES.sub(" ", word.text).strip()
        is_spaced = rules.has_spaces or (tokens and _are_latin(tokens[-1].text[-1:], text[:1]))
        space = " " if is_spaced and not word.is_joined else ""
        if text:
            tokens.append(Token(text, space, word.start_ms, word.end_ms))
    return _fitted(tokens, rules)


def join(tokens: Sequence[Token]) -> str:
    return "".join(token.space + token.text for token in tokens).lstrip()


def count_chars(text: str, rules: LanguageRules) -> float:
    """Characters as a reader sees them: marks that combine with another are not counted."""
    if text.isascii() and not rules.is_wide:
        return len(text)
    seen = [char for char in text if unicodedata.category(char) not in ("Mn", "Me", "Cf", "Cc")]
    if not rules.is_wide:
        return len(seen)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in seen)
    return (len(seen) + wide) / 2


def _fitted(tokens: Iterable[Token], rules: LanguageRules) -> list[Token]:
    return [piece for token in _glued(tokens) for piece in _chopped(token, rules)]


def _glued(tokens: Iterable[Token]) -> list[Token]:
    """Closing marks stick to what precedes them, opening ones to what follows."""
    glued: list[Token] = []
    for token in tokens:
        if glued and (CLOSING.issuperset(token.text) or OPENING.issuperset(glued[-1].text)):
            before = glued.pop()
            text = before.text + token.space + token.text
            token = Token(text, before.space, before.start_ms, token.end_ms)
        glued.append(token)
    return glued


def _chopped(token: Token, rules: LanguageRules) -> Iterator[Token]:
    """Cut a token that is longer than a line; each piece takes its share of the time."""
    if count_chars(token.text, rules) <= rules.line_chars:
        yield token
        return
    pieces = [""]
    for cluster in clusters(token.text, keep_latin=False):
        if pieces[-1] and count_chars(pieces[-1] + cluster, rules) > rules.line_chars:
            pieces.append("")
        pieces[-1] += cluster
    ms_per_char = (token.end_ms - token.start_ms) / len(token.text)
    at = 0
    for piece in pieces:
        start_ms = token.start_ms + round(ms_per_char * at)
        end_ms = token.start_ms + round(ms_per_char * (at + len(piece)))
        yield Token(piece, "" if at else token.space, start_ms, end_ms)
        at += len(piece)


def clusters(text: str, *, keep_latin: bool) -> list[str]:
    """Characters with the marks that combine with them; `keep_latin` keeps Latin words whole."""
    found: list[str] = []
    for char in text:
        before = found[-1][-1] if found else ""
        if before and (
            before == _JOINER
            or unicodedata.category(char) in ("Mn", "Mc", "Me", "Cf", "Sk")
            or (keep_latin and _are_latin(before, char))
        ):
            found[-1] += char
        else:
            found.append(char)
    return found


def _are_latin(before: str, after: str) -> bool:
    return max(before, after) <= _LAST_LATIN
