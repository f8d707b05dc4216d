"""Training of the embedded translator: autoregressive first, then distilled, then diffusion.

DiffusionGemma was made from Gemma 4 in this order; from scratch, diffusion learns the alignment of
source and target far too late for a laptop's budget (model/embedded/README.md has the figures).

    autoregressive  prompt and answer in one causal pass, next-token loss on the answer
    distill         the model of that stage translates again (distillation.py says why)
    diffusion       the prompt through the encoder, the answer as a noised canvas
    export          a checkpoint folder, and its scores on the dev set
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import cast

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from .config import (
    FULL,
    SLIDING,
    ModelConfig,
    SamplerConfig,
    load_config,
    save_config,
    save_sampler_config,
)
from .corpus import (
    Example,
    Pair,
    batches,
    examples,
    read_commands,
    read_monolingual,
    read_pairs,
    read_tsv,
    spoken,
    write_tsv,
)
from .denoiser import Denoiser, Layer
from .distillation import distill
from .evaluation import evaluate
from .losses import autoregressive_loss, diffusion_loss
from .muon import Muon
from .tokenizer import TranslationTokenizer, train_tokenizer
from .translation import Request, Translations
from .weights import load_model, save_model

STAGES = ["autoregressive", "distill", "diffusion", "export"]
DISTILLED = "distilled.tsv"
SAMPLER = SamplerConfig(  # of the embedded model
    max_denoising_steps=8, t_min=0.1, t_max=0.4, merge_repeats=True
)


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
        bidirectional_prompt=True,
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
    rank: int,
    model: Denoiser,
    pairs: Sequence[Pair],
    tokenizer: TranslationTokenizer,
    arguments: argparse.Namespace,
) -> None:
    """Run one stage for `arguments.minutes`, as one of `arguments.processes` workers.

    Workers train apart on one thread each and average their weights every `sync_seconds` (local
    SGD, arXiv 1805.09767): on two cores that is faster than one process with two threads, and one
    that is held up does not hold up the other. Rank 0 writes the checkpoints.
    """
    torch.set_num_threads(arguments.threads)
    workers = cast("int", arguments.processes)
    folder, stage = cast("Path", arguments.run), cast("str", arguments.stage)
    if workers > 1:
        rendezvous = f"file://{folder.resolve()}/{stage}.rendezvous"
        dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=workers)
    if arguments.compile:
        # Every layer has a variant with and without gradient, per batch shape and type of layer.
        torch._dynamo.config.recompile_limit = 64  # pyright: ignore[reportPrivateUsage]
        for layer in cast("Iterable[Layer]", model.layers):
            # The compiler cannot lower grouped_mm with dynamic shapes on a CPU.
            eager = torch.compiler.disable(layer.experts.forward)
            layer.experts.forward = eager  # pyright: ignore[reportAttributeAccessIssue]
            layer.compile(dynamic=True)
    optimize, progress = optimizers(model, arguments.lr), Progress(stage)
    state = folder / f"{stage}.pt"
    if state.exists():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        for optimizer, values in zip(optimize, saved["optimizers"], strict=True):
            optimizer.load_state_dict(values)
        progress = Progress(**saved["progress"])
        print(f"resumed {progress}", flush=True)

    model.train()
    seed = arguments.seed + 1000 * progress.step + rank
    generator = torch.Generator().manual_seed(seed)
    budget, base, started = arguments.minutes * 60, progress.seconds, time.monotonic()
    losses: list[float] = []
    next_sync = arguments.sync_seconds
    for epoch, batch in _endless(pairs, tokenizer, seed, arguments):
        elapsed = time.monotonic() - started
        lr = learning_rate((base + elapsed) / budget, arguments.lr)
        for optimizer in optimize:
            for group in optimizer.param_groups:
                group["lr"] = lr
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bf16):
            if stage == "autoregressive":
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
        if elapsed < next_sync:
            continue
        next_sync += arguments.sync_seconds
        if workers > 1:
            _average(model, workers)
        progress.seconds, progress.epoch = base + elapsed, epoch
        if rank == 0:
            mean = sum(losses) / len(losses)
            line = {**dataclasses.asdict(progress), "loss": round(mean, 4), "lr": round(lr, 6)}
            print(json.dumps(line), flush=True)
            _save(state, model, optimize, progress)
        losses = []
        if progress.seconds >= budget:
            return


def _average(model: Denoiser, workers: int) -> None:
    with torch.no_grad():
        flat = parameters_to_vector(model.parameters())
        dist.all_reduce(flat)
        vector_to_parameters(flat / workers, model.parameters())


def _save(
    path: Path,
    model: Denoiser,
    optimize: Sequence[torch.optim.Optimizer],
    progress: Progress,
) -> None:
    parts = {
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimize],
        "progress": dataclasses.asdict(progress),
    }
    torch.save(parts, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def _endless(
    pairs: Sequence[Pair],
    tokenizer: TranslationTokenizer,
    seed: int,
    arguments: argparse.Namespace,
) -> Iterator[tuple[int, list[Example]]]:
    source, target = arguments.pair.split("-")
    epoch = 0
    while True:
        rng = random.Random(seed + epoch)
        rows = examples(pairs, tokenizer, source, target, rng)
        for batch in batches(rows, arguments.batch_tokens, rng):
            yield epoch, batch
        epoch += 1


def _write_distilled(
    model: Denoiser, tokenizer: TranslationTokenizer, arguments: argparse.Namespace
) -> None:
    """Write RUN/distilled.tsv, from the pairs and from the source sides of the other pairs."""
    source, target = arguments.pair.split("-")
    reserved = {pair.source for pair in read_pairs(arguments.data, source, target, "dev")}
    others = [text for text in read_monolingual(arguments.data, source) if text not in reserved]
    rng = random.Random(arguments.seed)
    processes = cast("int", arguments.processes)
    pairs = _training_pairs(arguments)
    distilled = distill(model, tokenizer, pairs, others, source, target, rng, processes)
    write_tsv(arguments.run / DISTILLED, distilled)


def export(model: Denoiser, tokenizer: TranslationTokenizer, arguments: argparse.Namespace) -> None:
    """Write RUN/model, a checkpoint folder, and print how well it translates the dev set."""
    folder = cast("Path", arguments.run) / "model"
    save_model(model, folder, torch.float16)
    tokenizer.save(folder)
    save_sampler_config(SAMPLER, model.config, folder)
    source, target = arguments.pair.split("-")
    pairs = read_pairs(arguments.data, source, target, "dev")
    references = [pair.target for pair in pairs]
    written = [pair.source for pair in pairs]
    sources = {"written": written, "spoken": [spoken(text) for text in written]}
    for (name, texts), candidates in product(sources.items(), (1, 4)):
        requests = [Request(text, source, target, candidates=candidates) for text in texts]
        found = Translations(model, tokenizer, SAMPLER).translate(requests)
        scores = evaluate(texts, [answer.text for answer in found], references)
        print(f"{name}, candidates {candidates}: {scores}", flush=True)


def _training_pairs(arguments: argparse.Namespace) -> list[Pair]:
    source, target = arguments.pair.split("-")
    pairs = read_pairs(arguments.data, source, target, "train")
    return pairs + read_commands(arguments.data, source, target, "train")


def _prepare(arguments: argparse.Namespace) -> None:
    """A new run gets its tokenizer and config, or those of the model that it starts from."""
    folder = cast("Path", arguments.run)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "tokenizer.json").exists():
        return
    if arguments.start_from:
        TranslationTokenizer.load(arguments.start_from).save(folder)
        save_config(load_config(arguments.start_from), folder)
        return
    source, target = arguments.pair.split("-")
    pairs = _training_pairs(arguments)
    texts = [text for p in pairs for text in (p.source, spoken(p.source), p.target)]
    made = train_tokenizer(texts, arguments.vocab_size, [(source, target)])
    made.save(folder)
    save_config(embedded_config(made.vocab_size), folder)


def _latest(arguments: argparse.Namespace) -> Denoiser:
    """The weights that the stage starts from."""
    folder = cast("Path", arguments.run)
    if arguments.start_from:
        model = load_model(arguments.start_from).requires_grad_(True)
    else:
        model = Denoiser(load_config(folder))
        initialize(model, arguments.seed)
    order = ["diffusion", "autoregressive"] if arguments.stage == "export" else ["autoregressive"]
    for stage in order if arguments.stage != "autoregressive" else ():
        path = folder / f"{stage}.pt"
        if path.exists():
            model.load_state_dict(torch.load(path, weights_only=True)["model"])
            break
    return model.eval()


def main(argv: Sequence[str]) -> int:
    """`surtitle train`: one stage of training; run it again to go on from its checkpoint."""
    parser = argparse.ArgumentParser(prog="surtitle train", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the parallel text")
    parser.add_argument("--run", type=Path, required=True, help="folder for the checkpoints")
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument(
        "--start-from", type=Path, metavar="FOLDER", help="a model in place of random weights"
    )
    parser.add_argument("--pair", default="en-es", help="direction, for example en-es")
    parser.add_argument("--minutes", type=float, default=60, help="training time of the stage")
    parser.add_argument("--sync-seconds", type=float, default=30)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--batch-tokens", type=int, default=4000)
    parser.add_argument("--vocab-size", type=int, default=6144)
    parser.add_argument("--bf16", action="store_true", help="faster where AVX512-BF16 exists")
    parser.add_argument("--compile", action="store_true", help="faster; needs a C++ compiler")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    arguments = parser.parse_args(argv)
    _prepare(arguments)
    folder, stage = cast("Path", arguments.run), cast("str", arguments.stage)
    tokenizer, model = TranslationTokenizer.load(folder), _latest(arguments)
    count = sum(p.numel() for p in model.parameters())
    print(f"{count / 1e6:.1f} M parameters", flush=True)
    if stage == "distill":
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bf16):
            _write_distilled(model, tokenizer, arguments)
        return 0
    if stage == "export":
        export(model, tokenizer, arguments)
        return 0
    distilled = folder / DISTILLED
    use_distilled = stage == "diffusion" and distilled.exists()
    pairs = read_tsv(distilled) if use_distilled else _training_pairs(arguments)
    (folder / f"{stage}.rendezvous").unlink(missing_ok=True)
    work = (model, pairs, tokenizer, arguments)
    if arguments.processes == 1:
        train(0, *work)
    else:
        mp.spawn(train, args=work, nprocs=arguments.processes)  # type: ignore[no-untyped-call]
    return 0
