"""The canvases that the joint stage learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..network.batches import Example, pad
from ..network.denoiser import Denoiser
from ..network.kv_cache import PADDING, KVCache
from .head_loss import head_belief

TAIL_WEIGHT = 0.1  # of the padding behind the end mark, which is easy and would drown the text
TAIL_SHARE = 0.25  # of the padding that is scored at all; it then weighs more
SPARE_TOKENS = 8  # that a canvas for a whole answer has at most
SHORT_CANVASES = (6, 8)  # behind a committed beginning
PURE_SHARE = 0.4  # of the whole canvases that are nothing but noise
FIRST_WEIGHT = 0.3  # of a short canvas's first token: the causal pass writes that one itself
DECAY = 0.85  # of the weight, from each position behind it to the next


class Scored(NamedTuple):
    """What a model draws where an answer has tokens, and behind its end mark.

    hidden [N, D], places [N] of the tokens among those of all answers of the batch, weights [N];
    the tail's hidden [M, D], targets [M] and weights [M]
    """

    hidden: Tensor
    places: Tensor
    weights: Tensor
    tail_hidden: Tensor
    tail_targets: Tensor
    tail_weights: Tensor


class Canvases:
    """The canvases of some rows of a batch, behind their prompts and committed beginnings."""

    def __init__(
        self,
        model: Denoiser,
        batch: Sequence[Example],
        cache: KVCache,
        rows: Sequence[int],
        is_whole: bool,
        generator: torch.Generator,
    ) -> None:
        """Of the whole answer with some padding, or short ones behind committed beginnings of
        random length: a row may have several."""
        self._model, self._cache = model, cache
        self._rows, self._is_whole = torch.tensor(rows), is_whole
        self._examples = [batch[row] for row in rows]
        self._generator = generator
        if is_whole:
            self._commits = [0] * len(rows)
            longest = max(max(len(e.answer), len(e.draft)) for e in self._examples)
            self._size = longest + self._integer(SPARE_TOKENS + 1)
        else:
            self._commits = [self._integer(len(e.answer)) for e in self._examples]
            self._size = SHORT_CANVASES[self._integer(len(SHORT_CANVASES))]
        lengths = torch.tensor([0, *(len(e.answer) for e in batch)])
        self._firsts = lengths.cumsum(dim=0)[self._rows]  # of each answer among all answers' tokens
        self._clean = self._behind([e.draft for e in self._examples])  # [B, C]
        share = self._uniform(len(self._clean), 1).sqrt()
        is_pure = self._uniform(len(self._clean), 1) < (PURE_SHARE if is_whole else 1)
        self._share = torch.where(is_pure, 1.0, share)

    def noised(self) -> Tensor:
        """The canvas [B, C] that denoising starts from."""
        return self._with_noise(self._clean, self._share)

    def denoised_once(self, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """A less noised canvas [B, C], and what the model believed of the first one [B, C, D]."""
        temperature = 0.1 + 0.7 * self._uniform(1).item()
        expected, best = self._belief(canvas, temperature)
        share = self._share * self._uniform(len(canvas), 1)
        guessed = self._uniform(len(canvas), 1) < 0.5
        return self._with_noise(torch.where(guessed, best, self._clean), share), expected

    def scored(self, canvas: Tensor, expected: Tensor | None) -> Scored:
        """What the model draws of a canvas."""
        hidden = self._model.denoise_hidden(canvas, self._committed(), expected)
        target = self._behind([e.answer for e in self._examples])
        where = torch.arange(self._size)
        is_tail = target == self._model.config.pad_token_id
        is_asked = is_tail & (self._uniform(*target.shape) < TAIL_SHARE)
        weights = torch.where(is_tail, TAIL_WEIGHT / TAIL_SHARE, 1.0)
        if not self._is_whole:
            weights = weights * torch.where(where == 0, FIRST_WEIGHT, DECAY ** (where - 1))
        nth = torch.tensor(self._commits)[:, None] + where  # of the row's answer
        return Scored(
            hidden[~is_tail],
            (self._firsts[:, None] + nth)[~is_tail],
            weights[~is_tail],
            hidden[is_asked],
            target[is_asked],
            weights[is_asked],
        )

    def _committed(self) -> KVCache:
        """The keys of prompts and committed beginnings."""
        positions = self._cache.positions[self._rows]
        ends = [len(e.prompt) + n for e, n in zip(self._examples, self._commits, strict=True)]
        seen = (positions >= 0) & (positions < torch.tensor(ends)[:, None])
        layers = tuple((k[self._rows], v[self._rows]) for k, v in self._cache.layers)
        return KVCache(torch.where(seen, positions, PADDING), layers)

    def _behind(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """What of the texts comes behind the commits, [B, C], padded."""
        rest = [text[n : n + self._size] for text, n in zip(texts, self._commits, strict=True)]
        return pad(rest, self._model.config.pad_token_id, self._size)

    @torch.no_grad()
    def _belief(self, canvas: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """Expected embeddings [B, C, D] and the likeliest tokens [B, C]."""
        model = self._model
        hidden = model.denoise_hidden(canvas, self._committed())
        cap = model.config.final_logit_softcapping
        mean, best = head_belief(hidden.flatten(0, 1), model.embed_tokens.weight, cap, temperature)
        return mean.view_as(hidden) * model.config.hidden_size**0.5, best.view_as(canvas)

    def _with_noise(self, clean: Tensor, share: Tensor) -> Tensor:
        noise = self._model.noise(*clean.shape, generator=self._generator)
        return torch.where(self._uniform(*clean.shape) < share, noise, clean)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self._generator)

    def _integer(self, below: int) -> int:
        return int(torch.randint(0, below, (), generator=self._generator))
