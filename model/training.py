"""Training of the embedded translator: autoregressive first, then diffusion.

DiffusionGemma was made from Gemma 4 in this order; from scratch, diffusion learns the alignment of
source and target far too late for a laptop's budget (model/embedded/README.md has the figures).

Stage "autoregressive": prompt and answer in one causal pass, next-token loss on the answer.
Stage "diffusion": the prompt through the encoder, the answer as a noised canvas, loss on every
canvas position.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .canvas import canvas_tokens
from .config import FULL, SLIDING, ModelConfig, load_config, save_config
from .corpus import Example, Pair, batches, examples, pad, read_commands, read_pairs, spoken
from .denoiser import Denoiser, Layer
from .muon import Muon
from .tokenizer import TranslationTokenizer, train_tokenizer

BALANCE_WEIGHT = 0.01  # of the experts' balance loss (Switch Transformer, arXiv 2101.03961, 2.2)
TAIL_WEIGHT = 0.1  # of the padding behind the end mark, which is easy and would drown the text


def embedded_config(vocab_size: int) -> ModelConfig:
    """The shape of the embedded model."""
    return ModelConfig(
        vocab_size=vocab_size,
        hidden_size=256,
        intermediate_size=256,
        moe_intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        num_global_key_value_heads=2,
        global_head_dim=64,
        num_experts=8,
        top_k_experts=2,
        layer_types=(SLIDING, FULL, SLIDING, FULL),
        eos_token_ids=(1,),
        canvas_length=64,
    )


def initialize(model: Denoiser, rng_seed: int) -> None:
    """Random weights that start calm: no 1/sqrt(K) in the attention and post-norms everywhere."""
    torch.manual_seed(rng_seed)
    depth = len(model.layers)
    for name, weight in model.named_parameters():
        if weight.dim() >= 2:
            nn.init.normal_(weight, std=weight.shape[-1] ** -0.5)
        elif name.endswith(("q_norm.weight", "k_norm.weight")):
            nn.init.constant_(weight, weight.shape[0] ** -0.25)
        elif "post_" in name and "layernorm_" not in name:
            nn.init.constant_(weight, (2 * depth) ** -0.5)


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
    """Next-token cross-entropy on the answers, one causal pass."""
    rows = [[*e.prompt, *e.answer] for e in batch]
    tokens = pad(rows, model.config.pad_token_id)  # [B, N]
    where = torch.arange(tokens.shape[1])
    starts = torch.tensor([len(e.prompt) for e in batch])[:, None]
    ends = torch.tensor([len(row) for row in rows])[:, None]
    hidden, _ = model.encode(tokens[:, :-1], mask=where[:-1] < ends)
    asked = (where >= starts) & (where < ends)  # [B, N]
    logits = model.logits(hidden[asked[:, 1:]])
    loss = F.cross_entropy(logits, tokens[asked])
    return loss + BALANCE_WEIGHT * balance_loss(model)


def diffusion_loss(model: Denoiser, batch: Sequence[Example], generator: torch.Generator) -> Tensor:
    """Cross-entropy on every canvas position of noised answers.

    1. A share t of the canvas tokens, t = sqrt(U(0, 1)) per row (more often near 1, where the
       sampler starts), is replaced by uniformly random ones.
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
    size = max(max(canvas_tokens(len(e.prompt)), len(e.answer)) for e in batch)
    target = pad([e.answer for e in batch], pad_id, size)  # [B, C]

    def noised(clean: Tensor, share: Tensor) -> Tensor:
        noise = torch.randint(0, model.config.vocab_size, clean.shape, generator=generator)
        return torch.where(torch.rand(clean.shape, generator=generator) < share, noise, clean)

    share = torch.rand(len(batch), 1, generator=generator).sqrt()
    canvas, expected = noised(target, share), None
    if torch.rand(1, generator=generator).item() < 0.5:
        with torch.no_grad():
            temperature = 0.4 + 0.4 * torch.rand(1, generator=generator)
            first = model.denoise(canvas, cache) / temperature
            expected = model.expected_embedding(first)
        guessed = torch.rand(len(batch), 1, generator=generator) < 0.5
        share = share * torch.rand(len(batch), 1, generator=generator)
        canvas = noised(torch.where(guessed, first.argmax(dim=-1), target), share)
    logits = model.denoise(canvas, cache, expected)
    losses = F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none")
    weights = torch.where(target.flatten() == pad_id, TAIL_WEIGHT, 1.0)
    return (losses * weights).sum() / weights.sum() + BALANCE_WEIGHT * balance_loss(model)


