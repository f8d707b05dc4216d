from __future__ import annotations

import pytest

from surtitle.pipeline.events import Caption, Word
from surtitle.pipeline.server.storage.changes import (
    Begin,
    Change,
    End,
    Final,
    Forget,
    decode_change,
    encode_change,
)

WORDS = (
    Word("half", 0, 500, 0.75, is_estimated=True),
    Word("\ud83d", 500, 900, 1.0, is_joined=True),
)
CAPTION = Caption(
    3, 4, "en", "half\ud83d", 0, 900, is_final=True, is_source=True, words=WORDS, speaker="Ana"
)


@pytest.mark.parametrize(
    "change",
    [
        Begin("s-1", "main", "en", ("es", "de"), "2026-11-24T10:15:00+00:00"),
        Final("s-1", CAPTION),
        Final("s-1", Caption(0, 1, "es", "línea\u2028dos\n", 0, 1, is_final=True)),
        End("s-1", "2026-11-24T10:15:00+00:00"),
        Forget("s-1"),
    ],
)
def test_a_change_is_one_line_and_back(change: Change) -> None:
    line = encode_change(change)
    assert line.isascii() and line.splitlines() == [line]
    assert decode_change(line) == change


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "{}",
        "nonsense",
        '{"type": "delete"}',
        '{"type": "end"}',
        '{"type": "end", "session": "s-1", "at": "now", "more": 1}',
        '{"type": "begin", "session": "s-1", "targets": 1}',
        '{"type": "final", "session": "s-1", "words": [1]}',
        encode_change(Final("s-1", CAPTION))[:-9],
    ],
)
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(ValueError):
        decode_change(line)
