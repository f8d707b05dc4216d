"""Texts in, translations out: prompts of similar needs share a batch of canvases."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple, cast

import torch
from torch import Tensor

from .canvas import CANVAS_STEP, MAX_CANVAS, canvas_tokens
from .config import SamplerConfig
from .consensus import most_agreeing
from .denoiser import Denoiser
from .generation import generate
from .sampler import FREE, EntropyBoundSampler
from .tokenizer import TranslationTokenizer

BATCH_ROWS = 32
WARM_STEPS = 4  # at most, from a draft
WARM_NOISE = 0.3  # the share of a draft's tokens that is opened again
_WORD_REST = re.compile(r"^[^\W\u0e00-\U0003ffff]+")  # of scripts that part words by spaces

MAX_CANDIDATES = 64  # places where an expression may stand
SPARE_TOKENS = 8  # of a warm canvas, behind its draft


class Request(NamedTuple):
    """A text to translate; languages are ISO 639-1 codes.

    `draft` is what seems right of the translation of an earlier state of the text: denoising starts
    from it, and finds what follows it anew;
    `pinned` is the beginning that the answer must have, whole words; it will contain each of the
    `required` expressions. Of several `candidates` the one is taken that agrees most with the
    others (consensus.py).
    """

    text: str
    source: str
    target: str
    draft: str = ""
    pinned: str = ""
    required: tuple[str, ...] = ()
    candidates: int = 1


class Answer(NamedTuple):
    """A translation, and the denoising steps that it took (the most of its candidates)."""

    text: str
    steps: int


def translate(
    model: Denoiser,
    tokenizer: TranslationTokenizer,
    sampler: EntropyBoundSampler,
    requests: Sequence[Request],
    progress: Callable[[int], None] = lambda done: None,
) -> list[Answer]:
    """One answer per request. `progress` hears how many are done.

    A text that needs more than the largest canvas is cut off there: callers cut long text before.
    """
    rows = [_row(tokenizer, request) for request in requests]
    order = [i for i, request in enumerate(requests) for _ in range(request.candidates)]
    order.sort(key=lambda i: (rows[i].group, len(rows[i].prompt)))
    found: list[list[Answer]] = [[] for _ in requests]
    done = 0
    for group, members in groupby(order, key=lambda i: rows[i].group):
        indices = list(members)
        for start in range(0, len(indices), BATCH_ROWS):
            chosen = indices[start : start + BATCH_ROWS]
            tokens, steps = _answer(model, sampler, [rows[i] for i in chosen], group)
            for i, ids, step_count in zip(chosen, tokens, steps, strict=True):
                if sampler.config.merge_repeats:
                    pins = len(rows[i].pinned)
                    ids = [*ids[:pins], *tokenizer.merge_repeats(ids[pins:])]
                text = _joined(requests[i].pinned, tokenizer.decode(ids))
                found[i].append(Answer(text, step_count))
                done += len(found[i]) == requests[i].candidates
            progress(done)
    answers = [_agreed(of_one) for of_one in found]
    for i, request in enumerate(requests):
        for expression in request.required:
            if not contains(answers[i].text, expression):
                answers[i] = _with_expression(
                    model, tokenizer, sampler, request, answers[i], expression
                )
    return answers


def _agreed(candidates: Sequence[Answer]) -> Answer:
    texts = [candidate.text for candidate in candidates]
    return Answer(texts[most_agreeing(texts)], max(candidate.steps for candidate in candidates))


class _Group(NamedTuple):
    """What rows must have in common to share a batch."""

    canvas_tokens: int
    is_warm: bool


class _Row(NamedTuple):
    prompt: list[int]
    draft: list[int]  # empty for a cold start
    pinned: list[int]
    group: _Group


def _row(tokenizer: TranslationTokenizer, request: Request) -> _Row:
    prompt = tokenizer.prompt(request.text, request.source, request.target)
    draft = tokenizer.answer(request.draft)[:-1] if request.draft else []
    pinned = tokenizer.answer(request.pinned)[:-1] if request.pinned else []
    size = canvas_tokens(len(prompt))
    if draft or pinned:
        held = max(len(draft), len(pinned)) + SPARE_TOKENS
        size = max(size, min(MAX_CANVAS, -(-held // CANVAS_STEP) * CANVAS_STEP))
    return _Row(prompt, draft[:size], pinned[:size], _Group(size, bool(draft)))


def _answer(
    model: Denoiser, sampler: EntropyBoundSampler, rows: Sequence[_Row], group: _Group
) -> tuple[list[list[int]], list[int]]:
    """Tokens and steps of each row.

    A warm canvas holds its draft, `WARM_NOISE` of it replaced by noise, and noise behind it.
    """
    config, device, size = model.config, model.embed_tokens.weight.device, group.canvas_tokens
    prompt = _padded([row.prompt for row in rows], config.pad_token_id, device)
    lengths = torch.tensor([len(row.prompt) for row in rows], device=device)[:, None]
    ragged = torch.arange(prompt.shape[1], device=device) < lengths
    start = pinned = None
    if any(row.pinned for row in rows):
        pinned = _padded([row.pinned for row in rows], FREE, device, size)
    if group.is_warm:
        sampler = sampler.with_config(_warm(sampler.config))
        draft = _padded([row.draft for row in rows], FREE, device, size)
        start = sampler.noised(draft, WARM_NOISE)
    found = generate(
        model,
        sampler,
        prompt,
        None if bool(ragged.all()) else ragged,
        max_new_tokens=size,
        canvas_tokens=size,
        start=start,
        pinned=pinned,
        forbidden=(*config.eos_token_ids, config.pad_token_id),
        retire=True,
    )
    return cast("list[list[int]]", found.tokens.tolist()), cast("list[int]", found.steps.tolist())


def _with_expression(
    model: Denoiser,
    tokenizer: TranslationTokenizer,
    sampler: EntropyBoundSampler,
    request: Request,
    answer: Answer,
    expression: str,
) -> Answer:
    """Put an expression into an answer, where the model finds it most likely.

    1. Candidates: at every place behind the pinned words, before a word, or for one or two.
    2. One denoising pass over all of them; the best has the highest mean log-probability.
    3. A few steps from there with the expression pinned, so that its neighbors agree with it.
    """
    words, first = answer.text.split(), len(request.pinned.split())
    candidates = [  # 1
        (" ".join(words[:at]), " ".join([*words[:at], expression, *words[at + replaced :]]))
        for replaced in (0, 1, 2)
        for at in range(first, len(words) - replaced + 1)
    ][:MAX_CANDIDATES]
    drafts = [tokenizer.answer(text) for _, text in candidates]
    size = canvas_tokens(max(map(len, drafts)))
    drafts = [draft[:size] for draft in drafts]
    config, device = model.config, model.embed_tokens.weight.device
    with torch.inference_mode():  # 2
        prompt = tokenizer.prompt(request.text, request.source, request.target)
        _, cache = model.encode(torch.tensor([prompt] * len(drafts), device=device))
        canvas = _padded(drafts, config.pad_token_id, device, size)
        likelihoods = model.denoise(canvas, cache).log_softmax(dim=-1)
        likelihoods = likelihoods.gather(-1, canvas[:, :, None])[:, :, 0]
        is_text = canvas != config.pad_token_id
        best = int(((likelihoods * is_text).sum(-1) / is_text.sum(-1)).argmax())
    before, text = candidates[best]  # 3
    start = len(tokenizer.answer(before)) - 1 if before else 0
    end = len(tokenizer.answer(f"{before} {expression}".strip())) - 1
    kept = len(tokenizer.answer(request.pinned)) - 1 if request.pinned else 0
    pinned = [
        token if at < kept or start <= at < end else FREE for at, token in enumerate(drafts[best])
    ]
    row = _Row(prompt, drafts[best], pinned, _Group(size, is_warm=True))
    (tokens,), (steps,) = _answer(model, sampler, [row], row.group)
    found = _joined(request.pinned, tokenizer.decode(tokens))
    return Answer(found if contains(found, expression) else text, answer.steps + 1 + steps)


def contains(text: str, expression: str) -> bool:
    """Whether an expression stands in a text as whole words, in any case."""
    return re.search(rf"(?<!\w){re.escape(expression)}(?!\w)", text, re.IGNORECASE) is not None


def _warm(config: SamplerConfig) -> SamplerConfig:
    """The last steps of a cold start: as many as are left, at their temperatures."""
    steps = min(WARM_STEPS, config.max_denoising_steps)
    share = steps / config.max_denoising_steps
    t_max = config.t_min + (config.t_max - config.t_min) * share
    return replace(config, max_denoising_steps=steps, t_max=t_max)


def _padded(
    rows: Sequence[Sequence[int]], value: int, device: torch.device, length: int | None = None
) -> Tensor:
    """Rows of ids as [B, length] int64, right-padded."""
    length = length or max(map(len, rows))
    return torch.tensor([[*row, *[value] * (length - len(row))] for row in rows], device=device)


def _joined(pinned: str, text: str) -> str:
    """The answer, where the model went on inside of the last pinned word without that piece."""
    if not pinned:
        return text
    rest = text[len(pinned) :] if text.startswith(pinned) else ""
    return pinned + _WORD_REST.sub("", rest) if pinned[-1].isalnum() else pinned + rest
