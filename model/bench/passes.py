"""In how many passes answers are written that are drafted and verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..translation import Answer

LENGTHS = ((1, 7), (8, 20), (21, None))  # tokens of an answer
ANY_LENGTH = (1, None)


class Passes(NamedTuple):
    """Means of the answers that have from `least` to `most` tokens (None: no limit), with their end
    marks: tokens committed in a round and in a pass, passes of an answer, and those that greedy
    decoding takes, one for each token."""

    least: int
    most: int | None
    answers: int
    per_round: float
    per_pass: float
    passes: float
    greedy_passes: float

    def __str__(self) -> str:
        length = f"{self.least} to {self.most}" if self.most else f"{self.least} or more"
        return (
            f"{self.answers:>5} answers of {length} tokens: committed {self.per_round:.2f} a "
            f"round, {self.per_pass:.2f} a pass; {self.passes:.1f} passes, greedily "
            f"{self.greedy_passes:.1f}"
        )


@dataclass(frozen=True, slots=True)
class PassesLine:
    """Of all answers, and by their length.

    Each pass reads the last draft and drafts what follows, so each but the first ends a round; the
    first reads the prompt and commits one token.
    """

    direction: str
    test_set: str
    source: str
    contestant: str
    together: Passes
    by_length: Sequence[Passes]

    def __str__(self) -> str:
        title = f"{self.direction} {self.test_set:<7} {self.source:<7} passes"
        lines = [f"{self.together}  {self.contestant}", *map(str, self.by_length)]
        return "\n".join(f"{title} {line}" for line in lines)


def count_passes(
    answers: Sequence[Answer], direction: str, test_set: str, source: str, contestant: str
) -> PassesLine:
    parts = [_mean(answers, *limits) for limits in (ANY_LENGTH, *LENGTHS)]
    by_length = [part for part in parts[1:] if part.answers]
    return PassesLine(direction, test_set, source, contestant, parts[0], by_length)


def _mean(answers: Sequence[Answer], least: int, most: int | None) -> Passes:
    chosen = [a for a in answers if a.tokens >= least and (most is None or a.tokens <= most)]
    count, tokens = len(chosen), sum(answer.tokens for answer in chosen)
    passes = sum(answer.passes for answer in chosen)
    return Passes(
        least,
        most,
        count,
        per_round=(tokens - count) / max(1, passes - count),
        per_pass=tokens / max(1, passes),
        passes=passes / max(1, count),
        greedy_passes=tokens / max(1, count),
    )
