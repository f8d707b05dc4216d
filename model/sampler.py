"""The entropy-bound sampler over an explicit canvas state; it knows logits, not the model.

The semantics are those of DiffusionGemma in transformers, token for token under the same seed.
Additions of ours, each off unless asked for: a start canvas, pinned positions, forbidden tokens at
position 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..kernels.entropy_bound import entropy_bound

FREE = -1  # value of an unpinned position


@dataclass(frozen=True, slots=True)
class SamplerConfig:
    """Settings of the denoising loop; the defaults are the released checkpoint's."""

    max_denoising_steps: int = 48
    t_min: float = 0.4
    t_max: float = 0.8
    entropy_bound: float = 0.1
    stability_threshold: int = 1
    confidence_threshold: float = 0.005

    def __post_init__(self) -> None:
        if self.max_denoising_steps < 1:
            raise ValueError(f"max_denoising_steps must be 1 or more, got {self.max_denoising_steps}")
        if not 0 < self.t_min <= self.t_max:
            raise ValueError(f"0 < t_min <= t_max must hold, got {self.t_min} and {self.t_max}")
        if self.stability_threshold < 0:
            raise ValueError(f"stability_threshold must be 0 or more, got {self.stability_threshold}")


@dataclass(frozen=True, slots=True)
class CanvasState:
    """A batch of canvases between two denoising steps.

    canvas    [B, C] int64   input of the next step
    best      [B, C] int64   arg-max of the last step: the draft, and the result in the end
    history   [n, B, C]      the last stability_threshold arg-max canvases, -1 before there are any
    logits    [B, C, V]      tempered logits of the last step, None before the first
    pinned    [B, C] int64   token that a position must keep, or FREE; None: all are free
    done      [B] bool       rows that have settled; they change no more
    steps     [B] int64      steps that each row has taken
    remaining                steps left
    """

    canvas: Tensor
    best: Tensor
    history: Tensor
    logits: Tensor | None
    pinned: Tensor | None
    done: Tensor
    steps: Tensor
    remaining: int

    @property
    def finished(self) -> bool:
        return self.remaining == 0 or bool(self.done.all())

    def select(self, rows: Tensor) -> CanvasState:
        """The state of some rows (indices or a mask [B])."""
        return replace(
            self,
            canvas=self.canvas[rows],
            best=self.best[rows],
            history=self.history[:, rows],
            logits=None if self.logits is None else self.logits[rows],
            pinned=None if self.pinned is None else self.pinned[rows],
            done=self.done[rows],
            steps=self.steps[rows],
        )


