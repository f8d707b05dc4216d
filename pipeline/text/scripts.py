"""Which characters stand without spaces between words (pure)."""

from __future__ import annotations

import re

# Thai, Lao, Burmese, Khmer; kana, Han, their marks and full-width forms. Korean has spaces.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u31f0-\u31ff\u3400-\u9fff"
    "\uf900-\ufaff\uff00-\uff9f\U00020000-\U0003ffff]"
)


def count_unspaced(text: str) -> int:
    """How many characters of a text are of a script without spaces."""
    return len(_UNSPACED.findall(text))


def are_parted(before: str, after: str) -> bool:
    """Whether a word may end between two texts that no space parts: one of the characters that
    meet is of a script without spaces."""
    return bool(_UNSPACED.match(before[-1:]) or _UNSPACED.match(after[:1]))
