"""The bench at toy size; its times are not looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from surtitle.kernels.bench.measure import Ceilings
from surtitle.model import bench
from surtitle.model.bench import floor, main, models, rounds, streams

TOY = ["--random-weights", "--config", "toy"]
H200 = Ceilings(copy=4.3e12, product=790e12)


def lines(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    about, *rest = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return about, rest


@pytest.mark.parametrize(
    ("tokens", "size", "expected_ms"),
    [(48, 2, 11.6), (256, 2, 12.7), (1024, 2, 19.1), (48, 1, 6.4)],
)
def test_the_floor_is_the_published_one(tokens: int, size: int, expected_ms: float) -> None:
    """As kernels that read and multiply everything once would reach it on an H200; the table that
    this is compared with also counts the keys and halves the dense weights in 8 bits."""
    config = models.CONFIGS["diffusiongemma-26b-a4b"]
    found = floor.step_floor_ms(config, H200, tokens, bytes_per_weight=2, expert_bytes=size)
    assert found == pytest.approx(expected_ms, rel=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--peer"], ["--fp8", "--top-tokens", "8"]])
def test_engine(tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # In the interpreter the kernels would take minutes: the kernels' own bench has such a test.
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    out = tmp_path / "engine.jsonl"
    assert main(["engine", *TOY, *options, "--cases", "B5,B6,E1", "--out", str(out)]) == 0
    about, found = lines(out)
    assert about["random_weights"] and about["model"] == "toy"
    assert {line["case"] for line in found} == {"B5", "B6", "E1"}
    assert all(line["ms"] > 0 and 0 < line["floor_percent"] < 100 for line in found)
    layers = {line["contestant"] for line in found if line["case"] == "B5"}
    assert any("references" in name for name in layers)
    assert all(line["err"] < 1e-4 for line in found if line["case"] == "B5")
    assert any("transformers, compiled" in name for name in layers) == ("--peer" in options)
    peers = {line["contestant"] for line in found if line["case"] != "B5"}
    assert peers == ({"engine", "transformers"} if "--peer" in options else {"engine"})


@pytest.mark.slow
def test_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "ROWS", (1, 3))
    out = tmp_path / "rounds.jsonl"
    assert main(["engine", *TOY, "--cases", "V2", "--out", str(out)]) == 0
    _, found = lines(out)
    shapes = [(line["n"], line["canvases"]) for line in found]
    assert shapes == [(1, 2), (1, 8), (3, 2), (3, 8)]
    for line in found:
        assert line["rounds"] > 0 and 0 < line["floor_percent"] < 100
        per_row = {float(count): rate / line["n"] for count, rate in line["tokens_per_s"].items()}
        assert list(per_row) == [1.5, 3, 6, 12]
        for committed, rate in per_row.items():
            assert rate == pytest.approx(1000 * committed / line["ms"])


def test_what_does_not_fit_into_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(models, "_memory_bytes", lambda _: 8 << 30)
    monkeypatch.setattr(bench, "measure_ceilings", lambda _: H200)
    assert main(["engine", "--random-weights"]) == 1
    assert "take 94 GiB, and there are 8 GiB of memory" in capsys.readouterr().err


@pytest.mark.slow
def test_streams(tmp_path: Path) -> None:
    out = tmp_path / "streams.jsonl"
    assert main(["streams", *TOY, "--seconds", "0.2", "--out", str(out)]) == 0
    _, found = lines(out)
    assert [line["limit_ms"] for line in found] == [300, 500, 1000] * 3
    for line in found:
        assert line["streams"] == 0 or 0 < line["p95_ms"] < line["limit_ms"]


def test_every_stream_of_a_short_trial_asks() -> None:
    for count in range(1, 20):
        assert len(streams._refreshes(count, 0.2, 100)) >= count
