"""Sequence-level distillation: an autoregressive teacher writes what the diffusion model learns.

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
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple, cast

import torch

from .corpus import Pair, pad
from .denoiser import Denoiser
from .evaluation import sentence_chrf
from .tokenizer import TranslationTokenizer

MAX_TOKENS = 64
BATCH_ROWS = 256
CLOSE_CHRF = 55.0  # to people's translation
SURE = -0.3  # mean log-probability of an answer's tokens; on the dev set such have chrF 67
MIN_CUT_WORDS = 5  # sentences that are cut into beginnings


class Answer(NamedTuple):
    """What the teacher says, and the mean log-probability of its tokens."""

    text: str
    confidence: float


def distill(
    model: Denoiser,
    tokenizer: TranslationTokenizer,
    pairs: Sequence[Pair],
    monolingual: Sequence[str],
    source: str,
    target: str,
    rng: random.Random,
    processes: int,
) -> list[Pair]:
    """Training pairs for the diffusion stage, in random order, by the steps above."""
    references: dict[str, str] = {}
    for pair in pairs:
        references.setdefault(pair.source, pair.target)
    extra = [text for text in dict.fromkeys(monolingual) if text not in references]
    long = [text for text in (*references, *extra) if len(text.split()) >= MIN_CUT_WORDS]
    cuts = [(text, *_beginnings(text, rng)) for text in rng.sample(long, len(long) // 8)]
    texts = dict.fromkeys([*references, *extra, *(part for cut in cuts for part in cut)])
    found = _translate(model, tokenizer, list(texts), source, target, processes)

    distilled = {
        text: _closer(found[text], reference) for text, reference in references.items()
    }  # 1
    distilled |= {text: found[text].text for text in extra if _is_good(found[text])}  # 2
    answers = [Pair(text, answer) for text, answer in distilled.items()]
    for text, shorter, longer in cuts:  # 3
        if _is_good(found[shorter]) and _is_good(found[longer]):
            answers.append(Pair(longer, found[longer].text, found[shorter].text))
        if text in distilled and _is_good(found[longer]):
            answers.append(Pair(text, distilled[text], found[longer].text))
    rng.shuffle(answers)
    return answers


def _beginnings(text: str, rng: random.Random) -> tuple[str, str]:
    words = text.split()
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


def _translate(
    model: Denoiser,
    tokenizer: TranslationTokenizer,
    texts: list[str],
    source: str,
    target: str,
    processes: int,
) -> dict[str, Answer]:
    bf16 = torch.is_autocast_enabled("cpu")
    work = partial(_translate_share, model, tokenizer, source, target, bf16)
    shares = [texts[start::processes] for start in range(processes)]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        answers = pool.map(work, shares)
        return {
            text: answer
            for share, found in zip(shares, answers, strict=True)
            for text, answer in zip(share, found, strict=True)
        }


def _translate_share(
    model: Denoiser,
    tokenizer: TranslationTokenizer,
    source: str,
    target: str,
    bf16: bool,
    texts: list[str],
) -> list[Answer]:
    torch.set_num_threads(1)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        return translate_greedily(model, tokenizer, texts, source, target)


@torch.inference_mode()
def translate_greedily(
    model: Denoiser,
    tokenizer: TranslationTokenizer,
    texts: Sequence[str],
    source: str,
    target: str,
) -> list[Answer]:
    """One answer per text, token by token; empty where no end mark came in time."""
    prompts = [tokenizer.prompt(text, source, target) for text in texts]
    order = sorted(range(len(texts)), key=lambda i: len(prompts[i]))
    answers = [Answer("", -torch.inf)] * len(texts)
    started = shown = time.monotonic()
    for start in range(0, len(order), BATCH_ROWS):
        rows = order[start : start + BATCH_ROWS]
        decoded = _decode(model, [prompts[i] for i in rows])
        for i, (ids, confidence) in zip(rows, decoded, strict=True):
            answers[i] = Answer(tokenizer.decode(ids), confidence)
        if time.monotonic() - shown > 20:
            shown = time.monotonic()
            done = start + len(rows)
            print(f"{done} of {len(texts)} translated, {shown - started:.0f} s", flush=True)
    return answers


def _decode(model: Denoiser, prompts: Sequence[list[int]]) -> list[tuple[list[int], float]]:
    """Token ids without the end mark, and the mean log-probability of them and of it."""
    config = model.config
    tokens = pad(prompts, config.pad_token_id)
    lengths = torch.tensor([len(p) for p in prompts])
    hidden, cache = model.encode(tokens, mask=torch.arange(tokens.shape[1]) < lengths[:, None])
    last = hidden[torch.arange(len(prompts)), lengths - 1]
    alive = torch.arange(len(prompts))
    answers: list[list[int]] = [[] for _ in prompts]
    total = torch.zeros(len(prompts))
    for _ in range(MAX_TOKENS):
        logits = model.logits(last)
        best = logits.argmax(dim=-1)
        total[alive] += logits.amax(dim=-1) - logits.logsumexp(dim=-1)
        going = ~torch.isin(best, torch.tensor(config.eos_token_ids))
        best, alive, cache = best[going], alive[going], cache.select(going)
        if not len(alive):
            break
        rows = cast("list[int]", alive.tolist())
        for row, token in zip(rows, cast("list[int]", best.tolist()), strict=True):
            answers[row].append(token)
        hidden, cache = model.encode(best[:, None], cache=cache)
        last = hidden[:, 0]
    for row in cast("list[int]", alive.tolist()):  # no end in sight
        answers[row] = []
    totals = cast("list[float]", total.tolist())
    means = [score / (len(ids) + 1) for score, ids in zip(totals, answers, strict=True)]
    return list(zip(answers, means, strict=True))
