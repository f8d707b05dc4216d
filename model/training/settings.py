"""What a run of `surtitle train` is to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..network.tokenizer import Direction

STAGES = ("autoregressive", "distill", "joint", "export")
# Of the training time. Writing is learned in the first, and not unlearned in the last.
SHARES = {"autoregressive": 0.5, "distill": 0.1, "joint": 0.4}
PEAK_LR = {"autoregressive": 3e-3, "joint": 2e-3}
FINE_TUNING_LR = 1e-3


@dataclass(frozen=True, slots=True)
class Settings:
    """The options; texts come from `data` or from `tsv`.

    `minutes` are shared among the stages, or are those of the one `stage`. `start_from` is the
    folder of a model in place of random weights; `new_languages` says that it does not know all
    languages of the directions, and has to learn more than to write otherwise. `oversample` says
    how often one pass over the text has the pairs of a direction, once if it is not there.
    """

    run: Path
    directions: tuple[Direction, ...]
    data: Path | None = None
    tsv: Path | None = None
    dev_tsv: Path | None = None
    start_from: Path | None = None
    new_languages: bool = False
    stage: str | None = None
    minutes: float = 60
    validate_minutes: float = 5
    patience: int | None = None
    lr: float | None = None
    batch_tokens: int = 4000
    dropout: float = 0.1
    oversample: Mapping[Direction, int] = field(default_factory=dict[Direction, int])
    vocab_size: int | None = None
    processes: int = 1
    bf16: bool = False
    compile: bool = False
    device: str = "cpu"

    def __post_init__(self) -> None:
        if (self.data is None) == (self.tsv is None):
            raise ValueError("give the text either by --data FOLDER or by --tsv FILE")
        if self.tsv is None and self.dev_tsv is not None:
            raise ValueError("--dev-tsv goes with --tsv")
        if self.tsv is not None and len(self.directions) != 1:
            raise ValueError(
                f"--tsv holds one direction, got {names(self.directions)}; several need --data"
            )
        for name, value in (
            ("--minutes", self.minutes),
            ("--validate-minutes", self.validate_minutes),
            ("--patience", 1 if self.patience is None else self.patience),
            ("--batch-tokens", self.batch_tokens),
            ("--processes", self.processes),
        ):
            if value <= 0:
                raise ValueError(f"{name} must be more than 0, got {value}")
        if not_trained := set(self.oversample) - set(self.directions):
            raise ValueError(
                f"--oversample names {names(not_trained)}; --directions are "
                f"{names(self.directions)}"
            )
        if self.device != "cpu" and self.processes > 1:
            raise ValueError(
                f"--device {self.device} takes one process, got --processes {self.processes}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"--dropout must be at least 0 and less than 1, got {self.dropout:g}")

    @property
    def stages(self) -> tuple[str, ...]:
        """What runs, in this order. A tuned model learns from people's translations alone."""
        if self.stage is not None:
            return (self.stage,)
        return STAGES[2:] if self.is_tuning else STAGES

    def budget_s(self, stage: str) -> float:
        whole = sum(SHARES.get(one, 0) for one in self.stages)
        return 60 * self.minutes * SHARES[stage] / whole

    def peak_lr(self, stage: str) -> float:
        return self.lr or (FINE_TUNING_LR if self.is_tuning else PEAK_LR[stage])

    @property
    def tokens_to_learn(self) -> int:
        """The size of a new vocabulary."""
        return self.vocab_size or 4096 + 1024 * len(languages(self.directions))

    @property
    def is_tuning(self) -> bool:
        return self.start_from is not None and not self.new_languages


def parse_directions(text: str) -> tuple[Direction, ...]:
    """`en-es,es-en` as pairs. Raises ValueError."""
    found = [_direction(part) for part in text.split(",")]
    if len(set(found)) != len(found):
        raise ValueError(f"a direction is given twice in {text}")
    return tuple(found)


def parse_oversample(text: str) -> dict[Direction, int]:
    """`en-de=6,en-fr=4`, or nothing: how often. Raises ValueError."""
    found: dict[Direction, int] = {}
    for part in filter(None, text.split(",")):
        direction, _, times = part.partition("=")
        if re.fullmatch("[1-9][0-9]?", times.strip()) is None:
            raise ValueError(
                f"--oversample wants a direction and a number from 1 to 99, as in en-de=6, "
                f"got {part.strip()!r}"
            )
        found[_direction(direction)] = int(times)
    return found


def _direction(text: str) -> Direction:
    match = re.fullmatch("([a-z]{2})-([a-z]{2})", text.strip())
    if match is None or match[1] == match[2]:
        raise ValueError(
            f"a direction is two different language codes like en-es, got {text.strip()!r}"
        )
    return match[1], match[2]


def languages(directions: Iterable[Direction]) -> set[str]:
    return {language for direction in directions for language in direction}


def names(directions: Iterable[Direction]) -> str:
    return ", ".join("-".join(direction) for direction in directions)