def optimizers(model: Denoiser, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings, router and vectors."""
    named = list(model.named_parameters())
    matrices = [p for n, p in named if p.dim() >= 2 and "embed" not in n and "router" not in n]
    chosen = set(map(id, matrices))
    rest = [p for _, p in named if id(p) not in chosen]
    return [
        Muon(matrices, lr=lr, momentum=0.95, weight_decay=0.05),
        torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=0.0, foreach=True),
    ]


@dataclasses.dataclass(slots=True)
class Progress:
    """Where a run stands; stored in every checkpoint."""

    stage: str
    step: int = 0
    epoch: int = 0
    seconds: float = 0.0


def learning_rate(done: float, peak: float) -> float:
    """Warm-up over the first 3 %, then a cosine to 2 % of the peak; `done` from 0 to 1."""
    if done < 0.03:
        return peak * (done / 0.03 + 0.01)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def train(
    model: Denoiser,
    data: Sequence[tuple[list[Pair], str, str]],
    tokenizer: TranslationTokenizer,
    progress: Progress,
    arguments: argparse.Namespace,
) -> None:
    """Run one stage for `arguments.minutes`, with a checkpoint every `arguments.save_minutes`."""
    optimize = optimizers(model, arguments.lr)
    folder = cast("Path", arguments.run)
    state = folder / f"{progress.stage}.pt"
    if state.exists():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        for optimizer, values in zip(optimize, saved["optimizers"], strict=True):
            optimizer.load_state_dict(values)
        progress = Progress(**saved["progress"])
        print(f"resumed {progress}", flush=True)

    def save() -> None:
        parts = {
            "model": model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimize],
            "progress": dataclasses.asdict(progress),
        }
        torch.save(parts, state.with_suffix(".tmp"))
        state.with_suffix(".tmp").replace(state)

    model.train()
    budget = arguments.minutes * 60
    base, started = progress.seconds, time.monotonic()
    shown, saved_at, losses = started, started, list[float]()
    seed = arguments.seed + 1000 * progress.epoch + progress.step
    generator = torch.Generator().manual_seed(seed)
    for epoch, batch in _endless(data, tokenizer, progress.epoch, arguments):
        now = time.monotonic()
        progress.seconds, progress.epoch = base + now - started, epoch
        if progress.seconds >= budget:
            break
        lr = learning_rate(progress.seconds / budget, arguments.lr)
        for optimizer in optimize:
            for group in optimizer.param_groups:
                group["lr"] = lr
        if progress.stage == "autoregressive":
            loss = autoregressive_loss(model, batch)
        else:
            loss = diffusion_loss(model, batch, generator)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimize:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        progress.step += 1
        losses.append(loss.item())
        if now - shown >= 20:
            line = {**dataclasses.asdict(progress), "loss": sum(losses) / len(losses), "lr": lr}
            print(json.dumps(line), flush=True)
            shown, losses = now, []
        if now - saved_at >= arguments.save_minutes * 60:
            save()
            saved_at = now
    save()
    model.eval()


def _endless(
    data: Sequence[tuple[list[Pair], str, str]],
    tokenizer: TranslationTokenizer,
    epoch: int,
    arguments: argparse.Namespace,
) -> Iterator[tuple[int, list[Example]]]:
    while True:
        rng = random.Random(arguments.seed + epoch)
        rows = [e for part in data for e in examples(part[0], tokenizer, *part[1:], rng)]
        for batch in batches(rows, arguments.batch_tokens, rng):
            yield epoch, batch
        epoch += 1


def main(argv: Sequence[str]) -> int:
    """`surtitle train`: one stage of training; run it again to go on from its checkpoint."""
    parser = argparse.ArgumentParser(prog="surtitle train", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the parallel text")
    parser.add_argument("--run", type=Path, required=True, help="folder for the checkpoints")
    parser.add_argument("--stage", choices=["autoregressive", "diffusion"], required=True)
    parser.add_argument("--pair", default="en-es", help="direction, for example en-es")
    parser.add_argument("--minutes", type=float, default=60, help="training time of the stage")
    parser.add_argument("--save-minutes", type=float, default=5)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--batch-tokens", type=int, default=6000)
    parser.add_argument("--vocab-size", type=int, default=6144)
    parser.add_argument("--compile", action="store_true", help="faster; needs a C++ compiler")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    source, target = arguments.pair.split("-")
    pairs = read_pairs(arguments.data, source, target, "train")
    pairs += read_commands(arguments.data, source, target, "train")
    folder = cast("Path", arguments.run)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "tokenizer.json").exists():
        texts = [t for p in pairs for t in (p.source, spoken(p.source), p.target)]
        languages = sorted({source, target})
        made = train_tokenizer(texts, arguments.vocab_size, languages)
        made.save(folder)
        save_config(embedded_config(made.vocab_size), folder)
    tokenizer = TranslationTokenizer.load(folder)
    model = Denoiser(load_config(folder))
    initialize(model, arguments.seed)
    base = folder / "autoregressive.pt"
    if arguments.stage == "diffusion" and base.exists():
        model.load_state_dict(torch.load(base, weights_only=True)["model"])
    count = sum(p.numel() for p in model.parameters())
    print(f"{len(pairs)} pairs, {count / 1e6:.1f} M parameters", flush=True)
    if arguments.compile:
        for layer in model.layers:
            layer.compile(dynamic=True)
    train(model, [(pairs, source, target)], tokenizer, Progress(arguments.stage), arguments)
    return 0
