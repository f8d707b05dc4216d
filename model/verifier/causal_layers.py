"""The stack as a model that reads and writes from left to right: its encoder, with the head.

The same arithmetic as `Denoiser.encode`, on the weights of `flat_layers.py`, and with a cache that
has room for what is to come: a step writes into it and copies nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...kernels.int8 import linear, pack
from ..engine.layers import angle_tables, flat_layers
from ..network.config import FULL, SLIDING
from ..network.denoiser import Denoiser
from ..network.kv_cache import PADDING, causal_mask


@dataclass(slots=True)
class CausalCache:
    """What R rows of tokens have left: `used` columns of S.

    positions  [R, S] int64, PADDING where a row has no token
    layers     keys and values of each layer [2, R, S, G, K]
    """

    positions: Tensor
    layers: list[Tensor]
    used: int = 0

    def select(self, places: Tensor, rows: Tensor, shared: int) -> None:
        """Let these rows [n] int64 take the places [n] of others, in which the first `shared`
        columns are the same: those are not copied."""
        for layer in self.layers:
            own = layer[:, :, shared : self.used]
            own[:, places] = own[:, rows]


def joined(parts: Sequence[tuple[CausalCache, Tensor]], room: int) -> CausalCache:
    """Rows [n] int64 of each of the caches as one cache, without the columns between their tokens,
    and with room for so many more. A row can be taken several times."""
    orders: list[Tensor] = []  # of the columns, those of tokens first [n, S]
    for cache, rows in parts:
        is_gap = cache.positions[rows, : cache.used] == PADDING
        orders.append(is_gap.byte().argsort(dim=1, stable=True))
    widths = [
        int((cache.positions[rows, : cache.used] != PADDING).sum(dim=1).max())
        for cache, rows in parts
    ]
    count, width = sum(len(rows) for _, rows in parts), max(widths)
    first = parts[0][0]
    whole = CausalCache(
        first.positions.new_full((count, width + room), PADDING),
        [layer.new_zeros(2, count, width + room, *layer.shape[3:]) for layer in first.layers],
        width,
    )
    at = 0
    for (cache, rows), order, own in zip(parts, orders, widths, strict=True):
        to, columns = slice(at, at + len(rows)), order[:, :own]
        whole.positions[to, :own] = cache.positions[rows[:, None], columns]
        for new, old in zip(whole.layers, cache.layers, strict=True):
            new[:, to, :own] = old[:, rows[:, None], columns]
        at += len(rows)
    return whole


class CausalLayers:
    """A model's layers and head, in 8 bits if asked (on a CPU)."""

    def __init__(self, model: Denoiser, *, int8: bool = False) -> None:
        self.config, self._model = model.config, model
        self._layers = flat_layers(model, int8=int8)
        self._angles = angle_tables(model, 0)
        weight = model.embed_tokens.weight
        self._head = pack(weight) if int8 else weight

    @property
    def device(self) -> torch.device:
        return self._model.embed_tokens.weight.device

    def cache(self, rows: int, room: int) -> CausalCache:
        """An empty one, for `room` tokens in each row."""
        if len(self._angles[FULL][0]) < room:
            self._angles = angle_tables(self._model, room)
        weight = self._model.embed_tokens.weight
        shapes = [(layer.heads.groups, layer.heads.size) for layer in self._layers]
        return CausalCache(
            torch.full((rows, room), PADDING, device=weight.device),
            [weight.new_zeros(2, rows, room, *shape) for shape in shapes],
        )

    def forward(
        self, tokens: Tensor, positions: Tensor, cache: CausalCache, mutual: Tensor | None = None
    ) -> Tensor:
        """Normed states [R, N, D] of new tokens [R, N] int64, which continue the rows of the cache.

        positions [R, N] int64, PADDING at the padding, anywhere in a row. The tokens before
        position `mutual` [R] see each other, which those of a prompt may (`bidirectional_prompt`).
        """
        rows, count = tokens.shape
        columns = slice(cache.used, cache.used + count)
        cache.used += count
        cache.positions[:, columns] = positions
        seen = cache.positions[:, : cache.used]
        if not self.config.bidirectional_prompt:
            mutual = None
        masks = {FULL: causal_mask(positions, seen, None, mutual)[:, None]}
        window = self.config.sliding_window
        masks[SLIDING] = (
            causal_mask(positions, seen, window, mutual)[:, None]
            if seen.shape[1] > window
            else masks[FULL]
        )
        place = positions.flatten().clamp_min(0)
        angles = {kind: (cos[place], sin[place]) for kind, (cos, sin) in self._angles.items()}
        x = self._model.embed(tokens).flatten(0, 1)
        for layer, kept in zip(self._layers, cache.layers, strict=True):
            q, k, v = layer.before_attention(x, angles[layer.kind])
            kept[0, :, columns] = k.view(rows, count, *k.shape[1:])
            kept[1, :, columns] = v.view(rows, count, *v.shape[1:])
            keys, values = kept[:, :, : cache.used].transpose(2, 3)  # [R, G, S, K]
            attended = F.scaled_dot_product_attention(
                q.view(rows, count, *q.shape[1:]).transpose(1, 2),
                keys,
                values,
                masks[layer.kind],
                scale=1.0,
                enable_gqa=True,
            )
            attended = attended.transpose(1, 2).flatten(0, 1)
            x = layer.after_attention(x, attended, layer.scalars[1].expand(len(x)))
        return self._model.norm(x).view(rows, count, -1)

    def logits(self, hidden: Tensor) -> Tensor:
        """Soft-capped scores over the vocabulary, float32, from normed states [..., D]."""
        cap = self.config.final_logit_softcapping
        scores = linear(hidden, self._head).float()
        # tanh x = 2 sigmoid(2 x) - 1, which takes a CPU a sixth of the time.
        return scores.mul_(2 / cap).sigmoid_().mul_(2 * cap).sub_(cap)
