"""The style guide as data, and a report of what breaks it (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..text.languages import language_rules
from ..text.tokens import count_chars
from .cues import Cue, block_chars, shortest_duration_ms

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
class SubtitleRules:
    """What holds in every language. A gap below `closed_gap_ms` is closed to `gap_frames`.

    `fps` is the video's; 24 where it is unknown, or there is none.
    """

    fps: float = 24.0
    max_lines: int = 2
    max_duration_ms: int = 7000
    short_ms: int = 1500  # what is spoken faster may be merged with its neighbor
    linger_ms: int = 500  # how far a cue may outlast its speech when it needs no more
    gap_frames: int = 2
    closed_gap_ms: int = 500

    def __post_init__(self) -> None:
        if not 1 <= self.fps <= 1000:
            raise ValueError(f"fps must be between 1 and 1000, got {self.fps}")
        if self.max_lines < 1:
            raise ValueError(f"max_lines must be at least 1, got {self.max_lines}")
        if min(self.linger_ms, self.gap_frames, self.closed_gap_ms) < 0:
            raise ValueError(
                "linger_ms, gap_frames and closed_gap_ms must not be negative, got "
                f"{self.linger_ms}, {self.gap_frames} and {self.closed_gap_ms}"
            )
        if self.max_duration_ms < 1000:
            raise ValueError(f"max_duration_ms must be at least 1000, got {self.max_duration_ms}")

    @property
    def gap_ms(self) -> int:
        return self.frames_ms(self.gap_frames)

    def frames_ms(self, video_frames: int) -> int:
        return math.ceil(1000 * video_frames / self.fps)


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
        chars_per_s = round(1000 * block_chars(block) / max(1, duration_ms), 1)
        if chars_per_s > language.chars_per_s:
            found.append(Violation("reading speed", index, chars_per_s, language.chars_per_s))
    return found
