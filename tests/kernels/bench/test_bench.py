"""The whole bench at toy shapes. Its times are not looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from surtitle.kernels import bench
from surtitle.kernels.dispatch import triton_installed

Line = dict[str, Any]
LIGER = "Liger (SwiGLU)"


@pytest.fixture
def toy(tmp_path: Path) -> Callable[[str, bool], tuple[Line, list[Line]]]:
    """Run the bench in a process of its own: it traces peers, and here Triton is loaded."""

    def run(cases: str, interpret: bool) -> tuple[Line, list[Line]]:
        out = tmp_path / "bench.jsonl"
        command = [sys.executable, "-m", "surtitle.kernels.bench", "--toy"]
        command += ["--cases", cases, "--out", str(out)]
        environment = {**os.environ, "TRITON_INTERPRET": "1" if interpret else "0"}
        subprocess.run(command, env=environment, check=True)
        about, *lines = (json.loads(line) for line in out.read_text("utf-8").splitlines())
        return about, lines

    return run


def check(lines: list[Line]) -> None:
    for line in lines:
        if line["missing"]:
            assert line["contestant"] == LIGER or line["mode"] == "graph", line
            continue
        assert 0 < line["p10_us"] <= line["us"] <= line["p90_us"], line
        assert line["floor_percent"] > 0 and line["ratio"] > 0, line
        assert line["bytes"] > 0 and line["flop"] > 0, line
        # The top tokens are an approximation: what they leave out is small at these shapes.
        exact = line["dtype"] == "float32" and "top" not in line["shape"]
        limit = 1e-4 if exact else 5e-2
        assert line["err"] is None or 0 <= line["err"] < limit, line


@pytest.mark.slow
def test_every_line_is_sane(toy: Callable[[str, bool], tuple[Line, list[Line]]]) -> None:
    about, lines = toy("B1,B2,B3,B4,V1", False)
    assert about["toy"] and about["copy_bytes_per_s"] > 0 and about["product_flop_per_s"] > 0
    assert {line["kernel"][:2] for line in lines} == set(bench.CASES)
    check(lines)
    shapes = {(line["kernel"], line["T"], line["shape"]) for line in lines}
    compared = {
        (line["kernel"], line["T"], line["shape"])
        for line in lines
        if line["contestant"] in ("kernels", "references") and line["ratio"] == 1.0
    }
    assert compared == shapes


@pytest.mark.slow
@pytest.mark.parametrize("case", bench.CASES)
def test_kernels_take_part_where_they_run(
    toy: Callable[[str, bool], tuple[Line, list[Line]]], case: str
) -> None:
    if not triton_installed():
        pytest.skip("triton is not installed: pip install -e '.[gpu]'")
    if torch.cuda.is_available():
        pytest.skip("on a card they take part without the interpreter")
    _, lines = toy(case, True)
    check(lines)
    assert any(line["contestant"] == "kernels" and line["ratio"] == 1.0 for line in lines)


def test_an_unknown_case_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--toy", "--cases", "B1,B9"])
    assert "takes some of B1,B2,B3,B4,V1, got B9" in capsys.readouterr().err
