"""The keys and values of the prefix, written by the encoder and read by the canvas."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .config import FULL

PADDING = -1  # the position of a token that no one may see


@dataclass(frozen=True, slots=True)
class KVCache:
    """A ragged batch of prefixes, right-padded.

    positions  [B, S] int64, PADDING where a row has no token
    layers     one (keys, values) pair per layer, each [B, S, G, K]; keys are normed and rotated
    """

    positions: Tensor
    layers: tuple[tuple[Tensor, Tensor], ...]

    @property
    def lengths(self) -> Tensor:
        """Tokens in each row [B] int64."""
        return (self.positions != PADDING).sum(dim=1)


def extend(cache: KVCache | None, positions: Tensor) -> Tensor:
    """Positions [B, S + N] of the keys after N new ones."""
    return positions if cache is None else torch.cat([cache.positions, positions], dim=1)


def causal_mask(
    queries: Tensor, keys: Tensor, window: int | None, mutual_end: Tensor | None = None
) -> Tensor:
    """Which keys [B, N, S] an encoder token sees: those at or before it, inside the window.

    All tokens before position `mutual_end` [B] also see each other (a "prefix LM").
    """
    q, k = queries[:, :, None], keys[:, None, :]
    visible = k <= q
    if mutual_end is not None:
        end = mutual_end[:, None, None]
        visible |= (q < end) & (k < end)
    visible &= k != PADDING
    if window is not None:
        visible &= k > q - window
    # A padded query sees the padding, so that its softmax stays finite.
    return visible | ((q == PADDING) & (k == PADDING))


def canvas_mask(cache: KVCache, canvas_tokens: int, layer_type: str, window: int) -> Tensor:
    """Which keys [B, 1, S + C] every canvas token sees: the prefix and the whole canvas.

    In sliding layers the last `window - 1` prefix tokens, the same for each canvas position, as
    transformers' eager path does it.
    """
    positions = cache.positions
    visible = positions != PADDING
    if layer_type != FULL:
        visible &= positions > cache.lengths[:, None] - window
    canvas = visible.new_ones(positions.shape[0], canvas_tokens)
    return torch.cat([visible, canvas], dim=1)[:, None]
