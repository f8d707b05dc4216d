"""Bytes of a text file: literal bytes in, text or one clear line out."""

from __future__ import annotations

import pytest

from surtitle.pipeline.text.decoding import decode_line, decode_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_mark_in_front_is_no_text(encoding: str) -> None:
    assert decode_text("Él.\n".encode(encoding)) == "Él.\n"


def test_the_line_of_another_encoding_is_named() -> None:
    with pytest.raises(ValueError, match="line 3 is not UTF-8"):
        decode_text("One.\nTwo.\nÉl.\n".encode("latin-1"))


def test_lines_one_by_one() -> None:
    assert decode_line("Él.\n".encode("utf-8-sig"), 1) == "Él.\n"
    with pytest.raises(ValueError, match="line 7 is not UTF-8"):
        decode_line("Él.".encode("latin-1"), 7)
    with pytest.raises(ValueError, match="UTF-16"):
        decode_line("Él.".encode("utf-16"), 1)
