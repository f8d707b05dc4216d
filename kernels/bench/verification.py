"""V1: from what a verifier would write to what is committed of the drafts."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ..accept_prefix import accept_prefix, reference
from ..shapes import VOCAB
from .contest import Case, Host, Outputs, Work, ours

SHAPES = (1, 16, 64)  # sequences
TOY_SHAPES = (1, 3)
TOKENS = 9  # of a sequence: one that is committed, and its draft


def cases(host: Host) -> Iterator[Case]:
    for sequences in TOY_SHAPES if host.toy else SHAPES:
        yield _case(host, sequences)


def _case(host: Host, sequences: int) -> Case:
    """Draft and verifier agree on the first token of the first sequence, the first two of the
    second, and so on, in turn."""
    count, device = sequences * TOKENS, host.device
    written, log_p = torch.randint(VOCAB, (count,), device=device), -host.normal(count).abs()
    row = torch.arange(sequences, device=device)
    tokens = written.roll(1)
    tokens[row * TOKENS + 2 + row % (TOKENS - 2)] = -1
    starts = torch.arange(0, count + 1, TOKENS, dtype=torch.int32, device=device)

    def run(turn: int) -> Outputs:
        verdict = accept_prefix(tokens, written, log_p, starts)
        return verdict.accepted, verdict.own, verdict.log_p

    def expected() -> Outputs:
        verdict = reference(tokens, written, log_p, starts)
        return verdict.accepted, verdict.own, verdict.log_p

    return Case(
        "V1 verification",
        f"{sequences} x {TOKENS}",
        count,
        (Work(bytes=count * (2 * tokens.element_size() + log_p.element_size()), flop=count),),
        expected,
        ours(run, host),
        count_launches=True,
    )
