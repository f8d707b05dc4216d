"""Beam search with the embedded verifier: alone, in a batch, and from a given beginning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
from torch import Tensor

import surtitle.model as package
import surtitle.model.verifier.beam_search as beam_search
from surtitle.model.network.tokenizer import TranslationTokenizer
from surtitle.model.verifier.beam_search import BeamSearch, Decoded, Task, decode
from surtitle.model.verifier.causal_layers import CausalLayers
from surtitle.model.verifier.likelihood import log_probabilities
from surtitle.model.verifier.loading import load_verifier

EMBEDDED = Path(package.__path__[0]) / "embedded"
TEXTS = "Where is the station?", "Good morning.", "my brother has bought a new car"
LONGER = [
    "The old fisherman sold every potato that he had carried from the harbor to the market.",
    "My grandmother used to tell us long stories about a blind horse and a clever monkey.",
    "If the engine breaks again in the mountains, nobody is going to hear us until spring.",
]


@pytest.fixture(scope="module")
def tokenizer() -> TranslationTokenizer:
    return TranslationTokenizer.load(EMBEDDED)


@pytest.fixture(scope="module")
def verifier() -> CausalLayers:
    model = load_verifier(EMBEDDED, torch.float32, "cpu")
    assert model is not None
    return CausalLayers(model)


@pytest.fixture(scope="module")
def prompts(tokenizer: TranslationTokenizer) -> list[list[int]]:
    return [tokenizer.prompt(text, "en", "es") for text in TEXTS]


def best(*arguments: Any, **options: Any) -> list[Decoded]:
    """The likeliest answer to each prompt."""
    return [found[0] for found in decode(*arguments, **options)]


def test_a_batch_is_as_each_alone(verifier: CausalLayers, prompts: list[list[int]]) -> None:
    together = best(verifier, prompts, 40)
    alone = [best(verifier, [prompt], 40)[0] for prompt in prompts]
    assert [one.tokens for one in together] == [one.tokens for one in alone]
    assert all(one.tokens for one in together)


def test_the_confidence_is_the_mean_log_probability(
    verifier: CausalLayers, tokenizer: TranslationTokenizer, prompts: list[list[int]]
) -> None:
    for prompt, one in zip(prompts, best(verifier, prompts, 40), strict=True):
        answer = [*one.tokens, tokenizer.answer("")[-1]]
        (found,) = log_probabilities(verifier, [prompt], [answer])
        assert one.confidence == pytest.approx(fmean(found), abs=1e-4)


def test_it_goes_on_from_a_beginning(verifier: CausalLayers, prompts: list[list[int]]) -> None:
    whole = best(verifier, prompts, 40)
    begun = best(verifier, prompts, 40, [one.tokens[:2] for one in whole])
    assert [one.tokens for one in begun] == [one.tokens for one in whole]
    beginning = [5, 6, 7]
    (other,) = best(verifier, prompts[:1], 40, [beginning])
    assert other.tokens[:3] == beginning


def test_of_a_guess_what_one_beam_would_write_is_kept(
    verifier: CausalLayers, prompts: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = best(verifier, prompts, 40)
    first, second, third = (one.tokens for one in whole)
    guesses = [first, [*second[:2], 999, *second[2:]], [999]]
    guessed = best(verifier, prompts, 40, guesses=guesses)
    assert [one.tokens for one in guessed] == [one.tokens for one in whole]
    means = [one.confidence for one in guessed]
    assert means == pytest.approx([one.confidence for one in whole], abs=1e-4)
    begun = [third[:2], first[:1], second[:1]]
    alike = best(verifier, prompts, 40, begun)
    guesses = [one.tokens[len(given) :] for one, given in zip(alike, begun, strict=True)]
    passes: list[int] = []
    forward = CausalLayers.forward

    def counted(self: CausalLayers, tokens: Tensor, *arguments: Any) -> Tensor:
        passes.append(tokens.shape[1])
        return forward(self, tokens, *arguments)

    monkeypatch.setattr(CausalLayers, "forward", counted)
    found = best(verifier, prompts, 40, begun, guesses)
    assert [one.tokens for one in found] == [one.tokens for one in alike]
    assert len(passes) == 1  # then the end mark is the likeliest


def test_without_an_end_there_is_no_answer(
    verifier: CausalLayers, prompts: list[list[int]]
) -> None:
    long, short = decode(verifier, [prompts[2], prompts[1]], 6)
    assert long == []
    assert short[0].tokens


def test_several_beams_find_likelier_answers(
    verifier: CausalLayers, tokenizer: TranslationTokenizer
) -> None:
    prompts = [tokenizer.prompt(text, "en", "es") for text in (*TEXTS, *LONGER)]
    greedy, searched = best(verifier, prompts, 40), best(verifier, prompts, 40, beams=5)
    alone = [best(verifier, [prompt], 40, beams=5)[0] for prompt in prompts]
    assert [one.tokens for one in searched] == [one.tokens for one in alone]
    gains = [b.confidence - a.confidence for a, b in zip(greedy, searched, strict=True)]
    assert min(gains) > -1e-6
    assert max(gains) > 0.01


def test_the_answers_are_different_and_the_likeliest_come_first(
    verifier: CausalLayers, tokenizer: TranslationTokenizer, prompts: list[list[int]]
) -> None:
    for prompt, found in zip(prompts, decode(verifier, prompts, 40, beams=3), strict=True):
        assert 2 <= len(found) <= 3
        assert len({tuple(one.tokens) for one in found}) == len(found)
        means = [one.confidence for one in found]
        assert means == sorted(means, reverse=True)
        answers = [[*one.tokens, tokenizer.answer("")[-1]] for one in found]
        again = log_probabilities(verifier, [prompt] * len(found), answers)
        assert means == pytest.approx(list(map(fmean, again)), abs=1e-4)


@pytest.fixture(scope="module")
def tasks(
    verifier: CausalLayers, tokenizer: TranslationTokenizer, prompts: list[list[int]]
) -> list[Task]:
    """Of several lengths; some have a beginning, or a guess of which nothing or a part is right."""
    prompts = [*prompts, *(tokenizer.prompt(text, "en", "es") for text in LONGER)]
    found = best(verifier, prompts, 40)
    tasks = [Task(prompt, 40 + i) for i, prompt in enumerate(prompts)]
    tasks[1] = tasks[1]._replace(guess=[999])
    tasks[3] = tasks[3]._replace(guess=[*found[3].tokens[:5], 999])
    tasks[4] = tasks[4]._replace(beginning=found[4].tokens[:2], guess=found[4].tokens[2:6])
    return [tasks[i] for i in (3, 0, 4, 1, 5, 2)]


def searched(search: BeamSearch, tasks: Sequence[Task], every: int) -> dict[int, list[Decoded]]:
    """The answers to tasks, of which one more comes after so many steps."""
    indices: dict[int, int] = {}
    answers: dict[int, list[Decoded]] = {}
    steps = 0
    while len(answers) < len(tasks):
        while len(indices) < len(tasks) and steps >= every * len(indices):
            indices[search.add(tasks[len(indices)])] = len(indices)
        answers |= {indices[number]: found for number, found in search.step()}
        steps += 1
    assert search.is_idle
    return answers


@pytest.fixture(scope="module")
def alone(verifier: CausalLayers, tasks: list[Task]) -> list[list[Decoded]]:
    return [searched(BeamSearch(verifier, 4), [task], 0)[0] for task in tasks]


@pytest.mark.parametrize(("rows", "every"), [(256, 0), (256, 4), (8, 1)])
def test_tasks_that_come_and_go_are_answered_as_alone(
    verifier: CausalLayers,
    tasks: list[Task],
    alone: list[list[Decoded]],
    rows: int,
    every: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(beam_search, "BATCH_ROWS", rows)
    together = searched(BeamSearch(verifier, 4), tasks, every)
    for i, expected in enumerate(alone):
        assert [one.tokens for one in together[i]] == [one.tokens for one in expected]
        means = [one.confidence for one in together[i]]
        assert means == pytest.approx([one.confidence for one in expected], abs=1e-4)


def test_a_short_answer_leaves_before_a_long_one(
    verifier: CausalLayers, tokenizer: TranslationTokenizer
) -> None:
    search = BeamSearch(verifier, 4)
    long, short = (
        search.add(Task(tokenizer.prompt(text, "en", "es"), 40)) for text in (LONGER[0], TEXTS[1])
    )
    order: list[int] = []
    while not search.is_idle:
        assert len(ended := search.step()) <= 1
        order += [number for number, _ in ended]
    assert order == [short, long]


def test_what_is_forgotten_is_not_answered(
    verifier: CausalLayers, tasks: list[Task], alone: list[list[Decoded]]
) -> None:
    search = BeamSearch(verifier, 4)
    for task in tasks:
        search.add(task)
    search.step()
    search.clear()
    assert search.is_idle and search.step() == []
    assert searched(search, tasks[3:4], 0)[0][0].tokens == alone[3][0].tokens
