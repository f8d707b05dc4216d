"""`python -m surtitle.kernels.compile_report` compiles every kernel, without a GPU.

The operations run on meta tensors, which have a shape and no memory, with the shapes of the
released 26B-A4B model. What they would launch is compiled for Hopper (sm_90) as it would be there,
with the same options, and measured instead: registers, spills and shared memory per kernel.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from .accept_prefix import accept_prefix
from .canvas_attention import canvas_attention
from .canvas_step import Canvases, CanvasRules, canvas_step
from .dispatch import forced
from .entropy_bound import entropy_bound
from .fp8 import FP8, Quantized
from .moe_ffn import moe_ffn
from .moe_ffn_fp8 import moe_visits_fp8
from .moe_route import moe_route
from .qkv_norm_rope import Heads, qkv_norm_rope
from .ragged_attention import Sequences, ragged_attention
from .residual_norm import add_normed, combine_normed
from .rms_norms import rms_norms
from .shapes import (
    ACTIVE,
    EXPERTS,
    FULL,
    HIDDEN,
    SLIDING,
    SOFTCAP,
    VOCAB,
    WIDTH,
    WINDOW,
)
from .soft_embed import soft_embed, soft_embed_top
from .vocab_stats import Barred, vocab_stats

SHARED_MEMORY = 232_448  # bytes that a program may have on Hopper


@dataclass(frozen=True, slots=True)
class Compiled:
    """One kernel: registers per thread, bytes of stack (spills) and of shared memory, and how
    often it has instructions of the tensor cores (warp-group wide, or of the slower kind)."""

    case: str
    kernel: str
    warps: int
    registers: int
    stack: int
    shared: int
    warpgroup_products: int
    warp_products: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON line per kernel")
    as_json = cast(bool, parser.parse_args().json)
    row = "{:<24} {:<14} {:>5} {:>9} {:>6} {:>8} {:>6} {:>5}"
    if not as_json:
        print(row.format("case", "kernel", "warps", "registers", "stack", "shared", "wgmma", "mma"))
    for compiled in compile_all():
        values = asdict(compiled)
        print(json.dumps(values) if as_json else row.format(*values.values()), flush=True)


def compile_all() -> Iterator[Compiled]:
    """Each kernel of each case; one that two cases share is reported once."""
    seen: set[str] = set()
    for name, run in cases().items():
        with _compiling() as kernels, forced(triton=True):
            run()
        for kernel in kernels:
            if kernel.hash not in seen:
                seen.add(kernel.hash)
                yield _measure(name, kernel)


def cases() -> dict[str, Callable[[], object]]:
    """The operations at the real model's shapes, in bfloat16; T tokens in a step."""
    found: dict[str, Callable[[], object]] = {}
    for tokens in (48, 256, 512, 1024):
        found[f"experts T={tokens}"] = partial(_experts, tokens)
        found[f"fp8 experts T={tokens}"] = partial(_experts_fp8, tokens)
    for kind, heads, window in (("sliding", SLIDING, WINDOW), ("full", FULL, None)):
        found[f"prepare {kind}"] = partial(_prepare, heads)
        found[f"ragged {kind}"] = partial(_ragged, heads, window)
        found[f"masked {kind}"] = partial(_masked, heads)
    for tokens in (16, 48, 256):
        found[f"vocabulary T={tokens}"] = partial(_vocabulary, tokens)
    found["canvas"] = _canvas
    found["verification"] = _verification
    found["residual"] = _residual
    return found


def _experts(tokens: int) -> None:
    weights, experts, _ = moe_route(_bf16(tokens, EXPERTS), _bf16(EXPERTS), ACTIVE)
    gate_up, down = _bf16(EXPERTS, 2 * HIDDEN, WIDTH), _bf16(EXPERTS, WIDTH, HIDDEN)
    moe_ffn(_bf16(tokens, WIDTH), weights, experts, gate_up, down)


def _experts_fp8(tokens: int) -> None:
    weights, experts = _bf16(tokens, ACTIVE), _meta(torch.int64, tokens, ACTIVE)
    gate_up = Quantized(_fp8(EXPERTS, 2 * HIDDEN, WIDTH), _meta(torch.float32, EXPERTS, 2 * HIDDEN))
    down = Quantized(_fp8(EXPERTS, WIDTH, HIDDEN), _meta(torch.float32, EXPERTS, WIDTH))
    moe_visits_fp8(_bf16(tokens, WIDTH), weights, experts, gate_up, down)


def _prepare(heads: Heads) -> None:
    qkv, weight, angles = _bf16(48, heads.width), _bf16(heads.size), _bf16(48, heads.size)
    qkv_norm_rope(qkv, weight, weight, (angles, angles), heads, 1e-6)


