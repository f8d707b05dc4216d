"""What is asked to be deployed; without Ray."""

from __future__ import annotations

import pytest

from surtitle.pipeline.config import RecognizerConfig, TranslatorConfig
from surtitle.pipeline.workers.deployments import Amount, Plan, brief


@pytest.mark.parametrize("amount", [(0, 0), (1, 1), (2, 8)])
def test_there_are_as_many_as_wanted(amount: tuple[int, int]) -> None:
    Amount(*amount)


@pytest.mark.parametrize("amount", [(0, 3), (5, 3), (1, 100_000)])
def test_a_range_that_is_none_is_refused(amount: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"got {amount[0]}-{amount[1]}"):
        Amount(*amount)


@pytest.mark.parametrize("gpus", [-1, 1.5])
def test_a_replica_takes_a_part_of_a_gpu_or_whole_ones(gpus: float) -> None:
    with pytest.raises(ValueError, match=f"got {gpus:g}"):
        Amount(1, 1, gpus)


@pytest.mark.parametrize(
    ("translator", "gpus", "at_once"),
    [
        (TranslatorConfig("own"), 0, 16),
        (TranslatorConfig("own"), 0.5, 128),
        (TranslatorConfig("http://llm.example/v1", llm_requests=5), 0, 5),
    ],
)
def test_how_many_texts_a_translator_gets_at_once(
    translator: TranslatorConfig, gpus: float, at_once: int
) -> None:
    plan = Plan(Amount(1, 1, gpus), translator, Amount(0, 0), RecognizerConfig())
    assert plan.texts_at_once == at_once


def test_of_a_long_message_the_sentence_that_says_why_is_shown() -> None:
    trace = "The deployment failed.\nTraceback:\n  File x\nTranslatorError: no model\n\n"
    assert brief(trace) == "TranslatorError: no model"
    assert brief("2 replicas wait for cores. Use `ray status`.") == "2 replicas wait for cores"
    assert brief("") == ""
