"""How good translations are: BLEU and chrF by sacrebleu, and counts of what must not happen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_REPEATS = 3  # of one word in a row; more is a loop


@dataclass(frozen=True, slots=True)
class Scores:
    """BLEU and chrF are cased, in percent; the rest are shares of the lines, in percent."""

    lines: int
    bleu: float
    chrf: float
    empty: float
    looping: float
    copied: float

    def __str__(self) -> str:
        return (
            f"{self.lines} lines: BLEU {self.bleu:.1f}, chrF {self.chrf:.1f}; "
            f"empty {self.empty:.1f} %, looping {self.looping:.1f} %, copied {self.copied:.1f} %"
        )


def evaluate(sources: Sequence[str], answers: Sequence[str], references: Sequence[str]) -> Scores:
    """Compare answers with one reference per line. Needs sacrebleu."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    count = len(answers)

    def percent(found: int) -> float:
        return 100 * found / count

    return Scores(
        lines=count,
        bleu=BLEU().corpus_score(answers, [references]).score,
        chrf=CHRF().corpus_score(answers, [references]).score,
        empty=percent(sum(not answer.strip() for answer in answers)),
        looping=percent(sum(map(_loops, answers))),
        copied=percent(sum(map(_is_copy, sources, answers))),
    )


def sentence_chrf(answer: str, reference: str) -> float:
    """chrF of one sentence, in percent. Needs sacrebleu."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF().sentence_score(answer, [reference]).score


def _loops(text: str) -> bool:
    words = re.findall(r"\w+", text.lower())
    run = 1
    for before, word in zip(words, words[1:], strict=False):
        run = run + 1 if word == before else 1
        if run > MAX_REPEATS:
            return True
    return False


def _is_copy(source: str, answer: str) -> bool:
    """Three words or more that were not translated; names alone are rightly kept."""
    return len(source.split()) > 2 and answer.lower().strip(" .!?¡¿") == source.lower().strip(
        " .!?"
    )
