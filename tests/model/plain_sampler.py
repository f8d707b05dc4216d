"""The entropy-bound sampler over an explicit canvas state; it knows logits, not the model.

The semantics are those of DiffusionGemma in transformers, token for token under the same seed.
Additions of ours, each off unless asked for in `initialize`: a start canvas, pinned positions,
forbidden tokens at position 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from surtitle.kernels.canvas_step import FREE
from surtitle.kernels.entropy_bound import entropy_bound
from surtitle.model.network.config import SamplerConfig


@dataclass(frozen=True, slots=True)
class CanvasState:
    """A batch of canvases between two denoising steps.

    canvas    [B, C] int64   input of the next step
    best      [B, C] int64   arg-max of the last step: the draft, and the result in the end
    history   [n, B, C]      the last stability_threshold arg-max canvases, -1 before there are any
    probabilities            [B, C, V] float32 of the last step, None before the first
    pinned    [B, C] int64   token that a position must keep, or FREE; None: all are free
    forbidden                tokens that may not stand at position 0
    done      [B] bool       rows that have settled; they change no more
    steps     [B] int64      steps that each row has taken
    remaining                steps left
    """

    canvas: Tensor
    best: Tensor
    history: Tensor
    probabilities: Tensor | None
    pinned: Tensor | None
    forbidden: tuple[int, ...]
    done: Tensor
    steps: Tensor
    remaining: int

    @property
    def finished(self) -> bool:
        return self.remaining == 0 or bool(self.done.all())


class EntropyBoundSampler:
    """Draws with `generator`, or with torch's global one."""

    def __init__(
        self, config: SamplerConfig, vocab_size: int, generator: torch.Generator | None = None
    ) -> None:
        self.config = config
        self.vocab_size = vocab_size
        self.generator = generator

    def initialize(
        self,
        rows: int,
        canvas_tokens: int,
        *,
        start: Tensor | None = None,
        pinned: Tensor | None = None,
        forbidden: tuple[int, ...] = (),
        device: torch.device | None = None,
    ) -> CanvasState:
        """A random canvas [rows, canvas_tokens], or `start` [B, C] int64 (a warm start).

        `pinned` [B, C] int64 has the token that a position must keep, or FREE. The `forbidden`
        tokens cannot stand at position 0: with the end mark among them, no answer is empty.
        NOTE: the noise is drawn even when `start` replaces it, to keep the order of draws.
        """
        canvas = self._noise(torch.Size((rows, canvas_tokens)), device)
        for name, given in (("start", start), ("pinned", pinned)):
            if given is not None and given.shape != canvas.shape:
                raise ValueError(
                    f"{name} must have shape {tuple(canvas.shape)}, got {tuple(given.shape)}"
                )
        canvas = _force(canvas if start is None else start, pinned)
        depth = self.config.stability_threshold
        return CanvasState(
            canvas=canvas,
            best=canvas,
            history=_force(canvas.new_full((depth, rows, canvas_tokens), -1), pinned),
            probabilities=None,
            pinned=pinned,
            forbidden=forbidden,
            done=torch.zeros(rows, dtype=torch.bool, device=device),
            steps=torch.zeros(rows, dtype=torch.int64, device=device),
            remaining=self.config.max_denoising_steps,
        )

    def step(self, state: CanvasState, logits: Tensor) -> CanvasState:
        """One denoising step, given the model's logits [B, C, V] float32 for state.canvas.

        1. Forbid what may not stand at position 0; temperature, linear in the steps that remain.
        2. Sample, arg-max and entropy of every position.
        3. Accept the positions within the entropy bound; all others become fresh noise.
        4. Rows that were done keep what they had.
        5. A row is done when its arg-max canvas repeats and its mean entropy is low.
        Pinned positions are forced in the input and the output, and left out of 3 and 5.
        """
        if state.forbidden:  # 1
            logits = logits.clone()
            # Not -inf: times a probability of 0, that is nan in the entropy.
            logits[:, 0, list(state.forbidden)] = -1e30
        logits = logits / self._temperature(state.remaining, logits.device)
        probabilities = torch.softmax(logits, dim=-1, dtype=torch.float32)  # 2
        sample = torch.multinomial(
            probabilities.flatten(0, 1), num_samples=1, generator=self.generator
        ).view_as(state.canvas)
        best = _force(logits.argmax(dim=-1), state.pinned)
        log_probabilities = torch.log_softmax(logits, dim=-1, dtype=torch.float32)
        entropy = -(probabilities * log_probabilities).sum(dim=-1)  # [B, C] nats
        if state.pinned is not None:
            entropy = entropy.masked_fill(state.pinned != FREE, torch.inf)
        accepted = entropy_bound(entropy, self.config.entropy_bound)  # 3
        noise = self._noise(state.canvas.shape, state.canvas.device)
        canvas = _force(torch.where(accepted, sample, noise), state.pinned)
        if state.probabilities is not None and bool(state.done.any()):  # 4
            done = state.done[:, None]
            best = torch.where(done, state.best, best)
            canvas = torch.where(done, state.canvas, canvas)
            probabilities = torch.where(done[:, :, None], state.probabilities, probabilities)
        return replace(  # 5
            state,
            canvas=canvas,
            best=best,
            history=torch.cat([state.history, best[None]])[1:],
            probabilities=probabilities,
            done=state.done | self._settled(state.history, best, entropy),
            steps=state.steps + ~state.done,
            remaining=state.remaining - 1,
        )

    def _temperature(self, remaining: int, device: torch.device) -> Tensor:
        """NOTE: n / N first, and all in float32: another order differs in the last bit."""
        config = self.config
        share = torch.tensor(remaining, dtype=torch.int32, device=device)
        share = share / config.max_denoising_steps
        return config.t_min + (config.t_max - config.t_min) * share

    def _settled(self, history: Tensor, best: Tensor, entropy: Tensor) -> Tensor:
        """Rows [B] that are stable and certain; pinned positions have an infinite entropy [B, C]
        and do not count (their arg-max is forced, so it equals the history)."""
        stable = (history == best).all(dim=-1).all(dim=0)
        free = entropy.isfinite()
        mean = entropy.where(free, 0.0).sum(dim=-1) / free.sum(dim=-1).clamp_min(1)
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
