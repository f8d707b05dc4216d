"""Drafted and verified answers against greedy decoding, token by token."""

from __future__ import annotations

import copy
import dataclasses
import random
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

import pytest
import torch
from torch import Tensor

from surtitle.kernels import int8
from surtitle.model.engine.drafts import behind, drafted
from surtitle.model.engine.engine import EngineLimits
from surtitle.model.engine.layers import FlatBatch, FlatLayers
from surtitle.model.engine.step import StepOptions
from surtitle.model.engine.verified import (
    AnswerRequest,
    Drafting,
    VerifiedAnswer,
    VerifiedEngine,
)
from surtitle.model.network.config import SamplerConfig
from surtitle.model.network.denoiser import Denoiser, SelfConditioning

EOS, PAD = 1, 0
LIMITS = EngineLimits(
    rows=4, canvas_tokens=40, step_tokens=400, arena_tokens=192, prompt_tokens=100
)


def variant(model: Denoiser, **changes: Any) -> Denoiser:
    changed = copy.copy(model)  # shares the weights
    changed.config = dataclasses.replace(model.config, eos_token_ids=(EOS,), **changes)
    return changed


def engine(model: Denoiser, **settings: Any) -> VerifiedEngine:
    margin = settings.pop("margin", 0.0)
    sampler = SamplerConfig(t_min=0.1, t_max=0.4, entropy_bound=2.0, margin=margin)
    limits = settings.pop("limits", LIMITS)
    generator = torch.Generator().manual_seed(3)
    return VerifiedEngine(model, sampler, limits, generator=generator, **settings)


def run(
    asked: VerifiedEngine, requests: Sequence[AnswerRequest], every: int = 0
) -> list[VerifiedAnswer]:
    """In the order of the requests; one more comes after each `every` steps, or all at once."""
    waiting, found, step = list(requests), list[VerifiedAnswer](), 0
    while waiting or not asked.is_idle:
        if waiting and (not every or step % every == 0):
            for request in waiting if not every else waiting[:1]:
                asked.add(request)
            del waiting[: 1 if every else None]
        found += asked.step()
        step += 1
    return sorted(found, key=lambda answer: answer.ticket)


@torch.inference_mode()
def next_scores(model: Denoiser, request: AnswerRequest, written: Sequence[int]) -> Tensor:
    tokens = torch.tensor([[*request.prompt, *written]])
    hidden, _ = model.encode(tokens, prompt_tokens=torch.tensor([len(request.prompt)]))
    scores = model.logits(hidden[0, -1])
    if not written:
        scores[[EOS, PAD]] = -1e30
    return scores


def second_best(model: Denoiser, request: AnswerRequest, written: Sequence[int]) -> list[int]:
    return [int(next_scores(model, request, written).topk(2).indices[1])]


def greedy(model: Denoiser, request: AnswerRequest) -> tuple[list[int], float]:
    """The answer that is written from left to right, each time from the beginning, and its mean
    log-probability."""
    written, logs = list[int](), list[float]()
    while len(written) < request.size and EOS not in written:
        scores = next_scores(model, request, written)
        nth = len(written)
        best = int(scores.argmax())
        written.append(request.pinned[nth] if nth < len(request.pinned) else best)
        logs.append(float(scores.log_softmax(dim=-1)[written[-1]]))
    return written[: written.index(EOS)] if EOS in written else written, fmean(logs)


def tokens(rng: random.Random, count: int) -> tuple[int, ...]:
    return tuple(rng.randrange(3, 400) for _ in range(count))


def requests(model: Denoiser, seed: int, prompt_tokens: int) -> Iterator[AnswerRequest]:
    """Of any length; some with pinned tokens, some with drafts that are right in part."""
    rng = random.Random(seed)
    for nth in range(6):
        prompt = tokens(rng, rng.randint(1, prompt_tokens))
        request = AnswerRequest(prompt, rng.randint(2, 25), key=nth % 3 or None)
        if rng.random() < 0.4:
            request = dataclasses.replace(request, pinned=tokens(rng, rng.randrange(request.size)))
        answer, _ = greedy(model, request)
        draft = [token if rng.random() < 0.8 else 5 for token in answer[len(request.pinned) :]]
        for _ in range(rng.randrange(3)):  # out of step
            draft.insert(rng.randrange(len(draft) + 1), 7)
        yield dataclasses.replace(request, draft=draft if rng.random() < 0.7 else ())


