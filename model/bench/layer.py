"""One decoder layer: case B5, by the harness of the kernels' bench."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from ...kernels.bench.contest import Case, Contestant, Host, Run, compiled, ours
from ...kernels.bench.measure import measure
from ...kernels.ragged_attention import Sequences
from ..engine.arena import KVArena
from ..engine.layers import FlatBatch, FlatLayers
from ..network.config import FULL, SLIDING
from .floor import layer_work
from .setup import Line, Setup

SHAPES = ((1, 48), (1, 256), (16, 64))  # canvases and their tokens


def layer(setup: Setup) -> Iterator[Line]:
    """The first layer of each kind, over canvases without a prompt."""
    host = Host(setup.device, setup.is_toy)
    for kind in (SLIDING, FULL):
        index = setup.model.config.layer_types.index(kind)
        for n, canvas in SHAPES:
            for line in measure(_case(setup, host, index, n, canvas), host, setup.ceilings):
                name = f"{kind.split('_')[0]} layer, {line.contestant} ({line.mode})"
                if line.us is None or line.p90_us is None:
                    print(f"B5 missing: {name}: {line.missing}", flush=True)
                    continue
                ms, p90_ms = line.us / 1000, line.p90_us / 1000
                yield Line("B5", name, n, canvas, 0, 1, ms, p90_ms, line.floor_percent, line.err)


def _case(setup: Setup, host: Host, index: int, n: int, canvas: int) -> Case:
    config = setup.model.config
    layers = FlatLayers(setup.model, canvas, fp8=setup.options.fp8)
    arena = KVArena(config, 1, host.dtype, host.device)
    batch = _batch(n, canvas, host.device)
    x = host.normal(n * canvas, config.hidden_size)

    def run(_: int) -> tuple[torch.Tensor]:
        return (layers.one(index, x, batch, arena),)

    contestants = ours(run, host)
    peer = setup.peer
    if peer is not None:

        def prepare(is_compiled: bool) -> Run:
            theirs = peer.layer(index, n, canvas)
            called = compiled(theirs, host) if is_compiled else theirs
            return lambda _: (called(x.view(n, canvas, -1)).flatten(0, 1),)

        contestants.append(Contestant("transformers", partial(prepare, False), graph=False))
        if (n, canvas) == SHAPES[-1]:  # compiling takes long
            compiled_peer = partial(prepare, True)
            contestants.append(Contestant("transformers, compiled", compiled_peer, graph=False))
    size = setup.model.embed_tokens.weight.element_size()
    work = layer_work(
        config,
        config.layer_types[index],
        n * canvas,
        bytes_per_weight=size,
        expert_bytes=1 if setup.options.fp8 else size,
    )
    shape = f"{n} x {canvas}"
    return Case("layer", shape, n * canvas, work, lambda: run(0), contestants)


def _batch(n: int, canvas: int, device: torch.device) -> FlatBatch:
    def int32(*values: int) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.int32, device=device)

    sequences = Sequences(
        starts=int32(*range(0, n * canvas + 1, canvas)),
        prefix_starts=int32(*[0] * n),
        prefix_tokens=int32(*[0] * n),
        causal=torch.zeros(n, dtype=torch.bool, device=device),
        longest=canvas,
    )
    return FlatBatch(
        positions=torch.arange(canvas, device=device).repeat(n),
        canvases=n * canvas,
        slots=torch.empty(0, dtype=torch.int64, device=device),
        sequences=sequences,
        canvas_sequences=sequences,
        kinds=torch.zeros(n * canvas, dtype=torch.int64, device=device),
    )
