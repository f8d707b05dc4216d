"""How large a canvas a source needs."""

from __future__ import annotations

CANVAS_STEP = 8
MIN_CANVAS, MAX_CANVAS = 16, 256
GROWTH, SPARE_TOKENS = 1.3, 4  # room for a longer translation, its end mark and a few positions


def canvas_tokens(source_tokens: int) -> int:
    """Canvas length for a prompt of `source_tokens`, in steps of 8 so that similar sources share a
    batch; MAX_CANVAS for those that would need more (see `source_tokens`)."""
    wanted = source_tokens * GROWTH + SPARE_TOKENS
    return int(min(MAX_CANVAS, max(MIN_CANVAS, -(-wanted // CANVAS_STEP) * CANVAS_STEP)))


def source_tokens(canvas_tokens: int) -> int:
    """The longest prompt whose translation a canvas of `canvas_tokens` has room for."""
    return int((canvas_tokens - SPARE_TOKENS) / GROWTH)
