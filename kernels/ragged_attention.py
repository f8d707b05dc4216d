"""Attention over a flat batch: sequences of any length, each causal or not, each with a prefix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .dispatch import use_triton


class Padded(NamedTuple):
    """Sequences as a rectangle of B rows, each with the most earlier keys S and new tokens N.

    at_old   [B, S] int64: where the earlier keys are in the arena
    at_new   [B, N] int64: where the new tokens are in the flat batch
    is_new   [B, N] bool: where there is one
    visible  [B, 1, N, S + N] bool: what each of them sees
    """

    at_old: Tensor
    at_new: Tensor
    is_new: Tensor
    visible: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """B sequences of new tokens, one behind the other in a flat batch of T.

    starts         [B + 1] int32: sequence b has the tokens starts[b] to starts[b + 1]
    prefix_starts  [B] int32: where its earlier keys start in the arena
    prefix_tokens  [B] int32: how many there are
    causal         [B] bool: a prompt (sees what came before) or a canvas (sees all of itself)
    longest        at least the new tokens of any sequence; known without asking the device
    """

    starts: Tensor
    prefix_starts: Tensor
    prefix_tokens: Tensor
    causal: Tensor
    longest: int
    _padded: dict[int | None, Padded] = field(default_factory=dict[int | None, Padded], init=False)

    def padded(self, window: int | None) -> Padded:
        """What all layers with this window need, computed once."""
        if window not in self._padded:
            self._padded[window] = _pad(self, window)
        return self._padded[window]


def ragged_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    arena: tuple[Tensor, Tensor],
    sequences: Sequences,
    window: int | None,
) -> Tensor:
    """softmax(q k) v per head, without scaling; softmax in float32.

    q [T, H, K], k and v [T, G, K] of the new tokens, arena: keys and values [P, G, K] of earlier
    ones, shared by all sequences. Returns [T, H, K].

    New token i of a sequence with S earlier ones sees, of those, and of the new tokens j:
    - causal: positions above S + i - window (all without a window), and j <= i
    - else: positions above S - window, the same for every token, and all j
    """
    if use_triton(q, k, v, *arena):
        from .ragged_attention_triton import attend

        return attend(q, k, v, arena, sequences, window)
    return reference(q, k, v, arena, sequences, window)


def reference(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    arena: tuple[Tensor, Tensor],
    sequences: Sequences,
    window: int | None,
) -> Tensor:
    """All sequences padded to the longest prefix and the most new tokens, under a mask."""
    if not len(q):
        return torch.empty_like(q)
    at_old, at_new, is_new, visible = sequences.padded(window)
    keys, values = (
        torch.cat([of_old[at_old], of_new[at_new]], dim=1).transpose(1, 2)  # [B, G, S + N, K]
        for of_old, of_new in zip(arena, (k, v), strict=True)
    )
    out = F.scaled_dot_product_attention(
        q[at_new].transpose(1, 2), keys, values, visible, scale=1.0, enable_gqa=True
    )
    return out.transpose(1, 2)[is_new]


def _pad(sequences: Sequences, window: int | None) -> Padded:
    starts, device = sequences.starts.long(), sequences.starts.device
    earlier = sequences.prefix_tokens.long()[:, None, None]  # [B, 1, 1]
    most = int(starts.diff().max()), int(earlier.max())
    new, old = (torch.arange(n, device=device) for n in most)
    is_new = new < starts.diff()[:, None]  # [B, N]
    at_new = (starts[:-1, None] + new).where(is_new, 0)
    at_old = (sequences.prefix_starts.long()[:, None] + old).where(old < earlier[:, 0], 0)
    position = torch.cat([old.expand(len(is_new), 1, -1), earlier + new], dim=-1)  # [B, 1, S + N]
    is_key = torch.cat([old < earlier[:, 0], is_new], dim=1)[:, None]
    query = earlier + new[:, None]  # [B, N, 1]
    causal = sequences.causal[:, None, None]
    visible = is_key & ((position <= query) | ~causal)
    if window is not None:
        visible &= position > torch.where(causal, query, earlier) - window
    # A padded query sees all: its softmax stays finite.
    visible |= ~is_new[:, :, None]
    return Padded(at_old, at_new, is_new, visible[:, None])
