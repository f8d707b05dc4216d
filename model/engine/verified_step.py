"""One pass that drafts and verifies, on the device: canvases denoise, and drafts are read."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ...kernels.accept_prefix import Verdict, accept_prefix
from ...kernels.canvas_step import FREE
from ...kernels.int8 import pack
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
    """What the canvases believe, best [canvas_tokens] int64 and entropy float32, and how much of
    each draft is accepted."""

    best: Tensor
    entropy: Tensor
    verdict: Verdict


class VerifiedStep:
    """The model over canvases, whose mean embeddings [R, M, D] are kept in `believed` from step to
    step, and over drafts and prompts, whose keys go into the arena.

    Neither the end marks nor padding can stand at an answer's position 0.
    """

    def __init__(
        self,
        model: Denoiser,
        sampler: SamplerConfig,
        believed: Tensor,
        arena: KVArena,
        max_positions: int,
        options: StepOptions,
    ) -> None:
        self._model, self._config, self._sampler = model, model.config, sampler
        self._believed, self._arena, self._options = believed, arena, options
        self._layers = FlatLayers(model, max_positions, fp8=options.fp8, int8=options.int8)
        self._head = weight = model.embed_tokens.weight
        self._scoring = pack(weight) if options.int8 else weight
        barred = torch.tensor([*self._config.eos_token_ids, self._config.pad_token_id])
        self._barred = barred.to(weight.device)
        # A Python number of the weight's precision: a tensor would have to travel to the device.
        self._scale = float(torch.tensor(self._config.hidden_size**0.5, dtype=weight.dtype))

    def __call__(self, layout: Layout, shape: Shape, drafts: Drafts, noise: Tensor) -> Passed:
        """noise [canvas_tokens] int64.

        1. Embed the canvases with what their last step believed, and all that is encoded.
        2. All layers. Canvases and drafts read keys that this very pass writes before them.
        3. Read the vocabulary.
        4. Keep what the canvases believe, and accept the beginnings of drafts.
        """
        tokens = shape.canvas_tokens
        canvas = torch.where(drafts.canvas == FREE, noise, drafts.canvas)  # 1
        ids = torch.cat([canvas, layout.prompt])
        embedded = F.embedding(ids, self._model.embed_tokens.weight) * self._scale
        believed = self._believed.view(-1, embedded.shape[1])
        conditioned = self._model.self_conditioning(embedded[:tokens], believed[layout.place])
        x = torch.cat([conditioned, embedded[tokens:]])
        batch = self._batch(layout, shape, len(drafts.starts) - 1)
        x = self._layers.forward(x, batch, self._arena)  # 2
        x = self._model.norm(torch.cat([x[:tokens], x[drafts.places]]))
        stats, scores = self._scores(x, tokens, drafts.firsts.bool())  # 3
        believed[layout.place] = self._mean(scores[:tokens], stats.log_total[:tokens])  # 4
        best, log_p = self._chosen(stats.best[tokens:], scores[tokens:], drafts)
        verdict = accept_prefix(
            drafts.tokens, best, log_p - stats.log_total[tokens:], drafts.starts
        )
        return Passed(stats.best[:tokens], stats.entropy[:tokens], verdict)

    def _scores(
        self, hidden: Tensor, canvas_tokens: int, firsts: Tensor
    ) -> tuple[VocabStats, Tensor]:
        """The vocabulary, for canvases at the sampler's highest temperature."""
        nth = torch.arange(len(hidden), device=hidden.device)
        temperature = torch.where(nth < canvas_tokens, self._sampler.t_max, 1.0)
        stats = vocab_stats(
            hidden,
            self._scoring,
            self._config.final_logit_softcapping,
            temperature,
            temperature.new_zeros(len(hidden), 2),
            Barred(firsts, self._barred),
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
