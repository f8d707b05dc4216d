"""The whole model through the kernels against the same model through the references."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from surtitle.kernels.dispatch import forced
from surtitle.model.bench.models import CONFIGS
from surtitle.model.engine.engine import CanvasRequest, Engine, EngineLimits
from surtitle.model.engine.step import RowStates, StepOptions
from surtitle.model.network.config import SamplerConfig
from surtitle.model.network.denoiser import Denoiser

from ..model.plain_generation import generate
from ..model.plain_sampler import EntropyBoundSampler

VOCABULARY, CANVAS = 512, 16
pytestmark = pytest.mark.slow


@pytest.fixture
def model(device: str) -> Denoiser:
    """Tiny, with random weights of which no norm, scale or scalar is 1."""
    config = replace(CONFIGS["toy"], sliding_window=16, canvas_length=CANVAS)
    made = Denoiser(config).eval().requires_grad_(False)
    torch.manual_seed(0)  # whatever the constructor draws
    for name, weight in made.named_parameters():
        if weight.dim() == 1:
            weight.uniform_(0.6, 1.4)
        else:
            weight.normal_(0, 0.3 if "embed_tokens" in name else 0.12)
    for name, scalar in made.named_buffers():
        if name.endswith("layer_scalar"):
            scalar.uniform_(0.5, 1.2)
    return made.to(device)


@torch.inference_mode()
def test_logits(model: Denoiser, device: str) -> None:
    prompt = torch.randint(3, 400, (2, 23), device=device)
    mask = torch.arange(23, device=device) < torch.tensor([[23], [9]], device=device)
    canvas = torch.randint(VOCABULARY, (2, CANVAS), device=device)
    expected = torch.randn(2, CANVAS, 64, device=device)

    def logits(triton: bool) -> torch.Tensor:
        with forced(triton):
            _, cache = model.encode(prompt, mask)
            return model.denoise(canvas, cache, expected)

    ours, wanted = logits(triton=True), logits(triton=False)
    torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-4)
    assert torch.equal(ours.argmax(dim=-1), wanted.argmax(dim=-1))


def test_generation_is_token_identical(model: Denoiser, device: str) -> None:
    prompt = torch.randint(3, 400, (2, 9), device=device)
    sampler = EntropyBoundSampler(SamplerConfig(max_denoising_steps=4), VOCABULARY)

    def tokens(triton: bool) -> torch.Tensor:
        torch.manual_seed(1)
        with forced(triton):
            return generate(model, sampler, prompt, max_new_tokens=CANVAS).tokens

    assert torch.equal(tokens(triton=True), tokens(triton=False))


@pytest.mark.parametrize("options", [StepOptions(), StepOptions(fp8=True, top_tokens=8)])
def test_steps_of_the_engine(model: Denoiser, device: str, options: StepOptions) -> None:
    """Prompts and canvases of many lengths, in the few shapes that a card would record; the second
    step, without prompts, begins where the references are."""
    sampler = SamplerConfig(max_denoising_steps=3)
    limits = EngineLimits(rows=4, canvas_tokens=24, step_tokens=128, arena_tokens=64)
    kernels, references = (
        Engine(
            model,
            sampler,
            limits,
            generator=torch.Generator(device).manual_seed(5),
            options=options,
            buckets=True,
        )
        for _ in range(2)
    )
    for _ in range(2):
        for engine in kernels, references:
            engine.add(CanvasRequest(tuple(range(50, 73)), 24))  # longer than the window
            engine.add(CanvasRequest((7, 8), 16, start=(9, 10, 11), pinned=(-1, 300)))
    for _ in range(2):
        for engine, triton in (kernels, True), (references, False):
            with forced(triton):
                engine.step()
        ours, wanted = kernels._states, references._states
        rows = slice(limits.rows)  # and not the spare one, on which shapes are filled up
        torch.testing.assert_close(ours.expected[rows], wanted.expected[rows], rtol=0, atol=1e-3)
        same = (ours.best[rows] == wanted.best[rows]).float().mean()
        assert same > 0.99  # all but ties
        for name in RowStates.__dataclass_fields__:
            getattr(ours, name).copy_(getattr(wanted, name))
