"""Bytes of a text file -> text (pure)."""

from __future__ import annotations

import codecs

_UTF16_MARKS = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE


def decode_text(data: bytes) -> str:
    """A whole file: UTF-8, with the mark that Windows puts in front or without it, or UTF-16 with
    its mark. Raises ValueError naming the line that is neither."""
    try:
        if data.startswith(_UTF16_MARKS):
            return data.decode("utf-16")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(not_utf8(1 + data.count(b"\n", 0, error.start))) from error


def decode_line(data: bytes, number: int) -> str:
    """Line `number`, from 1, of a text that is read line by line. Raises ValueError naming it."""
    if number == 1:
        if data.startswith(_UTF16_MARKS):
            raise ValueError("it is UTF-16, and must be UTF-8; convert it first")
        data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(not_utf8(number)) from error


def not_utf8(line_number: int) -> str:
    return (
        f"line {line_number} is not UTF-8; convert it first, for example with "
        "`iconv -f WINDOWS-1252 -t UTF-8`"
    )
