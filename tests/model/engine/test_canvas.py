from __future__ import annotations

import pytest

from surtitle.model.engine.canvas import CANVAS_STEP, MAX_CANVAS, canvas_tokens, source_tokens


@pytest.mark.parametrize("source", [0, 1, 7, 40, 150, 500])
def test_canvas_is_sized_to_the_source(source: int) -> None:
    size = canvas_tokens(source)
    assert 16 <= size <= 256 and size % 8 == 0
    assert size == 256 or size > source


@pytest.mark.parametrize("size", range(16, MAX_CANVAS + 1, CANVAS_STEP))
def test_the_longest_source_is_the_last_one_that_a_canvas_has_room_for(size: int) -> None:
    assert canvas_tokens(source_tokens(size)) <= size
    assert size == MAX_CANVAS or canvas_tokens(source_tokens(size) + 1) > size
