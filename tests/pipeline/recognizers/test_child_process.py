"""Real processes that die, hang, and hear signals. A folder of the test says who they were."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.events import Utterance
from surtitle.pipeline.recognizers import WorkerLost
from surtitle.pipeline.recognizers.child_process import ChildProcessRecognizer, Patience
from surtitle.pipeline.recognizers.pool import RecognizerPool

from ...patience import PATIENCE_S
from ..scripted_recognizer import Fate, ScriptedRecognizer, doomed, processes

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")

SCRIPT = "zero one two three four five six seven eight nine"
QUICK = Patience(silence_s=3.0, answer_s=PATIENCE_S, start_s=PATIENCE_S)


def speech(seconds: float = 1.2) -> Utterance:
    return Utterance(0, np.zeros(int(seconds * SAMPLE_RATE_HZ), np.float32))


def child(fate: Fate, patience: Patience = QUICK) -> ChildProcessRecognizer:
    return ChildProcessRecognizer(partial(doomed, SCRIPT, fate), lambda line: None, patience)


def texts(recognizer: ChildProcessRecognizer) -> list[str]:
    return [word.text for word in recognizer.recognize(speech(), "en")]


def is_there(process: int) -> bool:
    """Whether it runs; one that has ended may wait for ever to be asked how."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return "State:\tZ" not in status


def test_calls_are_answered_by_another_process(tmp_path: Path) -> None:
    said: list[str] = []
    make = partial(doomed, SCRIPT, Fate("", 0, tmp_path))
    recognizer = ChildProcessRecognizer(make, said.append)
    assert said == ["it is made"]
    assert (recognizer.name, recognizer.languages) == ("script", {"en"})
    assert recognizer.live_vad == ScriptedRecognizer.live_vad
    assert texts(recognizer) == ["zero", "one", "two", "three"]
    assert recognizer.guess_language(speech()).language == "en"
    (process,) = processes(tmp_path)
    assert process != os.getpid() and is_there(process)
    recognizer.close()
    assert not is_there(process)
    assert (tmp_path / "closed").exists()  # it ended in order
    with pytest.raises(RecognizerError, match="closed"):
        texts(recognizer)


def test_an_error_of_any_kind_leaves_the_process_at_work(tmp_path: Path) -> None:
    recognizer = child(Fate("who knows why", 1, tmp_path))
    with pytest.raises(RuntimeError, match="ValueError: who knows why"):
        texts(recognizer)
    assert texts(recognizer)
    assert len(processes(tmp_path)) == 1
    recognizer.close()


@pytest.mark.parametrize(("happens", "says"), [("dies", "has died"), ("hangs", "hangs")])
def test_a_process_that_is_lost_is_ended_and_replaced(
    tmp_path: Path, happens: str, says: str
) -> None:
    recognizer = child(Fate(happens, 1, tmp_path))
    with pytest.raises(WorkerLost, match=says):
        texts(recognizer)
    (lost,) = processes(tmp_path)
    assert not is_there(lost)
    assert texts(recognizer) == ["zero", "one", "two", "three"]
    assert len(processes(tmp_path)) == 2
    recognizer.close()


def test_a_process_stopped_from_outside_is_noticed_even_with_much_to_hear(tmp_path: Path) -> None:
    """More than the pipe holds: sending would wait for ever."""
    recognizer = child(Fate("", 0, tmp_path))
    texts(recognizer)
    (process,) = processes(tmp_path)
    os.kill(process, signal.SIGSTOP)
    with pytest.raises(WorkerLost, match="hangs"):
        recognizer.recognize(speech(20), "en")
    assert texts(recognizer)
    recognizer.close()


def test_a_process_that_is_slow_does_not_hang(tmp_path: Path) -> None:
    recognizer = child(Fate("is slow", 1, tmp_path))
    assert texts(recognizer) == ["zero", "one", "two", "three"]
    assert len(processes(tmp_path)) == 1
    recognizer.close()


def test_a_process_that_is_far_too_slow_is_ended(tmp_path: Path) -> None:
    recognizer = child(Fate("is slow", 1, tmp_path), Patience(answer_s=2, start_s=PATIENCE_S))
    with pytest.raises(WorkerLost, match="did not answer in time"):
        texts(recognizer)
    assert texts(recognizer)
    recognizer.close()


def test_a_process_that_died_between_calls_costs_no_call(tmp_path: Path) -> None:
    recognizer = child(Fate("", 0, tmp_path))
    texts(recognizer)
    (process,) = processes(tmp_path)
    os.kill(process, signal.SIGKILL)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    assert texts(recognizer)
    recognizer.close()


def cannot_be_made(say: Callable[[str], None]) -> ScriptedRecognizer:
    raise RecognizerError("no model")


def dies_in_the_making(folder: Path, say: Callable[[str], None]) -> ScriptedRecognizer:
    """Only the first process lives until it is made, and then only until it is asked."""
    if (folder / "first").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / "first").touch()
    return doomed(SCRIPT, Fate("dies", 9, folder), say)


def test_a_recognizer_that_cannot_be_made_says_why() -> None:
    with pytest.raises(RecognizerError, match="no model"):
        ChildProcessRecognizer(cannot_be_made, print)


