"""One pass that drafts and verifies, on the device: canvases denoise, and drafts are read."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ...kernels.accept_prefix import Verdict, accept_prefix
from ...kernels.canvas_step import FREE
from ...kernels.int8 import linear, pack
from ...kernels.ragged_attention import Sequences
from ...kernels.soft_embed import soft_embed, soft_embed_top
from ...kernels.top_tokens import top_tokens
from ...kernels.vocab_stats import Barred, VocabStats, vocab_stats
from ..network.config import SamplerConfig
from ..network.denoiser import Denoiser
from .arena import KVArena
from .layers import FlatBatch, FlatLayers
from .layout import Layout, Shape
from .step import StepOptions
from .verified_layout import Drafts


class Passed(NamedTuple):
    """How much of each draft is accepted, and the states [canvas_tokens, D] of all canvases, of
    which few will be read."""

    verdict: Verdict
    canvases: Tensor


class Drawn(NamedTuple):
    """The likeliest tokens [N] int64, and where denoising goes on their entropy [N] float32."""

    best: Tensor
    entropy: Tensor | None


class VerifiedStep:
    """The model over canvases, and over drafts and prompts, whose keys go into the arena.

    A canvas of random tokens goes on denoising from pass to pass: its mean embeddings [R, M, D] are
    kept in `believed`. One of mask tokens is drawn once: there, `believed` is None.
    Neither the end marks nor padding can stand at an answer's position 0.
    """

    def __init__(
        self,
        model: Denoiser,
        sampler: SamplerConfig,
        believed: Tensor | None,
        arena: KVArena,
        max_positions: int,
        options: StepOptions,
    ) -> None:
        self._model, self._config, self._sampler = model, model.config, sampler
        self._arena, self._options = arena, options
        self._layers = FlatLayers(model, max_positions, fp8=options.fp8, int8=options.int8)
        self._head = weight = model.embed_tokens.weight
        self._believed = None if believed is None else believed.view(-1, weight.shape[1])
        self._scoring = pack(weight) if options.int8 else weight
        barred = torch.tensor([*self._config.eos_token_ids, self._config.pad_token_id])
        self._barred = barred.to(weight.device)
        # A Python number of the weight's precision: a tensor would have to travel to the device.
        self._scale = float(torch.tensor(self._config.hidden_size**0.5, dtype=weight.dtype))
        with torch.no_grad():
            mask = model.embed(model.noise(1))
            self._mask = model.self_conditioning(mask, torch.zeros_like(mask))  # [1, D]

    def verify(
        self, layout: Layout, shape: Shape, drafts: Drafts, generator: torch.Generator | None
    ) -> Passed:
        """1. Embed the canvases with what was believed of them, and all that is encoded.
        2. All layers. Canvases and drafts read keys that this very pass writes before them.
        3. Read the vocabulary behind drafts, and accept their beginnings.
        """
        tokens = shape.canvas_tokens
        encoded = F.embedding(layout.prompt, self._model.embed_tokens.weight) * self._scale  # 1
        x = torch.cat([self._embedded(layout.place, drafts.canvas, generator), encoded])
        batch = self._batch(layout, shape, len(drafts.starts) - 1)
        x = self._layers.forward(x, batch, self._arena)  # 2
        hidden = self._model.norm(x[drafts.places])  # 3
        barred = Barred(drafts.firsts.bool(), self._barred)
        stats, scores = self._scores(hidden, 1.0, barred)
        best, log_p = self._chosen(stats.best, scores, drafts)
        verdict = accept_prefix(drafts.tokens, best, log_p - stats.log_total, drafts.starts)
        return Passed(verdict, x[:tokens])

    def draw(self, states: Tensor, places: Tensor) -> Drawn:
        """What N tokens of canvases say: their `states` [N, D], and `places` [N] as in Layout."""
        hidden = self._model.norm(states)
        if self._believed is None:  # soft-capping changes no arg-max
            return Drawn(linear(hidden, self._scoring).argmax(dim=-1), None)
        stats, scores = self._scores(hidden, self._sampler.t_max, None)
        self._believed[places] = self._mean(scores, stats.log_total)
        return Drawn(stats.best, stats.entropy)

    def _embedded(self, place: Tensor, canvas: Tensor, generator: torch.Generator | None) -> Tensor:
        if self._believed is None:
            return self._mask.expand(len(canvas), -1)
        noise = self._model.noise(len(canvas), generator=generator)
        ids = torch.where(canvas == FREE, noise, canvas)
        embedded = F.embedding(ids, self._model.embed_tokens.weight) * self._scale
        return self._model.self_conditioning(embedded, self._believed[place])

    def _scores(
        self, hidden: Tensor, temperature: float, barred: Barred | None
    ) -> tuple[VocabStats, Tensor]:
        rows = hidden.new_zeros(len(hidden), dtype=torch.float32)
        stats = vocab_stats(
            hidden,
            self._scoring,
            self._config.final_logit_softcapping,
            rows + temperature,
            rows.new_zeros(len(hidden), 2),
            barred,
            keep_scores=True,
        )
        assert stats.scores is not None, "they were to be kept"
        return stats, stats.scores

    def _chosen(self, best: Tensor, scores: Tensor, drafts: Drafts) -> tuple[Tensor, Tensor]:
        """What stands behind each token that is read, and its score: what is forced, else what is
        drafted if that is nearly as likely as the best, else the best."""

        def score(tokens: Tensor) -> Tensor:
            return scores.gather(1, tokens[:, None])[:, 0].float()

        # Behind the last token of a draft none is drafted: `accept_prefix` reads no further.
        drafted = drafts.tokens.roll(-1)
        is_near = score(drafted) >= score(best) - self._sampler.margin
        is_last = torch.zeros_like(is_near).index_fill(0, drafts.starts[1:] - 1, True)
        best = torch.where(is_near & ~is_last, drafted, best)
        best = torch.where(drafts.forced == FREE, best, drafts.forced)
        return best, score(best)

    def _mean(self, scores: Tensor, log_total: Tensor) -> Tensor:
        if self._options.top_tokens is None:
            return soft_embed(scores, self._head, self._scale)
        top = top_tokens(scores, log_total, self._options.top_tokens)
        return soft_embed_top(*top, self._head, self._scale)

    def _batch(self, layout: Layout, shape: Shape, drafts: int) -> FlatBatch:
        device = layout.starts.device
        nth = torch.arange(shape.rows + shape.prompts, device=device)
        causal = nth >= shape.rows
        if self._config.bidirectional_prompt:
            causal &= nth < shape.rows + drafts
        token = torch.arange(len(layout.positions), device=device)
        return FlatBatch(
            positions=layout.positions,
            canvases=shape.canvas_tokens,
            slots=layout.slots,
            sequences=Sequences(
                starts=layout.starts.to(torch.int32),
                prefix_starts=layout.keys_starts.to(torch.int32),
                prefix_tokens=layout.keys.to(torch.int32),
                causal=causal,
                longest=shape.longest,
            ),
            canvas_sequences=None,
            kinds=(token >= shape.canvas_tokens).long(),
        )
