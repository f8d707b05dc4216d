"""All that wants a GPU, in one command: `python model/bench/ladder.py FOLDER`.

Parts by worth, in 12 minutes or --seconds in all: the kernels' tests, one layer, whole steps in
bfloat16 and with 8-bit experts, verified rounds, live streams; then the embedded model is trained
for the rest of the time, where --data has text. Who has two shorter leases names the --parts of
each. FOLDER can be read at any time, also when all of it is cut off: `results.jsonl` has the
results of each part that has ended and a line that says how, `ladder.log` what all parts printed,
PART.jsonl the results so far of the one at work, and the rest is a checkpoint of what was trained:
eight files at most, each below 16 MiB.

It needs a checkout, torch, Triton and pytest, and nothing that is not there yet: the package is
imported from the checkout. With --toy everything runs at toy size, also on a CPU.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, cast

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 720
FULL = ["--random-weights", "--config", "diffusiongemma-26b-a4b"]
TOY = ["--random-weights", "--config", "toy"]
ON_REQUEST = ("sweep", "kernels")  # parts that are not among the usual ones


@dataclass(frozen=True, slots=True)
class Part:
    """A module with its arguments, and the seconds that it may take."""

    command: list[str]
    seconds: int


def parts(folder: Path, is_toy: bool, data: Path | None, ends_at: float) -> dict[str, Part]:
    """By name, in order; each writes its results into `folder` / NAME.jsonl, if it has any. The
    last one takes what is left until `ends_at`, in seconds of Unix time."""
    size, seconds = (TOY, "1") if is_toy else (FULL, "4")
    tests = ROOT / "tests" / "kernels"
    pytest = ["pytest", "-v", "--tb=short", "-W", "default", "-p", "no:cacheprovider"]
    if is_toy:
        pytest.append(str(tests / "test_accept_prefix.py"))
    else:
        pytest.append(str(tests))
        slow = ("test_compile.py", "test_int8.py", "bench")  # or not for a card
        pytest += [f"--ignore={tests / name}" for name in slow]
        if importlib.util.find_spec("xdist"):  # most of the time is compilation
            pytest += ["-n", "8"]

    def engine(name: str, cases: str, *options: str) -> list[str]:
        out = str(folder / f"{name}.jsonl")
        bench = ["surtitle.model.bench", "engine", "--cases", cases]
        return [*bench, *size, *options, "--out", out]

    def streams(name: str, *options: str) -> list[str]:
        out = str(folder / f"{name}.jsonl")
        bench = ["surtitle.model.bench", "streams", "--seconds", seconds]
        return [*bench, *size, *options, "--out", out]

    kernels = ["surtitle.kernels.bench", "--out", str(folder / "kernels.jsonl")]
    found = {
        "tests": Part(pytest, 100),
        "layer": Part(engine("layer", "B5", "--peer"), 60),
        "step": Part(engine("step", "B6,E1", "--peer"), 90),
        "step-fp8": Part(engine("step-fp8", "B6,E1", "--fp8"), 40),
        "rounds": Part(engine("rounds", "V2"), 50),
        "rounds-fp8": Part(engine("rounds-fp8", "V2", "--fp8"), 40),
        "streams": Part(streams("streams"), 60),
        "streams-fp8": Part(streams("streams-fp8", "--fp8"), 40),
        "sweep": Part(engine("sweep", "E2,E4", "--peer"), 120),
        "kernels": Part([*kernels, *(["--toy"] if is_toy else [])], 170),
    }
    if data:
        training = ["surtitle.model.bench.training", str(folder), "--data", str(data.resolve())]
        found["training"] = Part([*training, "--until", str(ends_at)], SECONDS)
    return found


def main() -> int:
    arguments = _arguments()
    folder = cast(Path, arguments.folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    seconds = cast(int, arguments.seconds)
    ends_s = time.monotonic() + seconds
    data = cast("Path | None", arguments.data)
    known = parts(folder, arguments.toy, data, time.time() + seconds)
    chosen = cast("str | None", arguments.parts)
    names = chosen.split(",") if chosen else [name for name in known if name not in ON_REQUEST]
    if unknown := set(names) - set(known):
        print(f"--parts takes some of {','.join(known)}, got {','.join(sorted(unknown))}")
        return 2
    signal.signal(signal.SIGTERM, _exit)
    failed = False
    with (
        tempfile.TemporaryDirectory() as packages,
        (folder / "ladder.log").open("ab") as log,
        (folder / "results.jsonl").open("a", encoding="utf-8") as results,
    ):
        (Path(packages) / "surtitle").symlink_to(ROOT)
        paths = [packages, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
        for name in names:
            started, begins_at = time.monotonic(), log.tell()
            limit_s = min(known[name].seconds, ends_s - started)
            said = "no time left"
            if limit_s > 0:
                said = _run(known[name].command, limit_s, log, packages, environment)
            taken_s = round(time.monotonic() - started)
            _collect(folder / f"{name}.jsonl", results)
            results.write(json.dumps({"part": name, "status": said, "seconds": taken_s}) + "\n")
            results.flush()
            print(f"{name}: {said}, {taken_s} s", flush=True)
            if said != "done":
                failed = True
                print(*_log_end(folder / "ladder.log", begins_at), sep="\n", flush=True)
    return int(failed)


def _exit(number: int, _: FrameType | None) -> None:
    """Who is told to end ends what it has started: see `_run`."""
    sys.exit(128 + number)


def _run(
    command: list[str], seconds: float, log: IO[bytes], cwd: str, environment: Mapping[str, str]
) -> str:
    """How a module ended. All that it has started ends with it."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        status = process.wait(seconds)
        return f"failed ({status})" if status else "done"
    except subprocess.TimeoutExpired:
        return f"stopped after {seconds:.0f} s"
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def _collect(path: Path, results: IO[str]) -> None:
    """Move a part's lines to the others: the last may be torn."""
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
            if line.endswith("\n"):
                results.write(line)
        path.unlink()


def _log_end(path: Path, begins_at: int, lines: int = 15) -> list[str]:
    with path.open("rb") as file:
        file.seek(begins_at)
        return file.read().decode("utf-8", errors="replace").splitlines()[-lines:]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        prog="ladder.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="in all; default: %(default)s")
    parser.add_argument(
        "--parts", metavar="LIST", help=f"default: all, in order, but {' and '.join(ON_REQUEST)}"
    )
    parser.add_argument("--data", type=Path, metavar="DATA", help="the folder of `surtitle train`")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
