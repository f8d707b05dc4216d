"""How many amounts a translator changes, alone and behind what keeps them, and what that costs.

Sentences come from a grammar (amount_sentences.py), which says what must be in their translations.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import TranslatorConfig
from ..errors import TranslatorError
from ..events import TranslationRequest
from ..translators import Translator, open_translator
from ..translators.keeping import Habits, answered, kept
from ..translators.queue import TranslationQueue
from .amount_sentences import MARKS, SENTENCES, AmountSentence, amount_sentences

SOURCE = "en"  # of all sentences


@dataclass(frozen=True, slots=True)
class AmountsLine:
    """Of so many sentences, in how many an amount has changed: as the translator answers
    (`changed_alone`), and as people see it (`changed`). `asked_again` had more than one call;
    `calls` are those for all sentences. `missed`: source and answer of those that are changed."""

    direction: str
    contestant: str
    sentences: int
    changed_alone: int
    changed: int
    asked_again: int
    calls: int
    ms_alone: float
    ms: float
    missed: Sequence[Sequence[str]]

    def __str__(self) -> str:
        return (
            f"{self.direction} amounts changed in {self.changed_alone} of {self.sentences} "
            f"sentences alone, in {self.changed} as shown; {self.asked_again} asked for again, "
            f"{self.calls} calls; {self.ms_alone:.0f} ms a sentence alone, {self.ms:.0f} as shown  "
            f"{self.contestant}"
        )


class _Counting:
    """What keeps amounts in front of a translator, and how many calls each text has cost."""

    def __init__(self, backend: Translator) -> None:
        self._backend = backend
        self._habits = Habits()
        self.name, self.at_once = backend.name, backend.at_once
        self.calls: list[int] = []

    def check(self, source: str, target: str) -> None:
        self._backend.check(source, target)

    async def translate(self, request: TranslationRequest) -> str:
        calls = 0

        async def translate(asked: TranslationRequest) -> str:
            nonlocal calls
            calls += 1
            return await self._backend.translate(asked)

        answer = await answered(kept(request, self._habits), translate)
        self.calls.append(calls)
        return answer

    async def aclose(self) -> None:
        """The backend goes on."""


def add_to(benches: Any) -> None:
    parser = benches.add_parser(
        "amounts", help="how many numbers, prices and times a translator changes"
    )
    parser.add_argument(
        "--to",
        dest="targets",
        type=_targets,
        default=["es"],
        metavar="LIST",
        help=f"of {', '.join(MARKS)}, from English; default: es",
    )
    parser.add_argument("--translator", default="auto", metavar="NAME|ADDRESS")
    parser.add_argument("--llm-model", metavar="NAME", help="of an LLM server")
    parser.add_argument(
        "--checkpoint", action="append", default=[], metavar="MODEL", help="as of other commands"
    )
    parser.add_argument("--sentences", type=_count, default=SENTENCES, metavar="N")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Raises TranslatorError."""
    config = TranslatorConfig(
        arguments.translator,
        tuple(arguments.checkpoint),
        llm_model=arguments.llm_model,
    )
    for line in _lines(config, arguments.targets, arguments.sentences):
        print(line, flush=True)
        for source, answer in line.missed:
            print(f"  {source}  ->  {answer}")
    return 0


def _targets(text: str) -> list[str]:
    targets = text.split(",")
    if unknown := set(targets) - set(MARKS):
        raise argparse.ArgumentTypeError(f"there are no sentences for {', '.join(unknown)}")
    return targets


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError
    return count


def amounts_of_model(
    folder: Path, direction: tuple[str, str], sentences: int | None
) -> Iterator[AmountsLine]:
    """Of a model of our own, where there are sentences for a direction."""
    source, target = direction
    targets = [target] if source == SOURCE and target in MARKS else []
    config = TranslatorConfig("own", (str(folder),))
    return _lines(config, targets, sentences or SENTENCES)


def _lines(
    config: TranslatorConfig, targets: Sequence[str], sentences: int
) -> Iterator[AmountsLine]:
    if not targets:
        return
    translator = open_translator(config, [(SOURCE, target) for target in targets])
    with asyncio.Runner() as runner:
        try:
            for target in targets:
                translator.check(SOURCE, target)
                found = amount_sentences(target, sentences)
                yield runner.run(measured(translator.backend, found, target))
        finally:
            runner.run(translator.aclose())


async def measured(
    backend: Translator, sentences: Sequence[AmountSentence], target: str
) -> AmountsLine:
    """One translator, with and without what keeps amounts in front of it. Raises TranslatorError
    where a sentence cannot be translated."""
    requests = [TranslationRequest(each.text, SOURCE, target) for each in sentences]
    alone, ms_alone = await _answers(backend, requests)
    changed_alone = sum(
        not each.is_kept_in(answer) for each, answer in zip(sentences, alone, strict=True)
    )
    counting = _Counting(backend)
    answers, ms = await _answers(counting, requests)
    missed = [
        (each.text, answer)
        for each, answer in zip(sentences, answers, strict=True)
        if not each.is_kept_in(answer)
    ]
    return AmountsLine(
        f"{SOURCE}-{target}",
        backend.name,
        len(sentences),
        changed_alone,
        len(missed),
        sum(calls > 1 for calls in counting.calls),
        sum(counting.calls),
        ms_alone,
        ms,
        missed,
    )


async def _answers(
    translator: Translator, requests: Sequence[TranslationRequest]
) -> tuple[list[str], float]:
    """With the milliseconds of each, all given at once."""
    began_s = time.monotonic()
    answers: list[str] = []
    for answer in await TranslationQueue(translator).translate_all(requests, "amounts"):
        if isinstance(answer, TranslatorError):
            raise answer
        answers.append(answer)
    return answers, 1000 * (time.monotonic() - began_s) / len(requests)
