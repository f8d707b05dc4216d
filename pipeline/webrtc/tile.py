"""The picture of a tile: captions drawn by Pango (in libvips), which shapes every script."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from functools import lru_cache
from html import escape
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tile_text import Line, Row

WIDTH, HEIGHT = 1280, 720
MARGIN = 40
NAME_PX, FIRST_PX, SECOND_PX, TITLE_PX = 30, 50, 34, 26
GAP_PX = 18  # between sentences
ABOVE_PX = 6  # that an accent may rise above a capital with one
BACKGROUND = (16, 18, 24)
FIRST, SECOND, DRAFT, TITLE = (255, 255, 255), (190, 196, 206), (214, 218, 226), (140, 147, 160)
NAMES = ((126, 200, 255), (255, 196, 107), (150, 226, 150), (255, 158, 196), (206, 176, 255))
_STRUT = "Á"  # a line of its own, so that it is known where the first line of a text stands

Picture = NDArray[np.uint8]  # [HEIGHT, WIDTH, 3], RGB
Mask = NDArray[np.uint8]  # [height, width], how much of each pixel is covered
Color = tuple[int, int, int]
Part = tuple[Mask, Color]


@lru_cache(maxsize=8)
def draw(rows: tuple[Row, ...], title: str) -> Picture:
    """The newest sentences, at the bottom, as many as there is room for, under a title.

    Fonts are those of the system: where none has a character, a box stands for it. Computes for
    some 10 ms: to be called in a thread. Who reads the same gets the same picture, which is not to
    be changed.
    """
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:] = BACKGROUND
    heading = _text(title, "", TITLE_PX)
    _lay(picture, heading, MARGIN, TITLE)
    room = HEIGHT - 2 * MARGIN - heading.shape[0]
    y = HEIGHT - MARGIN
    for parts in reversed(_shown(rows, room)):
        y -= GAP_PX
        for mask, color in reversed(parts):
            y -= mask.shape[0]
            _lay(picture, mask, y, color)
    picture.flags.writeable = False
    return picture


def _shown(rows: tuple[Row, ...], room: int) -> list[list[Part]]:
    """The newest rows that fit, and the very newest, however long; a name where it is another."""
    shown: list[list[Part]] = []
    for number in reversed(range(len(rows))):
        row = rows[number]
        room -= GAP_PX + _height(_parts(row))
        if shown and room < 0:
            shown[-1] = _parts(rows[number + 1])  # which is the uppermost now
            break
        is_new = number == 0 or rows[number - 1].speaker != row.speaker
        shown.append(_parts(row if is_new else replace(row, speaker="")))
    return shown[::-1]


def _parts(row: Row) -> list[Part]:
    parts: list[Part] = []
    if row.speaker:
        color = NAMES[sum(row.speaker.encode(errors="replace")) % len(NAMES)]
        parts.append((_text(row.speaker, "", NAME_PX), color))
    for line in row.texts:
        mask = _text(line.text, line.language, SECOND_PX if line.is_second else FIRST_PX)
        parts.append((mask, _color(line)))
    return parts


def _height(parts: list[Part]) -> int:
    return sum(mask.shape[0] for mask, _ in parts)


def _color(line: Line) -> Color:
    if line.is_second:
        return SECOND
    return FIRST if line.is_final else DRAFT


def _lay(picture: Picture, mask: Mask, y: int, color: Color) -> None:
    """Lay a text on the picture; what lies above its upper edge is cut off."""
    mask = mask[max(0, -y) :]
    y = max(0, y)
    height, width = mask.shape
    place = picture[y : y + height, MARGIN : MARGIN + width]
    mask = mask[: place.shape[0], : place.shape[1]]
    share = mask[..., None].astype(np.uint16)
    blended = place * (255 - share) + np.array(color, np.uint16) * share
    place[:] = (blended // 255).astype(np.uint8)


@lru_cache(maxsize=64)
def _text(text: str, language: str, size_px: int) -> Mask:
    """A text on as many lines as it needs, each in the direction of its script."""
    pitch = _pitch(size_px)
    tag = f'<span lang="{language}">{escape(_printable(text))}</span>'
    mask = _rendered(f"{_STRUT}\n{tag}", size_px)[pitch - ABOVE_PX :]
    lines = round(mask.shape[0] / pitch + 0.2)  # the last one has less height, or more, by script
    height = lines * pitch + pitch // 6  # with room for a "y": what is shown is not to move for one
    return np.pad(mask, ((0, max(0, height - mask.shape[0])), (0, 0)))


@lru_cache(maxsize=8)
def _pitch(size_px: int) -> int:
    """From line to line."""
    one, two = (_rendered(text, size_px).shape[0] for text in (_STRUT, f"{_STRUT}\n{_STRUT}"))
    return two - one


def _rendered(markup: str, size_px: int) -> Mask:
    vips: Any = import_module("pyvips")  # untyped, and 0.1 s: not for `--help`
    image = vips.Image.text(
        markup, font=f"Sans {size_px}", dpi=72, width=WIDTH - 2 * MARGIN, wrap="word-char"
    )
    return image.numpy()


def _printable(text: str) -> str:
    return "".join(" " if unicodedata.category(char) in ("Cc", "Cs") else char for char in text)
