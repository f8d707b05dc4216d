from __future__ import annotations

import pytest

from surtitle.pipeline.recognizers.cost import Cost


def measured(*observations: tuple[float, float]) -> Cost:
    cost = Cost()
    for sound_s, work_s in observations:
        cost.add(sound_s, work_s)
    return cost


def test_nothing_is_expected_before_something_is_measured() -> None:
    assert Cost().expected_s(1) is None and Cost().per_second is None


def test_work_that_grows_with_the_sound_is_told_from_work_that_does_not() -> None:
    growing = measured((1, 0.4), (4, 1.0), (8, 1.8))  # 0.2 s, and 0.2 s per second
    assert growing.expected_s(12) == pytest.approx(2.6)
    fixed = measured((1, 2.7), (4, 2.7), (8, 2.7))
    assert fixed.expected_s(0.1) == fixed.expected_s(15) == pytest.approx(2.7)


def test_lengths_that_are_alike_tell_nothing_about_others() -> None:
    assert measured((2, 1.0), (2, 1.0)).expected_s(15) == pytest.approx(1.0)


def test_neither_part_is_negative() -> None:
    assert measured((1, 3.0), (8, 1.0)).expected_s(100) > 0  # type: ignore[operator]
    assert measured((5, 1.0), (10, 10.0)).expected_s(0) == pytest.approx(0.0)


def test_what_was_long_ago_fades() -> None:
    cost = measured(*[(2, 9.0)] * 5, *[(2, 1.0)] * 60)
    assert cost.per_second == pytest.approx(0.5, abs=0.01)
