"""Shapes of the released 26B-A4B model, for which kernels are compiled and timed."""

from __future__ import annotations

from .qkv_norm_rope import Heads

WIDTH, VOCAB = 2816, 262_144
EXPERTS, ACTIVE, HIDDEN = 128, 8, 704
SLIDING = Heads(queries=16, groups=8, size=256, values_from_keys=False)
FULL = Heads(queries=16, groups=2, size=512, values_from_keys=True)
WINDOW = 1024
SOFTCAP = 30.0
