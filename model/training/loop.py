"""The loop of the two stages that train, by one worker or by several."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ..engine.allocation import keep_freed_memory
from ..network.batches import Pair
from ..network.denoiser import Denoiser, Layer
from ..network.tokenizer import TranslationTokenizer
from . import head_loss, muon
from .display import Display
from .examples import endless
from .losses import autoregressive_loss, joint_loss
from .settings import Settings
from .validation import Point, Validator, save, validations_without_gain

SYNC_SECONDS = 30  # between the averages of the workers, and the checkpoints
MIN_SYNCS = 10  # in a stage, however short


@dataclass(slots=True)
class Progress:
    """Where a stage stands; stored in every checkpoint."""

    step: int = 0
    epoch: int = 0
    seconds: float = 0.0  # of training, not counting validations


def state_path(run: Path, stage: str) -> Path:
    """Where the loop goes on after an interruption."""
    return run / f"{stage}.pt"


def optimizers(model: Denoiser, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings, router and vectors."""
    named = list(model.named_parameters())
    matrices = [p for n, p in named if p.dim() >= 2 and "embed" not in n and "router" not in n]
    chosen = set(map(id, matrices))
    rest = [p for _, p in named if id(p) not in chosen]
    return [
        muon.Muon(matrices, lr=lr, momentum=0.95, weight_decay=0.05),
        torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=0.0, foreach=True),
    ]


def learning_rate(done: float, peak: float) -> float:
    """Warm-up over the first 3 %, then a cosine to 2 % of the peak; `done` from 0 to 1."""
    if done < 0.03:
        return peak * (done / 0.03 + 0.01)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


@dataclass(frozen=True, slots=True)
class Work:
    """What every worker of a stage gets."""

    stage: str
    settings: Settings
    tokenizer: TranslationTokenizer
    pairs: Sequence[Pair]


def train(model: Denoiser, work: Work, validator: Validator, display: Display) -> None:
    """Run a stage to the end of its budget, or of its patience.

    Workers train apart on one thread each and average their weights every SYNC_SECONDS (local
    SGD, arXiv 1805.09767): on two cores that is faster than one process with two threads, and one
    that is held up does not hold up the other. This process is the first worker; it writes the
    checkpoints and decides when to stop.
    """
    settings = work.settings
    budget_s = settings.budget_s(work.stage)
    progress = _saved_progress(work)
    gained_nothing = validations_without_gain(validator.points)
    if progress.seconds >= budget_s or gained_nothing >= (settings.patience or math.inf):
        display.say(f"{work.stage}: finished before")
        return
    rendezvous = settings.run / f"{work.stage}.rendezvous"
    rendezvous.unlink(missing_ok=True)
    with display.stage(work.stage, budget_s), one_thread(), _workers(model, work):
        _loop(0, model, work, _Lead(model, work, validator, display))
    rendezvous.unlink(missing_ok=True)


