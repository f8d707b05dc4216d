"""Fuzzing: `make fuzz`.

    python tests/fuzz/fuzz.py --inputs 1000000 --seed 1 [--modules MODULE ...] [--only NAME ...]

Each target has a process of its own, two at once. It is given odd inputs first, then those that
coverage guides: by atheris, where that is installed (Linux on x86-64).

What an input does that it must not is printed with its traceback. The input is written to
tests/fuzz/examples/NAME/, where every run finds it, and where it is to stay when the fault is
mended. An input that takes 5 s of the processor, or 2 GB, is such a fault too.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

try:
    import atheris
except ImportError:
    atheris = None

ROOT = Path(__file__).parents[2]
EXAMPLES = Path(__file__).with_name("examples").absolute()
AT_ONCE = 2
SLOW_S = 5.0  # of the processor, for one input
HANG_S, MOST_MB = 600, 2000  # by the clock, as others may have the processor
FAULTY = 77  # an exit status
_DONE = re.compile(r"^Done (\d+) \+ (\d+) in (\S+) s$", re.MULTILINE)

sys.path.append(str(ROOT))
from tests.fuzz.targets import MODULES, Target, targets  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--modules", nargs="+", choices=MODULES, default=MODULES)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="some of their targets")
    arguments = parser.parse_args()
    found = [target for module in arguments.modules for target in _targets(module)]
    chosen = [one for one in found if not arguments.only or one.name in arguments.only]
    whole = sum(target.share for target in chosen)
    waiting = sorted(chosen, key=lambda target: target.share)  # the slow ones first
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    running: dict[int, Target] = {}
    failed: list[str] = []
    odd = guided = 0
    try:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                target = waiting.pop(0)
                inputs = arguments.inputs * target.share // whole
                running[_start(target, inputs, arguments.seed, folder)] = target
            pid, status = os.wait()
            target = running.pop(pid)
            told = (folder / f"{target.name}.log").read_text(errors="replace")
            done = _DONE.search(told)
            if status or done is None:
                failed.append(target.name)
                print(f"{target.name}: FAILED\n{_end_of(told)}", flush=True)
            else:
                odd, guided = odd + int(done[1]), guided + int(done[2])
                print(f"{target.name}: {done[1]} odd and {done[2]} inputs, {done[3]} s", flush=True)
    finally:
        shutil.rmtree(folder)
    print(
        f"{odd:,} odd and {guided:,} guided inputs; {len(failed)} of {len(chosen)} targets failed"
    )
    return 1 if failed or not chosen else 0


def _targets(module: str) -> list[Target]:
    if atheris is None:
        return targets(module)
    with atheris.instrument_imports(include=["surtitle"]):
        return targets(module)


def _start(target: Target, inputs: int, seed: int, folder: Path) -> int:
    """A process that gives inputs to a target; return its number."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        log = os.open(folder / f"{target.name}.log", os.O_CREAT | os.O_WRONLY)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(folder)
        tempfile.tempdir = str(folder)
        _give_all(target, inputs, seed, folder)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(FAULTY)  # nothing of the parent's is to run here


def _give_all(target: Target, inputs: int, seed: int, folder: Path) -> None:
    """Ends the process."""
    from tests.fuzz.odd import odd_inputs

    read, started_s = target.open(), time.process_time()
    examples = EXAMPLES / target.name

    def give(data: bytes) -> None:
        began_s = time.process_time()
        try:
            read(data)
            assert time.process_time() - began_s < SLOW_S, "it takes too long"
        except BaseException:  # native libraries raise what they like
            traceback.print_exc()
            print(f"by {len(data)} bytes: {data[:300]!r}", flush=True)
            examples.mkdir(parents=True, exist_ok=True)
            (examples / hashlib.sha1(data).hexdigest()[:12]).write_bytes(data)
            os._exit(FAULTY)

    def end(guided: int) -> None:
        took_s = time.process_time() - started_s
        print(f"Done {odd} + {guided} in {took_s:.1f} s", flush=True)
        os._exit(0)

    odd = 0
    kept = (path.read_bytes() for path in sorted(examples.glob("*")))
    for data in (b"", *target.samples, *kept, *odd_inputs(target)):
        give(data)
        odd += 1
    if atheris is None or not inputs:
        end(0)
    _guide(target, give, inputs, seed, folder, end)


def _guide(
    target: Target,
    give: Callable[[bytes], None],
    inputs: int,
    seed: int,
    folder: Path,
    end: Callable[[int], None],
) -> None:
    """Let atheris make the inputs."""
    corpus = folder / target.name
    corpus.mkdir()
    for number, sample in enumerate(target.samples):
        (corpus / f"sample-{number}").write_bytes(sample)
    words = folder / f"{target.name}.words"
    lines = ['"' + "".join(map("\\x{:02x}".format, word)) + '"\n' for word in target.words]
    words.write_text("# what may stand in it\n" + "".join(lines))
    given = 0

    def count(data: bytes) -> None:
        nonlocal given
        give(data)
        given += 1
        if given == inputs:
            end(given)

    options = [
        "-runs=-1",  # until `count` ends it
        f"-seed={seed}",
        f"-timeout={HANG_S}",
        f"-rss_limit_mb={MOST_MB}",
        f"-dict={words}",
        f"-artifact_prefix={folder}/",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], count)
    atheris.Fuzz()


def _end_of(told: str) -> str:
    lines = (line for line in told.splitlines() if not line.startswith(("#", "INFO", "WARNING")))
    return "\n".join(list(lines)[-40:])


if __name__ == "__main__":
    began_s = time.monotonic()
    status = main()
    print(f"{time.monotonic() - began_s:.0f} s")
    sys.exit(status)
