"""The model as a translator from left to right: beam search.

With one beam it takes the likeliest token each time. With several it follows as many beginnings of
an answer, until it has as many answers and none of the beginnings is ahead of the best of them: the
one with the highest mean log-probability of its tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor

from ..network.batches import pad
from ..network.kv_cache import PADDING
from .causal_layers import CausalCache, CausalLayers

BATCH_ROWS = 256


class Decoded(NamedTuple):
    """Token ids without the end mark, and the mean log-probability of those that were not given,
    the end mark included."""

    tokens: list[int]
    confidence: float


class _Task(NamedTuple):
    """What an answer is to be found for, how it begins, and a guess of how it goes on."""

    prompt: Sequence[int]
    beginning: Sequence[int]
    guess: Sequence[int]


class _Beam(NamedTuple):
    """A beginning of an answer: the ids behind the given ones, and their log-probability."""

    tokens: tuple[int, ...]
    total: float


def decode(
    model: CausalLayers,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    beginnings: Sequence[Sequence[int]] | None = None,
    guesses: Sequence[Sequence[int]] | None = None,
    beams: int = 1,
) -> list[list[Decoded]]:
    """Per prompt at most `beams` answers, the likeliest first, each of at most `max_tokens` beside
    its given beginning; none where no end mark came in time.

    A guess of how it goes on from there is read in one pass, and kept as far as it is what one beam
    would write: so several tokens cost what one does (arXiv 2211.17192).
    Similar lengths share a batch.
    """
    nothing: list[Sequence[int]] = [()] * len(prompts)
    parts = zip(prompts, beginnings or nothing, guesses or nothing, strict=True)
    tasks = [_Task(*each) for each in parts]
    order = sorted(range(len(tasks)), key=lambda i: len(prompts[i]))
    answers: dict[int, list[Decoded]] = {}
    at_once = max(1, BATCH_ROWS // beams)
    for start in range(0, len(order), at_once):
        rows = order[start : start + at_once]
        found = _decode(model, [tasks[i] for i in rows], max_tokens, beams)
        answers |= zip(rows, found, strict=True)
    return [answers[i] for i in range(len(tasks))]


@torch.inference_mode()
def _decode(
    model: CausalLayers, tasks: Sequence[_Task], max_tokens: int, beams: int
) -> list[list[Decoded]]:
    config, device = model.config, model.device
    begun, last, lengths, cache = _read(model, tasks, max_tokens)
    read = cache.used
    ended: list[list[Decoded]] = [[] for _ in tasks]
    live = [[beam] for beam in begun]
    rows_of = list(range(len(tasks)))  # whose each row is
    for _ in range(max_tokens):
        logits = model.logits(last)
        # One more than there are beams: one of them may be the end.
        values, ids = logits.topk(beams + 1)
        values = values - logits.logsumexp(dim=-1, keepdim=True)
        likeliest = zip(
            cast("list[list[float]]", values.tolist()),
            cast("list[list[int]]", ids.tolist()),
            strict=True,
        )
        parents: list[int] = []
        row = 0
        for i, followed in enumerate(live):
            longer = [
                (beam.total + value, row + at, token)
                for at, beam in enumerate(followed)
                for value, token in zip(*next(likeliest), strict=True)
            ]
            kept: list[tuple[_Beam, int]] = []
            for total, parent, token in sorted(longer, reverse=True):
                found = followed[parent - row].tokens
                if token not in config.eos_token_ids:
                    kept.append((_Beam((*found, token), total), parent))
                else:
                    mean = total / (len(found) + 1)
                    ended[i].append(Decoded([*tasks[i].beginning, *found], mean))
                if len(kept) == beams:
                    break
            if kept and len(ended[i]) >= beams:
                ahead = kept[0][0]
                best = max(answer.confidence for answer in ended[i])
                if ahead.total / len(ahead.tokens) <= best:
                    kept.clear()
            parents += [parent for _, parent in kept]
            row += len(followed)
            live[i] = [beam for beam, _ in kept]
        if not parents:
            break
        if parents != list(range(len(values))):  # selecting copies the whole cache
            rows = torch.tensor(parents, device=device)
            owners = [i for i, kept in enumerate(live) for _ in kept]
            cache.select(rows, read if owners == rows_of else 0)
            lengths, rows_of = lengths[rows], owners
        newest = torch.tensor([[beam.tokens[-1]] for kept in live for beam in kept], device=device)
        last = model.forward(newest, lengths[:, None], cache)[:, 0]
        lengths = lengths + 1
    return [sorted(found, key=lambda answer: -answer.confidence)[:beams] for found in ended]


def _read(
    model: CausalLayers, tasks: Sequence[_Task], max_tokens: int
) -> tuple[list[_Beam], Tensor, Tensor, CausalCache]:
    """What is kept of each guess, the states [B, D] of the last tokens that are, how many there
    are before and with them [B], and the cache, with room for what follows."""
    device = model.device
    given = [[*task.prompt, *task.beginning] for task in tasks]
    whole = [[*row, *task.guess] for row, task in zip(given, tasks, strict=True)]
    tokens = pad(whole, model.config.pad_token_id).to(device)
    place = torch.arange(tokens.shape[1], device=device)

    def lengths_of(rows: Iterable[Sequence[int]]) -> Tensor:
        return torch.tensor([len(row) for row in rows], device=device)

    def before(ends: Tensor) -> Tensor:
        return place.where(place < ends[:, None], PADDING)

    cache = model.cache(len(tasks), tokens.shape[1] + max_tokens)
    prompts = lengths_of(task.prompt for task in tasks)
    hidden = model.forward(tokens, before(lengths_of(whole)), cache, prompts)
    begun = [
        _agreeing(model, hidden[i, len(row) - 1 :], task.guess) if task.guess else _Beam((), 0.0)
        for i, (row, task) in enumerate(zip(given, tasks, strict=True))
    ]
    ends = lengths_of(given) + lengths_of(beam.tokens for beam in begun)
    cache.positions[:, : cache.used] = before(ends)
    return begun, hidden[torch.arange(len(tasks), device=device), ends - 1], ends, cache


def _agreeing(model: CausalLayers, hidden: Tensor, guess: Sequence[int]) -> _Beam:
    """The tokens of the guess that are the likeliest after what comes before; hidden [n, D] are the
    states from the token before it on."""
    ids = torch.tensor(guess, device=hidden.device)
    logits = model.logits(hidden[: len(guess)])
    count = int((logits.argmax(dim=-1) == ids).cumprod(dim=0).sum())
    log = logits[:count].log_softmax(dim=-1).gather(-1, ids[:count, None])
    return _Beam(tuple(guess[:count]), float(log.sum()))
