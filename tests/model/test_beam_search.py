"""Beam search with the embedded verifier: alone, in a batch, and from a given beginning."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import surtitle.model as package
from surtitle.model.beam_search import decode
from surtitle.model.denoiser import Denoiser
from surtitle.model.tokenizer import TranslationTokenizer
from surtitle.model.verifier import load_verifier, mean_log_probabilities

EMBEDDED = Path(package.__path__[0]) / "embedded"
TEXTS = "Where is the station?", "Good morning.", "my brother has bought a new car"


@pytest.fixture(scope="module")
def tokenizer() -> TranslationTokenizer:
    return TranslationTokenizer.load(EMBEDDED)


@pytest.fixture(scope="module")
def verifier() -> Denoiser:
    model = load_verifier(EMBEDDED, torch.float32, "cpu")
    assert model is not None
    return model


@pytest.fixture(scope="module")
def prompts(tokenizer: TranslationTokenizer) -> list[list[int]]:
    return [tokenizer.prompt(text, "en", "es") for text in TEXTS]


def test_a_batch_is_as_each_alone(verifier: Denoiser, prompts: list[list[int]]) -> None:
    together = decode(verifier, prompts, 40)
    alone = [decode(verifier, [prompt], 40)[0] for prompt in prompts]
    assert [one.tokens for one in together] == [one.tokens for one in alone]
    assert all(one.tokens for one in together)


def test_the_confidence_is_the_mean_log_probability(
    verifier: Denoiser, tokenizer: TranslationTokenizer, prompts: list[list[int]]
) -> None:
    for prompt, one in zip(prompts, decode(verifier, prompts, 40), strict=True):
        answer = [*one.tokens, tokenizer.answer("")[-1]]
        (mean,) = mean_log_probabilities(verifier, prompt, [answer])
        assert one.confidence == pytest.approx(mean, abs=1e-4)


def test_it_goes_on_from_a_beginning(verifier: Denoiser, prompts: list[list[int]]) -> None:
    whole = decode(verifier, prompts, 40)
    begun = decode(verifier, prompts, 40, [one.tokens[:2] for one in whole])
    assert [one.tokens for one in begun] == [one.tokens for one in whole]
    beginning = [5, 6, 7]
    (other,) = decode(verifier, prompts[:1], 40, [beginning])
    assert other.tokens[:3] == beginning


def test_without_an_end_there_is_no_answer(verifier: Denoiser, prompts: list[list[int]]) -> None:
    long, short = decode(verifier, [prompts[2], prompts[1]], 6)
    assert long.tokens == []
    assert short.tokens


def test_several_beams_find_likelier_answers(
    verifier: Denoiser, tokenizer: TranslationTokenizer
) -> None:
    texts = [
        *TEXTS,
        "The old fisherman sold every potato that he had carried from the harbor to the market.",
        "My grandmother used to tell us long stories about a blind horse and a clever monkey.",
        "If the engine breaks again in the mountains, nobody is going to hear us until spring.",
    ]
    prompts = [tokenizer.prompt(text, "en", "es") for text in texts]
    greedy, searched = decode(verifier, prompts, 40), decode(verifier, prompts, 40, beams=5)
    alone = [decode(verifier, [prompt], 40, beams=5)[0] for prompt in prompts]
    assert [one.tokens for one in searched] == [one.tokens for one in alone]
    gains = [b.confidence - a.confidence for a, b in zip(greedy, searched, strict=True)]
    assert min(gains) > -1e-6
    assert max(gains) > 0.01
