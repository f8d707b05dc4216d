"""`surtitle bench`: what measures the whole product, and what measures the model alone."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..bench import amounts, flicker, latency, speech, viewers

OF_THE_MODEL = {
    "engine": "steps, refreshes and throughput of the model",
    "kernels": "the kernels of the model",
    "quality": "translations of the model, beside other translators",
    "streams": "how many live streams the model carries, at which latency",
}


def main(argv: Sequence[str]) -> int:
    """Run one; return the exit status. Raises SurtitleError."""
    if argv[:1] and argv[0] in OF_THE_MODEL:  # their options stand with the model
        from ...model.bench import main as bench

        return bench(argv, amounts.amounts_of_model)
    arguments = _parser().parse_args(argv)
    return arguments.run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="surtitle bench", description=__doc__)
    benches = parser.add_subparsers(required=True, metavar="BENCH")
    for one in (amounts, flicker, latency, speech, viewers):
        one.add_to(benches)
    for name, what in OF_THE_MODEL.items():
        benches.add_parser(name, help=what, add_help=False)
    return parser
