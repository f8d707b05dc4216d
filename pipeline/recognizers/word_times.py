"""When words were said of which only the order is known, estimated from the sound (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..audio.pcm import SAMPLES_PER_MS, to_ms
from ..events import Samples, Utterance, Word

STEP_MS = 20
STEP_SAMPLES = STEP_MS * SAMPLES_PER_MS
PAUSE_STEPS = 8  # 160 ms without voice
VOICED_BELOW_PEAK_DB = 30.0
VOICED_ABOVE_FLOOR = 0.25  # of the way from the quietest to the loudest
PAUSE_MARKS = ".,!?;:"
PAUSE_LETTERS = 2  # what a mark after a word adds to its share of the time, besides its letters
MARK_STEPS = 40  # a pause is so much farther from words without a mark between them
LOST_STEPS = 80  # a pause that is farther from all of them belongs between none
NO_CONFIDENCE_KNOWN = 1.0


def estimated_words(texts: Sequence[str], utterance: Utterance) -> list[Word]:
    """The words in media time, marked as estimated.

    1. Time counts while the sound is loud beside the rest of it.
    2. Each word has a share of that time, by its letters.
    3. Pauses lie between words: near where the shares put them, and rather where a mark is.
    4. Between two pauses the words share what time is there.
    """
    voiced = np.flatnonzero(_voiced(utterance.samples))  # 1. [V], as numbers of steps
    shares = np.cumsum([0, *map(_share, texts)]) / max(1, sum(map(_share, texts)))  # 2.
    pauses = [int(at) + 1 for at in np.flatnonzero(np.diff(voiced) > PAUSE_STEPS)]
    ends = [text.endswith(tuple(PAUSE_MARKS)) for text in texts]
    placed = _placed(pauses, shares * voiced.size, ends)  # 3.
    cuts = [(0, 0), *placed, (len(texts), voiced.size)]
    words: list[Word] = []
    for (first, start), (last, end) in pairwise(cuts):  # 4.
        share = shares[first : last + 1] - shares[first]
        edges = start + np.rint(share * ((end - start) / (share[-1] or 1))).astype(int)
        for text, begins, stops in zip(texts[first:last], edges, edges[1:], strict=False):
            begins = min(begins, end - 1)
            words.append(_word(text, voiced[begins : max(stops, begins + 1)], utterance))
    return words


def loudness_db(samples: Samples) -> NDArray[np.float64]:
    """The power of each STEP_MS, in dB of full scale; the last is of what is left over."""
    padded = np.pad(samples, (0, -samples.size % STEP_SAMPLES)).reshape(-1, STEP_SAMPLES)
    return 10 * np.log10(np.square(padded, dtype=np.float64).mean(axis=1) + 1e-12)


def _voiced(samples: Samples) -> NDArray[np.bool_]:
    """For each STEP_MS, whether it is loud beside the others."""
    db = loudness_db(samples)
    quiet, loud = np.percentile(db, [5, 95])
    floor = quiet + VOICED_ABOVE_FLOOR * (loud - quiet)
    return db >= max(loud - VOICED_BELOW_PEAK_DB, floor)


def _share(text: str) -> int:
    letters = sum(character.isalnum() for character in text)
    return letters + 1 + PAUSE_LETTERS * text.endswith(tuple(PAUSE_MARKS))


def _placed(
    pauses: Sequence[int], edges: NDArray[np.float64], has_mark: Sequence[bool]
) -> list[tuple[int, int]]:
    """Between which words each pause lies: (how many words come before it, the pause).

    `pauses` and `edges`, where words end by their shares, count voiced steps. The way with the
    lowest sum of distances; each place takes one pause, and their order stays.
    """
    places = range(1, len(has_mark))  # before the first word and after the last lies none
    # What it costs when the last pause that was placed so far lies before word `n`; 0: none was.
    costs = [0.0] + [math.inf] * len(places)
    ways: list[list[int]] = []  # for each pause: the `n` before it; itself where it was not placed
    for pause in pauses:
        skipped = [cost + LOST_STEPS for cost in costs]
        way = list(range(len(costs)))
        cheapest = 0
        for place in places:
            if costs[place - 1] < costs[cheapest]:
                cheapest = place - 1
            distance = abs(edges[place] - pause) - MARK_STEPS * has_mark[place - 1]
            if costs[cheapest] + distance < skipped[place]:
                skipped[place], way[place] = costs[cheapest] + distance, cheapest
        costs = skipped
        ways.append(way)
    placed: list[tuple[int, int]] = []
    at = costs.index(min(costs))
    for pause, way in zip(reversed(pauses), reversed(ways), strict=True):
        if way[at] != at:
            placed.append((at, pause))
            at = way[at]
    return placed[::-1]


def _word(text: str, steps: NDArray[np.intp], utterance: Utterance) -> Word:
    """A word in some voiced steps; of those, what lies on one side of a pause."""
    stretches = np.split(steps, np.flatnonzero(np.diff(steps) > PAUSE_STEPS) + 1)
    longest = max(stretches, key=len)
    first_ms = to_ms(utterance.start_sample)
    start_ms = first_ms + STEP_MS * int(longest[0])
    end_ms = first_ms + STEP_MS * (int(longest[-1]) + 1)
    return Word(text, start_ms, end_ms, NO_CONFIDENCE_KNOWN, is_estimated=True)
