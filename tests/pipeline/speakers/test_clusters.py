from __future__ import annotations

import numpy as np
import pytest

from surtitle.pipeline.speakers.clusters import who_speaks
from surtitle.pipeline.speakers.voice_encoder import Voiceprint, as_voiceprint


def voice(number: int, spread: float, seed: int) -> Voiceprint:
    """Something like the voice of a number: 1 is most alike, at a spread of 0."""
    rng = np.random.default_rng(seed)
    base = np.zeros(256)
    base[number] = 1
    return as_voiceprint((base + spread * rng.normal(0, 1 / 16, 256)).astype(np.float32))


def said(*turns: int, spread: float = 0.4) -> list[Voiceprint]:
    return [voice(number, spread, seed) for seed, number in enumerate(turns)]


def test_people_are_numbered_as_they_first_speak() -> None:
    turns = (7, 7, 3, 7, 5, 3, 5)
    assert who_speaks(said(*turns), [3.0] * 7) == [1, 1, 2, 1, 3, 2, 3]


def test_one_voice_is_one_speaker_however_often_it_speaks() -> None:
    assert set(who_speaks(said(*[4] * 40), [2.0] * 40)) == {1}


def test_a_word_in_between_makes_no_new_speaker() -> None:
    prints, seconds = said(1, 2, 1, 2), [5.0, 5.0, 5.0, 5.0]
    odd = as_voiceprint(prints[1] + 2 * voice(9, 0, 0))  # too short to be heard well
    assert who_speaks([*prints, odd], [*seconds, 0.5]) == [1, 2, 1, 2, 2]


def test_who_hardly_speaks_is_nobody_beside_others() -> None:
    turns = (1, 2, 1, 2, 1, 2, 8)
    assert who_speaks(said(*turns), [9.0] * 6 + [1.8])[-1] in (1, 2)


def test_all_that_is_short_is_one_speaker() -> None:
    assert who_speaks(said(1, 1), [0.5, 0.4]) == [1, 1]


def test_nobody_speaks_where_nothing_is_said() -> None:
    assert who_speaks([], []) == []


@pytest.mark.parametrize("count", [1, 2, 5])
def test_many_pieces_are_told_apart(count: int) -> None:
    rng = np.random.default_rng(count)
    turns = [int(number) for number in rng.integers(0, count, 300)]
    first = {number: at for at, number in enumerate(dict.fromkeys(turns), 1)}
    assert who_speaks(said(*turns), [2.5] * 300) == [first[number] for number in turns]
