"""A session's glossary: which of its terms a text contains, and what they must become.

A file has one term a line: alone (a name to expect), with its translation for every language
(`harbor = puerto`), or with one per language (`harbor = es: puerto; de: Hafen`). A tab may stand
for the `=`. `#` begins a comment, at the start of a line or after a blank.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..config import ANY_LANGUAGE, Term
from .decoding import decode_text
from .scripts import count_unspaced

_COMMENT = re.compile(r"(?:^|(?<=\s))#(.*)")  # not that of C#
_TARGET = re.compile(r"(?:([a-z]{2})\s*:\s*)?(.+)")


def read_terms(path: Path) -> tuple[Term, ...]:
    """The terms of a file. Raises OSError, and ValueError naming the file and the line."""
    try:
        return parse_terms(decode_text(path.read_bytes()))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def parse_terms(text: str) -> tuple[Term, ...]:
    """The terms of a glossary file. Raises ValueError naming the line."""
    terms: list[Term] = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            terms += _terms(line)
        except ValueError as error:
            raise ValueError(f"line {number} of the terms {error}: {line.strip()!r}") from error
    return tuple(terms)


def _terms(line: str) -> list[Term]:
    """The term of a line, if there is one. Raises ValueError with what is wrong with the line."""
    line, comment = _without_comment(line)
    if not line:
        return []
    source, equals, right = _sides(line)
    if not source or (equals and not right):
        raise ValueError("must be TERM or TERM = TRANSLATION")
    if not equals and "=" in comment:
        raise ValueError("has its = behind a #, which begins a comment after a blank")
    if not equals and "," in source:  # a table, or a name like "Paris, Texas"?
        raise ValueError("has a comma and no =; write TERM = TRANSLATION")
    targets: dict[str, str] = {}
    for part in right.split(";") if right else ():
        found = _TARGET.fullmatch(part.strip())
        if found is None:
            raise ValueError("has an empty translation")
        targets[found[1] or ANY_LANGUAGE] = found[2].strip()
    return [Term(source, targets)]


def _without_comment(line: str) -> tuple[str, str]:
    found = _COMMENT.search(line)
    if found is None:
        return line.strip(), ""
    return line[: found.start()].strip(), found[1]


def _sides(line: str) -> tuple[str, bool, str]:
    """The term, whether a translation should follow, and what does. Blanks in a row are one."""
    source, equals, right = line.partition("=")
    if not equals:
        source, equals, right = line.partition("\t")
        if "\t" in right.strip():
            raise ValueError("has more than one tab; write TERM = TRANSLATION")
    return _single_blanks(source), bool(equals), _single_blanks(right)


def _single_blanks(text: str) -> str:
    return re.sub(r"[ \t]+", " ", text).strip()  # no-break spaces stay


def required(text: str, terms: Sequence[Term], language: str) -> tuple[str, ...]:
    """What a translation of `text` must contain: the translations of the terms that are in it."""
    wanted = (
        term.targets.get(language) or term.targets.get(ANY_LANGUAGE)
        for term in terms
        if contains(text, term.source)
    )
    return tuple(dict.fromkeys(target for target in wanted if target))


def contains(text: str, expression: str) -> bool:
    """Whether an expression stands in a text as whole words, in any case. Where words are not
    parted by spaces, it may begin and end anywhere.

    NOTE: this is asked for every term of every revision of a live text, so it must not compile a
    pattern for each: that took 20 ms, this takes less than a microsecond where there is none.
    """
    text, expression = text.lower(), expression.lower()
    at = text.find(expression) if expression else -1
    while at >= 0:
        end = at + len(expression)
        begins = not _goes_on(text[at - 1 : at], expression[0])
        if begins and not _goes_on(text[end : end + 1], expression[-1]):
            return True
        at = text.find(expression, at + 1)
    return False


def _goes_on(neighbor: str, edge: str) -> bool:
    """Whether a word goes on beyond the edge of an expression."""
    is_letter = neighbor.isalnum() or neighbor == "_"
    return is_letter and not count_unspaced(edge + neighbor)
