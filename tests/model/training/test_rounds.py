"""Rounds of draft and verify against greedy decoding, with random weights."""

import copy
import dataclasses
import random
from collections.abc import Sequence
from operator import ne

import pytest

from surtitle.model.network.denoiser import Denoiser
from surtitle.model.training import rounds
from surtitle.model.training.rounds import draft_and_verify, draft_once, write_greedily

TOKENS, EOS = 60, 1
PROMPTS = [[2, *random.Random(n).choices(range(4, TOKENS), k=n % 5 + 1), 3] for n in range(10)]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "MAX_TOKENS", 12)
    monkeypatch.setattr(rounds, "CHUNK_ROWS", 7)


@pytest.mark.parametrize("mask", [None, 0])
@pytest.mark.parametrize("size", [8, 3])
def test_what_is_verified_is_what_greedy_decoding_writes(
    tiny: Denoiser, size: int, mask: int | None
) -> None:
    model = copy.copy(tiny)
    model.config = dataclasses.replace(tiny.config, mask_token_id=mask)
    greedy = write_greedily(model, PROMPTS)
    found = draft_and_verify(model, PROMPTS, size)
    for one, other in zip(found, greedy, strict=True):
        assert one.tokens[: len(other.tokens)] == other.tokens
        assert 1 <= one.rounds <= len(one.tokens)


def test_a_draft_that_is_right_is_accepted_in_one_round(
    tiny: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [one.tokens for one in write_greedily(tiny, PROMPTS)]
    answers = dict(zip(map(tuple, PROMPTS), whole, strict=True))

    def right(_model: object, known: Sequence[Sequence[int]], *_: object) -> list[list[int]]:
        prompts = [tuple(row[: row.index(3) + 1]) for row in known]
        return [
            [*answers[prompt], 0][len(row) - len(prompt) : -2]
            for prompt, row in zip(prompts, known, strict=True)
        ]

    monkeypatch.setattr(rounds, "_drafts", right)
    found = draft_and_verify(tiny, PROMPTS, 8)
    assert [one.tokens for one in found] == whole
    # The first has no draft yet.
    assert {one.rounds for one in found} == {1 + (len(one.tokens) > 1) for one in found}


def test_an_answer_ends_at_its_end_mark_or_is_cut(tiny: Denoiser) -> None:
    found = write_greedily(tiny, PROMPTS)
    assert all(EOS not in one.tokens[:-1] and one.confidence < 0 for one in found)
    assert all(len(one.tokens) == 12 or one.tokens[-1] == EOS for one in found)


def test_a_draft_has_no_end_mark_and_no_repeats(tiny: Denoiser) -> None:
    for draft in draft_once(tiny, PROMPTS):
        assert all(map(ne, draft, draft[1:])) and not {0, EOS} & set(draft)
