"""When cues appear and disappear, over a whole file (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest

from ..text.languages import language_rules
from ..text.tokens import tokenize
from .check import SubtitleRules
from .cues import Cue, TextBlock, reading_duration_ms, shortest_duration_ms
from .line_breaks import fewest_pieces
from .speakers import dialogue


def time_cues(spoken: Iterable[Cue], rules: SubtitleRules) -> list[Cue]:
    """Turn the times at which cues are spoken into the times at which they are shown.

    Blocks come as one line each and are broken afterwards, since here cues may be merged.

    1. A cue too short to be read in its place is merged with a neighbor, where both fit and one
       of them is short; two short ones first ("Yes." "Every time.").
    2. A cue starts with its speech; one that is spoken too soon after another starts later, so
       that both are seen.
    3. It outlasts its speech by `linger_ms`, and by more where it takes longer to read, as far as
       there is free space and `max_duration_ms` allows.
    4. A gap smaller than `closed_gap_ms` is closed to the smallest gap.
    """
    cues = _merge_short(list(spoken), rules, both=True)
    cues = _merge_short(cues, rules, both=False)
    cues = _spread(cues, rules)
    return [
        replace(cue, end_ms=_out_time_ms(cue, following, rules))
        for cue, following in zip_longest(cues, cues[1:])
    ]


def _out_time_ms(cue: Cue, following: Cue | None, rules: SubtitleRules) -> int:
    wanted_ms = max(cue.end_ms + rules.linger_ms, cue.start_ms + _needed_ms(cue))
    latest_ms = cue.start_ms + rules.max_duration_ms
    if following is None:
        return min(wanted_ms, latest_ms)
    room_ms = following.start_ms - rules.gap_ms
    if following.start_ms - wanted_ms < rules.closed_gap_ms:
        wanted_ms = room_ms
    return min(wanted_ms, room_ms, latest_ms)


def _needed_ms(cue: Cue) -> int:
    return max(shortest_duration_ms(cue), reading_duration_ms(cue))


def _missing_ms(cue: Cue, following: Cue | None, rules: SubtitleRules) -> int:
    """How much longer a cue should be shown than it can be."""
    return max(0, _needed_ms(cue) - (_out_time_ms(cue, following, rules) - cue.start_ms))


def _spread(cues: Sequence[Cue], rules: SubtitleRules) -> list[Cue]:
    """Part cues that begin together, so that each can be shown for one gap at least."""
    spread: list[Cue] = []
    for cue in cues:
        if spread:
            earliest_ms = spread[-1].start_ms + 2 * rules.gap_ms
            start_ms = max(cue.start_ms, earliest_ms)
            cue = replace(cue, start_ms=start_ms, end_ms=max(cue.end_ms, start_ms))
        spread.append(cue)
    return spread


def _merge_short(cues: Sequence[Cue], rules: SubtitleRules, *, both: bool) -> list[Cue]:
    """Merge neighbors of which one is short, or only those of which `both` are."""
    done: list[Cue] = []
    for cue, following in zip_longest(cues, cues[1:]):
        done.append(cue)
        while len(done) > 1:
            durations_ms = [cue.end_ms - cue.start_ms for cue in done[-2:]]
            if (max if both else min)(durations_ms) > rules.short_ms:
                break
            merged = _merged(done[-2], done[-1], following, rules)
            if merged is None:
                break
            done[-2:] = [merged]
    return done


def _merged(first: Cue, second: Cue, following: Cue | None, rules: SubtitleRules) -> Cue | None:
    """Both cues in one; None where they do not fit, or are read no better that way."""
    missing_ms = _missing_ms(first, second, rules) + _missing_ms(second, following, rules)
    end_ms = max(first.end_ms, second.end_ms)
    if (
        missing_ms == 0
        or second.start_ms - first.end_ms > rules.closed_gap_ms
        or end_ms - first.start_ms > rules.max_duration_ms
    ):
        return None
    if first.speaker == second.speaker:
        blocks, speaker = _joined_blocks(first, second), first.speaker
    else:
        blocks, speaker = dialogue(first, second), None
    if blocks is None:
        return None
    merged = Cue(first.start_ms, end_ms, blocks, speaker)
    is_better = _missing_ms(merged, following, rules) < missing_ms
    return merged if is_better and fits(merged, rules) else None


def _joined_blocks(first: Cue, second: Cue) -> tuple[TextBlock, ...]:
    order = max(first.blocks, second.blocks, key=len)  # one of them may lack a language
    texts: dict[str, list[str]] = {block.language: [] for block in order}
    for block in first.blocks + second.blocks:
        texts.setdefault(block.language, []).extend(block.lines)
    return tuple(
        TextBlock(language, ((" " if language_rules(language).has_spaces else "").join(lines),))
        for language, lines in texts.items()
    )


def fits(cue: Cue, rules: SubtitleRules) -> bool:
    """Whether its blocks, before their lines are broken, are no more than `max_lines`."""
    lines = len(cue.lines)
    return lines <= rules.max_lines and all(
        _fits(block, rules.max_lines // lines) for block in cue.blocks
    )


def _fits(block: TextBlock, max_lines: int) -> bool:
    rules = language_rules(block.language)
    return all(fewest_pieces(tokenize(line, rules), rules, max_lines) <= 1 for line in block.lines)
