"""Our model against transformers 5.23.0, float32, eager attention."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
    DiffusionGemmaGenerationConfig,
    EntropyBoundSamplerConfig,
)

from surtitle.model.network.config import SamplerConfig
from surtitle.model.network.denoiser import Denoiser

from ..plain_generation import Generation, generate
from ..plain_sampler import EntropyBoundSampler

TOLERANCE = 1e-5
VOCABULARY, CANVAS = 512, 32
EOS, PAD = (1, 106, 50), 0

# The window is 16 tokens: below it, at it, just above it, far above it.
PROMPTS = [5, 15, 16, 17, 40, 90]


def tokens(rows: int, length: int, seed: int = 7) -> Tensor:
    return torch.randint(3, 400, (rows, length), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Several threads split sums by shape: the same additions in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("length", PROMPTS)
@torch.inference_mode()
def test_encoder_states(reference: Any, model: Denoiser, length: int, rows: int) -> None:
    prompt = tokens(rows, length)
    hidden, _ = model.encode(prompt)
    expected = reference.model.encoder(input_ids=prompt).last_hidden_state
    torch.testing.assert_close(hidden, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("self_conditioned", [False, True])
@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("length", PROMPTS)
@torch.inference_mode()
def test_decoder_logits(
    reference: Any, model: Denoiser, length: int, rows: int, self_conditioned: bool
) -> None:
    prompt, canvas = tokens(rows, length), torch.randint(0, VOCABULARY, (rows, CANVAS))
    believed = torch.randn(rows, CANVAS, VOCABULARY) * 4 if self_conditioned else None
    prefix = reference.model.encoder(input_ids=prompt).past_key_values
    expected = reference(
        decoder_input_ids=canvas, past_key_values=prefix, self_conditioning_logits=believed
    ).logits
    _, cache = model.encode(prompt)
    embedding = None if believed is None else model.mean_embedding(believed.softmax(dim=-1))
    logits = model.denoise(canvas, cache, embedding)
    torch.testing.assert_close(logits, expected, rtol=0, atol=TOLERANCE)


@torch.inference_mode()
def test_encoding_in_two_parts(reference: Any, model: Denoiser) -> None:
    prompt = tokens(2, 40)
    _, cache = model.encode(prompt[:, :23])
    hidden, _ = model.encode(prompt[:, 23:], cache=cache)
    expected = reference.model.encoder(input_ids=prompt).last_hidden_state[:, 23:]
    torch.testing.assert_close(hidden, expected, rtol=0, atol=TOLERANCE)


@dataclass(frozen=True)
class Case:
    """One generation. A calm model has layers that change little, so that its rows stop early."""

    seed: int = 1
    rows: int = 2
    prompt_tokens: int = 40
    canvases: int = 1
    calm: bool = False
    eos: tuple[int, ...] = EOS
    sampler: SamplerConfig = field(default_factory=lambda: SamplerConfig(max_denoising_steps=8))


def sampler(**settings: Any) -> SamplerConfig:
    return SamplerConfig(**{"max_denoising_steps": 8, **settings})


COOL: dict[str, Any] = {"t_min": 0.05, "t_max": 0.1, "max_denoising_steps": 20}
UNEVEN: dict[str, Any] = {
    "t_min": 1.0,
    "t_max": 2.0,
    "max_denoising_steps": 12,
    "entropy_bound": 100.0,
    "confidence_threshold": 0.5,
}
CASES = {
    "released settings": Case(),
    "one row": Case(rows=1),
    "three rows": Case(rows=3, seed=2),
    "prompt below the window": Case(prompt_tokens=5, seed=3),
    "prompt at the window": Case(prompt_tokens=16, seed=4),
    "prompt far above the window": Case(prompt_tokens=90, seed=5),
    "two canvases": Case(canvases=2),
    "three canvases without an end mark": Case(canvases=3, eos=(511,), seed=6),
    "wide entropy bound": Case(sampler=sampler(entropy_bound=8.0)),
    "everything accepted": Case(sampler=sampler(entropy_bound=2000.0), canvases=2),
    "stability not asked for": Case(sampler=sampler(stability_threshold=0), seed=8),
    "stability over two steps": Case(calm=True, sampler=sampler(**COOL, stability_threshold=2)),
    "loose confidence": Case(sampler=sampler(confidence_threshold=6.3, stability_threshold=0)),
    "cold": Case(sampler=sampler(t_min=0.02, t_max=0.04, max_denoising_steps=12), canvases=2),
    "calm": Case(calm=True, sampler=sampler(**COOL)),
    "calm, two canvases": Case(calm=True, sampler=sampler(**COOL), canvases=2, rows=3, seed=9),
    "rows stop at different steps": Case(calm=True, rows=3, sampler=sampler(**UNEVEN)),
    "different steps, two canvases": Case(
        calm=True, rows=3, seed=2, canvases=2, sampler=sampler(**UNEVEN)
    ),
    "calm, no end mark": Case(calm=True, sampler=sampler(**COOL), canvases=2, eos=(511,)),
}


def run_reference(reference: Any, case: Case, prompt: Tensor, **inputs: Any) -> Any:
    config = case.sampler
    torch.manual_seed(case.seed)
    return reference.generate(
        prompt,
        generation_config=DiffusionGemmaGenerationConfig(
            max_new_tokens=case.canvases * CANVAS,
            max_denoising_steps=config.max_denoising_steps,
            eos_token_id=list(case.eos),
            pad_token_id=PAD,
            t_min=config.t_min,
            t_max=config.t_max,
            stability_threshold=config.stability_threshold,
            confidence_threshold=config.confidence_threshold,
            sampler_config=EntropyBoundSamplerConfig(entropy_bound=config.entropy_bound),
        ),
        **inputs,
    )


def run_ours(model: Denoiser, case: Case, prompt: Tensor, **inputs: Any) -> Generation:
    variant = copy.copy(model)  # shares the weights
    variant.config = dataclasses.replace(model.config, eos_token_ids=case.eos)
    torch.manual_seed(case.seed)
    return generate(
        variant,
        EntropyBoundSampler(case.sampler, VOCABULARY),
        prompt,
        max_new_tokens=case.canvases * CANVAS,
        **inputs,
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_generation_is_token_identical(request: pytest.FixtureRequest, case: Case) -> None:
    prefix = "calm_" if case.calm else ""
    prompt = tokens(case.rows, case.prompt_tokens, case.seed)
    expected = run_reference(request.getfixturevalue(f"{prefix}reference"), case, prompt)
    ours = run_ours(request.getfixturevalue(f"{prefix}model"), case, prompt)
    torch.testing.assert_close(ours.tokens, expected.sequences[:, prompt.shape[1] :])
    per_step = (ours.tokens != PAD).sum(dim=1) / ours.steps
    torch.testing.assert_close(per_step, expected.tokens_per_forward)


def test_the_cases_cover_stops_and_end_marks(model: Denoiser, calm_model: Denoiser) -> None:
    """Guards the list above: rows that settle early and unevenly, end marks inside a canvas."""

    def steps_and_lengths(name: str) -> tuple[list[int], list[int]]:
        case = CASES[name]
        chosen = calm_model if case.calm else model
        ours = run_ours(chosen, case, tokens(case.rows, case.prompt_tokens, case.seed))
        return ours.steps.tolist(), (ours.tokens != PAD).sum(dim=1).tolist()

    assert steps_and_lengths("calm")[0] == [2, 2]
    assert steps_and_lengths("rows stop at different steps")[0] == [9, 5, 6]
    assert max(steps_and_lengths("rows stop at different steps")[1]) == CANVAS
    assert min(steps_and_lengths("everything accepted")[1]) < CANVAS


def test_warm_start_is_token_identical(reference: Any, model: Denoiser) -> None:
    case = Case(canvases=2, eos=(511,))
    prompt, start = tokens(2, 40), tokens(2, CANVAS, seed=8)
    expected = run_reference(reference, case, prompt, decoder_input_ids=start)
    ours = run_ours(model, case, prompt, start=start)
    torch.testing.assert_close(ours.tokens, expected.sequences[:, 40:])


def test_reused_cache_is_token_identical(reference: Any, model: Denoiser) -> None:
    case = Case(canvases=2, eos=(511,))
    prompt, more = tokens(2, 20), tokens(2, 9, seed=8)
    first = run_reference(reference, case, prompt)
    ours_first = run_ours(model, case, prompt)
    # The cache covers the first canvas, not the second.
    expected = run_reference(reference, case, more, past_key_values=first.past_key_values)
    ours = run_ours(model, case, more, cache=ours_first.cache)
    torch.testing.assert_close(ours.tokens, expected.sequences[:, 9:])
