from pathlib import Path

from surtitle.model.network.batches import Pair
from surtitle.model.training.validation import (
    Point,
    read_curve,
    sample,
    validations_without_gain,
)


def _points(*chrf: float) -> list[Point]:
    return [Point("joint", 60.0 * i, i, 1.0, 1.0, value) for i, value in enumerate(chrf)]


def test_validations_without_gain_are_counted_from_the_best() -> None:
    assert validations_without_gain([]) == 0
    assert validations_without_gain(_points(1, 2, 3)) == 0
    assert validations_without_gain(_points(1, 3, 3, 2)) == 2


def test_a_sample_takes_turns_and_comes_from_all_over() -> None:
    spanish = [Pair(str(n), "x", ("en", "es")) for n in range(1000)]
    german = [Pair(str(n), "x", ("en", "de")) for n in range(3)]
    found = sample([*spanish, *german], 20)
    assert [pair.direction[1] for pair in found[:6]] == ["es", "de"] * 3
    assert [pair.source for pair in found if pair.direction[1] == "es"] == [
        str(n) for n in range(0, 1000, 100)
    ]


def test_a_run_without_a_curve(tmp_path: Path) -> None:
    assert read_curve(tmp_path) == []
