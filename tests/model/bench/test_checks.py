"""The sentences that we wrote, and what is right."""

from collections import Counter

import pytest

from surtitle.model.bench.checks import KINDS, Check, read_checks
from surtitle.model.spelling import spoken

LANGUAGES = "es", "de", "fr"


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_fifty_of_each_kind_and_none_twice(language: str) -> None:
    checks = read_checks(("en", language))
    assert Counter(check.kind for check in checks) == dict.fromkeys(KINDS, 50)
    assert len({spoken(check.source) for check in checks}) == 200


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_languages_are_asked_the_same(language: str) -> None:
    checks = [check[:2] for check in read_checks(("en", language))]
    assert checks == [check[:2] for check in read_checks(("en", "es"))]


@pytest.mark.parametrize("language", LANGUAGES)
def test_checks_are_well_formed(language: str) -> None:
    for check in read_checks(("en", language)):
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
