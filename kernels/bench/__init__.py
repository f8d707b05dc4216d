"""`python -m surtitle.kernels.bench` times the kernels beside their peers.

Cases B1 to B4 and V1: the experts, the vocabulary, the acceptance of tokens, attention, the
verification of drafts. On a GPU at the
shapes of the released 26B-A4B model, in bfloat16; elsewhere `--toy` shows that the bench works.
All contestants of a case compute the same from the same weights. The floor is the time in which
the card could move the bytes or calculate the FLOP, by ceilings that are measured first.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import cast

import torch

from . import acceptance, attention, experts, verification, vocabulary
from .contest import Case, Host
from .measure import Ceilings, Line, measure, measure_ceilings

CASES: dict[str, Callable[[Host], Iterator[Case]]] = {
    "B1": experts.cases,
    "B2": vocabulary.cases,
    "B3": acceptance.cases,
    "B4": attention.cases,
    "V1": verification.cases,
}
COLUMNS = "{:>7} {:>7} {:>10} {:>10} {:>10} {:>9} {:>8}  {}"


def main(argv: Sequence[str] | None = None) -> None:
    chosen, host, out = _arguments(argv)
    torch.manual_seed(0)
    with out.open("w", encoding="utf-8") if out else nullcontext() as file, torch.inference_mode():
        ceilings = measure_ceilings(host)
        about = _about(host, ceilings)
        print(" ".join(f"{name}: {value}" for name, value in about.items()))
        if file:
            file.write(json.dumps(about) + "\n")
        for name in chosen:
            for case in CASES[name](host):
                lines = measure(case, host, ceilings)
                _show(case, ceilings, lines)
                if file:
                    file.writelines(json.dumps(asdict(line)) + "\n" for line in lines)
                    file.flush()


def _arguments(argv: Sequence[str] | None) -> tuple[list[str], Host, Path | None]:
    parser = argparse.ArgumentParser(prog="python -m surtitle.kernels.bench", description=__doc__)
    parser.add_argument("--cases", default=",".join(CASES), help="default: %(default)s")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the results as JSON lines")
    parser.add_argument("--toy", action="store_true", help="small shapes, also without a GPU")
    arguments = parser.parse_args(argv)
    chosen = cast(str, arguments.cases).split(",")
    if unknown := [name for name in chosen if name not in CASES]:
        parser.error(f"--cases takes some of {','.join(CASES)}, got {','.join(unknown)}")
    toy, on_card = cast(bool, arguments.toy), torch.cuda.is_available()
    if not (toy or on_card):
        parser.error("without a GPU only --toy can run: the real shapes would take hours")
    host = Host(torch.device("cuda" if on_card else "cpu"), toy)
    return chosen, host, cast("Path | None", arguments.out)


def _about(host: Host, ceilings: Ceilings) -> dict[str, str | float | bool]:
    return {
        "device": torch.cuda.get_device_name() if host.on_card else platform.machine(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "torch": torch.__version__,
        "triton": _version("triton"),
        "transformers": _version("transformers"),
        "toy": host.toy,
        "copy_bytes_per_s": ceilings.copy,
        "product_flop_per_s": ceilings.product,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _show(case: Case, ceilings: Ceilings, lines: list[Line]) -> None:
    floor = ceilings.floor_us(case)
    print(f"\n{case.kernel}, T={case.tokens}, {case.shape}: floor {floor:.1f} us")
    print(COLUMNS.format("% floor", "ratio", "us", "p10", "p90", "err", "launches", "contestant"))
    for line in lines:
        name = f"{line.contestant} ({line.mode})"
        if line.missing:
            print(f"{'missing':>7} {name}: {line.missing}")
            continue
        shown = [
            _number(line.floor_percent, ".1f"),
            _number(line.ratio, ".2f"),
            _number(line.us, ".1f"),
            _number(line.p10_us, ".1f"),
            _number(line.p90_us, ".1f"),
            _number(line.err, ".1e"),
            _number(line.launches, "d"),
        ]
        print(COLUMNS.format(*shown, name), flush=True)


def _number(value: float | None, style: str) -> str:
    return "-" if value is None else format(value, style)
