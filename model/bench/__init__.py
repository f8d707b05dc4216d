"""`surtitle bench kernels|engine|streams|quality`: beside peers and beside what could be.

The full-size model needs no download: `--random-weights` fills its shapes on the card. Random
weights show speed alone: neither quality, nor how many steps real text needs, nor how unevenly it
visits the experts. So the number of steps is given, and every figure names it.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import torch

from ...kernels.bench import main as time_kernels
from ...kernels.bench.contest import Host
from ...kernels.bench.measure import measure_ceilings
from ..engine.step import StepOptions
from ..errors import CheckpointError
from ..installed import find_model
from .engine import CASES
from .models import CONFIGS, load, random_model
from .quality import AmountCount
from .quality import main as compare_quality
from .report import report
from .rounds import RoundLine
from .setup import Line, Setup
from .streams import StreamsLine, search, warm_up
from .transformers_peer import TransformersPeer


def main(argv: Sequence[str] | None = None, count_amounts: AmountCount | None = None) -> int:
    """`count_amounts`: as in quality.py."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["kernels"]:
        time_kernels(argv[1:])
        return 0
    if argv[:1] == ["quality"]:
        return compare_quality(argv[1:], count_amounts)
    arguments = _parser().parse_args(argv)
    torch.manual_seed(0)
    host = Host(
        torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        toy=arguments.random_weights and arguments.config == "toy",
    )
    ceilings = measure_ceilings(host)
    name = (
        cast(str, arguments.config) if arguments.random_weights else Path(arguments.checkpoint).name
    )
    try:
        if arguments.random_weights:
            model = random_model(CONFIGS[name], host.device)
        else:
            model = load(find_model(arguments.checkpoint), host.device)
    except CheckpointError as error:
        print(f"surtitle bench: {error}", file=sys.stderr)
        return 1
    options = StepOptions(fp8=arguments.fp8, top_tokens=arguments.top_tokens)
    peer = TransformersPeer(model) if arguments.peer else None
    setup = Setup(model, ceilings, options, peer, host.toy)
    about = {
        "bench": arguments.bench,
        "device": torch.cuda.get_device_name() if host.on_card else platform.machine(),
        "threads": torch.get_num_threads(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "torch": torch.__version__,
        "model": name,
        "random_weights": arguments.random_weights,
        "dtype": str(model.embed_tokens.weight.dtype).removeprefix("torch."),
        "fp8_experts": options.fp8,
        "top_tokens": options.top_tokens,
        "copy_bytes_per_s": ceilings.copy,
        "product_flop_per_s": ceilings.product,
    }
    report(about, _lines(setup, arguments), arguments.out)
    return 0


def _lines(setup: Setup, arguments: argparse.Namespace) -> Iterator[Line | RoundLine | StreamsLine]:
    if arguments.bench == "streams":
        warm_up(setup)
        yield from search(setup, arguments.seconds)
        return
    for name in cast(str, arguments.cases).split(","):
        yield from CASES[name](setup)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="surtitle bench", description=__doc__)
    benches = parser.add_subparsers(required=True, dest="bench", metavar="BENCH")
    benches.add_parser("kernels", help="the kernels of the model", add_help=False)
    benches.add_parser("quality", help="translations, beside other translators", add_help=False)
    engine = benches.add_parser("engine", help="steps, rounds, refreshes and throughput")
    engine.add_argument("--cases", default=",".join(CASES), help="default: %(default)s")
    streams = benches.add_parser("streams", help="how many live streams at which latency")
    streams.add_argument("--seconds", type=float, default=6.0, help="of each trial")
    streams.set_defaults(peer=False)
    engine.add_argument("--peer", action="store_true", help="transformers beside it")
    for one in engine, streams:
        one.add_argument(
            "--checkpoint", default="embedded", metavar="MODEL", help="default: embedded"
        )
        one.add_argument("--random-weights", action="store_true", help="a --config, no download")
        one.add_argument("--config", choices=CONFIGS, default="diffusiongemma-26b-a4b")
        one.add_argument("--fp8", action="store_true", help="experts' weights in 8 bits")
        one.add_argument("--top-tokens", type=int, metavar="N", help="self-condition on the top N")
        one.add_argument("--out", type=Path, metavar="FILE", help="write results as JSON lines")
    return parser
