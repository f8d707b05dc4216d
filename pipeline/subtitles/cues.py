"""What a subtitle file holds, and how long it takes to read (pure)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..text.languages import language_rules
from ..text.tokens import count_chars


@dataclass(frozen=True, slots=True)
class TextBlock:
    """The lines of a cue in one language."""

    language: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle, from `start_ms` up to `end_ms`; a block per language, from top to bottom.

    `speaker` is who says it, from 1; None where that is not known, or where several do.
    """

    start_ms: int
    end_ms: int
    blocks: tuple[TextBlock, ...]
    speaker: int | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(line for block in self.blocks for line in block.lines)


def shortest_duration_ms(cue: Cue) -> int:
    """How long a cue must stay, whatever it says."""
    return max(language_rules(block.language).min_duration_ms for block in cue.blocks)


def reading_duration_ms(cue: Cue) -> int:
    """How long a cue must stay to be read: by the reader of its slowest language."""
    return max(
        math.ceil(1000 * block_chars(block) / language_rules(block.language).chars_per_s)
        for block in cue.blocks
    )


def block_chars(block: TextBlock) -> float:
    language = language_rules(block.language)
    return sum(count_chars(line, language) for line in block.lines)
