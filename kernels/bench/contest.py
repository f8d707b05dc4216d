"""A case and those who compete in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..dispatch import forced, triton_installed

Outputs = tuple[Tensor, ...]
Run = Callable[[int], Outputs]


@dataclass(frozen=True, slots=True)
class Host:
    """Where the bench runs. A toy shows that it works; its times say nothing."""

    device: torch.device
    toy: bool

    @property
    def on_card(self) -> bool:
        return self.device.type == "cuda"

    @property
    def dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.on_card else torch.float32

    @property
    def runs_kernels(self) -> bool:
        interpreted = os.environ.get("TRITON_INTERPRET") == "1"
        return triton_installed() and (self.on_card or interpreted)

    def normal(self, *shape: int, spread: float = 1.0) -> Tensor:
        return torch.empty(shape, dtype=self.dtype, device=self.device).normal_(0, spread)


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to compute a case.

    `prepare` returns the function to time, run(turn), and imports what the way needs. `finish`
    brings outputs into the form of those expected; None: they are of something else. `graph`:
    also as a CUDA graph; not what waits for the device on its way.
    """

    name: str
    prepare: Callable[[], Run]
    finish: Callable[[Outputs], Outputs] | None = lambda outputs: outputs
    graph: bool = True


@dataclass(frozen=True, slots=True)
class Work:
    """What a kernel must at least read or write, and calculate."""

    bytes: int
    flop: int


@dataclass(frozen=True, slots=True)
class Case:
    """`work` of the kernels that it takes at the least, one after the other. The first contestant
    is the one that ratios refer to. Weights change with the turns, 0 to turns - 1; what is
    expected is of turn 0."""

    kernel: str
    shape: str
    tokens: int
    work: tuple[Work, ...]
    expected: Callable[[], Outputs]
    contestants: Sequence[Contestant]
    turns: int = 1
    count_launches: bool = False


def ours(run: Run, host: Host) -> list[Contestant]:
    """The kernels, where they run, and the references of the same operations."""

    def choose(triton: bool) -> Run:
        def chosen(turn: int) -> Outputs:
            with forced(triton):
                return run(turn)

        return chosen

    kernels = [Contestant("kernels", partial(choose, True))] if host.runs_kernels else []
    return [*kernels, Contestant("references", partial(choose, False), graph=False)]


def compiled(function: Callable[..., Any], host: Host) -> Callable[..., Any]:
    """Compiled on a card; elsewhere only traced, which is quick.

    Forgets what was compiled before: after a few shapes of one function, torch would give up and
    run it as it is.
    """
    torch.compiler.reset()
    backend = "inductor" if host.on_card else "eager"
    return torch.compile(function, dynamic=False, backend=backend)
