"""Whether names, numbers, dates and times of day survive translation: sentences with what must
stand in their translations."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..expressions import contains
from ..network.spelling import spoken
from ..network.tokenizer import Direction

KINDS = "name", "number", "date", "time"


class Check(NamedTuple):
    """A translation of `source` is right if one of the `accepted` forms stands in it."""

    kind: str
    source: str
    accepted: tuple[str, ...]

    def is_right(self, answer: str) -> bool:
        """Forms are whole words; case and punctuation do not matter."""
        text = spoken(answer)
        return any(contains(text, spoken(form)) for form in self.accepted)


def read_checks(direction: Direction) -> list[Check]:
    """Those that there are for a direction: kind, sentence, and forms between bars."""
    path = Path(__file__).with_name(f"checks.{'-'.join(direction)}.tsv")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = [line.split("\t") for line in lines]
    return [Check(kind, source, tuple(forms.split("|"))) for kind, source, forms in rows]
