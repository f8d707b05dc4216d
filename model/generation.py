"""The two loops: canvases one after the other, denoising steps inside each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

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
    retire: bool = False,
) -> Generation:
    """Answer a batch of prompts [B, N] (right-padded where prompt_mask [B, N] is False).

    `max_new_tokens` is rounded up to whole canvases of `canvas_tokens` (16 to 256; the model's
    own length if None). `start` and `pinned` [B, C] apply to the first canvas. With `retire`, rows
    that have settled leave the batch, so that the others cost less; the draws then differ from a
    batch that stays together.

    1. Encode what is new: the prompt, later the last canvas, with its padding.
    2. Denoise a canvas until every row has settled or the steps are used up.
    3. Commit the arg-max canvas; a row ends at its first EOS.
    """
    config = model.config
    size = canvas_tokens or config.canvas_length
    rows, device = prompt.shape[0], prompt.device
    committed: list[Tensor] = []
    steps = torch.zeros(rows, dtype=torch.int64, device=device)
    ended = torch.zeros(rows, dtype=torch.bool, device=device)
    new, mask = prompt, prompt_mask
    for _ in range(math.ceil(max_new_tokens / size)):
        _, cache = model.encode(new, mask, cache)  # 1
        state = sampler.initialize(rows, size, start, pinned, device)  # 2
        state = denoise(model, sampler, state, cache, retire)
        tokens, has_end = finalize(state.best, config.eos_token_ids, config.pad_token_id)  # 3
        committed.append(tokens.masked_fill(ended[:, None], config.pad_token_id))
        steps += state.steps * ~ended
        ended |= has_end
        if bool(ended.all()):
            break
        new, mask, start, pinned = committed[-1], None, None, None
    assert cache is not None, "at least one canvas was asked for"
    return Generation(torch.cat(committed, dim=1), steps, cache)


def denoise(
    model: Denoiser,
    sampler: EntropyBoundSampler,
    state: CanvasState,
    cache: KVCache,
    retire: bool = False,
) -> CanvasState:
    """Steps until every row has settled. The result has no logits when rows were retired."""
    if retire:
        return _denoise_retiring(model, sampler, state, cache)
    while not state.finished:
        state = _step(model, sampler, state, cache)
    return state


def _step(
    model: Denoiser, sampler: EntropyBoundSampler, state: CanvasState, cache: KVCache
) -> CanvasState:
    expected = None if state.logits is None else model.expected_embedding(state.logits)
    return sampler.step(state, model.denoise(state.canvas, cache, expected))


def _denoise_retiring(
    model: Denoiser, sampler: EntropyBoundSampler, state: CanvasState, cache: KVCache
) -> CanvasState:
    best, steps = state.best.clone(), state.steps.clone()
    done = state.done.clone()
    alive = torch.arange(best.shape[0], device=best.device)
    while not state.finished:
        state = _step(model, sampler, state, cache)
        best[alive], steps[alive], done[alive] = state.best, state.steps, state.done
        if bool(state.done.any()):
            keep = ~state.done
            alive, state, cache = alive[keep], state.select(keep), cache.select(keep)
    return CanvasState(best, best, state.history[:0], None, None, done, steps, state.remaining)
