"""Tokens -> pieces of even length, cut where clauses end (pure).

A piece is a cue of a segment, or a line of a cue. It fits when it can be set in at most `max_lines`
lines of the language's length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from ..text.clauses import cut_cost
from ..text.languages import LanguageRules
from ..text.tokens import Token, count_chars, join, tokenize

BALANCE = 0.5  # so that a line of a cue of 40 may be 6 off the middle to end with its clause
HURRIED_MS, HURRIED_COST = 1000, 20  # a piece that is spoken in less would flash by
BOTTOM_HEAVY = 0.02  # how much more of the text each line should hold than the one above it
MOST_BALANCED = 50  # lines of a cue


def line_breaks(text: str, rules: LanguageRules) -> tuple[str, ...]:
    """Break a text to as few lines as hold it, balanced, at the ends of clauses."""
    return tuple(map(join, line_pieces(tokenize(text, rules), rules)))


def line_pieces(tokens: Sequence[Token], rules: LanguageRules) -> list[Sequence[Token]]:
    """The tokens of each line. More than MOST_BALANCED lines, which nobody can read in one cue and
    whose best places would take minutes to find, are each filled."""
    count = fewest_pieces(tokens, rules, max_lines=1)
    if count > MOST_BALANCED:
        reach = _reach(tokens, rules, max_lines=1)
        filled: list[Sequence[Token]] = []
        at = 0
        while at < len(tokens):
            filled.append(tokens[at : reach[at]])
            at = reach[at]
        return filled
    shares = [1 / count + BOTTOM_HEAVY * (at - (count - 1) / 2) for at in range(count)]
    return split(tokens, shares, rules, max_lines=1)


def fewest_pieces(tokens: Sequence[Token], rules: LanguageRules, max_lines: int) -> int:
    """Return how many pieces of at most `max_lines` lines hold all tokens; 0 for no tokens."""
    reach = _reach(tokens, rules, max_lines)
    count = at = 0
    while at < len(tokens):
        at = reach[at]
        count += 1
    return count


def split(
    tokens: Sequence[Token], shares: Sequence[float], rules: LanguageRules, max_lines: int
) -> list[Sequence[Token]]:
    """Cut tokens to one piece per share that fit, at the best places.

    `shares` say which part of the text each piece should hold; they sum up to 1, and are at least
    `fewest_pieces` and at most one per token. The best places have the lowest sum of

    1. what the cuts cost (see clauses.py),
    2. for each piece its distance from its share, squared, in units of the mean length, times
       BALANCE, and
    3. HURRIED_COST for each piece that is spoken in less than HURRIED_MS.
    """
    reach = _reach(tokens, rules, max_lines)
    before = [0.0, *accumulate(_widths(tokens, rules))]  # characters before each token
    cuts = [_cut_cost(tokens, at, rules) for at in range(len(tokens))]
    mean = max(1.0, before[-1] / max(1, len(shares)))
    # cost and where the last piece begins, of the best way to put `end` tokens in the pieces so far
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for share in shares:
        ways: dict[int, tuple[float, int]] = {}
        for start, (cost, _) in best[-1].items():
            for end in range(start + 1, reach[start] + 1 if start < len(tokens) else 0):
                off = before[end] - before[start] - share * before[-1]
                total = cost + cuts[start] + BALANCE * off * off / mean
                if 0 < tokens[end - 1].end_ms - tokens[start].start_ms < HURRIED_MS:
                    total += HURRIED_COST
                if total < ways.get(end, (math.inf, 0))[0]:
                    ways[end] = total, start
        best.append(ways)
    pieces: list[Sequence[Token]] = []
    end = len(tokens)
    for ways in reversed(best[1:]):
        start = ways[end][1]
        pieces.append(tokens[start:end])
        end = start
    return pieces[::-1]


def _cut_cost(tokens: Sequence[Token], at: int, rules: LanguageRules) -> float:
    if at == 0:
        return 0.0
    before, after = tokens[at - 1], tokens[at]
    return cut_cost(before.text, after.text, rules, after.start_ms - before.end_ms)


def _widths(tokens: Sequence[Token], rules: LanguageRules) -> list[float]:
    return [count_chars(token.space + token.text, rules) for token in tokens]


def _reach(tokens: Sequence[Token], rules: LanguageRules, max_lines: int) -> list[int]:
    """For each token, where a piece that begins with it must end at the latest."""
    widths = _widths(tokens, rules)
    line_end: list[int] = []
    for start, token in enumerate(tokens):
        width, end = count_chars(token.text, rules), start + 1  # at least the token itself
        while end < len(tokens) and width + widths[end] <= rules.line_chars:
            width += widths[end]
            end += 1
        line_end.append(end)
    reach = line_end
    for _ in range(max_lines - 1):
        reach = [line_end[end] if end < len(tokens) else end for end in reach]
    return reach
