"""All that wants a GPU, in one command: `python model/bench/ladder.py FOLDER`.

Tests marked gpu, then the kernels, the engine and the streams; each writes its log and its results
into FOLDER. It needs a checkout, torch, Triton and pytest, and nothing that is not there yet: the
package is imported from the checkout. With --toy everything runs at toy size, also on a CPU.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import cast

ROOT = Path(__file__).resolve().parents[2]
FULL = ["--random-weights", "--config", "diffusiongemma-26b-a4b"]
TOY = ["--random-weights", "--config", "toy"]


def steps(folder: Path, is_toy: bool) -> dict[str, tuple[list[str], int]]:
    """The command of each step, and the seconds that it may take: 9 minutes in all."""
    size = TOY if is_toy else FULL
    kernels = ["surtitle.kernels.bench", "--out", f"{folder / 'kernels.jsonl'}"]
    engine, streams = ["surtitle.model.bench", "engine"], ["surtitle.model.bench", "streams"]
    short = ["--seconds", "1"] if is_toy else ["--seconds", "4"]
    tests = ["pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow" if is_toy else "gpu"]
    tests += (
        [str(ROOT / "tests" / "kernels" / "test_canvas_step.py")]
        if is_toy
        else [
            str(ROOT / "tests" / "kernels"),
            str(ROOT / "tests" / "model" / "test_engine.py"),
        ]
    )

    def out(name: str) -> list[str]:
        return ["--out", str(folder / f"{name}.jsonl")]

    return {
        "tests": (tests, 110),
        "kernels": ([*kernels, *(["--toy"] if is_toy else [])], 170),
        "engine": ([*engine, *size, "--peer", *out("engine")], 130),
        "engine-fp8": ([*engine, *size, "--fp8", *out("engine-fp8")], 40),
        "streams": ([*streams, *size, *short, *out("streams")], 50),
        "streams-fp8": ([*streams, *size, *short, "--fp8", *out("streams-fp8")], 40),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="ladder.py")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--toy", action="store_true")
    arguments = parser.parse_args()
    folder = cast(Path, arguments.folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as packages:
        (Path(packages) / "surtitle").symlink_to(ROOT)
        paths = [packages, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
        for name, (command, seconds) in steps(folder, arguments.toy).items():
            started = time.monotonic()
            with (folder / f"{name}.log").open("w", encoding="utf-8") as log:
                try:
                    status = subprocess.run(
                        [sys.executable, "-m", *command],
                        cwd=packages,
                        env=environment,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        timeout=None if arguments.toy else seconds,
                    ).returncode
                except subprocess.TimeoutExpired:
                    status = -1
            result = {0: "done", -1: f"stopped after {seconds} s"}.get(status, f"failed ({status})")
            print(f"{name}: {result}, {time.monotonic() - started:.0f} s", flush=True)
            if status:
                failed.append(name)
                print(*log_end(folder / f"{name}.log"), sep="\n", flush=True)
    return 1 if failed else 0


def log_end(path: Path, lines: int = 15) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]


if __name__ == "__main__":
    sys.exit(main())
