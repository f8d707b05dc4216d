"""How a pass that drafts and verifies lies in memory: canvases, then drafts, then prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from .layout import CanvasPlace, Ints, Layout, NewPrompt, Shape, exact, lay_out


@dataclass(frozen=True, slots=True)
class Read:
    """What a pass reads of a row.

    tokens    behind each of which the next one is proposed
    forced    the token that must stand behind each, or FREE
    new       those of them that are encoded: all but the last one of a prompt
    prompt    that is encoded beside them, in a row's first pass
    """

    tokens: Sequence[int]
    forced: Sequence[int]
    new: NewPrompt
    prompt: NewPrompt | None


@dataclass(frozen=True, slots=True)
class Drafts:
    """What a pass reads besides its layout, int64 tensors; N tokens of all rows.

    canvas   [canvas_tokens]      token ids, FREE where they are to be noise
    tokens   [N]                  that are read
    places   [N]                  where they are in the flat batch
    forced   [N]                  the token that must stand behind each, or FREE
    starts   [rows + 1]           where those of a row start
    firsts   [N]                  1 where an answer's first token is asked for
    """

    canvas: Tensor
    tokens: Tensor
    places: Tensor
    forced: Tensor
    starts: Tensor
    firsts: Tensor


def lay_out_pass(
    canvases: Sequence[CanvasPlace],
    ids: Sequence[int],
    reads: Sequence[Read],
    *,
    positions: int,
    spare_row: int,
    spare_slot: int,
) -> tuple[Ints, list[int], Shape]:
    """The numbers of a Layout and of Drafts, one field behind the other, the length of each, and
    the shape. `ids` are the tokens of all canvases."""
    prompts = [read.prompt for read in reads if read.prompt]
    encoded = [*(read.new for read in reads), *prompts]
    shape = exact(canvases, encoded)
    numbers, lengths = lay_out(
        canvases,
        encoded,
        shape,
        positions=positions,
        spare_row=spare_row,
        spare_slot=spare_slot,
    )
    ends = list(accumulate((len(new.tokens) for new in encoded), initial=shape.canvas_tokens))
    lasts = (end - 1 for end in ends[len(reads) + 1 :])  # of the prompts
    places: list[int] = []
    for nth, read in enumerate(reads):
        places += [next(lasts)] if read.prompt else []
        places += range(ends[nth], ends[nth + 1])
    firsts = [
        int(read.prompt is not None and at == 0)
        for read in reads
        for at, _ in enumerate(read.tokens)
    ]
    parts = [
        ids,
        [token for read in reads for token in read.tokens],
        places,
        [token for read in reads for token in read.forced],
        list(accumulate((len(read.tokens) for read in reads), initial=0)),
        firsts,
    ]
    given = [np.array(part, dtype=np.int64) for part in parts]
    return np.concatenate([numbers, *given]), [*lengths, *map(len, given)], shape


def parts_of(numbers: Tensor, lengths: Sequence[int]) -> tuple[Layout, Drafts]:
    """Views of the array that `lay_out_pass` made, on whatever device it is."""
    parts = torch.split(numbers, list(lengths))
    fields = len(Layout.__dataclass_fields__)
    return Layout(*parts[:fields]), Drafts(*parts[fields:])
