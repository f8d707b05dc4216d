"""Arithmetic that several kernels share."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def product(a, b, total, UPCAST: tl.constexpr):
    """total + a @ b, in float32.

    NOTE: UPCAST is for Triton's interpreter, which multiplies the bit patterns of bfloat16
    without an error. "ieee": float32 operands would otherwise be cut to TF32.
    """
    if UPCAST:
        a = a.to(tl.float32)
        b = b.to(tl.float32)
    elif a.dtype.is_fp8():
        # Hopper sums 8-bit products in 14 bits: take them over into float32 at each block.
        return tl.dot(a, b, total, max_num_imprecise_acc=a.shape[1])
    return tl.dot(a, b, total, input_precision="ieee")


@triton.jit
def tanh(x):
    # exp(2x) overflows to inf and then gives 1; the library's tanh is not in the interpreter.
    return 1.0 - 2.0 / (tl.exp(2.0 * x) + 1.0)


@triton.jit
def gelu_tanh(x):
    return 0.5 * x * (1.0 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))