@contextmanager
def one_thread() -> Generator[None]:
    """Two threads on cores that others use too can take twenty times as long as one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _workers(model: Denoiser, work: Work) -> Generator[None]:
    """The others; they end with this process, however it ends."""
    count = work.settings.processes - 1
    if not count:
        yield
        return
    context = mp.spawn(  # type: ignore[no-untyped-call]
        _follow, args=(model, work), nprocs=count, join=False
    )
    assert context is not None
    try:
        yield
        while not context.join():
            pass
    finally:
        for process in context.processes:
            assert process is not None
            process.terminate()
            process.join()
        if dist.is_initialized():
            dist.destroy_process_group()


def _follow(number: int, model: Denoiser, work: Work) -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first worker answers to Ctrl-C
    # NOTE: the tensors that a process is started with are shared with those of its parent.
    _loop(number + 1, deepcopy(model), work, None)


class _Lead:
    """What the first worker does between two steps: it shows, stores, validates, and decides."""

    def __init__(self, model: Denoiser, work: Work, validator: Validator, display: Display) -> None:
        self._model, self._work = model, work
        self._validator, self._display = validator, display
        self._budget_s = work.settings.budget_s(work.stage)
        self._losses: list[float] = []  # since the last validation
        points = validator.points
        self._last: Point | None = points[-1] if points else None

    def begin(self) -> None:
        """A model that can translate is the first that is to be beaten."""
        if self._last is None and self._work.settings.start_from:
            self._validate(Progress())

    def show(self, progress: Progress, loss: float) -> None:
        self._losses.append(loss)
        recent = self._losses[-50:]
        note = f"step {progress.step}, loss {sum(recent) / len(recent):.2f}"
        if self._last is not None:
            note += f"; {self._last}"
        self._display.update(progress.seconds, note)

    def sync(self, progress: Progress, optimize: Sequence[torch.optim.Optimizer]) -> bool:
        """Store the averaged weights; whether the stage ends here."""
        ends = progress.seconds >= self._budget_s
        last_s = self._last.seconds if self._last else 0.0
        if ends or progress.seconds >= last_s + 60 * self._work.settings.validate_minutes:
            self._validate(progress)
        parts = {
            "model": self._model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimize],
            "progress": asdict(progress),
        }
        save(parts, state_path(self._work.settings.run, self._work.stage))
        patience = self._work.settings.patience or math.inf
        if not ends and validations_without_gain(self._validator.points) >= patience:
            self._display.say(
                f"{self._work.stage}: {patience} validations without gain, so it ends"
            )
            return True
        return ends

    def _validate(self, progress: Progress) -> None:
        mean = sum(self._losses) / len(self._losses) if self._losses else None
        point = self._validator.validate(self._model, progress.seconds, progress.step, mean)
        self._last = point
        self._losses.clear()
        note = f"step {progress.step}"
        if mean is not None:
            note += f", loss {mean:.2f}"
        self._display.update(progress.seconds, f"{note}; {point}", is_news=True)


def _loop(rank: int, model: Denoiser, work: Work, lead: _Lead | None) -> None:
    settings, stage = work.settings, work.stage
    keep_freed_memory()
    if settings.processes > 1:
        method = f"file://{(settings.run / f'{stage}.rendezvous').resolve()}"
        dist.init_process_group(
            "gloo", init_method=method, rank=rank, world_size=settings.processes
        )
    budget_s, peak = settings.budget_s(stage), settings.peak_lr(stage)
    optimize, progress = optimizers(model, peak), Progress()
    state = state_path(settings.run, stage)
    if state.exists():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        for optimizer, values in zip(optimize, saved["optimizers"], strict=True):
            optimizer.load_state_dict(values)
        progress = Progress(**saved["progress"])
    if lead:
        lead.begin()
    if settings.compile:
        _compile(model)
    model.set_dropout(settings.dropout)
    model.train()
    seed = 1 + 1000 * progress.step + rank
    device = torch.get_default_device()
    generator = torch.Generator(device).manual_seed(seed)
    base_s, started = progress.seconds, time.monotonic()
    sync_s = min(SYNC_SECONDS, budget_s / MIN_SYNCS)
    for epoch, batch in endless(work.pairs, work.tokenizer, settings.batch_tokens, seed):
        progress.seconds = base_s + time.monotonic() - started
        rate = learning_rate(progress.seconds / budget_s, peak)
        for optimizer in optimize:
            for group in optimizer.param_groups:
                group["lr"] = rate
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.bf16):
            if stage == "autoregressive":
                loss = autoregressive_loss(model, batch)
            else:
                loss = joint_loss(model, batch, generator)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in optimize:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
        progress.step += 1
        progress.epoch = epoch
        if lead:
            lead.show(progress, loss.item())
        if progress.seconds < base_s + sync_s:
            continue
        if settings.processes > 1:
            _average(model, settings.processes)
        ends = lead.sync(progress, optimize) if lead else False
        ends, progress.seconds = _agreed(settings.processes, ends, progress.seconds)
        if ends:
            return
        base_s, started = progress.seconds, time.monotonic()


def _compile(model: Denoiser) -> None:
    # Every layer has a variant with and without gradient, per batch shape and type of layer.
    torch._dynamo.config.recompile_limit = 64  # pyright: ignore[reportPrivateUsage]
    for layer in cast("Iterable[Layer]", model.layers):
        # The compiler cannot lower grouped_mm with dynamic shapes on a CPU.
        eager = torch.compiler.disable(layer.experts.forward)
        layer.experts.forward = eager  # pyright: ignore[reportAttributeAccessIssue]
        layer.compile(dynamic=True)
    # The loss and Muon are many small operations: with these a step is an eighth quicker.
    head_loss.scores_to_slope = torch.compile(head_loss.scores_to_slope, dynamic=True)
    head_loss.scores_to_likeness = torch.compile(head_loss.scores_to_likeness, dynamic=True)
    muon.orthogonalize = torch.compile(muon.orthogonalize, dynamic=False)


def _average(model: Denoiser, workers: int) -> None:
    with torch.no_grad():
        flat = parameters_to_vector(model.parameters())
        dist.all_reduce(flat)
        vector_to_parameters(flat / workers, model.parameters())


def _agreed(workers: int, ends: bool, seconds: float) -> tuple[bool, float]:
    """What the first worker says, for all: their clocks differ."""
    if workers == 1:
        return ends, seconds
    said = torch.tensor([float(ends), seconds], dtype=torch.float64)
    dist.broadcast(said, src=0)
    return bool(said[0]), float(said[1])


def _saved_progress(work: Work) -> Progress:
    state = state_path(work.settings.run, work.stage)
    if not state.exists():
        return Progress()
    return Progress(**torch.load(state, weights_only=True, mmap=True)["progress"])
