"""Trains the embedded model until a time, and keeps its best weights in files that travel."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import torch
from safetensors.torch import save  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from ..installed import EMBEDDED
from ..network.config import load_config, save_config
from ..network.tokenizer import TranslationTokenizer
from ..network.weights import checkpoint_key
from ..training.command import main as train
from ..training.validation import CURVE, best_path

STAGE = "joint"
LEARNING = 0.8  # of the time; the rest is for loading and validations
SHARD_BYTES = 15 << 20
LOOK_SECONDS = 5  # between two looks for new weights


def main(argv: Sequence[str] | None = None) -> int:
    """Go on from the embedded model; FOLDER holds its best weights so far and its curve."""
    arguments = _parser().parse_args(argv)
    folder, tokenizer = cast(Path, arguments.folder), TranslationTokenizer.load(EMBEDDED)
    seconds = cast(float, arguments.until) - time.time()
    on_card = ("--device", "cuda", "--bf16", "--batch-tokens", "16000")
    ended = threading.Event()
    with TemporaryDirectory() as run:
        keeper = threading.Thread(target=_keep, args=(Path(run), folder, ended))
        keeper.start()
        try:
            return train(
                [
                    *("--run", run, "--data", str(arguments.data), "--start-from", str(EMBEDDED)),
                    *("--directions", ",".join("-".join(d) for d in tokenizer.directions)),
                    *("--stage", STAGE, "--minutes", str(LEARNING * seconds / 60)),
                    *("--validate-minutes", str(seconds / 600)),
                    *(on_card if torch.cuda.is_available() else ()),
                ]
            )
        finally:
            ended.set()
            keeper.join()


def _keep(run: Path, folder: Path, ended: threading.Event) -> None:
    """Write weights and curve whenever there are better weights, until it has ended."""
    best, written_at = best_path(run, STAGE), 0.0
    is_over = False
    while not is_over:
        is_over = ended.wait(LOOK_SECONDS)
        if best.exists() and best.stat().st_mtime != written_at:
            written_at = best.stat().st_mtime
            save_config(load_config(run), folder)
            save_shards(torch.load(best, weights_only=True, map_location="cpu"), folder)
        if (run / CURVE).exists():
            (folder / "training.jsonl").write_bytes((run / CURVE).read_bytes())


def save_shards(state: dict[str, Tensor], folder: Path, most_bytes: int = SHARD_BYTES) -> None:
    """Write weights in bfloat16 as a checkpoint of files of at most `most_bytes` and some names.

    Each file is whole at any time; one larger tensor has a file of its own.
    """
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, value in state.items():
        size += 2 * value.numel()
        if size > most_bytes and shards[-1]:
            shards.append({})
            size = 2 * value.numel()
        shards[-1][checkpoint_key(name)] = value.bfloat16().contiguous().clone()
    files: dict[str, bytes] = {}
    places: dict[str, str] = {}
    for nth, shard in enumerate(shards, start=1):
        file = f"model-{nth:05}-of-{len(shards):05}.safetensors"
        files[file] = save(shard, metadata={"format": "pt"})
        places |= dict.fromkeys(shard, file)
    files["model.safetensors.index.json"] = json.dumps({"weight_map": places}).encode()
    for file, content in files.items():
        (folder / f"{file}.tmp").write_bytes(content)
        (folder / f"{file}.tmp").replace(folder / file)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m surtitle.model.bench.training", description=main.__doc__
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--data", type=Path, required=True, help="the folder of `surtitle train`")
    parser.add_argument("--until", type=float, required=True, help="in seconds of Unix time")
    return parser


if __name__ == "__main__":
    sys.exit(main())
