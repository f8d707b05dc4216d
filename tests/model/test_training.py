"""A toy language pair: numbers in words to digits, learned in seconds."""

import lzma
import random
from itertools import product
from pathlib import Path

import pytest

from surtitle.model.config import load_sampler_config
from surtitle.model.corpus import Pair, batches, examples, read_tsv, spoken, write_tsv, written
from surtitle.model.distillation import repeats
from surtitle.model.tokenizer import TranslationTokenizer, train_tokenizer
from surtitle.model.training import learning_rate, main
from surtitle.model.weights import load_model

WORDS = "zero one two three four five six seven eight nine".split()
OTHERS = "cero uno dos tres cuatro cinco seis siete ocho nueve".split()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rng = random.Random(0)
    numbers = [[rng.randrange(10) for _ in range(rng.randint(1, 4))] for _ in range(400)]
    rows = [
        f"{' '.join(WORDS[n] for n in row).capitalize()}.\t{' '.join(OTHERS[n] for n in row)}\ttoy"
        for row in numbers
    ]
    (folder / "tatoeba-en-es").mkdir()
    for part, lines in ("train", rows[:380]), ("dev", rows[380:]):
        with lzma.open(folder / "tatoeba-en-es" / f"{part}.en-es.tsv.xz", "wt") as file:
            file.write("\n".join(lines))
    (folder / "massive").mkdir()
    with lzma.open(folder / "massive" / "massive.train-dev.tsv.xz", "wt") as file:
        file.write("id\tpartition\ten\tes\n1\ttrain\tone two\tuno dos\n")
    return folder


def _losses(text: str) -> list[float]:
    return [float(part.split('"loss": ')[1].split(",")[0]) for part in text.splitlines()[1:]]


@pytest.mark.slow
def test_all_stages(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--data", str(data), "--run", str(tmp_path), "--vocab-size", "400"]
    short = ["--minutes", "0.4", "--sync-seconds", "2", "--batch-tokens", "600"]
    assert main([*common, *short, "--stage", "autoregressive"]) == 0
    losses = _losses(capsys.readouterr().out)
    assert losses[-1] < losses[0]
    assert main([*common, *short, "--stage", "autoregressive"]) == 0  # goes on, and ends at once
    assert "resumed" in capsys.readouterr().out
    assert main([*common, "--stage", "distill"]) == 0
    distilled = {pair.source for pair in read_tsv(tmp_path / "distilled.tsv")}
    assert "one two" in distilled and len(distilled) > 100
    capsys.readouterr()
    assert main([*common, *short, "--stage", "diffusion"]) == 0
    losses = _losses(capsys.readouterr().out)
    assert losses[-1] < losses[0]
    assert main([*common, "--stage", "export"]) == 0
    out = capsys.readouterr().out
    for name, candidates in product(("written", "spoken"), (1, 4)):
        assert f"{name}, candidates {candidates}: 20 lines: BLEU" in out
    model = load_model(tmp_path / "model")
    assert model.config.bidirectional_prompt and model.config.eos_token_ids == (1,)
    assert load_sampler_config(tmp_path / "model").max_denoising_steps == 8
    assert TranslationTokenizer.load(tmp_path / "model").directions == (("en", "es"),)


def test_learning_rate_rises_then_falls() -> None:
    rates = [learning_rate(done / 100, 1.0) for done in range(101)]
    peak = rates.index(max(rates))
    assert 2 <= peak <= 4
    assert rates[peak:] == sorted(rates[peak:], reverse=True) and rates[-1] == pytest.approx(0.02)


def test_spoken_text_has_no_case_and_no_marks() -> None:
    assert spoken("I’m late, Mr. Smith: it's 9:30!") == "i'm late mr smith it's 9 30"


def test_written_text_has_a_capital_and_an_end() -> None:
    assert written("pon una alarma", "es") == "Pon una alarma."
    assert written("a qué hora sale", "es") == "¿A qué hora sale?"


def test_repeats_are_found() -> None:
    assert repeats("El el gato.") and repeats("para mí, para mí en el correo")
    assert not repeats("El gato y el perro.") and not repeats("")


def test_tsv_round_trip(tmp_path: Path) -> None:
    pairs = [Pair("One.", "Uno."), Pair("two", "dos")]
    write_tsv(tmp_path / "pairs.tsv", pairs)
    assert read_tsv(tmp_path / "pairs.tsv") == pairs


def test_batches_hold_every_example_once() -> None:
    pairs = [Pair(f"Sentence number {n}.", f"Frase número {n}.") for n in range(50)]
    texts = [text for pair in pairs for text in (pair.source, pair.target)]
    tokenizer = train_tokenizer(texts, 320, [("en", "es")])
    rows = examples(pairs, tokenizer, "en", "es", random.Random(0))
    found = [e for batch in batches(rows, 200, random.Random(0)) for e in batch]
    assert sorted(found, key=str) == sorted(rows, key=str)
    assert all(tokenizer.decode(e.answer) == p.target for e, p in zip(rows, pairs, strict=True))
