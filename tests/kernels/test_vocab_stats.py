from __future__ import annotations

from typing import Any

import pytest
import torch

from surtitle.kernels.vocab_stats import Barred, VocabStats, vocab_stats

CAP = 30.0


def operands(rows: int, vocab: int, width: int = 40, dtype: Any = torch.float32) -> Any:
    hidden, weight = torch.randn(rows, width), torch.randn(vocab, width) * 0.5
    temperature, uniform = torch.rand(rows) + 0.3, torch.rand(rows, 2)
    return hidden.to(dtype), weight.to(dtype), CAP, temperature, uniform


def scores(hidden: Any, weight: Any, cap: float, temperature: Any, _: Any) -> Any:
    return cap * torch.tanh((hidden @ weight.T).double() / cap) / temperature[:, None]


@pytest.mark.parametrize("rows", [0, 1, 7, 13, 300])
def test_against_softmax(rows: int) -> None:
    given = operands(rows, 500)
    stats, log = vocab_stats(*given), torch.log_softmax(scores(*given), dim=-1)
    assert torch.equal(stats.best, log.argmax(dim=-1))
    entropy = -(log.exp() * log).sum(dim=-1)
    torch.testing.assert_close(stats.entropy.double(), entropy, rtol=1e-4, atol=1e-5)
    log_total = scores(*given).logsumexp(dim=-1)
    torch.testing.assert_close(stats.log_total.double(), log_total, rtol=1e-6, atol=1e-5)
    assert stats.scores is None


def test_kept_scores_are_those_that_were_read() -> None:
    given = operands(13, 500)
    stats = vocab_stats(*given, keep_scores=True)
    assert stats.scores is not None and stats.scores.dtype == torch.float32
    torch.testing.assert_close(stats.scores.double(), scores(*given), rtol=1e-5, atol=5e-5)
    without = vocab_stats(*given)
    assert torch.equal(stats.best, without.best) and torch.equal(stats.sample, without.sample)
    halved = vocab_stats(*operands(13, 500, dtype=torch.bfloat16), keep_scores=True)
    assert halved.scores is not None and halved.scores.dtype == torch.bfloat16


def barring_the_best(given: Any) -> Barred:
    """Of even rows, their best tokens and some others. The rows are a column of something."""
    rows = (torch.arange(2 * len(given[0])) % 4 == 0).view(-1, 2)[:, 0]
    best = scores(*given).argmax(dim=-1)[:7]
    return Barred(rows, torch.cat([best, torch.tensor([0, 127, len(given[1]) - 1])]).unique())


def test_barred_tokens_are_out_of_the_distribution() -> None:
    given = operands(300, 500)
    barred = barring_the_best(given)
    left = scores(*given).clone()
    left[:, barred.tokens] = left[:, barred.tokens].masked_fill(barred.rows[:, None], -torch.inf)
    stats, log = vocab_stats(*given, barred, keep_scores=True), torch.log_softmax(left, dim=-1)
    assert torch.equal(stats.best, log.argmax(dim=-1))
    entropy = torch.special.entr(log.exp()).sum(dim=-1)
    torch.testing.assert_close(stats.entropy.double(), entropy, rtol=1e-4, atol=1e-5)
    assert not torch.isin(stats.sample[barred.rows], barred.tokens).any()
    assert stats.scores is not None
    assert (stats.scores[barred.rows][:, barred.tokens] == -1e30).all()
    assert (stats.scores[~barred.rows] > -1e3).all()


def test_the_last_entry_with_mass_ends_the_draw() -> None:
    """Just below 1, the draw is the last entry that has any mass, not what stands behind it."""
    hidden, weight, ones = torch.ones(1, 2), torch.zeros(300, 2), torch.ones(1)
    barred = Barred(torch.tensor([True]), torch.tensor([0, 1, 298, 299]))
    for share, expected in ((0.0, 2), (1 - 2**-24, 297)):
        uniform = torch.full((1, 2), share)
        stats = vocab_stats(hidden, weight, CAP, ones, uniform, barred)
        assert int(stats.sample) == expected


