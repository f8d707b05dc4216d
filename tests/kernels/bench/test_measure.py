from __future__ import annotations

import pytest
import torch

from surtitle.kernels.bench.contest import Case, Contestant, Host, Run, Work
from surtitle.kernels.bench.measure import Ceilings, measure

HOST = Host(torch.device("cpu"), toy=True)
CEILINGS = Ceilings(copy=1e9, product=1e12)


def case(*contestants: Contestant, work: tuple[Work, ...] = (Work(1000, 0),)) -> Case:
    return Case("kernel", "shape", 7, work, lambda: (torch.ones(3),), contestants, turns=2)


def giving(value: float) -> Run:
    return lambda turn: (torch.full((3,), value),)


def test_the_floor_is_the_harder_limit_of_each_kernel() -> None:
    work = (Work(bytes=2000, flop=10), Work(bytes=10, flop=5_000_000))
    assert CEILINGS.floor_us(case(work=work)) == pytest.approx(2 + 5)


def test_contestants_are_compared_with_the_first_and_with_what_is_expected() -> None:
    right, wrong = measure(
        case(
            Contestant("right", lambda: giving(1.0)),
            Contestant("wrong", lambda: giving(1.5)),
        ),
        HOST,
        CEILINGS,
    )
    assert (right.contestant, right.ratio, right.err) == ("right", 1.0, 0.0)
    assert wrong.err == pytest.approx(0.5)
    assert right.us is not None and wrong.us is not None and wrong.ratio == wrong.us / right.us
    assert right.floor_percent == pytest.approx(100 / right.us)


def test_an_output_of_something_else_is_not_compared() -> None:
    (line,) = measure(case(Contestant("other", lambda: giving(9.0), None)), HOST, CEILINGS)
    assert line.err is None and line.us is not None


def test_nan_where_nothing_was_written_is_seen() -> None:
    (line,) = measure(case(Contestant("nan", lambda: giving(float("nan")))), HOST, CEILINGS)
    assert line.err is not None and not line.err < 1


def test_turns_alternate() -> None:
    seen: list[int] = []

    def run(turn: int) -> tuple[torch.Tensor]:
        seen.append(turn)
        return (torch.ones(3),)

    measure(case(Contestant("one", lambda: run)), HOST, CEILINGS)
    assert seen == [0, 1, 0, 1, 0, 1, 0]  # once each, then the five repetitions of a toy


def test_who_cannot_run_is_named_and_the_others_go_on() -> None:
    def unavailable() -> Run:
        raise ModuleNotFoundError("No module named 'peer'\nmore")

    there, missing = measure(
        case(Contestant("peer", unavailable), Contestant("ours", lambda: giving(1.0))),
        HOST,
        CEILINGS,
    )
    assert there.contestant == "ours" and there.missing is None and there.ratio == 1.0
    assert missing.contestant == "peer" and missing.us is None
    assert missing.missing == "ModuleNotFoundError: No module named 'peer'"
