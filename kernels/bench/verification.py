"""V1: from the scores of a verifier, and of the canvas that drafted, to what is committed."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ..accept_prefix import accept_prefix
from ..accept_prefix import reference as reference_accept
from ..shapes import VOCAB
from ..vote import reference as reference_vote
from ..vote import vote
from .contest import Case, Host, Outputs, Work, ours

SHAPES = (1, 16, 64)  # sequences
TOY_SHAPES = (1, 3)
TOKENS = 9  # of a sequence: one that is committed, and its draft
VOTE = 0.3
CERTAIN = 20.0  # score of the token that is written, where the others' are about 1


def cases(host: Host) -> Iterator[Case]:
    for sequences in TOY_SHAPES if host.toy else SHAPES:
        yield _case(host, sequences)


def _case(host: Host, sequences: int) -> Case:
    """Draft and verifier agree on the first token of the first sequence, the first two of the
    second, and so on, in turn."""
    count, vocab, device = sequences * TOKENS, 300 if host.toy else VOCAB, host.device
    scores, drafts = host.normal(count, vocab), host.normal(count, vocab)
    written = torch.randint(vocab, (count,), device=device)
    nth, row = torch.arange(count, device=device), torch.arange(sequences, device=device)
    scores[nth, written] = drafts[nth, written] = CERTAIN
    tokens = written.roll(1)
    tokens[row * TOKENS + 2 + row % (TOKENS - 2)] = -1
    log_total = scores.float().logsumexp(dim=-1)
    weight = torch.full((count,), VOTE, device=device)
    weight[TOKENS - 1 :: TOKENS] = 0  # nothing is drafted behind the last
    starts = torch.arange(0, count + 1, TOKENS, dtype=torch.int32, device=device)

    def run(turn: int) -> Outputs:
        best, log_p = vote(scores, log_total, drafts, nth, weight)
        verdict = accept_prefix(tokens, best, log_p, starts)
        return verdict.accepted, verdict.own, verdict.log_p

    def expected() -> Outputs:
        best, log_p = reference_vote(scores, log_total, drafts, nth, weight)
        verdict = reference_accept(tokens, best, log_p, starts)
        return verdict.accepted, verdict.own, verdict.log_p

    moved = (2 * count - sequences) * vocab * scores.element_size()
    return Case(
        "V1 verification",
        f"{sequences} x {TOKENS}",
        count,
        (Work(bytes=moved, flop=2 * count * vocab),),
        expected,
        ours(run, host),
        count_launches=True,
    )
