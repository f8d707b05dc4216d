"""Expressions that an answer must hold, and where in it they may stand."""

from __future__ import annotations

import re
from collections.abc import Sequence


def contains(text: str, expression: str) -> bool:
    """Whether an expression stands in a text as whole words, in any case."""
    return bool(re.search(rf"(?<!\w){re.escape(expression)}(?!\w)", text, re.IGNORECASE))


def places(answer: str, expression: str, pinned: str, held: Sequence[str], most: int) -> list[str]:
    """Answers with an expression put into them: before a word, instead of one or two, or at the
    end; behind the `pinned` words, and where it replaces none of the expressions that are `held`.
    Not more than `most`, from all over the answer; at the end where that is none.
    """
    words, first = answer.split(), len(pinned.split())
    everywhere = [
        " ".join([*words[:at], expression, *words[at + replaced :]])
        for replaced in (0, 1, 2)
        for at in range(first, len(words) - replaced + 1)
    ]
    if len(everywhere) > most:
        everywhere = [everywhere[i * len(everywhere) // most] for i in range(most)]
    kept = [text for text in everywhere if all(contains(text, each) for each in held)]
    return kept or [f"{answer} {expression}".strip()]
