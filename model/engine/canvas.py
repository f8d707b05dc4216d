"""How large a canvas a source needs."""

from __future__ import annotations

CANVAS_STEP = 8
MIN_CANVAS, MAX_CANVAS = 16, 256


def canvas_tokens(source_tokens: int) -> int:
    """Canvas length for a prompt of `source_tokens`: room for a longer translation, its end mark
    and a few spare positions, in steps of 8 so that similar sources share a batch.
    """
    wanted = source_tokens * 1.3 + 4
    return int(min(MAX_CANVAS, max(MIN_CANVAS, -(-wanted // CANVAS_STEP) * CANVAS_STEP)))
