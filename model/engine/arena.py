"""Where the engine keeps the keys and values of prompts: one span of tokens for each."""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..network.config import FULL, SLIDING, ModelConfig

GRANULE = 16  # tokens; spans are multiples of it, so that a longer revision often fits its old one


@dataclass(slots=True)
class Span:
    """A place for the keys of a prompt, and of what is written behind it; the first `reused` of its
    tokens have theirs already."""

    start: int
    capacity: int
    prompt: tuple[int, ...]
    key: Hashable | None
    reused: int = 0


@dataclass(slots=True)
class KVArena:
    """Keys and values of `tokens` tokens in every layer, given out in spans.

    A span whose prompt had a key is kept after its use, as long as nobody needs the room: a
    prompt with the same key that begins the same way has only its rest encoded.
    """

    config: ModelConfig
    tokens: int
    dtype: torch.dtype = torch.float32
    device: torch.device | str = "cpu"
    _tensors: dict[str, Tensor] = field(init=False)  # [layers of a kind, 2, P + 1, G, K]
    _places: list[tuple[str, int]] = field(init=False)  # of each layer in them
    _free: list[tuple[int, int]] = field(init=False)  # (start, tokens), by start
    _kept: OrderedDict[Hashable, Span] = field(
        init=False, default_factory=OrderedDict[Hashable, Span]
    )

    def __post_init__(self) -> None:
        kinds = self.config.layer_types
        self._tensors = {
            kind: torch.zeros(
                kinds.count(kind),
                2,
                self.tokens + 1,
                self.config.kv_heads(kind),
                self.config.head_size(kind),
                dtype=self.dtype,
                device=self.device,
            )
            for kind in (SLIDING, FULL)
        }
        self._places = [(kind, kinds[:i].count(kind)) for i, kind in enumerate(kinds)]
        self._free = [(0, self.tokens)]

    @property
    def spare_slot(self) -> int:
        """A token's place that is never given out."""
        return self.tokens

    def layer(self, index: int) -> tuple[Tensor, Tensor]:
        """Keys and values [P + 1, G, K] of a layer."""
        kind, nth = self._places[index]
        keys, values = self._tensors[kind][nth]
        return keys, values

    def claim(self, prompt: tuple[int, ...], key: Hashable | None, room: int = 0) -> Span | None:
        """A span for a prompt and so many tokens behind it, or None while there is no room."""
        old = self._kept.pop(key, None) if key is not None else None
        reused = 0 if old is None else self._reusable(old.prompt, prompt)
        wanted = len(prompt) + room
        if old is not None and wanted <= old.capacity:
            return Span(old.start, old.capacity, prompt, key, reused)
        capacity = -(-wanted // GRANULE) * GRANULE
        start = self._take(capacity)
        if start is None:
            if old is not None:
                self._kept[key] = old
            return None
        if old is not None:
            if reused:
                for tensor in self._tensors.values():
                    old_keys = tensor[:, :, old.start : old.start + reused]
                    tensor[:, :, start : start + reused] = old_keys
            self._give_back(old)
        return Span(start, capacity, prompt, key, reused)

    def release(self, span: Span) -> None:
        """Keep the span under its key, or free it."""
        if span.key is None:
            self._give_back(span)
            return
        older = self._kept.pop(span.key, None)
        if older is not None:
            self._give_back(older)
        self._kept[span.key] = span

    def clear(self) -> None:
        """Take all spans back, and forget what they hold."""
        self._kept.clear()
        self._free = [(0, self.tokens)]

    def _reusable(self, old: tuple[int, ...], new: tuple[int, ...]) -> int:
        """How many tokens both begin with; where a prompt's tokens see each other, all or none."""
        common = next(
            (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b),
            min(len(old), len(new)),
        )
        return common if not self.config.bidirectional_prompt or old == new else 0

    def _take(self, capacity: int) -> int | None:
        """The first free place that is large enough; kept spans give way, the oldest first."""
        while True:
            for i, (start, tokens) in enumerate(self._free):
                if tokens >= capacity:
                    rest = (start + capacity, tokens - capacity)
                    self._free[i : i + 1] = [rest] if rest[1] else []
                    return start
            if not self._kept:
                return None
            self._give_back(self._kept.popitem(last=False)[1])

    def _give_back(self, span: Span) -> None:
        insort(self._free, (span.start, span.capacity))
        merged: list[tuple[int, int]] = []
        for start, tokens in self._free:
            if merged and sum(merged[-1]) == start:
                merged[-1] = (merged[-1][0], merged[-1][1] + tokens)
            else:
                merged.append((start, tokens))
        self._free = merged
