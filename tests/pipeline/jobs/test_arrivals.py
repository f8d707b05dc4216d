"""What arrives in folders: states of files in, new files out."""

from __future__ import annotations

from pathlib import Path

from surtitle.pipeline.jobs.arrivals import Arrivals

A, B = Path("a.mp4"), Path("b.mp4")


def test_a_file_is_new_when_nobody_writes_to_it_any_more() -> None:
    seen = Arrivals()
    assert seen.push({A: (10, 1)}) == []
    assert seen.push({A: (20, 2), B: (5, 1)}) == []
    assert seen.push({A: (20, 2), B: (5, 1)}) == [A, B]
    assert seen.push({A: (20, 2), B: (5, 1)}) == []


def test_a_file_that_changes_is_new_again() -> None:
    seen = Arrivals()
    looks = [{A: (10, 1)}, {A: (10, 1)}, {A: (10, 3)}, {A: (10, 3)}, {}, {A: (10, 3)}]
    assert [seen.push(look) for look in looks] == [[], [A], [], [A], [], []]
