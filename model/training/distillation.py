"""Sequence-level distillation: an autoregressive teacher writes what canvases learn from.

Answers that a teacher prefers are alike where people's translations differ, and so easier to learn
for a model that writes all tokens at once (arXiv 1606.07947). A weak teacher's mistakes are not:
1. for a sentence that people translated, its answer is taken where it is close to theirs, else
   theirs (sequence-level interpolation, section 3.3 there);
2. a sentence without a translation gets its answer where the teacher was sure of it;
3. beginnings of sentences get theirs, as live captions ask for them; a longer beginning, and the
   sentence, then start from the shorter one's answer as a draft.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..bench.evaluation import sentence_chrf
from ..network.batches import Pair
from ..network.denoiser import Denoiser
from ..network.tokenizer import Direction, TranslationTokenizer
from .rounds import write_greedily

CLOSE_CHRF = 40.0  # to people's translation; four answers in five are
SURE = -0.3  # mean log-probability of an answer's tokens; on the dev set such have chrF 67
MIN_CUT_WORDS = 5  # sentences that are cut into beginnings
CUT_SHARE = 1 / 8
MONOLINGUAL_SHARE = 0.5  # of as many as there are sentences that people translated


class Answer(NamedTuple):
    """What the teacher says, and the mean log-probability of its tokens."""

    text: str
    confidence: float


class Unit(NamedTuple):
    """A sentence, people's translation ("" if there is none), and two beginnings of it or none."""

    text: str
    reference: str
    beginnings: tuple[str, ...]


def units(pairs: Iterable[Pair], monolingual: Sequence[str], rng: random.Random) -> list[Unit]:
    """What is to be translated for one direction, in random order."""
    references: dict[str, str] = {}
    for pair in pairs:
        references.setdefault(pair.source, pair.target)
    extra = [text for text in monolingual if text not in references]
    extra = rng.sample(extra, min(len(extra), int(MONOLINGUAL_SHARE * len(references))))
    found = [
        Unit(text, reference, _beginnings(text, rng) if rng.random() < CUT_SHARE else ())
        for text, reference in (*references.items(), *((text, "") for text in extra))
    ]
    rng.shuffle(found)
    return found


def distill(
    model: Denoiser,
    tokenizer: TranslationTokenizer,
    direction: Direction,
    units: Sequence[Unit],
) -> list[Pair]:
    """Training pairs for the joint stage, by the steps above."""
    texts = list(dict.fromkeys(text for unit in units for text in (unit.text, *unit.beginnings)))
    prompts = [tokenizer.prompt(text, *direction) for text in texts]
    answers = (
        Answer(tokenizer.decode(one.tokens) if one.is_whole else "", one.confidence)
        for one in write_greedily(model, prompts)
    )
    found = dict(zip(texts, answers, strict=True))
    pairs: list[Pair] = []
    for text, reference, beginnings in units:
        if reference:  # 1
            target = _closer(found[text], reference)
        else:  # 2
            target = found[text].text if _is_good(found[text]) else ""
        if target:
            pairs.append(Pair(text, target, direction))
        if beginnings:  # 3
            shorter, longer = beginnings
            if not _is_good(found[longer]):
                continue
            if _is_good(found[shorter]):
                pairs.append(Pair(longer, found[longer].text, direction, found[shorter].text))
            if target:
                pairs.append(Pair(text, target, direction, found[longer].text))
    return pairs


def _beginnings(text: str, rng: random.Random) -> tuple[str, ...]:
    words = text.split()
    if len(words) < MIN_CUT_WORDS:
        return ()
    shorter, longer = sorted(rng.sample(range(2, len(words)), 2))
    return " ".join(words[:shorter]), " ".join(words[:longer])


def _closer(answer: Answer, reference: str) -> str:
    if repeats(answer.text) or not answer.text:
        return reference
    return answer.text if sentence_chrf(answer.text, reference) >= CLOSE_CHRF else reference


def _is_good(answer: Answer) -> bool:
    return bool(answer.text) and answer.confidence >= SURE and not repeats(answer.text)


def repeats(text: str) -> bool:
    """Whether the teacher stuttered: one or two words twice in a row, or a syllable four times."""
    if re.search(r"(\w{2,6}?)\1{3}", text):
        return True
    words = text.lower().replace(",", " ").split()
    return any(
        words[i : i + size] == words[i + size : i + 2 * size]
        for size in (1, 2)
        for i in range(len(words) - 2 * size + 1)
    )
