from __future__ import annotations

import pytest

from surtitle.pipeline.text.clauses import (
    AFTER_SENTENCE,
    AFTER_STRONG_MARK,
    AFTER_WEAK_MARK,
    ANYWHERE,
    BEFORE_CONJUNCTION,
    BEFORE_PREPOSITION,
    INSIDE_NAME,
    INSIDE_PHRASE,
    binds,
    cut_cost,
)
from surtitle.pipeline.text.languages import language_rules


@pytest.mark.parametrize(
    ("language", "before", "after", "cost"),
    [
        ("en", "left.", "We", AFTER_SENTENCE),
        ("en", "“left.”", "We", AFTER_SENTENCE),
        ("en", "left;", "we", AFTER_STRONG_MARK),
        ("en", "left,", "we", AFTER_WEAK_MARK),
        ("en", "left", "because", BEFORE_CONJUNCTION),
        ("en", "boat", "that", BEFORE_CONJUNCTION),
        ("en", "you", "and", BEFORE_CONJUNCTION),
        ("en", "boat", "in", BEFORE_PREPOSITION),
        ("en", "big", "boat", ANYWHERE),
        ("en", "the", "boat", INSIDE_PHRASE),
        ("en", "of", "that", INSIDE_PHRASE),
        ("en", "and", "when", INSIDE_PHRASE),
        ("en", "we", "left", INSIDE_PHRASE),
        ("en", "don’t", "know", INSIDE_PHRASE),
        ("en", "it's", "late", INSIDE_PHRASE),
        ("en", "Mr.", "Smith", INSIDE_PHRASE),
        ("en", "-", "Yes", INSIDE_PHRASE),
        ("en", "—", "and", AFTER_STRONG_MARK),
        ("en", "John", "Smith", INSIDE_NAME),
        ("en", "3", "million", INSIDE_NAME),
        ("de", "Großer", "Bahnhof", ANYWHERE),
        ("de", "der", "Bahnhof", INSIDE_PHRASE),
        ("es", "lo", "que", INSIDE_PHRASE),
        ("es", "cosa", "que", BEFORE_CONJUNCTION),
        ("ar", "جاء،", "ثم", AFTER_WEAK_MARK),
    ],
)
def test_cuts_have_their_price(language: str, before: str, after: str, cost: int) -> None:
    assert cut_cost(before, after, language_rules(language)) == cost


def test_a_pause_makes_a_cut_better_and_an_overlap_no_worse() -> None:
    rules = language_rules("en")
    assert cut_cost("boat", "left", rules, pause_ms=500) < AFTER_SENTENCE + 1
    assert cut_cost("boat", "left", rules, pause_ms=-500) == ANYWHERE


def test_a_title_binds_also_without_its_dot() -> None:
    assert binds("mr", language_rules("en"))
    assert not binds("boat", language_rules("en"))
