"""A session's glossary: which of its terms a text contains, and what they must become.

A file has one term a line: alone (a name to expect), with its translation for every language
(`harbor = puerto`), or with one per language (`harbor = es: puerto; de: Hafen`). `#` begins a
comment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..config import ANY_LANGUAGE, Term
from .scripts import UNSPACED, count_unspaced

_LETTER = rf"[^\W{UNSPACED}]"  # of a script with spaces, where the word would go on
_TARGET = re.compile(r"(?:([a-z]{2})\s*:\s*)?(.+)")


def read_terms(path: Path) -> tuple[Term, ...]:
    """The terms of a file. Raises OSError, and ValueError naming the file and the line."""
    try:
        return parse_terms(path.read_text(encoding="utf-8-sig"))  # Notepad begins with a mark
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def parse_terms(text: str) -> tuple[Term, ...]:
    """The terms of a glossary file. Raises ValueError naming the line."""
    terms: list[Term] = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        source, equals, right = (part.strip() for part in line.partition("="))
        if not source or (equals and not right):
            raise ValueError(
                f"line {number} of the terms must be TERM or TERM = TRANSLATION, got {line!r}"
            )
        targets: dict[str, str] = {}
        for part in right.split(";") if right else ():
            found = _TARGET.fullmatch(part.strip())
            if found is None:
                raise ValueError(f"line {number} of the terms has an empty translation: {line!r}")
            targets[found[1] or ANY_LANGUAGE] = found[2].strip()
        terms.append(Term(source, targets))
    return tuple(terms)


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
    parted by spaces, it may begin and end anywhere."""
    first, last = expression[:1], expression[-1:]
    before = "" if count_unspaced(first) else f"(?<!{_LETTER})"
    after = "" if count_unspaced(last) else f"(?!{_LETTER})"
    return re.search(before + re.escape(expression) + after, text, re.IGNORECASE) is not None
