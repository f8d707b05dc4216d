"""B4: attention of canvases of several lengths over prefixes of several lengths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from ..qkv_norm_rope import Heads
from ..ragged_attention import Sequences, ragged_attention
from ..shapes import FULL, SLIDING
from .contest import Case, Contestant, Host, Outputs, Run, Work, compiled, ours

SHAPES = ((1, 48, 150), (16, 48, 150), (64, 48, 150), (1, 256, 1024), (16, 256, 1024))
TOY_SHAPES = ((1, 16, 20), (3, 16, 40))
FLEX_SHAPES = (SHAPES[1], SHAPES[4], TOY_SHAPES[1])  # each is compiled
TOY_HEADS = (
    Heads(queries=4, groups=2, size=32, values_from_keys=False),
    Heads(queries=4, groups=1, size=64, values_from_keys=True),
)


@dataclass(frozen=True, slots=True)
class _Batch:
    """q [T, H, K], k and v [T, G, K] and the arena [P, G, K]; tokens and prefixes [n] of each
    sequence. None has padding: `padded` adds it, for the peers."""

    q: Tensor
    k: Tensor
    v: Tensor
    arena: tuple[Tensor, Tensor]
    sequences: Sequences
    tokens: list[int]
    prefixes: list[int]

    def padded(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """q [n, H, C, K], k and v [n, G, P + C, K], and how many keys [n] are real: those come
        first. The queries see all of them."""
        sequences = self.sequences
        starts = cast("list[int]", sequences.starts.tolist())
        firsts = cast("list[int]", sequences.prefix_starts.tolist())
        parts: list[tuple[Tensor, Tensor, Tensor]] = []
        for start, first, tokens, prefix in zip(
            starts[:-1], firsts, self.tokens, self.prefixes, strict=True
        ):
            new, old = slice(start, start + tokens), slice(first, first + prefix)
            keys = torch.cat([self.arena[0][old], self.k[new]])
            values = torch.cat([self.arena[1][old], self.v[new]])
            parts.append((self.q[new], keys, values))
        q, k, v = (
            torch.nn.utils.rnn.pad_sequence(list(x), batch_first=True).transpose(1, 2).contiguous()
            for x in zip(*parts, strict=True)
        )
        real = torch.tensor(self.tokens, device=q.device) + sequences.prefix_tokens
        return q, k, v, real

    def flat(self, outputs: Outputs) -> Outputs:
        """[T, H, K] of the padded output [n, H, C, K]."""
        rows = outputs[0].transpose(1, 2)
        return (torch.cat([row[:n] for row, n in zip(rows, self.tokens, strict=True)]),)


def cases(host: Host) -> Iterator[Case]:
    for heads in TOY_HEADS if host.toy else (SLIDING, FULL):
        for count, canvas, prefix in TOY_SHAPES if host.toy else SHAPES:
            yield _case(host, heads, count, canvas, prefix)


def _case(host: Host, heads: Heads, count: int, canvas: int, prefix: int) -> Case:
    batch = _batch(host, heads, count, canvas, prefix)
    keys = [a + b for a, b in zip(batch.tokens, batch.prefixes, strict=True)]
    pairs = sum(a * b for a, b in zip(batch.tokens, keys, strict=True))
    read = 2 * heads.size * (heads.groups * sum(keys) + heads.queries * sum(batch.tokens))
    work = Work(read * batch.q.element_size(), 4 * heads.queries * heads.size * pairs)
    contestants = [
        *ours(partial(_ours, batch), host),
        Contestant("padded SDPA", partial(_sdpa, batch), batch.flat),
    ]
    if (count, canvas, prefix) in FLEX_SHAPES:
        flex = partial(_flex, batch, host)
        contestants.append(Contestant("padded FlexAttention, compiled", flex, batch.flat))
    return Case(
        "B4 attention",
        f"K={heads.size}, {count} x {canvas} after {prefix} at most",
        sum(batch.tokens),
        (work,),
        partial(_expected, batch),
        contestants,
    )


def _batch(host: Host, heads: Heads, count: int, canvas: int, prefix: int) -> _Batch:
    """Lengths from half of the longest to the longest, evenly."""
    device = host.device
    tokens = torch.linspace(canvas, canvas // 2, count).long()
    prefixes = torch.linspace(prefix, prefix // 2, count).long()[torch.randperm(count)]
    starts = F.pad(tokens.cumsum(0), (1, 0)).to(device, torch.int32)
    prefix_ends = prefixes.cumsum(0)
    old = (int(prefix_ends[-1]), heads.groups, heads.size)
    new = (int(tokens.sum()), heads.groups, heads.size)
    return _Batch(
        q=host.normal(new[0], heads.queries, heads.size, spread=heads.size**-0.5),
        k=host.normal(*new),
        v=host.normal(*new),
        arena=(host.normal(*old), host.normal(*old)),
        sequences=Sequences(
            starts,
            (prefix_ends - prefixes).to(device, torch.int32),
            prefixes.to(device, torch.int32),
            torch.zeros(count, dtype=torch.bool, device=device),
            longest=canvas,
        ),
        tokens=cast("list[int]", tokens.tolist()),
        prefixes=cast("list[int]", prefixes.tolist()),
    )


def _ours(batch: _Batch, turn: int) -> Outputs:
    return (ragged_attention(batch.q, batch.k, batch.v, batch.arena, batch.sequences, None),)


def _expected(batch: _Batch) -> Outputs:
    """In float32 over the padded batch."""
    q, k, v, real = batch.padded()
    return batch.flat((_attend(q.float(), k.float(), v.float(), _visible(k, real)),))


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0, enable_gqa=True)


def _visible(k: Tensor, real: Tensor) -> Tensor:
    return (torch.arange(k.shape[2], device=k.device) < real[:, None])[:, None, None]


def _sdpa(batch: _Batch) -> Run:
    q, k, v, real = batch.padded()
    mask = _visible(k, real).expand(-1, -1, q.shape[2], -1)
    return lambda turn: (_attend(q, k, v, mask),)


def _flex(batch: _Batch, host: Host) -> Run:
    q, k, v, real = batch.padded()

    def visible(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return j < real[b]

    mask = create_block_mask(visible, len(q), None, q.shape[2], k.shape[2], device=q.device.type)
    attend = compiled(flex_attention, host)
    return lambda turn: (attend(q, k, v, block_mask=mask, scale=1.0, enable_gqa=True),)
