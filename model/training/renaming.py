"""Other names and numbers in pairs to learn from, by rules and without lists.

A corpus has a few names again and again, here "Tom" in every seventh sentence, and a model then
writes these wherever any stands. What is spelled alike on both sides is copied, whatever it is, so
something else may be copied in its place (after data augmentation by translation pairs: Fadaee et
al. 2017, arXiv 1705.00440).
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace

from ..network.batches import Pair

_WORD = re.compile(r"[^\W_]+(?:[-:.,][^\W_]+)*")
_ONSETS = "b c d f g h j k l m n p r s t v w y z br ch dr gr kr sh st th tr".split()
_VOWELS = "a e i o u a e i o ai ee ia ou".split()
_CODAS = ["", "", "", *"l m n r s k d t nd rt".split()]


def renamed(pair: Pair, rng: random.Random) -> Pair:
    """Each name, and each number in digits, that stands once on both sides gives way to another;
    in the draft too. A name is a word with a capital; the new one is invented, which says nothing
    about a gender that other words agree with."""
    in_source, in_target = (Counter(_WORD.findall(text)) for text in (pair.source, pair.target))
    for word in [word for word, count in in_source.items() if count == in_target[word] == 1]:
        if word.isdecimal():
            new = _other_number(word, rng)
        elif word.isalpha() and len(word) > 1 and word.istitle():
            new = _invented_name(rng)
        else:
            continue
        here = re.compile(rf"(?<!\w){word}(?!\w)")
        source, target, draft = (
            here.sub(new, text) for text in (pair.source, pair.target, pair.draft)
        )
        pair = replace(pair, source=source, target=target, draft=draft)
    return pair


def _other_number(digits: str, rng: random.Random) -> str:
    """One of as many digits, so that a year stays a year's length."""
    least = 10 ** (len(digits) - 1) if len(digits) > 1 else 0
    return str(rng.randrange(least, 10 ** len(digits)))


def _invented_name(rng: random.Random) -> str:
    syllables = (
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)
        for _ in range(rng.choice((1, 2, 2, 2, 3)))
    )
    return "".join(syllables).capitalize()
