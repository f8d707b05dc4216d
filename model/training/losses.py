"""The training losses: next tokens in the autoregressive stage, canvases too in the joint one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..network.batches import Example, pad
from ..network.denoiser import Denoiser, Layer
from ..network.kv_cache import KVCache
from .canvases import Canvases, Scored
from .head_loss import head_likeness, head_loss

BALANCE_WEIGHT = 0.01  # of the experts' balance loss (Switch Transformer, arXiv 2101.03961, 2.2)
WHOLE_EVERY = 6  # rows, one has a canvas for its whole answer
CANVASES_A_ROW = 2  # of each other row


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
    hidden, _, targets, weights = _causal_pass(model, batch)
    cap = model.config.final_logit_softcapping
    loss = head_loss(hidden, model.embed_tokens.weight, targets, weights, cap)
    return loss + BALANCE_WEIGHT * balance_loss(model)


def _causal_pass(
    model: Denoiser, batch: Sequence[Example]
) -> tuple[Tensor, KVCache, Tensor, Tensor]:
    """Hidden states [N, D] before the answers' tokens, the keys of prompts and answers (without
    the end mark), those tokens [N], and weights [N] that add up to 1."""
    rows = [[*e.prompt, *e.answer] for e in batch]
    tokens = pad(rows, model.config.pad_token_id)  # [B, N]
    where = torch.arange(tokens.shape[1])
    starts = torch.tensor([len(e.prompt) for e in batch])
    ends = torch.tensor([len(row) for row in rows])[:, None]
    hidden, cache = model.encode(tokens[:, :-1], mask=where[:-1] < ends - 1, prompt_tokens=starts)
    asked = (where >= starts[:, None]) & (where < ends)  # [B, N]
    targets = tokens[asked]
    return hidden[asked[:, 1:]], cache, targets, torch.full(targets.shape, 1 / targets.numel())


def joint_loss(model: Denoiser, batch: Sequence[Example], generator: torch.Generator) -> Tensor:
    """Next-token cross-entropy on the answers, and that of canvases which read the same keys.

    1. One causal pass over prompt and answer, as in `autoregressive_loss`.
    2. One row in WHOLE_EVERY gets a canvas for its whole answer and some padding. Of these canvases
       two in five are nothing but noise; of the others a share t of the draft's tokens (the
       answer's, where no earlier draft is given), t = sqrt(U(0, 1)).
    3. In half of the cases the model first predicts those without gradient; its expectation becomes
       the self-conditioning of a second, less noised canvas. In half of those rows the tokens
       that are not noise are the model's own guesses, so that it learns to mend its mistakes
       (step-unrolled denoising, arXiv 2112.06749).
    4. Each other row gets CANVASES_A_ROW canvases of nothing but noise, behind committed beginnings
       of random length: the drafts that are verified. Their first token is drawn as well, but that
       is what verification writes itself; those behind it decide how much is committed.
    5. What a canvas says of each token of an answer is to be what the causal pass says of it, all
       probabilities and not just the token: that is what a draft will be verified by.
    Both losses weigh the same, as in DiffusionGemma's own recipe; the tail behind the end mark
    weighs little.
    """
    hidden, cache, targets, weights = _causal_pass(model, batch)
    balance = balance_loss(model)
    offset = int(torch.randint(0, WHOLE_EVERY, (), generator=generator))
    whole = range(offset, len(batch), WHOLE_EVERY)
    short = CANVASES_A_ROW * [row for row in range(len(batch)) if row not in whole]
    scored: list[Scored] = []
    for rows, is_whole in ((whole, True), (short, False)):
        if not rows:
            continue
        canvases = Canvases(model, batch, cache, rows, is_whole, generator)
        canvas, expected = canvases.noised(), None
        if is_whole and torch.rand((), generator=generator).item() < 0.5:
            canvas, expected = canvases.denoised_once(canvas)
        scored.append(canvases.scored(canvas, expected))
        balance = balance + balance_loss(model) / 2
    drawn, places, counts, tail, tail_targets, tail_counts = map(
        torch.cat, zip(*scored, strict=True)
    )
    head, cap = model.embed_tokens.weight, model.config.final_logit_softcapping
    total = counts.sum() + tail_counts.sum()
    written = head_loss(
        torch.cat([hidden, tail]),
        head,
        torch.cat([targets, tail_targets]),
        torch.cat([weights, tail_counts / total]),
        cap,
    )
    drafted = head_likeness(drawn, head, hidden[places], counts / total, cap)
    return written + drafted + BALANCE_WEIGHT * balance
