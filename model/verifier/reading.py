"""How likely verifiers find answers: as translations, and as what tells what was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..engine.canvas import MAX_CANVAS
from ..network.spelling import is_spoken, written
from ..network.tokenizer import TranslationTokenizer
from .causal_layers import CausalLayers
from .likelihood import log_probabilities


class Reading(NamedTuple):
    """An answer that a verifier is to read, with its prompt, as tokens."""

    layers: CausalLayers
    prompt: Sequence[int]
    answer: Sequence[int]


@dataclass(frozen=True, slots=True)
class VerifierLayers:
    """A verifier, with the tokenizer that goes with it."""

    layers: CausalLayers
    tokenizer: TranslationTokenizer

    def reading(self, text: str, source: str, target: str, answer: str) -> Reading:
        """Of an answer to the request to translate `text`."""
        prompt = self.tokenizer.prompt(text, source, target)
        return Reading(self.layers, prompt, self.tokenizer.answer(answer)[:MAX_CANVAS])


def readings_back(
    verifiers: Sequence[VerifierLayers], text: str, source: str, target: str, answers: Sequence[str]
) -> list[Reading]:
    """Of `text` as the translation of each of the answers, by the first who knows that direction;
    none where nobody does."""
    said = written(text, source) if is_spoken(text) else text  # verifiers write as people do
    for verifier in verifiers:
        if (target, source) in verifier.tokenizer.directions:
            return [verifier.reading(answer, target, source, said) for answer in answers]
    return []


def read(readings: Sequence[Reading]) -> list[list[float]]:
    """The log-probabilities of the tokens of each answer; those of a verifier are read together."""
    logs: dict[int, list[float]] = {}
    for layers in dict.fromkeys(reading.layers for reading in readings):
        own = [i for i, reading in enumerate(readings) if reading.layers is layers]
        prompts, answers = [readings[i].prompt for i in own], [readings[i].answer for i in own]
        logs |= zip(own, log_probabilities(layers, prompts, answers), strict=True)
    return [logs[i] for i in range(len(readings))]