def _ragged(heads: Heads, window: int | None) -> None:
    q, k = _bf16(96, heads.queries, heads.size), _bf16(96, heads.groups, heads.size)
    arena = _bf16(4096, heads.groups, heads.size)
    starts, rows = _meta(torch.int32, 3), _meta(torch.int32, 2)
    sequences = Sequences(starts, rows, rows, _meta(torch.bool, 2), longest=48)
    ragged_attention(q, k, k, (arena, arena), sequences, window)


def _masked(heads: Heads) -> None:
    q, k = _bf16(2, 48, heads.queries, heads.size), _bf16(2, 198, heads.groups, heads.size)
    canvas_attention(q, k, k, _meta(torch.bool, 2, 48, 198))


def _vocabulary(tokens: int) -> None:
    hidden, weight = _bf16(tokens, WIDTH), _bf16(VOCAB, WIDTH)
    uniform, temperature = _meta(torch.float32, tokens, 2), _meta(torch.float32, tokens)
    barred = Barred(_meta(torch.bool, tokens), _meta(torch.int64, 2))
    for bars, kept in ((None, False), (barred, False), (barred, True)):
        vocab_stats(hidden, weight, SOFTCAP, temperature, uniform, bars, kept)
    soft_embed(_bf16(tokens, VOCAB), weight, WIDTH**0.5)
    top = _meta(torch.float32, tokens, 32), _meta(torch.int64, tokens, 32)
    soft_embed_top(*top, weight, WIDTH**0.5)


def _canvas() -> None:
    entropy, ids = _meta(torch.float32, 4, 256), _meta(torch.int64, 4, 256)
    count = _meta(torch.int32, 4)
    state = Canvases(ids, ids, count, count, _meta(torch.bool, 4))
    canvas_step(state, entropy, ids, ids, ids, ids, CanvasRules(0.1, 1, 0.005))
    entropy_bound(entropy, 0.1)


def _verification() -> None:
    ids = _meta(torch.int64, 16)
    accept_prefix(ids, ids, _meta(torch.float32, 16), _meta(torch.int32, 3))


def _residual() -> None:
    x, weight = _bf16(48, WIDTH), _bf16(WIDTH)
    rms_norms(x, (weight, weight, weight), 1e-6)
    add_normed(x, x, weight, 1e-6)
    combine_normed(x, x, _bf16(48, ACTIVE, WIDTH), (weight, weight, weight), _bf16(48), 1e-6)


def _bf16(*shape: int) -> Tensor:
    return _meta(torch.bfloat16, *shape)


def _fp8(*shape: int) -> Tensor:
    return _meta(FP8, *shape)


def _meta(dtype: torch.dtype, *shape: int) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


class _Hopper:
    """What Triton asks of a GPU's driver in order to compile for it."""

    def get_current_target(self) -> Any:
        from triton.backends.compiler import GPUTarget  # type: ignore[reportMissingTypeStubs]

        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0


@contextmanager
def _compiling() -> Generator[list[Any]]:
    """Inside the block, launches compile; the kernels are in the list."""
    from triton.runtime.driver import driver  # type: ignore[reportMissingTypeStubs]
    from triton.runtime.jit import JITFunction  # type: ignore[reportMissingTypeStubs]

    kernels: list[Any] = []
    launch = cast(Any, JITFunction).run

    def compile_only(self: Any, *arguments: Any, grid: Any, warmup: bool, **options: Any) -> None:
        kernels.append(launch(self, *arguments, grid=grid, warmup=True, **options))

    driver.set_active(cast(Any, _Hopper()))
    JITFunction.run = cast(Any, compile_only)
    try:
        yield kernels
    finally:
        JITFunction.run = launch


def _measure(case: str, kernel: Any) -> Compiled:
    usage = _inspect("cuobjdump", "-res-usage", kernel.asm["cubin"])
    code = _inspect("nvdisasm", "-c", kernel.asm["cubin"])
    registers, stack = (
        int(cast(re.Match[str], re.search(rf"{name}:(\d+)", usage))[1]) for name in ("REG", "STACK")
    )
    return Compiled(
        case=case,
        kernel=kernel.name.lstrip("_"),
        warps=kernel.metadata.num_warps,
        registers=registers,
        stack=stack,
        shared=kernel.metadata.shared,
        warpgroup_products=len(re.findall(r"\b[HQ]GMMA\.", code)),
        warp_products=len(re.findall(r"\b[HQ]MMA\.", code)),
    )


def _inspect(tool: str, option: str, cubin: bytes) -> str:
    """What one of the tools in Triton's wheel says about a compiled kernel."""
    import triton.backends.nvidia  # type: ignore[reportMissingTypeStubs]

    path = Path(triton.backends.nvidia.__path__[0]) / "bin" / tool
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [str(path), option, file.name]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
