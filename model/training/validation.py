"""How well the model translates while it is trained: on held-out pairs, now and then."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from ..bench.evaluation import corpus_chrf
from ..errors import TrainingError
from ..network.batches import MAX_TOKENS, Pair, batches, examples
from ..network.config import ModelConfig, SamplerConfig
from ..network.denoiser import Denoiser
from ..network.spelling import spoken
from ..network.tokenizer import Direction, TranslationTokenizer
from ..translation import Request, Translations
from .distillation import translate_greedily
from .losses import autoregressive_loss, diffusion_loss

MAX_PAIRS = 200
CURVE = "curve.jsonl"


@dataclass(frozen=True, slots=True)
class Point:
    """One validation. `train_loss` is the mean since the last one, None at the start."""

    stage: str
    seconds: float  # of training, not counting validations
    step: int
    train_loss: float | None
    loss: float  # on held-out pairs
    chrf: float

    def __str__(self) -> str:
        return f"held out: loss {self.loss:.2f}, chrF {self.chrf:.1f}"


def read_curve(run: Path, stage: str | None = None) -> list[Point]:
    """The validations of a run so far, of one stage or of all."""
    path = run / CURVE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    points = [Point(**json.loads(line)) for line in lines]
    return [point for point in points if stage in (None, point.stage)]


def best_path(run: Path, stage: str) -> Path:
    """The weights of a stage that had the best chrF."""
    return run / f"{stage}-best.pt"


def validations_without_gain(points: Sequence[Point]) -> int:
    if not points:
        return 0
    best = max(range(len(points)), key=lambda i: points[i].chrf)  # the first of equal ones
    return len(points) - 1 - best


class Validator:
    """Measures one stage, and keeps the curve and the best weights in the run's folder.

    Pairs of all directions take turns; every second source is as spoken. It translates with a copy
    of the model: compiled layers would be compiled again for the shapes of decoding.
    """

    def __init__(
        self,
        config: ModelConfig,
        tokenizer: TranslationTokenizer,
        sampler: SamplerConfig,
        dev: Iterable[Pair],
        run: Path,
        stage: str,
    ) -> None:
        self._copy = Denoiser(config).requires_grad_(False)
        self._tokenizer, self._sampler = tokenizer, sampler
        self._run, self._stage = run, stage
        self._pairs = sample(dev, MAX_PAIRS)
        turn = len({pair.direction for pair in self._pairs})
        self._pairs = [
            replace(pair, source=spoken(pair.source)) if i // turn % 2 else pair
            for i, pair in enumerate(self._pairs)
        ]
        self._requests = [Request(pair.source, *pair.direction) for pair in self._pairs]
        self._examples = examples(self._pairs, tokenizer)
        if not self._examples:
            raise TrainingError(
                f"no held-out pair is as short as {MAX_TOKENS} tokens: give single sentences, "
                "one a line"
            )
        self.points = read_curve(run, stage)

    def validate(
        self, model: Denoiser, seconds: float, step: int, train_loss: float | None
    ) -> Point:
        """Add a point to the curve; keep the weights if they are the best so far."""
        self._copy.load_state_dict(model.state_dict())
        references = [pair.target for pair in self._pairs]
        point = Point(
            self._stage,
            round(seconds, 1),
            step,
            None if train_loss is None else round(train_loss, 4),
            round(self._loss(), 4),
            round(corpus_chrf(self._translate(), references), 2),
        )
        if point.chrf > max((p.chrf for p in self.points), default=-1):
            save(self._copy.state_dict(), best_path(self._run, self._stage))
        self.points.append(point)
        with (self._run / CURVE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(point)) + "\n")
        return point

    def _translate(self) -> list[str]:
        self._copy.eval()
        if self._stage == "autoregressive":
            answers = translate_greedily(self._copy, self._tokenizer, self._requests)
        else:
            translations = Translations(self._copy, self._tokenizer, self._sampler)
            answers = translations.translate(self._requests)
        return [answer.text for answer in answers]

    @torch.no_grad()
    def _loss(self) -> float:
        """The same every time for the same weights."""
        self._copy.train()  # keeps the routing, which the balance loss reads
        generator, total = torch.Generator().manual_seed(0), 0.0
        for batch in batches(self._examples, 2000, random.Random(0)):
            if self._stage == "autoregressive":
                loss = autoregressive_loss(self._copy, batch)
            else:
                loss = diffusion_loss(self._copy, batch, generator)
            total += len(batch) * loss.item()
        return total / len(self._examples)


def sample(pairs: Iterable[Pair], most: int) -> list[Pair]:
    """At most `most` pairs, as many of each direction, from all over the corpus, taking turns."""
    by_direction: dict[Direction, list[Pair]] = {}
    for pair in pairs:
        by_direction.setdefault(pair.direction, []).append(pair)
    each = max(1, most // max(1, len(by_direction)))
    columns = [
        [group[i * len(group) // each] for i in range(each)] if len(group) > each else group
        for group in by_direction.values()
    ]
    rows = range(max(map(len, columns), default=0))
    return [column[i] for i in rows for column in columns if i < len(column)][:most]


def save(parts: object, path: Path) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(parts, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)