def test_a_process_that_cannot_be_replaced_is_told(tmp_path: Path) -> None:
    recognizer = ChildProcessRecognizer(partial(dies_in_the_making, tmp_path), lambda line: None)
    with pytest.raises(WorkerLost):
        texts(recognizer)
    with pytest.raises(RecognizerError, match="script cannot be started again") as caught:
        texts(recognizer)
    assert not isinstance(caught.value, WorkerLost)
    recognizer.close()


@pytest.mark.parametrize("happens", ["dies", "hangs"])
def test_one_of_two_processes_is_lost_and_every_utterance_is_heard(
    tmp_path: Path, happens: str
) -> None:
    heard = heard_by_two(child(Fate(happens, 1, tmp_path)), child(Fate("", 0, tmp_path)))
    assert heard == [["zero", "one", "two", "three"]] * 6
    assert len(processes(tmp_path)) in (2, 3)  # the lost one is replaced when it is needed


def test_one_of_two_processes_cannot_be_replaced_and_the_other_hears_all(tmp_path: Path) -> None:
    gone = ChildProcessRecognizer(partial(dies_in_the_making, tmp_path), lambda line: None)
    healthy = tmp_path / "healthy"
    healthy.mkdir()
    heard = heard_by_two(child(Fate("", 0, healthy)), gone)
    assert heard == [["zero", "one", "two", "three"]] * 6
    assert len(processes(healthy)) == 1


def heard_by_two(*two: ChildProcessRecognizer) -> list[list[str]]:
    """What a pool of them answers to six who ask at the same time."""

    async def scenario() -> list[list[str]]:
        pool = RecognizerPool(two)
        try:
            async with asyncio.timeout(PATIENCE_S):
                asked = (pool.recognize(speech, "en", owner=owner) for owner in range(6))
                heard = await asyncio.gather(*asked)
        finally:
            await pool.aclose()
        return [[word.text for word in words] for words in heard]

    return asyncio.run(scenario())


def test_a_process_that_dies_at_the_first_start_is_told(tmp_path: Path) -> None:
    (tmp_path / "first").touch()
    with pytest.raises(RecognizerError, match="has died while it started"):
        ChildProcessRecognizer(partial(dies_in_the_making, tmp_path), print)


def test_closing_ends_a_call_that_hangs(tmp_path: Path) -> None:
    recognizer = child(Fate("hangs", 1, tmp_path), Patience(silence_s=60))
    errors: list[Exception] = []

    def call() -> None:
        try:
            texts(recognizer)
        except RecognizerError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    while not processes(tmp_path):
        time.sleep(0.01)
    recognizer.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive() and len(errors) == 1


def test_signals_to_the_group_leave_the_process_at_work(tmp_path: Path) -> None:
    """Also while it starts: the parent alone decides."""
    script = f"""
import os, signal, sys
from functools import partial
from pathlib import Path
from {doomed.__module__} import Fate, doomed
from {__name__} import speech
from surtitle.pipeline.recognizers.child_process import ChildProcessRecognizer

if __name__ == "__main__":
    heard = []
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, lambda number, frame: heard.append(number))
    def say(line):
        os.killpg(0, signal.SIGINT)
    os.killpg(0, signal.SIGTERM)
    make = partial(doomed, {SCRIPT!r}, Fate("", 0, Path({str(tmp_path)!r})))
    recognizer = ChildProcessRecognizer(make, say)
    for number in signal.SIGINT, signal.SIGTERM:
        os.killpg(0, number)
    print(*[word.text for word in recognizer.recognize(speech(), "en")], len(heard))
    recognizer.close()
"""
    done = run_script(script)
    assert (done.stdout, done.stderr, done.returncode) == ("zero one two three 4\n", "", 0)


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_the_process_ends_when_its_parent_does(tmp_path: Path, end: str) -> None:
    script = f"""
import os, signal
from functools import partial
from pathlib import Path
from {doomed.__module__} import Fate, doomed
from {__name__} import speech
from surtitle.pipeline.recognizers.child_process import ChildProcessRecognizer

if __name__ == "__main__":
    make = partial(doomed, {SCRIPT!r}, Fate("", 0, Path({str(tmp_path)!r})))
    recognizer = ChildProcessRecognizer(make, lambda line: None)
    recognizer.recognize(speech(), "en")
    {end}
"""
    done = run_script(script)  # its pipes are the child's as well: it returns when both are gone
    assert done.stderr == ""
    (process,) = processes(tmp_path)
    assert not is_there(process)


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=Path(__file__).parents[3],
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def test_what_a_guess_takes_shortens_no_patience(tmp_path: Path) -> None:
    make = partial(doomed, SCRIPT, Fate("", 0, tmp_path))
    recognizer = ChildProcessRecognizer(make, lambda line: None)
    try:
        recognizer.guess_language(speech())
        assert recognizer._cost.expected_s(1.0) is None
        recognizer.recognize(speech(), "en")
        assert recognizer._cost.expected_s(1.0) is not None
    finally:
        recognizer.close()