@pytest.fixture(scope="module")
def calm(calm_model: Denoiser) -> Denoiser:
    """Its answers end, and are not all alike."""
    calm = copy.deepcopy(calm_model)
    calm.embed_tokens.weight.data[EOS] *= 1.5
    return calm


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize("mask", [None, 0])
def test_an_answer_is_that_of_greedy_decoding(
    model: Denoiser,
    calm: Denoiser,
    seed: int,
    mutual: bool,
    mask: int | None,
) -> None:
    """In any batch, at any age, with whatever canvases, drafts and pinned tokens."""
    weights = variant(calm if seed else model, bidirectional_prompt=mutual, mask_token_id=mask)
    asked = list(requests(weights, seed, weights.config.sliding_window if mutual else 60))
    answers = [greedy(weights, request) for request in asked]
    for every, drafting in ((0, Drafting(9, 24)), (1, Drafting(2, 5)), (3, Drafting(3, 9))):
        found = run(engine(weights, drafting=drafting), asked, every)
        assert [answer.tokens for answer in found] == [expected for expected, _ in answers]
        likelihoods = [likelihood for _, likelihood in answers]
        assert [answer.likelihood for answer in found] == pytest.approx(likelihoods, abs=1e-3)


@pytest.mark.parametrize("margin", [0.5, 3.0])
def test_what_is_nearly_as_likely_is_kept_of_a_draft(model: Denoiser, margin: float) -> None:
    """And nothing that is less likely: in no token, given those before it."""
    weights, rng = variant(model), random.Random(9)
    kept = 0
    for _ in range(3):
        request = AnswerRequest(tokens(rng, 9), 20)
        draft = greedy(weights, request)[0]
        draft[3:4] = second_best(weights, request, draft[:3])
        request = dataclasses.replace(request, draft=draft)
        (found,) = run(engine(weights, margin=margin), [request])
        kept += found.tokens[:4] == draft[:4]
        written = [*found.tokens, *[EOS] * (len(found.tokens) < request.size)]
        for nth, token in enumerate(written):
            scores = next_scores(weights, request, written[:nth])
            assert scores[token] >= scores.max() - margin - 1e-3
    assert (kept > 0) is (margin > 1)


def test_a_right_draft_takes_one_pass(model: Denoiser) -> None:
    request = AnswerRequest(tokens(random.Random(1), 9), 30)
    weights = variant(model)
    whole, _ = greedy(weights, request)
    (found,) = run(engine(weights), [dataclasses.replace(request, draft=whole)])
    assert (found.tokens, found.passes) == (whole, 1)


def test_what_is_pinned_to_its_end_mark_is_read_in_one_pass(model: Denoiser) -> None:
    """So answers of whatever origin are compared."""
    weights, rng = variant(model, bidirectional_prompt=True), random.Random(2)
    asked = [AnswerRequest(tokens(rng, 9), 20, pinned=(*tokens(rng, n), EOS)) for n in (3, 8, 19)]
    for found, request in zip(run(engine(weights), asked), asked, strict=True):
        assert (*found.tokens, EOS) == request.pinned and found.passes == 1
        assert found.likelihood == pytest.approx(greedy(weights, request)[1], abs=1e-3)


