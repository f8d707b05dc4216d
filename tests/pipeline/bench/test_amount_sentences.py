"""Sentences with amounts, and what their translations must have."""

from __future__ import annotations

import pytest

from surtitle.pipeline.bench.amount_sentences import AmountSentence, amount_sentences


def _with(words: str, target: str = "es") -> AmountSentence:
    """The first sentence that has these words."""
    return next(one for one in amount_sentences(target) if words in one.text)


@pytest.mark.parametrize("target", ["es", "de", "fr", "it", "pt"])
def test_there_are_many_different_ones(target: str) -> None:
    texts = [one.text for one in amount_sentences(target)]
    assert len(set(texts)) == len(texts) >= 300
    assert texts == [one.text for one in amount_sentences(target)]
    assert not amount_sentences("xx")


def test_the_language_may_write_an_amount_its_own_way() -> None:
    sentence = _with("$108,094")
    for answer in "Cuesta $108.094.", "Cuesta 108 094 dólares.", "Son US$ 108094.":
        assert sentence.is_kept_in(answer)


def test_another_value_another_currency_and_a_number_more_are_changes() -> None:
    sentence = _with("$108,094")
    for answer in (
        "Cuesta 108.094.",
        "Cuesta 108.094 €.",
        "Cuesta 220 $108.094.",
        "Cuesta $1.108.094.",
        "Cuesta $108.095.",
        "Cuesta mucho.",
    ):
        assert not sentence.is_kept_in(answer)


def test_a_small_number_may_be_a_word() -> None:
    sentence = _with("only 5 stayed")
    assert sentence.is_kept_in("Vinieron 614 de ellos, pero solo cinco se quedaron.")
    assert not sentence.is_kept_in("Vinieron 614 de ellos, pero solo seis se quedaron.")