def test_certain_and_clueless_positions() -> None:
    hidden = torch.tensor([[100.0, 0.0], [0.0, 0.0], [-100.0, 0.0]])
    weight = torch.zeros(300, 2)
    weight[7, 0] = 1.0
    ones = torch.ones(3)
    stats = vocab_stats(hidden, weight, CAP, ones, torch.rand(3, 2))
    assert stats.best[:2].tolist() == [7, 0]
    expected = torch.tensor([300.0, 299.0]).log()
    torch.testing.assert_close(stats.entropy[1:], expected, rtol=1e-5, atol=1e-5)
    assert int(stats.sample[0]) == 7 and 0 <= float(stats.entropy[0]) < 1e-8


def test_draws_follow_the_distribution() -> None:
    """Chi-square over the entries, against its 99.9 % quantile by Wilson and Hilferty."""
    draws, vocab = 20_000, 300
    hidden, weight, _, _, _ = operands(1, vocab)
    given = hidden.expand(draws, -1), weight, CAP, torch.full((draws,), 2.0), torch.rand(draws, 2)
    counts = torch.bincount(vocab_stats(*given).sample, minlength=vocab)
    expected = torch.softmax(scores(*given)[0], dim=-1) * draws
    order = expected.argsort(descending=True)
    often = order[expected[order] >= 10]
    rest = torch.ones(vocab, dtype=torch.bool)
    rest[often] = False
    bins = torch.cat([counts[often], counts[rest].sum()[None]]).double()
    wanted = torch.cat([expected[often], expected[rest].sum()[None]])
    degrees = len(bins) - 1
    spread = 2 / (9 * degrees)
    limit = degrees * (1 - spread + 3.09 * spread**0.5) ** 3
    assert float(((bins - wanted) ** 2 / wanted).sum()) < limit
    assert degrees > 20


@pytest.mark.parametrize(("rows", "vocab"), [(0, 130), (1, 500), (7, 128), (13, 300), (70, 513)])
@pytest.mark.parametrize("fused", [True, False])
def test_kernel(
    both: Any,
    close: Any,
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    vocab: int,
    fused: bool,
) -> None:
    from surtitle.kernels import vocab_stats_triton

    monkeypatch.setattr(vocab_stats_triton, "FUSED_ROWS", 100 if fused else -1)
    monkeypatch.setattr(vocab_stats_triton, "CHUNK", 256)
    given = operands(rows, vocab, dtype=dtype)
    compare(*both(vocab_stats, *given), close, dtype)
    barred = barring_the_best(given) if rows else None
    compare(*both(vocab_stats, *given, barred, True), close, dtype)


def compare(actual: VocabStats, expected: VocabStats, close: Any, dtype: torch.dtype) -> None:
    close(actual.entropy, expected.entropy)
    close(actual.log_total, expected.log_total)
    assert (actual.scores is None) == (expected.scores is None)
    if actual.scores is not None and expected.scores is not None:
        never = expected.scores == -1e30
        assert torch.equal(actual.scores < -1e29, never)
        ours, wanted = (x.scores.masked_fill(never, 0.0) for x in (actual, expected))
        if dtype == torch.float32:  # both take tanh from other functions
            torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=5e-5)
        else:
            close(ours, wanted)
    if dtype == torch.float32:
        assert torch.equal(actual.best, expected.best)
        assert torch.equal(actual.sample, expected.sample)
    elif len(actual.best):
        assert (actual.best == expected.best).float().mean() >= 0.98


def test_kernel_at_the_extremes(both: Any) -> None:
    """Equal scores, one that is sure, all far below zero, and the ends of the unit interval."""
    hidden = torch.tensor([[0.0, 0.0], [100.0, 0.0], [-50.0, -50.0]]).repeat(3, 1)
    weight = torch.ones(300, 2) * 0.5
    weight[:, 0] = 0
    weight[7, 0], weight[290, 0] = 1.0, 1.0
    edge = torch.tensor([0.0, 0.5, 1 - 2**-24]).repeat_interleave(3)
    uniform = torch.stack([edge, edge], dim=1)
    actual, expected = both(vocab_stats, hidden, weight, CAP, torch.ones(9), uniform)
    assert torch.equal(actual.best, expected.best)
    assert torch.equal(actual.sample, expected.sample)
    torch.testing.assert_close(actual.entropy, expected.entropy, rtol=1e-5, atol=1e-6)
