"""Which of several translations agrees most with the others: minimum Bayes risk.

A denoised canvas is a sample, and its slips differ from one sample to the next, while what is right
recurs. The likeness of two texts is an F-score of their character n-grams, much as in chrF (Kumar
and Byrne 2004; Eikema and Aziz 2020, arXiv 2005.10283).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

MAX_CHARS = 6  # of an n-gram
RECALL_WEIGHT = 4.0  # chrF2: recall counts twice as much as precision, squared


def likenesses(texts: Sequence[str]) -> list[float]:
    """How much each text is like all of them, 0 to 1."""
    grams = [_ngrams(text) for text in texts]
    return [sum(_f_score(one, other) for other in grams) / len(grams) for one in grams]


def _ngrams(text: str) -> Counter[str]:
    text = "".join(text.split())
    sizes = range(1, MAX_CHARS + 1)
    return Counter(text[at : at + size] for size in sizes for at in range(len(text) - size + 1))


def _f_score(text: Counter[str], reference: Counter[str]) -> float:
    common = (text & reference).total()
    if not common:
        return 0.0
    return (1 + RECALL_WEIGHT) * common / (RECALL_WEIGHT * reference.total() + text.total())
