"""Segments with word times, and their translations -> cues (pure).

Each function takes a whole file and returns its cues in order, ready to be written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise, zip_longest

from ..events import SourceSegment
from ..text.languages import language_rules
from ..text.tokens import Token, count_chars, join, tokenize, tokenize_words
from .check import SubtitleRules
from .cues import Cue, TextBlock
from .line_breaks import fewest_pieces, line_breaks, split
from .speakers import is_dialogue, labelled, labels, readable, told_again
from .timing import fits, time_cues

SNAP_MS = 500  # a cut in a translation moves this far to fall between two spoken words

Piece = Sequence[Token]
Span = tuple[int, int]  # start_ms, end_ms


def source_cues(segments: Sequence[SourceSegment], rules: SubtitleRules) -> list[Cue]:
    """Cues in the language that is spoken, timed by its words."""
    told = map(labelled, segments, labels(segments))
    return _finished([cue for segment in told for cue in _source_cues(segment, rules)], rules)


def _source_cues(segment: SourceSegment, rules: SubtitleRules) -> list[Cue]:
    return [
        Cue(*_span(piece), (TextBlock(segment.language, (join(piece),)),), segment.speaker)
        for piece in _source_pieces(segment, rules)
    ]


def translated_cues(
    segments: Sequence[SourceSegment],
    translations: Sequence[str],
    target: str,
    rules: SubtitleRules,
) -> list[Cue]:
    """Cues in another language, one translation per segment; an empty one makes no cue.

    What is spoken in that language is its own translation.
    """
    spoken: list[Cue] = []
    told = zip(segments, translations, labels(segments), strict=True)
    for segment, translation, label in told:
        if segment.language == target:
            spoken += _source_cues(labelled(segment, label), rules)
            continue
        tokens = tokenize(translation and label + translation, language_rules(target))
        count = _piece_count(segment, tokens, target, rules, rules.max_lines)
        ours = _source_pieces(segment, rules)
        theirs = _cut(tokens, count, target, rules.max_lines, _shares(ours, segment.language))
        for (start_ms, end_ms), piece in zip(_spans(segment, ours, theirs), theirs, strict=True):
            block = TextBlock(target, (join(piece),))
            spoken.append(Cue(start_ms, end_ms, (block,), segment.speaker))
    return _finished(spoken, rules)


def bilingual_cues(
    segments: Sequence[SourceSegment],
    translations: Sequence[str],
    target: str,
    rules: SubtitleRules,
) -> list[Cue]:
    """Cues of two blocks, what is spoken above its translation, one line each.

    Both are cut at corresponding places, so a cue says the same in either language. What is spoken
    in that other language stands alone.
    """
    spoken: list[Cue] = []
    told = zip(
        map(labelled, segments, labels(segments)), translations, labels(segments), strict=True
    )
    for segment, translation, label in told:
        source = segment.language
        if source == target:
            spoken += _source_cues(segment, rules)
            continue
        ours = tokenize_words(segment.words, language_rules(source))
        theirs = tokenize(translation and label + translation, language_rules(target))
        count = max(
            _piece_count(segment, ours, source, rules, max_lines=1),
            _piece_count(segment, theirs, target, rules, max_lines=1),
        )
        above = _cut(ours, count, source, max_lines=1)
        below = _cut(theirs, count, target, 1, _shares(above, source))
        longer = above if len(above) >= len(below) else below
        spans = _spans(segment, above, longer)
        pairs = zip_longest(above, below, fillvalue=())
        for (start_ms, end_ms), (top, bottom) in zip(spans, pairs, strict=True):
            texts = (source, join(top)), (target, join(bottom))
            blocks = tuple(TextBlock(language, (text,)) for language, text in texts if text)
            spoken.append(Cue(start_ms, end_ms, blocks, segment.speaker))
    return _finished(spoken, rules)


def _finished(spoken: Iterable[Cue], rules: SubtitleRules) -> list[Cue]:
    finished: list[Cue] = []
    is_told_again = False
    for cue in time_cues(spoken, rules):
        told = told_again(cue) if is_told_again else cue
        cue = told if fits(told, rules) else cue
        is_told_again = is_dialogue(cue)
        finished.append(replace(cue, blocks=tuple(_broken(block) for block in cue.blocks)))
    return finished


def _broken(block: TextBlock) -> TextBlock:
    language = language_rules(block.language)
    broken = [line for text in block.lines for line in line_breaks(text, language)]
    return replace(block, lines=tuple(map(readable, broken)))


def _source_pieces(segment: SourceSegment, rules: SubtitleRules) -> list[Piece]:
    language = segment.language
    tokens = tokenize_words(segment.words, language_rules(language))
    count = fewest_pieces(tokens, language_rules(language), rules.max_lines)
    pieces = _cut(tokens, count, language, rules.max_lines)
    return [part for piece in pieces for part in _shortened(piece, language, rules)]


def _shortened(piece: Piece, language: str, rules: SubtitleRules) -> list[Piece]:
    """Halve a piece until none is spoken for longer than a cue may last."""
    start_ms, end_ms = _span(piece)
    if end_ms - start_ms <= rules.max_duration_ms or len(piece) == 1:
        return [piece]
    halves = _cut(piece, 2, language, rules.max_lines)
    return [part for half in halves for part in _shortened(half, language, rules)]


def _piece_count(
    segment: SourceSegment, tokens: Piece, language: str, rules: SubtitleRules, max_lines: int
) -> int:
    """How many cues a segment takes, for its length in one language and for its duration."""
    by_duration = math.ceil((segment.end_ms - segment.start_ms) / rules.max_duration_ms)
    return max(fewest_pieces(tokens, language_rules(language), max_lines), by_duration)


def _cut(
    tokens: Piece, count: int, language: str, max_lines: int, shares: Sequence[float] = ()
) -> list[Piece]:
    """Cut to `count` pieces, fewer where there are not as many tokens.

    They follow the shares of another language's pieces where those are as many.
    """
    count = min(count, len(tokens))
    if len(shares) != count:
        shares = [1 / count] * count if count else []
    return split(tokens, shares, language_rules(language), max_lines)


def _shares(pieces: Sequence[Piece], language: str) -> list[float]:
    chars = [count_chars(join(piece), language_rules(language)) for piece in pieces]
    return [piece_chars / max(1, sum(chars)) for piece_chars in chars]


def _spans(segment: SourceSegment, ours: Sequence[Piece], theirs: Sequence[Piece]) -> list[Span]:
    """When each of the pieces `theirs` is spoken, given the spoken pieces `ours`.

    As many of them share their times. Otherwise the time is dealt out by characters, and each cut
    moves into the nearest gap between two words, where one is within SNAP_MS.
    """
    if len(ours) == len(theirs):
        return [_span(piece) for piece in ours]
    if not theirs:
        return []
    gaps = [(word.end_ms, after.start_ms) for word, after in pairwise(segment.words)]
    chars = [len(join(piece)) for piece in theirs]
    spans: list[Span] = []
    start_ms = segment.start_ms
    for spoken_chars in accumulate(chars[:-1]):
        cut_ms = segment.start_ms + (segment.end_ms - segment.start_ms) * spoken_chars // sum(chars)
        cut_ms = max(cut_ms, start_ms)  # the cut before may have moved beyond this one
        later = [gap for gap in gaps if gap[0] > start_ms]
        end_ms, next_ms = min(later, key=lambda gap: abs(gap[1] - cut_ms), default=(cut_ms, cut_ms))
        if abs(next_ms - cut_ms) > SNAP_MS:
            end_ms = next_ms = cut_ms
        spans.append((start_ms, end_ms))
        start_ms = next_ms
    return [*spans, (start_ms, segment.end_ms)]


def _span(piece: Piece) -> Span:
    return piece[0].start_ms, piece[-1].end_ms
