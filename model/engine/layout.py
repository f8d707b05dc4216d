"""How a step of the engine lies in memory: which token of the flat batch belongs where.

All index numbers of a step travel to the device as one array. With a `Shape` that is larger than
the step, the rest is filled with rows and tokens that nobody reads: so few shapes serve all steps,
and what was recorded for one (a CUDA graph) can be replayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Ints = NDArray[np.int64]

BUCKETS = (32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192)
PROMPT_BUCKETS = (0, 64, 256, 1024, 4096, 8192)
MIN_TOKENS = 16  # of a canvas, where rows are counted from tokens


@dataclass(frozen=True, slots=True)
class CanvasPlace:
    """A canvas in a step: its row in the state, its tokens, where the keys before it are, and at
    which position of the row it begins."""

    row: int
    size: int
    keys_start: int
    keys: int
    first: int = 0


@dataclass(frozen=True, slots=True)
class NewPrompt:
    """Tokens to encode in a step; `reused` ones before them have their keys at `keys_start`."""

    tokens: Sequence[int]
    keys_start: int
    reused: int


@dataclass(frozen=True, slots=True)
class Shape:
    """Room for `rows` canvases of at most `length` positions and `canvas_tokens` in all, and for as
    many prompts with `prompt_tokens` in all."""

    rows: int
    length: int
    canvas_tokens: int
    prompts: int
    prompt_tokens: int
    longest: int  # new tokens of any sequence, at most


@dataclass(frozen=True, slots=True)
class Layout:
    """int64 tensors; T = canvas_tokens + prompt_tokens, Q = rows + prompts sequences.

    rows           [rows]            rows in the state
    place          [canvas_tokens]   row * positions of a row + position, in the state
    flat           [canvas_tokens]   nth canvas * length + position
    prompt         [prompt_tokens]   token ids
    slots          [prompt_tokens]   places in the arena
    positions      [T]               from the start of each prompt
    starts         [Q + 1]           where sequences start in the flat batch: canvases, then prompts
    keys_starts    [Q]               where their earlier keys start in the arena
    keys           [Q]               how many those are
    """

    rows: Tensor
    place: Tensor
    flat: Tensor
    prompt: Tensor
    slots: Tensor
    positions: Tensor
    starts: Tensor
    keys_starts: Tensor
    keys: Tensor


def exact(canvases: Sequence[CanvasPlace], prompts: Sequence[NewPrompt]) -> Shape:
    """The shape without a rest."""
    length = max((canvas.size for canvas in canvases), default=0)
    return Shape(
        rows=len(canvases),
        length=length,
        canvas_tokens=sum(canvas.size for canvas in canvases),
        prompts=len(prompts),
        prompt_tokens=sum(len(prompt.tokens) for prompt in prompts),
        longest=max([length, *(len(prompt.tokens) for prompt in prompts)]),
    )


def bucketed(shape: Shape, rows: int, length: int) -> Shape:
    """The next of few shapes, for an engine of `rows` rows with `length` positions.

    One canvas and one prompt more take the tokens that are left over.
    """
    tokens = next(size for size in BUCKETS if size >= shape.canvas_tokens)
    prompt_tokens = next(size for size in PROMPT_BUCKETS if size >= shape.prompt_tokens)
    most_rows = min(rows, tokens // MIN_TOKENS)
    return Shape(
        rows=most_rows + 1,
        length=length,
        canvas_tokens=tokens,
        prompts=most_rows + 1 if prompt_tokens else 0,
        prompt_tokens=prompt_tokens,
        longest=max(length, tokens // 2, prompt_tokens),  # the rest is at most half of a bucket
    )


def lay_out(
    canvases: Sequence[CanvasPlace],
    prompts: Sequence[NewPrompt],
    shape: Shape,
    *,
    positions: int,
    spare_row: int,
    spare_slot: int,
) -> tuple[Ints, list[int]]:
    """The numbers of a Layout, one field behind the other, and the length of each.

    `positions` of a row in the state; what is left over of the shape works on the spare places.
    """
    sizes = np.array([canvas.size for canvas in canvases], dtype=np.int64)
    news = np.array([len(prompt.tokens) for prompt in prompts], dtype=np.int64)
    nth = np.repeat(np.arange(len(canvases)), sizes)
    within = _counted(sizes)
    rows = np.array([canvas.row for canvas in canvases], dtype=np.int64)
    keys = np.array([canvas.keys for canvas in canvases], dtype=np.int64)
    firsts = np.array([canvas.first for canvas in canvases], dtype=np.int64)
    reused = np.array([prompt.reused for prompt in prompts], dtype=np.int64)
    keys_starts = np.array([canvas.keys_start for canvas in canvases], dtype=np.int64)
    prompt_starts = np.array([prompt.keys_start for prompt in prompts], dtype=np.int64)
    prompt_positions = np.repeat(reused, news) + _counted(news)
    tokens = [token for prompt in prompts for token in prompt.tokens]
    rest = np.arange(shape.canvas_tokens - len(nth))  # of the last canvas, which nobody reads
    lasts = (shape.rows - 1) * shape.length + rest % shape.length

    def filled(values: Ints, size: int, value: int) -> Ints:
        return np.concatenate([values, np.full(size - len(values), value, dtype=np.int64)])

    def ends(counts: Ints, sequences: int, whole: int) -> Ints:
        """Where sequences end: those without tokens at once, the last one at the whole."""
        found = filled(counts.cumsum(), sequences, int(counts.sum()))
        found[-1:] = whole
        return found

    parts = {
        "rows": filled(rows, shape.rows, spare_row),
        "place": filled(
            rows[nth] * positions + firsts[nth] + within,
            shape.canvas_tokens,
            spare_row * positions,
        ),
        "flat": np.concatenate([nth * shape.length + within, lasts]),
        "prompt": filled(np.array(tokens, dtype=np.int64), shape.prompt_tokens, 0),
        "slots": filled(
            np.repeat(prompt_starts, news) + prompt_positions, shape.prompt_tokens, spare_slot
        ),
        "positions": np.concatenate(
            [
                filled(keys[nth] + within, shape.canvas_tokens, 0),
                filled(prompt_positions, shape.prompt_tokens, 0),
            ]
        ),
        "starts": np.concatenate(
            [
                [0],
                ends(sizes, shape.rows, shape.canvas_tokens),
                shape.canvas_tokens + ends(news, shape.prompts, shape.prompt_tokens),
            ]
        ),
        "keys_starts": np.concatenate(
            [filled(keys_starts, shape.rows, 0), filled(prompt_starts, shape.prompts, 0)]
        ),
        "keys": np.concatenate([filled(keys, shape.rows, 0), filled(reused, shape.prompts, 0)]),
    }
    ordered = [parts[field.name] for field in fields(Layout)]
    return np.concatenate(ordered), [len(part) for part in ordered]


def layout_of(numbers: Tensor, lengths: Sequence[int]) -> Layout:
    """Views of the array that `lay_out` made, on whatever device it is."""
    return Layout(*torch.split(numbers, list(lengths)))


def _counted(sizes: Ints) -> Ints:
    """0, 1, ... size - 1 for each size."""
    whole = np.arange(int(sizes.sum()))
    return whole - np.repeat(sizes.cumsum() - sizes, sizes)
