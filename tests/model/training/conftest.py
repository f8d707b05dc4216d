"""A toy language pair: numbers in words, learned in seconds."""

import lzma
import random
from dataclasses import replace
from pathlib import Path

import pytest

from surtitle.model.network.denoiser import Denoiser
from surtitle.model.training.stages import embedded_config, initialize

WORDS = "zero one two three four five six seven eight nine".split()
OTHERS = "cero uno dos tres cuatro cinco seis siete ocho nueve".split()
GERMAN = "null eins zwei drei vier fünf sechs sieben acht neun".split()


@pytest.fixture(scope="session")
def rows() -> list[str]:
    return _rows(OTHERS)


@pytest.fixture(scope="session")
def german_rows() -> list[str]:
    return _rows(GERMAN)


def _rows(others: list[str]) -> list[str]:
    rng = random.Random(0)
    numbers = [[rng.randrange(10) for _ in range(rng.randint(1, 4))] for _ in range(400)]
    return [
        f"{' '.join(WORDS[n] for n in row).capitalize()}.\t{' '.join(others[n] for n in row)}\ttoy"
        for row in numbers
    ]


@pytest.fixture(scope="session")
def data(rows: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "tatoeba-en-es").mkdir()
    for part, lines in ("train", rows[:380]), ("dev", rows[380:]):
        with lzma.open(folder / "tatoeba-en-es" / f"{part}.en-es.tsv.xz", "wt") as file:
            file.write("\n".join(lines))
    return folder


@pytest.fixture(scope="session")
def tiny() -> Denoiser:
    """Random weights for 60 tokens."""
    small = replace(
        embedded_config(60), hidden_size=32, intermediate_size=32, moe_intermediate_size=16
    )
    model = Denoiser(replace(small, head_dim=16, global_head_dim=16))
    initialize(model)
    return model
