"""One denoising step of many canvases on the device: from their state to their next state.

Nothing here waits for the device or depends on its results. So on a GPU each shape of a step is
recorded once as a CUDA graph and replayed, which saves the launches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...kernels.canvas_step import FREE, Canvases, CanvasRules, canvas_step
from ...kernels.int8 import pack
from ...kernels.ragged_attention import Sequences
from ...kernels.soft_embed import soft_embed, soft_embed_top
from ...kernels.top_tokens import top_tokens
from ...kernels.vocab_stats import Barred, vocab_stats
from ..network.config import SamplerConfig
from ..network.denoiser import Denoiser
from .arena import KVArena
from .layers import FlatBatch, FlatLayers
from .layout import Layout, Shape, layout_of

CACHED_ROWS = 64  # of scores, on a CPU


@dataclass(frozen=True, slots=True)
class StepOptions:
    """Approximations. `fp8`: the experts' weights in 8 bits; `int8`: those of the
    layers and the head, on a CPU.
    `top_tokens`: self-conditioning reads only so many of the most likely tokens."""

    fp8: bool = False
    int8: bool = False
    top_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class RowStates:
    """R rows of M positions, as `canvas_step` has them, and what is needed besides.

    pinned    [R, M] int64    FREE, or the token to keep; positions behind a canvas are pinned too
    left      [R] int32       steps until the row's last
    expected  [R, M, D]       mean embedding of the last step, 0 before the first
    """

    canvas: Tensor
    best: Tensor
    repeats: Tensor
    steps: Tensor
    done: Tensor
    pinned: Tensor
    left: Tensor
    expected: Tensor

    @classmethod
    def zeros(cls, rows: int, positions: int, weight: Tensor) -> RowStates:
        """In the dtype and on the device of `weight` [V, D]."""

        def zeros(dtype: torch.dtype, *shape: int) -> Tensor:
            return torch.zeros(rows, *shape, dtype=dtype, device=weight.device)

        return cls(
            canvas=zeros(torch.int64, positions),
            best=zeros(torch.int64, positions),
            repeats=zeros(torch.int32),
            steps=zeros(torch.int32),
            done=zeros(torch.bool),
            pinned=zeros(torch.int64, positions),
            left=zeros(torch.int32),
            expected=zeros(weight.dtype, positions, weight.shape[1]),
        )

    def begin(self, rows: Tensor, start: Tensor, pinned: Tensor, left: Tensor) -> None:
        """Rows [B] begin with the tokens start [B, M], or what is pinned [B, M] of them."""
        is_free = pinned == FREE
        self.canvas[rows] = torch.where(is_free, start, pinned)
        self.best[rows] = torch.where(is_free, -1, pinned)
        self.pinned[rows], self.left[rows] = pinned, left.to(torch.int32)
        for zero in self.repeats, self.steps, self.done, self.expected:
            zero[rows] = 0


class DenoisingStep:
    """The model over the rows of `states`; the keys of prompts are in `arena`.

    Neither the end marks nor padding can stand at position 0.
    """

    def __init__(
        self,
        model: Denoiser,
        sampler: SamplerConfig,
        states: RowStates,
        arena: KVArena,
        max_positions: int,
        options: StepOptions,
    ) -> None:
        self._model, self._config, self._sampler = model, model.config, sampler
        self._states, self._arena, self._options = states, arena, options
        self._layers = FlatLayers(model, max_positions, fp8=options.fp8, int8=options.int8)
        self._rules = CanvasRules(
            sampler.entropy_bound, sampler.stability_threshold, sampler.confidence_threshold
        )
        self._head = weight = model.embed_tokens.weight
        self._scoring = pack(self._head) if options.int8 else self._head
        barred = torch.tensor([*self._config.eos_token_ids, self._config.pad_token_id])
        self._barred = barred.to(weight.device)
        # A Python number of the weight's precision: a tensor would have to travel to the device.
        self._scale = float(torch.tensor(self._config.hidden_size**0.5, dtype=weight.dtype))

    def __call__(self, layout: Layout, shape: Shape, uniform: Tensor, noise: Tensor) -> None:
        """uniform [canvas_tokens, 2] float32 in [0, 1), noise [canvas_tokens] int64.

        1. Embed the canvases with what their last step believed, and the prompts.
        2. All layers.
        3. Read the vocabulary at each row's temperature, which is linear in the steps that remain.
        4. Accept, renoise, settle.
        """
        states, sampler, tokens = self._states, self._sampler, shape.canvas_tokens
        row, position = layout.flat // shape.length, layout.flat % shape.length
        ids = torch.cat([states.canvas.view(-1)[layout.place], layout.prompt])  # 1
        embedded = F.embedding(ids, self._model.embed_tokens.weight) * self._scale
        expected = states.expected.view(-1, embedded.shape[1])
        conditioned = self._model.self_conditioning(embedded[:tokens], expected[layout.place])
        x = torch.cat([conditioned, embedded[tokens:]])
        x = self._layers.forward(x, self._batch(layout, shape), self._arena)  # 2
        share = states.left[layout.rows].clamp_min(1) / sampler.max_denoising_steps  # 3
        temperature = sampler.t_min + (sampler.t_max - sampler.t_min) * share
        best, sample, entropy, expected[layout.place] = self._read(
            self._model.norm(x), temperature[row], uniform, position == 0
        )

        def padded(values: Tensor) -> Tensor:  # [canvas_tokens] as [rows, length]
            whole = values.new_zeros(shape.rows * shape.length)
            return whole.index_copy_(0, layout.flat, values).view(shape.rows, shape.length)

        rows, length = layout.rows, shape.length
        new = canvas_step(  # 4
            Canvases(
                states.canvas[rows, :length],
                states.best[rows, :length],
                states.repeats[rows],
                states.steps[rows],
                states.done[rows],
            ),
            padded(entropy),
            padded(best),
            padded(sample),
            padded(noise),
            states.pinned[rows, :length],
            self._rules,
        )
        states.canvas[rows, :length], states.best[rows, :length] = new.canvas, new.best
        states.repeats[rows], states.steps[rows], states.done[rows] = (
            new.repeats,
            new.steps,
            new.done,
        )
        states.left[rows] -= 1

    def _read(
        self, hidden: Tensor, temperature: Tensor, uniform: Tensor, is_first: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """best, sample, entropy [T] and mean embedding [T, D] of normed states [T, D].

        A CPU reads a few rows at a time: their scores stay in its cache.
        """
        if hidden.is_cuda or len(hidden) <= CACHED_ROWS:
            return self._read_rows(hidden, temperature, uniform, is_first)
        slices = [slice(at, at + CACHED_ROWS) for at in range(0, len(hidden), CACHED_ROWS)]
        read = [
            self._read_rows(hidden[rows], temperature[rows], uniform[rows], is_first[rows])
            for rows in slices
        ]
        best, sample, entropy, expected = (torch.cat([part[i] for part in read]) for i in range(4))
        return best, sample, entropy, expected

    def _read_rows(
        self, hidden: Tensor, temperature: Tensor, uniform: Tensor, is_first: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        stats = vocab_stats(
            hidden,
            self._scoring,
            self._config.final_logit_softcapping,
            temperature,
            uniform,
            Barred(is_first, self._barred),
            keep_scores=True,
        )
        assert stats.scores is not None, "they were to be kept"
        if self._options.top_tokens is None:
            expected = soft_embed(stats.scores, self._head, self._scale)
        else:
            top = top_tokens(stats.scores, stats.log_total, self._options.top_tokens)
            expected = soft_embed_top(*top, self._head, self._scale)
        return stats.best, stats.sample, stats.entropy, expected

    def _batch(self, layout: Layout, shape: Shape) -> FlatBatch:
        def sequences(count: int, starts: Tensor) -> Sequences:
            # Of all sequences, the canvases come first.
            nth = torch.arange(count, device=starts.device)
            return Sequences(
                starts=starts[: count + 1],
                prefix_starts=layout.keys_starts[:count].to(torch.int32),
                prefix_tokens=layout.keys[:count].to(torch.int32),
                causal=(nth >= shape.rows) & (not self._config.bidirectional_prompt),
                longest=shape.longest,
            )

        starts = layout.starts.to(torch.int32)
        nth = torch.arange(len(layout.positions), device=starts.device)
        return FlatBatch(
            positions=layout.positions,
            canvases=shape.canvas_tokens,
            slots=layout.slots,
            sequences=sequences(shape.rows + shape.prompts, starts),
            canvas_sequences=sequences(shape.rows, starts),
            kinds=(nth >= shape.canvas_tokens).long(),
        )


class RecordedSteps:
    """A DenoisingStep as CUDA graphs, one for each shape; for steps of few `bucketed` shapes."""

    def __init__(self, step: DenoisingStep) -> None:
        self._step = step
        self._seen: set[Shape] = set()
        self._recorded: dict[Shape, tuple[torch.cuda.CUDAGraph, list[Tensor]]] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(
        self,
        numbers: Tensor,
        lengths: Sequence[int],
        shape: Shape,
        uniform: Tensor,
        noise: Tensor,
    ) -> None:
        """The first step of a shape compiles kernels and runs plainly, the second is recorded."""
        if shape not in self._seen:
            self._seen.add(shape)
            self._step(layout_of(numbers, lengths), shape, uniform, noise)
            return
        if shape not in self._recorded:
            inputs = [x.clone() for x in (numbers, uniform, noise)]
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):
                self._step(layout_of(inputs[0], lengths), shape, *inputs[1:])
            self._recorded[shape] = graph, inputs
        graph, inputs = self._recorded[shape]
        for static, value in zip(inputs, (numbers, uniform, noise), strict=True):
            static.copy_(value, non_blocking=True)
        graph.replay()
