"""The two loops: canvases one after the other, denoising steps inside each."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .canvas import MAX_CANVAS, MIN_CANVAS
from .denoiser import Denoiser
from .kv_cache import KVCache
from .sampler import CanvasState, EntropyBoundSampler, finalize


@dataclass(frozen=True, slots=True)
class Generation:
    """Tokens [B, n*C] int64 (padding behind the end mark), denoising steps taken [B], and the
    prefix cache, which covers the prompt and all canvases but the last."""

    tokens: Tensor
    steps: Tensor
    cache: KVCache


@torch.inference_mode()
def generate(
    model: Denoiser,
    sampler: EntropyBoundSampler,
    prompt: Tensor,
    prompt_mask: Tensor | None = None,
    *,
    max_new_tokens: int,
    canvas_tokens: int | None = None,
    cache: KVCache | None = None,
    start: Tensor | None = None,
    pinned: Tensor | None = None,
    forbidden: tuple[int, ...] = (),
    retire: bool = False,
) -> Generation:
    """Answer a batch of prompts [B, N] (right-padded where prompt_mask [B, N] is False).

    `max_new_tokens` is rounded up to whole canvases of `canvas_tokens` (16 to 256; the model's
    own length if None). `cache` holds what stands before the prompts. `start` and `pinned` [B, C]
    and `forbidden` are those of the sampler's `initialize`, for the first canvas. With `retire`,
    rows that have settled or ended leave the batch, so that the others cost less; the draws then
    differ from those of a batch that stays together.

    1. Encode what is new: the prompt, later the last canvas, with its padding.
    2. Denoise a canvas until every row has settled or the steps are used up.
    3. Commit the arg-max canvas; a row ends at its first EOS.
    """
    config, rows, device = model.config, len(prompt), prompt.device
    size = config.canvas_length if canvas_tokens is None else canvas_tokens
    if not MIN_CANVAS <= size <= MAX_CANVAS:
        raise ValueError(f"canvas_tokens must be {MIN_CANVAS} to {MAX_CANVAS}, got {size}")
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens must be 1 or more, got {max_new_tokens}")
    committed: list[Tensor] = []
    steps = torch.zeros(rows, dtype=torch.int64, device=device)
    ended = torch.zeros(rows, dtype=torch.bool, device=device)
    new, mask = prompt, prompt_mask
    for _ in range(math.ceil(max_new_tokens / size)):
        _, cache = model.encode(new, mask, cache)  # 1
        state = sampler.initialize(  # 2
            rows, size, start=start, pinned=pinned, forbidden=forbidden, device=device
        )
        if retire:
            state = denoise_retiring(model, sampler, replace(state, done=ended), cache)
        else:
            state = denoise(model, sampler, state, cache)
        tokens, has_end = finalize(state.best, config.eos_token_ids, config.pad_token_id)  # 3
        committed.append(tokens.masked_fill(ended[:, None], config.pad_token_id))
        steps += state.steps * ~ended
        ended = ended | has_end
        if bool(ended.all()):
            break
        new, mask, start, pinned, forbidden = committed[-1], None, None, None, ()
    assert cache is not None, "at least one canvas was asked for"
    return Generation(torch.cat(committed, dim=1), steps, cache)


def denoise(
    model: Denoiser, sampler: EntropyBoundSampler, state: CanvasState, cache: KVCache
) -> CanvasState:
    """Steps until every row has settled; those that settle early are computed to the end."""
    while not state.finished:
        state = _step(model, sampler, state, cache)
    return state


def denoise_retiring(
    model: Denoiser, sampler: EntropyBoundSampler, state: CanvasState, cache: KVCache
) -> CanvasState:
    """Steps until every row has settled; rows that are done leave the batch.

    Returns the state of all rows, without history and probabilities: it cannot be stepped further.
    """
    best, steps, done = state.best.clone(), state.steps.clone(), state.done.clone()
    alive = torch.arange(len(best), device=best.device)
    while True:
        if bool(state.done.any()):
            keep = ~state.done
            alive, state, cache = alive[keep], state.select(keep), cache.select(keep)
        if state.finished:  # also when no row is left
            break
        state = _step(model, sampler, state, cache)
        best[alive], steps[alive], done[alive] = state.best, state.steps, state.done
    return replace(
        state,
        canvas=best,
        best=best,
        history=state.history[:0],
        probabilities=None,
        pinned=None,
        done=done,
        steps=steps,
    )


def _step(
    model: Denoiser, sampler: EntropyBoundSampler, state: CanvasState, cache: KVCache
) -> CanvasState:
    believed = state.probabilities
    expected = None if believed is None else model.mean_embedding(believed)
    return sampler.step(state, model.denoise(state.canvas, cache, expected))
