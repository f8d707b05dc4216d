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
from ..network.config import ModelConfig
from ..network.denoiser import Denoiser
from ..network.spelling import spoken
from ..network.tokenizer import Direction, TranslationTokenizer
from .losses import autoregressive_loss, joint_loss
from .rounds import draft_and_verify, draft_once, write_greedily

MAX_PAIRS = 200
CANVAS_TOKENS = 8  # of the canvases that are verified
CURVE = "curve.jsonl"


@dataclass(frozen=True, slots=True)
class Point:
    """One validation. `train_loss` is the mean since the last one, None at the start.

    `chrf` is of what the causal pass writes; in the joint stage `draft_chrf` is of one draft that
    nobody verifies, and `round_tokens` how many tokens a round of draft and verify commits.
    """

    stage: str
    seconds: float  # of training, not counting validations
    step: int
    train_loss: float | None
    loss: float  # on held-out pairs
    chrf: float
    draft_chrf: float | None = None
    round_tokens: float | None = None

    def __str__(self) -> str:
        text = f"held out: loss {self.loss:.2f}, chrF {self.chrf:.1f}"
        if self.draft_chrf is None:
            return text
        return f"{text} (of a draft {self.draft_chrf:.1f}), {self.round_tokens:.2f} tokens a round"


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
        dev: Iterable[Pair],
        run: Path,
        stage: str,
    ) -> None:
        self._copy = Denoiser(config).requires_grad_(False)
        self._tokenizer, self._run, self._stage = tokenizer, run, stage
        self._pairs = sample(dev, MAX_PAIRS)
        turn = len({pair.direction for pair in self._pairs})
        self._pairs = [
            replace(pair, source=spoken(pair.source)) if i // turn % 2 else pair
            for i, pair in enumerate(self._pairs)
        ]
        self._prompts = [tokenizer.prompt(pair.source, *pair.direction) for pair in self._pairs]
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
        point = Point(
            self._stage,
            round(seconds, 1),
            step,
            None if train_loss is None else round(train_loss, 4),
            round(self._loss(), 4),
            *self._translations(),
        )
        if point.chrf > max((p.chrf for p in self.points), default=-1):
            save(self._copy.state_dict(), best_path(self._run, self._stage))
        self.points.append(point)
        with (self._run / CURVE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(point)) + "\n")
        return point

    def _translations(self) -> tuple[float, float | None, float | None]:
        """The chrF of what is written, and in the joint stage of a draft, and tokens a round."""
        model = self._copy.eval()
        if self._stage == "autoregressive":
            return (
                self._chrf(one.tokens for one in write_greedily(model, self._prompts)),
                None,
                None,
            )
        verified = draft_and_verify(model, self._prompts, CANVAS_TOKENS)
        tokens = sum(len(one.tokens) for one in verified)
        return (
            self._chrf(one.tokens for one in verified),
            self._chrf(draft_once(model, self._prompts)),
            round(tokens / sum(one.rounds for one in verified), 2),
        )

    def _chrf(self, answers: Iterable[Sequence[int]]) -> float:
        texts = [self._tokenizer.decode(answer) for answer in answers]
        return round(corpus_chrf(texts, [pair.target for pair in self._pairs]), 2)

    @torch.no_grad()
    def _loss(self) -> float:
        """The same every time for the same weights."""
        self._copy.train()  # keeps the routing, which the balance loss reads
        generator, total = torch.Generator(torch.get_default_device()).manual_seed(0), 0.0
        for batch in batches(self._examples, 2000, random.Random(0)):
            if self._stage == "autoregressive":
                loss = autoregressive_loss(self._copy, batch)
            else:
                loss = joint_loss(self._copy, batch, generator)
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
