"""Who speaks, in subtitles: a number where a turn begins, a dash per speaker of one cue (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..events import SourceSegment
from .cues import Cue, TextBlock

_SPACE = "\u00a0"  # so that no line ends behind the number
_LABEL = re.compile(rf"\d+:{_SPACE}")


def labels(segments: Sequence[SourceSegment]) -> Iterator[str]:
    """What stands before each segment: its speaker, where that is another than before.

    Nothing where only one speaks.
    """
    several = len({segment.speaker for segment in segments} - {None}) > 1
    last: int | None = None
    for segment in segments:
        begins = several and segment.speaker != last
        yield _label(segment.speaker) if begins and segment.speaker is not None else ""
        last = segment.speaker


def labelled(segment: SourceSegment, label: str) -> SourceSegment:
    """The segment with a label, which becomes part of its first word."""
    first, *rest = segment.words
    return replace(segment, words=(replace(first, text=label + first.text), *rest))


def dialogue(first: Cue, second: Cue) -> tuple[TextBlock, ...] | None:
    """The block of a cue in which two speak, a line each; None where they cannot share one."""
    if len(first.blocks) != 1 or len(second.blocks) != 1 or is_dialogue(first):
        return None
    lines = [_LABEL.sub("", line) for cue in (first, second) for line in cue.lines]
    return (TextBlock(first.blocks[0].language, tuple(f"- {line}" for line in lines)),)


def is_dialogue(cue: Cue) -> bool:
    """Before lines are broken: then only what two say has several."""
    return any(len(block.lines) > 1 for block in cue.blocks)


def told_again(cue: Cue) -> Cue:
    """The cue that follows a dialogue, with its speaker."""
    if cue.speaker is None or is_dialogue(cue):
        return cue
    label = _label(cue.speaker)
    blocks = (
        replace(block, lines=(label + _LABEL.sub("", block.lines[0]),)) for block in cue.blocks
    )
    return replace(cue, blocks=tuple(blocks))


def readable(line: str) -> str:
    """A line as it is written: with an ordinary space behind the number."""
    return line.replace(_SPACE, " ", 1) if _LABEL.match(line) else line


def _label(speaker: int) -> str:
    return f"{speaker}:{_SPACE}"
