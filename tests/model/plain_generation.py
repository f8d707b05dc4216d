"""Generation as transformers does it, token for token: what the engine is measured against.

Two loops: canvases one after the other, denoising steps inside each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from surtitle.model.engine.canvas import MAX_CANVAS, MIN_CANVAS
from surtitle.model.network.denoiser import Denoiser
from surtitle.model.network.kv_cache import KVCache

from .plain_sampler import EntropyBoundSampler, finalize


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
) -> Generation:
    """Answer a batch of prompts [B, N] (right-padded where prompt_mask [B, N] is False).

    `max_new_tokens` is rounded up to whole canvases of `canvas_tokens` (16 to 256; the model's
    own length if None). `cache` holds what stands before the prompts. `start` and `pinned` [B, C]
    and `forbidden` are those of the sampler's `initialize`, for the first canvas. Rows that settle
    early are computed to the end, as in transformers; `engine.py` lets them leave.

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
        while not state.finished:
            believed = state.probabilities
            expected = None if believed is None else model.mean_embedding(believed)
            state = sampler.step(state, model.denoise(state.canvas, cache, expected))
        tokens, has_end = finalize(state.best, config.eos_token_ids, config.pad_token_id)  # 3
        committed.append(tokens.masked_fill(ended[:, None], config.pad_token_id))
        steps += state.steps * ~ended
        ended = ended | has_end
        if bool(ended.all()):
            break
        new, mask, start, pinned, forbidden = committed[-1], None, None, None, ()
    assert cache is not None, "at least one canvas was asked for"
    return Generation(torch.cat(committed, dim=1), steps, cache)