class EntropyBoundSampler:
    """Draws with `generator`, or with torch's global one."""

    def __init__(
        self,
        config: SamplerConfig,
        vocab_size: int,
        forbidden_first: tuple[int, ...] = (),
        generator: torch.Generator | None = None,
    ) -> None:
        self.config = config
        self.vocab_size = vocab_size
        self.forbidden_first = list(forbidden_first)
        self.generator = generator

    def initialize(
        self,
        rows: int,
        canvas_tokens: int,
        start: Tensor | None = None,
        pinned: Tensor | None = None,
        device: torch.device | None = None,
    ) -> CanvasState:
        """A random canvas [rows, canvas_tokens], or `start` [B, C] int64 (a warm start).

        NOTE: the noise is drawn even when `start` replaces it, to keep the order of draws.
        """
        canvas = self._noise(torch.Size((rows, canvas_tokens)), device)
        for name, given in (("start", start), ("pinned", pinned)):
            if given is not None and given.shape != canvas.shape:
                raise ValueError(
                    f"{name} must have shape {tuple(canvas.shape)}, got {tuple(given.shape)}"
                )
        canvas = canvas if start is None else start.clone()
        canvas = _force(canvas, pinned)
        depth = self.config.stability_threshold
        return CanvasState(
            canvas=canvas,
            best=canvas,
            history=canvas.new_full((depth, rows, canvas_tokens), -1),
            logits=None,
            pinned=pinned,
            done=torch.zeros(rows, dtype=torch.bool, device=device),
            steps=torch.zeros(rows, dtype=torch.int64, device=device),
            remaining=self.config.max_denoising_steps,
        )

    def step(self, state: CanvasState, logits: Tensor) -> CanvasState:
        """One denoising step, given the model's logits [B, C, V] float32 for state.canvas.

        1. Temperature, linear in the steps that remain.
        2. Sample, arg-max and entropy of every position.
        3. Accept the positions within the entropy bound; all others become fresh noise.
        4. Rows that were done keep what they had.
        5. A row is done when its arg-max canvas repeats and its mean entropy is low.
        Pinned positions are forced in the input and the output, and left out of 3 and 5.
        """
        config = self.config
        # NOTE: n / N first, in float32; another order differs in the last bit.
        share = torch.tensor(state.remaining, dtype=torch.int32) / config.max_denoising_steps
        temperature = config.t_min + (config.t_max - config.t_min) * share
        if self.forbidden_first:
            logits = logits.clone()
            logits[:, 0, self.forbidden_first] = -torch.inf
        logits = logits / temperature.to(logits.device)
        log_probabilities = torch.log_softmax(logits, dim=-1, dtype=torch.float32)
        probabilities = log_probabilities.exp()
        sample = torch.multinomial(
            torch.softmax(logits, dim=-1, dtype=torch.float32).flatten(0, 1),
            num_samples=1,
            generator=self.generator,
        ).view_as(state.canvas)
        best = _force(logits.argmax(dim=-1), state.pinned)
        # -inf * 0 is nan: a forbidden token adds nothing to the entropy.
        entropy = -(probabilities * log_probabilities.clamp_min(-1e30)).sum(dim=-1)  # [B, C]
        free = None if state.pinned is None else state.pinned == FREE
        bounded = entropy if free is None else entropy.masked_fill(~free, torch.inf)
        accepted = entropy_bound(bounded, config.entropy_bound)
        noise = self._noise(state.canvas.shape, state.canvas.device)
        canvas = _force(torch.where(accepted, sample, noise), state.pinned)

        if state.logits is not None:
            done = state.done[:, None]
            best = torch.where(done, state.best, best)
            canvas = torch.where(done, state.canvas, canvas)
            logits = torch.where(done[:, :, None], state.logits, logits)
            entropy = torch.where(done, torch.zeros_like(entropy), entropy)
        settled = self._settled(state.history, best, entropy, free)
        history = torch.cat([state.history[1:], best[None]]) if len(state.history) else state.history
        return CanvasState(
            canvas=canvas,
            best=best,
            history=history,
            logits=logits,
            pinned=state.pinned,
            done=state.done | settled,
            steps=state.steps + (~state.done).long(),
            remaining=state.remaining - 1,
        )

    def _settled(
        self, history: Tensor, best: Tensor, entropy: Tensor, free: Tensor | None
    ) -> Tensor:
        """Rows [B] whose free positions are stable and certain."""
        same = history == best  # [n, B, C]
        if free is None:
            return same.all(dim=-1).all(dim=0) & (
                entropy.mean(dim=-1) < self.config.confidence_threshold
            )
        mean = (entropy * free).sum(dim=-1) / free.sum(dim=-1).clamp_min(1)
        stable = (same | ~free).all(dim=-1).all(dim=0)
        return stable & (mean < self.config.confidence_threshold)

    def _noise(self, shape: torch.Size, device: torch.device | None) -> Tensor:
        return torch.randint(self.vocab_size, shape, generator=self.generator, device=device)


def finalize(
    best: Tensor, eos_token_ids: tuple[int, ...], pad_token_id: int
) -> tuple[Tensor, Tensor]:
    """Commit canvases [B, C]: everything behind the first EOS becomes padding.

    Returns the tokens [B, C] and which rows [B] met an EOS.
    """
    is_eos = torch.isin(best, torch.tensor(eos_token_ids, device=best.device))
    behind = is_eos.cumsum(dim=-1) - is_eos.long() > 0
    return best.masked_fill(behind, pad_token_id), is_eos.any(dim=-1)


def _force(canvas: Tensor, pinned: Tensor | None) -> Tensor:
    return canvas if pinned is None else torch.where(pinned == FREE, canvas, pinned)
