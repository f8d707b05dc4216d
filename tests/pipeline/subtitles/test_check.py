from __future__ import annotations

import pytest

from surtitle.pipeline.subtitles.check import SubtitleRules, Violation, check
from surtitle.pipeline.subtitles.cues import Cue, TextBlock


def cue(start_ms: int, end_ms: int, *lines: str, language: str = "en") -> Cue:
    return Cue(start_ms, end_ms, (TextBlock(language, lines),))


def test_what_keeps_the_rules_is_not_reported() -> None:
    cues = [cue(0, 2000, "It rains.", "We stay."), cue(2084, 9084, "x" * 42, "y" * 42)]
    assert check(cues, SubtitleRules()) == []


@pytest.mark.parametrize(
    ("broken", "violation"),
    [
        (cue(0, 3000, "a", "b", "c"), Violation("lines", 0, 3, 2)),
        (cue(0, 3000, "x" * 43), Violation("line length", 0, 43, 42)),
        (cue(0, 3000, "字" * 17, language="zh"), Violation("line length", 0, 17, 16)),
        (cue(0, 1000, "x" * 21), Violation("reading speed", 0, 21, 20)),
        (cue(0, 1000, "x" * 18, language="es"), Violation("reading speed", 0, 18, 17)),
        (cue(0, 800, "Yes."), Violation("shortest", 0, 800, 834)),
        (cue(0, 7001, "Yes."), Violation("longest", 0, 7001, 7000)),
    ],
)
def test_each_rule_is_checked(broken: Cue, violation: Violation) -> None:
    later = cue(10_000, 12_000, "It rains.")
    assert check([broken, later], SubtitleRules()) == [violation]


def test_a_gap_belongs_to_the_cue_after_it() -> None:
    cues = [cue(0, 2000, "One."), cue(2040, 4000, "Two."), cue(3900, 6000, "Three.")]
    assert check(cues, SubtitleRules()) == [
        Violation("gap", 1, 40, 84),
        Violation("gap", 2, -100, 84),
    ]
    assert check(cues[:2], SubtitleRules(fps=50)) == []


def test_both_languages_of_a_cue_are_checked() -> None:
    blocks = (TextBlock("en", ("x" * 35,)), TextBlock("es", ("x" * 35,)))
    assert check([Cue(0, 2000, blocks)], SubtitleRules()) == [
        Violation("reading speed", 0, 17.5, 17)
    ]


def test_a_violation_reads_as_a_line_of_a_report() -> None:
    violation = Violation("reading speed", 11, 21.3, 17)
    assert str(violation) == "cue 12: reading speed 21.3 characters per second, limit 17"


def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="fps"):
        SubtitleRules(fps=0)
