"""The training losses: next tokens in the autoregressive stage, whole canvases in diffusion."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..engine.canvas import canvas_tokens
from ..network.batches import Example, pad
from ..network.denoiser import Denoiser, Layer
from .head_loss import head_belief, head_loss

BALANCE_WEIGHT = 0.01  # of the experts' balance loss (Switch Transformer, arXiv 2101.03961, 2.2)
TAIL_WEIGHT = 0.1  # of the padding behind the end mark, which is easy and would drown the text
TAIL_SHARE = 0.25  # of the padding that is scored at all; it then weighs more


def balance_loss(model: Denoiser) -> Tensor:
    """E * sum(share of visits * mean probability) per layer, averaged; 1 when balanced."""
    losses: list[Tensor] = []
    for layer in model.layers:
        assert isinstance(layer, Layer) and layer.routing is not None
        experts, probabilities = layer.routing
        count = probabilities.shape[1]
        share = torch.bincount(experts.flatten(), minlength=count) / experts.numel()
        losses.append(count * (share * probabilities.mean(dim=0)).sum())
    return torch.stack(losses).mean()


def autoregressive_loss(model: Denoiser, batch: Sequence[Example]) -> Tensor:
    """Next-token cross-entropy on the answers, prompt and answer in one causal pass."""
    rows = [[*e.prompt, *e.answer] for e in batch]
    tokens = pad(rows, model.config.pad_token_id)  # [B, N]
    where = torch.arange(tokens.shape[1])
    starts = torch.tensor([len(e.prompt) for e in batch])
    ends = torch.tensor([len(row) for row in rows])[:, None]
    hidden, _ = model.encode(tokens[:, :-1], mask=where[:-1] < ends - 1, prompt_tokens=starts)
    asked = (where >= starts[:, None]) & (where < ends)  # [B, N]
    targets = tokens[asked]
    weights = torch.full(targets.shape, 1 / targets.numel())
    return _token_loss(model, hidden[asked[:, 1:]], targets, weights)


def diffusion_loss(model: Denoiser, batch: Sequence[Example], generator: torch.Generator) -> Tensor:
    """Cross-entropy on the positions of noised answers, the prompts through the encoder.

    1. A share t of the draft's tokens (the answer's, where no earlier draft is given), t =
       sqrt(U(0, 1)) per row (more often near 1, where the sampler starts), is replaced by uniformly
       random ones.
    2. In half of the batches the model first predicts without gradient; its expectation becomes
       the self-conditioning of a second, less noised canvas. In half of those rows the tokens
       that are not noise are the model's own guesses, so that it learns to mend its mistakes
       (step-unrolled denoising, arXiv 2112.06749).
    3. Loss on the last prediction; the tail behind the end mark weighs little.
    """
    pad_id = model.config.pad_token_id
    prompts = pad([e.prompt for e in batch], pad_id)
    lengths = torch.tensor([len(e.prompt) for e in batch])[:, None]
    _, cache = model.encode(prompts, mask=torch.arange(prompts.shape[1]) < lengths)
    size = max(max(canvas_tokens(len(e.prompt)), len(e.answer), len(e.draft)) for e in batch)
    target = pad([e.answer for e in batch], pad_id, size)  # [B, C]
    draft = pad([e.draft for e in batch], pad_id, size)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    def noised(clean: Tensor, share: Tensor) -> Tensor:
        noise = torch.randint(0, model.config.vocab_size, clean.shape, generator=generator)
        return torch.where(uniform(*clean.shape) < share, noise, clean)

    share = uniform(len(batch), 1).sqrt()  # 1
    canvas, expected = noised(draft, share), None
    if uniform(1).item() < 0.5:  # 2
        with torch.no_grad():
            hidden = model.denoise_hidden(canvas, cache)
            cap, temperature = model.config.final_logit_softcapping, 0.4 + 0.4 * uniform(1).item()
            mean, best = head_belief(
                hidden.flatten(0, 1), model.embed_tokens.weight, cap, temperature
            )
            expected = mean.view_as(hidden) * model.config.hidden_size**0.5
        share = share * uniform(len(batch), 1)
        guessed = uniform(len(batch), 1) < 0.5
        canvas = noised(torch.where(guessed, best.view_as(draft), draft), share)
    hidden = model.denoise_hidden(canvas, cache, expected)  # 3
    is_tail = target == pad_id
    asked = ~is_tail | (uniform(*target.shape) < TAIL_SHARE)
    weights = torch.where(is_tail[asked], TAIL_WEIGHT / TAIL_SHARE, 1.0)
    return _token_loss(model, hidden[asked], target[asked], weights / weights.sum())


def _token_loss(model: Denoiser, hidden: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    cap = model.config.final_logit_softcapping
    loss = head_loss(hidden, model.embed_tokens.weight, targets, weights, cap)
    return loss + BALANCE_WEIGHT * balance_loss(model)
