"""Many canvases at once: rows come, share denoising steps with whoever is there, and go.

A step (`denoising_step.py`) is one pass over the canvases that are on their way, those that begin
now, and the prompts of the latter. So an answer waits for no other: rows join between two steps
and leave as soon as they have settled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ...kernels.canvas_step import FREE
from ..network.config import SamplerConfig
from ..network.denoiser import Denoiser
from .allocation import keep_freed_memory
from .arena import KVArena, Span
from .layout import BUCKETS, CanvasPlace, NewPrompt, bucketed, exact, lay_out, layout_of
from .step import DenoisingStep, RecordedSteps, RowStates, StepOptions


@dataclass(frozen=True, slots=True)
class CanvasRequest:
    """A canvas to denoise.

    prompt   token ids
    size     tokens of the canvas
    start    tokens of the first canvas positions, FREE where it is noise (a warm start)
    pinned   tokens that the first positions must keep, or FREE
    steps    at most; fewer than the sampler's are its last ones, at their temperatures
    key      prompts with the same key share the keys of what they both begin with
    """

    prompt: tuple[int, ...]
    size: int
    start: Sequence[int] = ()
    pinned: Sequence[int] = ()
    steps: int | None = None
    key: Hashable | None = None


@dataclass(frozen=True, slots=True)
class CanvasResult:
    """A canvas that has settled or used up its steps; `tokens` end before the first end mark."""

    ticket: int
    tokens: list[int]
    steps: int


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """`rows` canvases at once, of at most `canvas_tokens`; `step_tokens` in a step, prompts
    included; room for the keys of `arena_tokens` prompt tokens, `prompt_tokens` in each."""

    rows: int = 32
    canvas_tokens: int = 256
    step_tokens: int = 2048
    arena_tokens: int = 8192
    prompt_tokens: int = 1024


@dataclass(slots=True)
class _Row:
    ticket: int
    request: CanvasRequest
    span: Span
    place: int  # in the states
    left: int  # steps


class Engine:
    """Denoises canvases for requests that come at any time; not thread-safe."""

    def __init__(
        self,
        model: Denoiser,
        sampler: SamplerConfig,
        limits: EngineLimits | None = None,
        *,
        generator: torch.Generator | None = None,
        options: StepOptions | None = None,
        buckets: bool | None = None,
    ) -> None:
        """`buckets`: few shapes for all steps, recorded as CUDA graphs on a GPU; None: there only.

        Between two steps the engine waits for the device once, to see which rows have settled: that
        costs less than the step too many that every row would take if it looked one step late.
        """
        self.limits = limits = limits or EngineLimits()
        self._model, self.config, self.sampler = model, model.config, sampler
        weight = model.embed_tokens.weight
        self._device, self._generator = weight.device, generator
        if not weight.is_cuda:
            keep_freed_memory()
        self._buckets = weight.is_cuda if buckets is None else buckets
        if self._buckets and limits.step_tokens > BUCKETS[-1]:
            raise ValueError(f"step_tokens may be {BUCKETS[-1]} at most, got {limits.step_tokens}")
        self._arena = KVArena(model.config, limits.arena_tokens, weight.dtype, weight.device)
        self._states = RowStates.zeros(limits.rows + 1, limits.canvas_tokens, weight)  # one spare
        most_positions = limits.prompt_tokens + limits.canvas_tokens
        self._step = DenoisingStep(
            model, sampler, self._states, self._arena, most_positions, options or StepOptions()
        )
        self._recorded = RecordedSteps(self._step) if weight.is_cuda and self._buckets else None
        self._free = list(range(limits.rows))
        self._rows: list[_Row] = []
        self._waiting: deque[tuple[int, CanvasRequest]] = deque()
        self._tickets = count()

    @property
    def is_idle(self) -> bool:
        return not self._rows and not self._waiting

    @property
    def longest_prompt(self) -> int:
        """Tokens that a prompt may have."""
        longest = min(self.limits.prompt_tokens, self.limits.arena_tokens)
        if self.config.bidirectional_prompt:  # their mask knows no window
            longest = min(longest, self.config.sliding_window)
        return longest

    def add(self, request: CanvasRequest) -> int:
        """Queue a request; its ticket is that of its result.

        Raises ValueError for one that would never fit.
        """
        limits = self.limits
        for what, unit, value, most in (
            ("a prompt", "tokens", len(request.prompt), self.longest_prompt),
            ("a canvas", "tokens", request.size, limits.canvas_tokens),
            ("a step", "tokens", _step_tokens(request), limits.step_tokens),
        ):
            if not 1 <= value <= most:
                raise ValueError(f"{what} may have 1 to {most} {unit}, got {value}")
        ticket = next(self._tickets)
        self._waiting.append((ticket, request))
        return ticket

    def clear(self) -> list[int]:
        """Forget the requests that have begun, after a step that raised: those that wait go on.
        Returns the tickets of what is forgotten, or of all where nothing had begun."""
        lost = [row.ticket for row in self._rows]
        if not lost:
            lost = [ticket for ticket, _ in self._waiting]
            self._waiting.clear()
        self._rows.clear()
        self._arena.clear()
        self._free = list(range(self.limits.rows))
        return lost

    @torch.inference_mode()
    def step(self) -> list[CanvasResult]:
        """One denoising step of every row; the results of those that have ended with it. Where it
        raises, `clear` is to be called before the next."""
        fresh = self._admit()
        if not self._rows:
            return []
        self._denoise(fresh)
        for row in self._rows:
            row.left -= 1
        done = cast("list[bool]", self._states.done.tolist())
        ended = [row for row in self._rows if done[row.place] or not row.left]
        self._rows = [row for row in self._rows if not (done[row.place] or not row.left)]
        return [self._result(row) for row in ended]

    def _admit(self) -> list[_Row]:
        """Waiting requests begin, in their order, while there is room; returns the rows
        whose prompts are to be encoded."""
        room = self.limits.step_tokens - sum(row.request.size for row in self._rows)
        new: list[_Row] = []
        fresh: list[_Row] = []
        while self._waiting:
            ticket, request = self._waiting[0]
            room -= _step_tokens(request)
            if room < 0 or not self._free:
                break
            span = self._arena.claim(request.prompt, request.key)
            if span is None:
                break
            self._waiting.popleft()
            steps = request.steps or self.sampler.max_denoising_steps
            new.append(_Row(ticket, request, span, self._free.pop(), steps))
            self._rows.append(new[-1])
            if span.reused < len(request.prompt):
                fresh.append(new[-1])
        if new:
            self._begin(new)
        return fresh

    def _begin(self, rows: Sequence[_Row]) -> None:
        positions = self.limits.canvas_tokens
        start = np.full((len(rows), positions), FREE)
        pinned = np.full((len(rows), positions), self.config.pad_token_id)  # behind the canvas
        for row, starts, pins in zip(rows, start, pinned, strict=True):
            request = row.request
            pins[: request.size] = FREE
            starts[: len(request.start)] = request.start[: request.size]
            pins[: len(request.pinned)] = request.pinned[: request.size]
        given = self._tensor(start)
        noise = self._noise(len(rows) * positions).view_as(given)
        self._states.begin(
            self._tensor(np.array([row.place for row in rows])),
            torch.where(given == FREE, noise, given),
            self._tensor(pinned),
            self._tensor(np.array([row.left for row in rows])),
        )

    def _denoise(self, fresh: Sequence[_Row]) -> None:
        limits = self.limits
        canvases = [
            CanvasPlace(row.place, row.request.size, row.span.start, len(row.request.prompt))
            for row in self._rows
        ]
        prompts = [
            NewPrompt(row.request.prompt[row.span.reused :], row.span.start, row.span.reused)
            for row in fresh
        ]
        shape = exact(canvases, prompts)
        tokens = shape.canvas_tokens
        if self._buckets:
            shape = bucketed(shape, limits.rows, limits.canvas_tokens)
        numbers, lengths = lay_out(
            canvases,
            prompts,
            shape,
            positions=limits.canvas_tokens,
            spare_row=limits.rows,
            spare_slot=self._arena.spare_slot,
        )
        uniform = torch.zeros(shape.canvas_tokens, 2, device=self._device)
        torch.rand(tokens, 2, generator=self._generator, out=uniform[:tokens])
        noise = torch.zeros(shape.canvas_tokens, dtype=torch.int64, device=self._device)
        noise[:tokens] = self._noise(tokens)
        on_device = self._tensor(numbers)
        if self._recorded is not None:
            self._recorded(on_device, lengths, shape, uniform, noise)
        else:
            self._step(layout_of(on_device, lengths), shape, uniform, noise)

    def _result(self, row: _Row) -> CanvasResult:
        self._arena.release(row.span)
        self._free.append(row.place)
        tokens = cast("list[int]", self._states.best[row.place, : row.request.size].tolist())
        ends = [i for i, token in enumerate(tokens) if token in self.config.eos_token_ids]
        steps = (row.request.steps or self.sampler.max_denoising_steps) - row.left
        return CanvasResult(row.ticket, tokens[: ends[0]] if ends else tokens, steps)

    def _noise(self, tokens: int) -> Tensor:
        return self._model.noise(tokens, generator=self._generator)

    def _tensor(self, values: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Tensor:
        return torch.from_numpy(values).to(self._device, non_blocking=True)


def _step_tokens(request: CanvasRequest) -> int:
    """At most, in the request's first step."""
    return len(request.prompt) + request.size
