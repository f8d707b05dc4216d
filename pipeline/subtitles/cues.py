"""What a subtitle file holds, and a report of what still breaks the style guide (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .subtitle_rules import SubtitleRules, language_rules
from .tokens import count_chars

Rule = Literal["lines", "line length", "reading speed", "shortest", "longest", "gap"]

_UNITS = {
    "lines": "lines",
    "line length": "characters",
    "reading speed": "characters per second",
    "shortest": "ms",
    "longest": "ms",
    "gap": "ms",
}


@dataclass(frozen=True, slots=True)
class TextBlock:
    """The lines of a cue in one language."""

    language: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle, from `start_ms` up to `end_ms`; a block per language, from top to bottom."""

    start_ms: int
    end_ms: int
    blocks: tuple[TextBlock, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(line for block in self.blocks for line in block.lines)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that cue number `cue_index` (from 0) breaks: its value, and what is allowed."""

    rule: Rule
    cue_index: int
    value: float
    limit: float

    def __str__(self) -> str:
        unit = _UNITS[self.rule]
        return f"cue {self.cue_index + 1}: {self.rule} {self.value:g} {unit}, limit {self.limit:g}"


def check(cues: Sequence[Cue], rules: SubtitleRules) -> list[Violation]:
    """Return what breaks a rule, cue by cue. A gap belongs to the cue after it."""
    violations: list[Violation] = []
    for index, cue in enumerate(cues):
        if index and cue.start_ms - cues[index - 1].end_ms < rules.gap_ms:
            gap_ms = cue.start_ms - cues[index - 1].end_ms
            violations.append(Violation("gap", index, gap_ms, rules.gap_ms))
        violations += _check_cue(index, cue, rules)
    return violations


def _check_cue(index: int, cue: Cue, rules: SubtitleRules) -> list[Violation]:
    duration_ms = cue.end_ms - cue.start_ms
    shortest_ms = shortest_duration_ms(cue)
    found: list[Violation] = []
    if duration_ms < shortest_ms:
        found.append(Violation("shortest", index, duration_ms, shortest_ms))
    if duration_ms > rules.max_duration_ms:
        found.append(Violation("longest", index, duration_ms, rules.max_duration_ms))
    if len(cue.lines) > rules.max_lines:
        found.append(Violation("lines", index, len(cue.lines), rules.max_lines))
    for block in cue.blocks:
        language = language_rules(block.language)
        longest_line = max((count_chars(line, language) for line in block.lines), default=0)
        if longest_line > language.line_chars:
            found.append(Violation("line length", index, longest_line, language.line_chars))
        chars_per_s = round(1000 * _block_chars(block) / max(1, duration_ms), 1)
        if chars_per_s > language.chars_per_s:
            found.append(Violation("reading speed", index, chars_per_s, language.chars_per_s))
    return found


def shortest_duration_ms(cue: Cue) -> int:
    """How long a cue must stay, whatever it says."""
    return max(language_rules(block.language).min_duration_ms for block in cue.blocks)


def reading_duration_ms(cue: Cue) -> int:
    """How long a cue must stay to be read: by the reader of its slowest language."""
    return max(
        math.ceil(1000 * _block_chars(block) / language_rules(block.language).chars_per_s)
        for block in cue.blocks
    )


def _block_chars(block: TextBlock) -> float:
    language = language_rules(block.language)
    return sum(count_chars(line, language) for line in block.lines)