def test_the_scores_of_canvases_are_those_of_the_model(
    model: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind each of the first tokens of a draft, whose keys are written in the same pass."""
    weights = variant(model, bidirectional_prompt=True)
    asked, rng = engine(weights, drafting=Drafting(3, 8)), random.Random(4)
    for size in (11, 16):
        draft = tokens(rng, 6)
        asked.add(AnswerRequest(tokens(rng, size), 30, pinned=tokens(rng, size % 5), draft=draft))
    seen: list[tuple[Tensor, Tensor]] = []
    known: list[tuple[int, list[int], int]] = []  # tokens of the prompt, all before a canvas, size
    forward, run_pass = FlatLayers.forward, VerifiedEngine._run

    def keep(self: FlatLayers, x: Tensor, batch: FlatBatch, arena: Any) -> Tensor:
        states = forward(self, x, batch, arena)
        seen.append((x[: batch.canvases], states[: batch.canvases]))
        return states

    def remember(self: VerifiedEngine, canvases: Any, reads: Any) -> Any:
        known.clear()
        for row, of_row in zip(self._rows, canvases, strict=True):
            prompt = row.request.prompt
            whole = [*prompt, *row.written, *row.draft]
            known.extend((len(prompt), whole[: canvas.keys], canvas.size) for canvas in of_row)
        return run_pass(self, canvases, reads)

    monkeypatch.setattr(FlatLayers, "forward", keep)
    monkeypatch.setattr(VerifiedEngine, "_run", remember)
    for nth in range(3):
        asked.step()
        assert nth or len(known) == 6
        embedded, states = (part.split([size for _, _, size in known]) for part in seen[-1])
        for (prompt, given, _), x, ours in zip(known, embedded, states, strict=True):
            _, cache = weights.encode(torch.tensor([given]), prompt_tokens=torch.tensor([prompt]))
            with monkeypatch.context() as patch:  # from the same embedding
                patch.setattr(SelfConditioning, "forward", lambda *_, same=x: same[None])
                nothing = torch.zeros(1, len(x), dtype=torch.int64)
                theirs = weights.denoise_hidden(nothing, cache)[0]
            torch.testing.assert_close(weights.norm(ours), theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("canvases", [2, 3, 9])
def test_a_draft_is_what_the_canvas_says_where_verification_ended(
    model: Denoiser, canvases: int
) -> None:
    """Of mask tokens, nothing is random: it is what the plain model says of that one canvas. Where
    there is none, what is left of the draft waits."""
    weights = variant(model, mask_token_id=0)
    request = AnswerRequest(tokens(random.Random(3), 9), 30)
    whole, _ = greedy(weights, request)
    asked = engine(weights, drafting=Drafting(canvases, 8))
    asked.add(dataclasses.replace(request, draft=[*whole[:2], 5, 6]))
    asked.step()
    (row,) = asked._rows
    assert row.written == whole[:3]
    if canvases < 4:
        assert row.draft == [5, 6]
        return
    _, cache = weights.encode(torch.tensor([[*request.prompt, *whole[:2]]]))
    said = weights.denoise(weights.noise(1, 8), cache).argmax(dim=-1)
    expected = behind(drafted(said[0].tolist(), whole[1], {EOS, PAD}), whole[2:3])
    assert row.draft == expected


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens each pass has encoded."""
    counts: list[int] = []
    forward = FlatLayers.forward

    def counted(self: FlatLayers, x: Tensor, batch: FlatBatch, arena: Any) -> Tensor:
        counts.append(len(batch.slots))
        return forward(self, x, batch, arena)

    monkeypatch.setattr(FlatLayers, "forward", counted)
    return counts


@pytest.mark.parametrize("mutual", [False, True])
def test_a_prompt_is_encoded_once(model: Denoiser, encoded: list[int], mutual: bool) -> None:
    """The same one with the same key again: only its last token, which tells what comes first."""
    asked = engine(variant(model, bidirectional_prompt=mutual))
    request = AnswerRequest(tokens(random.Random(5), 12), 8, key="segment 7")
    (first,) = run(asked, [request])
    assert encoded[0] == 12 and max(encoded[1:]) <= 8
    encoded.clear()
    (second,) = run(asked, [request])
    assert encoded[0] == 1 and second.tokens == first.tokens


def test_what_does_not_fit_waits_in_order(model: Denoiser) -> None:
    weights, rng = variant(model), random.Random(6)
    asked = [AnswerRequest(tokens(rng, rng.randint(1, 60)), 6, key=n) for n in range(8)]
    found = run(engine(weights, limits=dataclasses.replace(LIMITS, rows=2)), asked)
    assert [answer.tokens for answer in found] == [greedy(weights, one)[0] for one in asked]


def test_after_a_step_that_raised_there_is_all_room_again(
    model: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What had begun is lost, what waits goes on."""
    asked = engine(variant(model), limits=dataclasses.replace(LIMITS, rows=2))
    rng = random.Random(7)
    first, second, third = (asked.add(AnswerRequest(tokens(rng, 30), 20)) for _ in range(3))
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="no memory"):
        patch.setattr(VerifiedEngine, "_run", failing)
        asked.step()
    assert asked.clear() == [first, second] and not asked.is_idle
    assert [answer.ticket for answer in run(asked, [])] == [third]


def test_where_there_is_no_room_rows_have_fewer_canvases(
    model: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pass has more tokens than a step may have, and the answers are the same."""
    weights, rng = variant(model, mask_token_id=0), random.Random(6)
    draft = tokens(rng, 7)
    asked = [AnswerRequest(tokens(rng, 20), 12, draft=draft) for _ in range(4)]
    seen: list[tuple[int, int]] = []
    forward = FlatLayers.forward

    def counted(self: FlatLayers, x: Tensor, batch: FlatBatch, arena: Any) -> Tensor:
        seen.append((len(x), batch.canvases))
        return forward(self, x, batch, arena)

    monkeypatch.setattr(FlatLayers, "forward", counted)
    for most in (4 * 48, 400):
        limits = dataclasses.replace(LIMITS, step_tokens=most)
        found = run(engine(weights, drafting=Drafting(9, 8), limits=limits), asked)
        assert max(tokens for tokens, _ in seen) <= most
        assert [answer.tokens for answer in found] == [greedy(weights, one)[0] for one in asked]
    assert seen[0][1] < max(canvases for _, canvases in seen)


def failing(*_: object) -> None:
    raise RuntimeError("no memory")


@pytest.mark.parametrize(
    ("prompt", "size", "pinned", "message"),
    [
        (101, 9, 0, "a prompt may have 1 to 100 tokens, got 101"),
        (0, 9, 0, "a prompt may have 1 to 100 tokens, got 0"),
        (5, 41, 0, "an answer may have 1 to 40 tokens, got 41"),
        (5, 9, 10, "an answer of 9 tokens cannot begin with 10"),
    ],
)
def test_what_can_never_fit_is_refused(
    model: Denoiser, prompt: int, size: int, pinned: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        engine(model).add(AnswerRequest((5,) * prompt, size, pinned=(5,) * pinned))


def test_in_8_bits_an_answer_is_nearly_as_likely_as_the_greedy_one(model: Denoiser) -> None:
    """Rounding changes which token is the likeliest only where another is nearly as likely."""
    if not int8.is_supported():
        pytest.skip("no products of 8 bits here")
    weights, rng = variant(model), random.Random(8)
    asked = [AnswerRequest(tokens(rng, 9), 12) for _ in range(6)]
    found = run(engine(weights, options=StepOptions(int8=True)), asked)
    for answer, request in zip(found, asked, strict=True):
        again = dataclasses.replace(request, pinned=(*answer.tokens, EOS)[: request.size])
        assert greedy(weights, again)[1] > greedy(weights, request)[1] - 0.5


def test_in_8_bits_an_answer_does_not_depend_on_what_shares_its_passes(model: Denoiser) -> None:
    if not int8.is_supported():
        pytest.skip("no products of 8 bits here")
    weights, rng = variant(model, mask_token_id=0), random.Random(8)
    asked = [AnswerRequest(tokens(rng, 9 + 5 * nth), 12) for nth in range(6)]
    together = run(engine(weights, options=StepOptions(int8=True)), asked, 2)
    for answer, request in zip(together, asked, strict=True):
        (alone,) = run(engine(weights, options=StepOptions(int8=True)), [request])
        assert alone.tokens == answer.tokens
