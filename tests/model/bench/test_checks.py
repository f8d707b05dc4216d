"""The sentences that we wrote, and what is right."""

from collections import Counter

import pytest

from surtitle.model.bench.checks import KINDS, Check, read_checks
from surtitle.model.network.spelling import spoken
from surtitle.model.network.tokenizer import Direction

DIRECTIONS = [pair for other in ("es", "de", "fr") for pair in (("en", other), (other, "en"))]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_there_are_fifty_of_each_kind_and_none_twice(direction: Direction) -> None:
    checks = read_checks(direction)
    assert Counter(check.kind for check in checks) == dict.fromkeys(KINDS, 50)
    assert len({spoken(check.source) for check in checks}) == 200


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_all_directions_are_asked_the_same(direction: Direction) -> None:
    checks, spanish = read_checks(direction), read_checks(("en", "es"))
    assert [check.kind for check in checks] == [check.kind for check in spanish]
    if direction[0] == "en":
        assert [check.source for check in checks] == [check.source for check in spanish]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_checks_are_well_formed(direction: Direction) -> None:
    for check in read_checks(direction):
        assert check.source[-1] in ".?" and not check.source[0].islower()
        assert check.accepted and all(spoken(form) for form in check.accepted)
        assert all(form == form.strip() for form in check.accepted)
        assert len(set(map(spoken, check.accepted))) == len(check.accepted), check
        assert check.is_right(f"X {check.accepted[-1]}, y.") and not check.is_right("Z.")


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("Levántame a las SEIS y media, por favor.", True),
        ("¿A las 6:30?", True),
        ("a las 6 30", True),
        ("A las dieciséis y media.", False),
        ("A las 16:30.", False),
        ("A las seis.", False),
        ("A las seis y medía.", False),
        ("", False),
    ],
)
def test_forms_are_whole_words_in_any_case_with_their_accents(answer: str, right: bool) -> None:
    assert Check("time", "", ("seis y media", "6:30")).is_right(answer) is right


def test_a_direction_may_have_none() -> None:
    assert read_checks(("xx", "es")) == []
