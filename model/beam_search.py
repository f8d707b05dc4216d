"""The model as a translator from left to right: beam search.

With one beam it takes the likeliest token each time. With several it follows as many beginnings of
an answer, until it has as many answers and none of the beginnings is ahead of the best of them.
That is the one with the highest mean log-probability of its tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor

from .causal_layers import CausalCache, CausalLayers
from .examples import pad
from .kv_cache import PADDING

BATCH_ROWS = 256


class Decoded(NamedTuple):
    """Token ids without the end mark, and the mean log-probability of those that were found, the
    end mark included. No ids where no end mark came in time."""

    tokens: list[int]
    confidence: float


class _Beam(NamedTuple):
    """A beginning of an answer: the ids that were found, and their log-probability."""

    tokens: tuple[int, ...]
    total: float


def decode(
    model: CausalLayers,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    beginnings: Sequence[Sequence[int]] | None = None,
    guesses: Sequence[Sequence[int]] | None = None,
    beams: int = 1,
) -> list[Decoded]:
    """One answer per prompt, of at most `max_tokens` beside its given beginning.

    A guess of how it goes on from there is read in one pass, and kept as far as it is what one beam
    would write: so several tokens cost what one does (arXiv 2211.17192).
    Similar lengths share a batch.
    """
    beginnings = beginnings or [()] * len(prompts)
    guesses = guesses or [()] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers: dict[int, Decoded] = {}
    at_once = max(1, BATCH_ROWS // beams)
    for start in range(0, len(order), at_once):
        rows = order[start : start + at_once]
        asked, begun, guessed = (
            [given[i] for i in rows] for given in (prompts, beginnings, guesses)
        )
        found = _decode(model, asked, begun, guessed, max_tokens, beams)
        answers |= zip(rows, found, strict=True)
    return [answers[i] for i in range(len(prompts))]


@torch.inference_mode()
def _decode(
    model: CausalLayers,
    prompts: Sequence[Sequence[int]],
    beginnings: Sequence[Sequence[int]],
    guesses: Sequence[Sequence[int]],
    max_tokens: int,
    beams: int,
) -> list[Decoded]:
    config, device = model.config, model.device
    agreed, last, lengths, cache = _read(model, prompts, beginnings, guesses, max_tokens)
    beginnings = [
        [*begun, *guess[:n]] for begun, guess, n in zip(beginnings, guesses, agreed, strict=True)
    ]
    read = cache.used
    best = [Decoded([], -math.inf) for _ in prompts]
    ended = [0] * len(prompts)
    live = [[_Beam((), 0.0)] for _ in prompts]
    rows_of = list(range(len(prompts)))  # whose each row is
    for length in range(1, max_tokens + 1):
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
                found, mean = followed[parent - row].tokens, total / length
                if token not in config.eos_token_ids:
                    kept.append((_Beam((*found, token), total), parent))
                else:
                    ended[i] += 1
                    if mean > best[i].confidence:
                        best[i] = Decoded([*beginnings[i], *found], mean)
                if len(kept) == beams:
                    break
            if ended[i] >= beams and kept and kept[0][0].total / length <= best[i].confidence:
                kept.clear()  # nothing is ahead of the best answer
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
    return best


def _read(
    model: CausalLayers,
    prompts: Sequence[Sequence[int]],
    beginnings: Sequence[Sequence[int]],
    guesses: Sequence[Sequence[int]],
    max_tokens: int,
) -> tuple[list[int], Tensor, Tensor, CausalCache]:
    """How many tokens of each guess are kept, the states [B, D] of the last tokens that are, how
    many there are before and with them [B], and the cache, with room for what follows."""
    device = model.device
    given = [[*prompt, *begun] for prompt, begun in zip(prompts, beginnings, strict=True)]
    whole = [[*row, *guess] for row, guess in zip(given, guesses, strict=True)]
    tokens = pad(whole, model.config.pad_token_id).to(device)
    place = torch.arange(tokens.shape[1], device=device)

    def lengths_of(rows: Iterable[Sequence[int]]) -> Tensor:
        return torch.tensor([len(row) for row in rows], device=device)

    def before(ends: Tensor) -> Tensor:
        return place.where(place < ends[:, None], PADDING)

    cache = model.cache(len(prompts), tokens.shape[1] + max_tokens)
    hidden = model.forward(tokens, before(lengths_of(whole)), cache, lengths_of(prompts))
    agreed = [
        _agreeing(model, hidden[i, len(row) - 1 :], guess) if guess else 0
        for i, (row, guess) in enumerate(zip(given, guesses, strict=True))
    ]
    ends = lengths_of(given) + torch.tensor(agreed, device=device)
    cache.positions[:, : cache.used] = before(ends)
    return agreed, hidden[torch.arange(len(prompts), device=device), ends - 1], ends, cache


def _agreeing(model: CausalLayers, hidden: Tensor, guess: Sequence[int]) -> int:
    """How many tokens of the guess are the likeliest after what comes before; hidden [n, D] are the
    states from the token before it on."""
    same = model.logits(hidden[: len(guess)]).argmax(dim=-1) == torch.tensor(
        guess, device=hidden.device
    )
    return int(same.cumprod(dim=0).sum())
