from __future__ import annotations

from surtitle.pipeline.translators.llm_server.availability import Availability, Permit


def gone(now_s: float = 0.0) -> Availability:
    availability = Availability()
    for _ in range(Availability.MOST_FAILURES):
        permit = availability.permit(now_s)
        assert permit is not None
        availability.failed(permit, now_s)
    assert availability.is_away
    return availability


def test_a_few_failures_in_a_row_and_it_is_away_which_is_told_once() -> None:
    availability = Availability()
    assert [availability.failed(Permit(False), 0.0) for _ in range(5)] == [
        *[False] * (Availability.MOST_FAILURES - 1),
        True,
        False,
        False,
    ]


def test_an_answer_between_failures_counts() -> None:
    availability = Availability()
    for _ in range(10):
        assert not availability.failed(Permit(False), 0.0)
        assert not availability.answered(Permit(False))
    assert not availability.is_away


def test_while_it_is_away_one_probe_at_a_time_at_growing_waits() -> None:
    availability = gone()
    now_s, waits = 0.0, list[float]()
    for _ in range(8):
        assert availability.permit(now_s) is None
        waits.append(availability.until_probe_s(now_s))
        now_s += waits[-1]
        probe = availability.permit(now_s)
        assert probe is not None and probe.is_probe
        assert availability.permit(now_s + 1000) is None  # while that one is out
        assert availability.until_probe_s(now_s) > 0
        assert not availability.failed(probe, now_s)
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_what_was_asked_before_it_went_away_does_not_lengthen_the_wait() -> None:
    availability = gone()
    for _ in range(10):
        availability.failed(Permit(False), 0.5)
    assert availability.until_probe_s(0.0) == 1.0


def test_a_probe_that_is_answered_brings_it_back() -> None:
    availability = gone()
    probe = availability.permit(1.0)
    assert probe is not None and availability.answered(probe)
    permits = [availability.permit(1.0) for _ in range(3)]
    assert not any(permit is None or permit.is_probe for permit in permits)
    assert not availability.answered(Permit(False))


def test_a_probe_that_was_cancelled_leaves_room_for_the_next() -> None:
    availability = gone()
    probe = availability.permit(1.0)
    assert probe is not None and availability.permit(1.0) is None
    availability.left(probe)
    assert availability.permit(1.0) is not None
