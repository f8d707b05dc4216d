"""B2: from hidden states to tokens, entropies and the embedding that the next step is told of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ..shapes import SOFTCAP, VOCAB, WIDTH
from ..soft_embed import reference as reference_embed
from ..soft_embed import soft_embed, soft_embed_top
from ..top_tokens import top_tokens
from ..vocab_stats import reference as reference_stats
from ..vocab_stats import vocab_stats
from .contest import Case, Contestant, Host, Outputs, Run, Work, compiled, ours

TOP = 32
TEMPERATURE = 0.6


@dataclass(frozen=True, slots=True)
class _Sizes:
    width: int
    vocabularies: tuple[int, ...]  # the first is the whole, of which others are the start
    tokens: tuple[int, ...]
    compiled_tokens: tuple[int, ...]


RELEASED = _Sizes(WIDTH, (VOCAB, 32_768), tokens=(48, 256, 1024), compiled_tokens=(48, 256))
TOY = _Sizes(32, (300, 128), tokens=(16,), compiled_tokens=(16,))


@dataclass(frozen=True, slots=True)
class _Given:
    hidden: Tensor
    weight: Tensor
    temperature: Tensor
    uniform: Tensor

    @property
    def scale(self) -> float:
        return self.weight.shape[1] ** 0.5


def cases(host: Host) -> Iterator[Case]:
    sizes = TOY if host.toy else RELEASED
    table = host.normal(sizes.vocabularies[0], sizes.width, spread=sizes.width**-0.5)
    for vocab in sizes.vocabularies:
        for tokens in sizes.tokens:
            even, sharp = (_given(host, table[:vocab], tokens, x) for x in (False, True))
            compile_too = tokens in sizes.compiled_tokens and vocab == len(table)
            yield _exact(host, even, "even", compile_too)
            yield _exact(host, sharp, "sharp", compile_too=False)
            yield _top(host, sharp)


def _given(host: Host, weight: Tensor, tokens: int, is_sharp: bool) -> _Given:
    """Hidden states whose scores are nearly even, or whose rows prefer one token: from a little
    to beyond doubt."""
    hidden = host.normal(tokens, weight.shape[1])
    if is_sharp:
        target = torch.randint(len(weight), (tokens,), device=host.device)
        margin = torch.linspace(8, 40, tokens, dtype=host.dtype, device=host.device)
        hidden = hidden + margin[:, None] * weight[target]
    return _Given(
        hidden,
        weight,
        temperature=torch.full((tokens,), TEMPERATURE, device=host.device),
        uniform=torch.rand(tokens, 2, device=host.device),
    )


def _exact(host: Host, given: _Given, logits: str, compile_too: bool) -> Case:
    contestants = [
        *ours(partial(_ours, given), host),
        Contestant("transformers' operations", partial(_theirs, given, _operations), _first_two),
        Contestant("the two products alone", lambda: partial(_products, given, 2), finish=None),
    ]
    if compile_too:
        prepare = partial(_theirs, given, compiled(_operations, host))
        contestants.append(Contestant("transformers' operations, compiled", prepare, _first_two))
    work = (_product_work(given),) * 2
    return _case(given, f"V={len(given.weight)} {logits}, all tokens", work, contestants)


def _top(host: Host, given: _Given) -> Case:
    contestants = [
        *ours(partial(_ours_top, given), host),
        Contestant("the product alone", lambda: partial(_products, given, 1), finish=None),
    ]
    gathered = len(given.hidden) * TOP * given.weight.shape[1]
    work = (_product_work(given), Work(gathered * given.weight.element_size(), 2 * gathered))
    shape = f"V={len(given.weight)} sharp, top {TOP}"
    return _case(given, shape, work, contestants)


def _case(given: _Given, shape: str, work: tuple[Work, ...], contestants: list[Contestant]) -> Case:
    expected = partial(_expected, given)
    return Case("B2 vocabulary", shape, len(given.hidden), work, expected, contestants)


def _product_work(given: _Given) -> Work:
    read = given.weight.numel() + given.hidden.numel()
    flop = 2 * given.weight.numel() * len(given.hidden)
    return Work(read * given.weight.element_size(), flop)


def _expected(given: _Given) -> Outputs:
    hidden, weight = given.hidden.float(), given.weight.float()
    stats = reference_stats(
        hidden, weight, SOFTCAP, given.temperature, given.uniform, keep_scores=True
    )
    assert stats.scores is not None, "they were asked for"
    return stats.entropy, reference_embed(stats.scores, weight, given.scale)


def _ours(given: _Given, turn: int) -> Outputs:
    stats = vocab_stats(
        given.hidden, given.weight, SOFTCAP, given.temperature, given.uniform, keep_scores=True
    )
    assert stats.scores is not None, "they were asked for"
    return stats.entropy, soft_embed(stats.scores, given.weight, given.scale)


def _ours_top(given: _Given, turn: int) -> Outputs:
    stats = vocab_stats(
        given.hidden, given.weight, SOFTCAP, given.temperature, given.uniform, keep_scores=True
    )
    assert stats.scores is not None, "they were asked for"
    probabilities, tokens = top_tokens(stats.scores, stats.log_total, TOP)
    return stats.entropy, soft_embed_top(probabilities, tokens, given.weight, given.scale)


def _theirs(given: _Given, operations: Callable[..., Outputs]) -> Run:
    def run(turn: int) -> Outputs:
        return operations(given.hidden, given.weight, given.temperature, given.scale)

    return run


def _operations(hidden: Tensor, weight: Tensor, temperature: Tensor, scale: float) -> Outputs:
    """What a denoising step of transformers does with hidden states, operation by operation."""
    logits = (hidden @ weight.T).float()
    logits = torch.tanh(logits / SOFTCAP) * SOFTCAP
    processed = logits / temperature[:, None]
    probabilities = torch.softmax(processed, dim=-1, dtype=torch.float32)
    sample = torch.multinomial(probabilities, num_samples=1)
    best = processed.argmax(dim=-1)
    accepting = _entropy(processed)
    stopping = _entropy(processed).mean()
    told = torch.softmax(processed.to(weight.dtype), dim=-1, dtype=torch.float32)
    embedded = (told.to(weight.dtype) @ weight) * scale
    return accepting, embedded, sample, best, stopping


def _first_two(outputs: Outputs) -> Outputs:
    return outputs[:2]


def _entropy(logits: Tensor) -> Tensor:
    """As torch.distributions has it, without its checks."""
    normalized = logits - logits.logsumexp(dim=-1, keepdim=True)
    return -(normalized * torch.softmax(logits, dim=-1)).sum(dim=-1)


def _products(given: _Given, count: int, turn: int) -> Outputs:
    """The floor in practice: the vendor's product, or both."""
    scores = given.hidden @ given.weight.T
    return (scores,) if count == 1 else (scores @ given.weight,)
