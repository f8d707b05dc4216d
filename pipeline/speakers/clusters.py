"""Voiceprints -> who is who (pure)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .voice_encoder import Voiceprint, as_voiceprint

# Of pieces of 1.6 to 3 s, 95 of 100 of one voice are more alike than 0.79, and 95 of 100 of two
# voices less than 0.64 (12 voices: the shared English clips, flite, espeak-ng).
ALIKE = 0.7
SOLID_S = 1.6  # less speech is no ground to tell that somebody else speaks
MOST_COMPARED = 2000  # the longest pieces; memory and time grow with the square
LEAST_S, LEAST_SHARE = 4.0, 0.1  # of the speech: who has less than both is nobody


def who_speaks(prints: Sequence[Voiceprint], seconds: Sequence[float]) -> list[int]:
    """A number for each piece of speech, from 1 in the order in which people first speak.

    1. Among the pieces that are SOLID_S or longer (or the longest one), join the two groups that
       are most alike on average, as long as they are more than ALIKE.
    2. Groups with little speech are nobody's, where there are others.
    3. Each piece goes to the group whose mean it is most like.
    """
    if not prints:
        return []
    longest = sorted(range(len(prints)), key=lambda at: -seconds[at])[:MOST_COMPARED]
    solid = [at for at in longest if seconds[at] >= SOLID_S] or longest[:1]
    groups = _joined(np.stack([prints[at] for at in solid]))  # 1.
    spoken_s = [sum(seconds[solid[at]] for at in group) for group in groups]
    least_s = min(LEAST_S, LEAST_SHARE * sum(spoken_s))
    kept = [group for group, s in zip(groups, spoken_s, strict=True) if s >= least_s]  # 2.
    means = np.stack([_mean(prints, seconds, [solid[at] for at in group]) for group in kept])
    nearest = [int((means @ one).argmax()) for one in prints]  # 3.
    numbers = {group: number for number, group in enumerate(dict.fromkeys(nearest), 1)}
    return [numbers[group] for group in nearest]


def _mean(prints: Sequence[Voiceprint], seconds: Sequence[float], group: list[int]) -> Voiceprint:
    lengths = np.array([seconds[at] for at in group], np.float32)
    return as_voiceprint(lengths @ np.stack([prints[at] for at in group]))


def _joined(prints: NDArray[np.float32]) -> list[list[int]]:
    """Groups of the rows of `prints` [N, 256], by average linkage."""
    groups: list[list[int]] = [[at] for at in range(len(prints))]
    alike = prints @ prints.T  # [N, N]
    np.fill_diagonal(alike, -1)
    while True:
        one, other = divmod(int(alike.argmax()), len(groups))
        if alike[one, other] <= ALIKE:
            return [group for group in groups if group]
        sizes = len(groups[one]), len(groups[other])
        mean = (alike[one] * sizes[0] + alike[other] * sizes[1]) / sum(sizes)
        alike[one], alike[:, one] = mean, mean
        alike[one, one] = -1
        alike[other], alike[:, other] = -1, -1
        groups[one] += groups[other]
        groups[other] = []
