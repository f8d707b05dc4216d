import os
import signal
from functools import partial

import numpy as np
import pytest

from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.events import AudioChunk, Hypothesis, Word
from surtitle.pipeline.recognizers.child_process import ChildProcessStream


class CountingStream:
    """Commits the number of samples of each chunk as a word."""

    def push(self, chunk: AudioChunk) -> list[Hypothesis]:
        if not chunk.samples.size:
            raise RecognizerError("an empty chunk")
        word = Word(str(chunk.samples.size), 0, 10, 1.0)
        return [Hypothesis((word,), (), 10, is_end=False)]

    def flush(self) -> list[Hypothesis]:
        return [Hypothesis((Word(str(os.getpid()), 0, 10, 1.0),), (), 10, is_end=True)]

    def close(self) -> None: ...


def broken(message: str) -> CountingStream:
    raise RecognizerError(message)


def chunk(size: int) -> AudioChunk:
    return AudioChunk(0, np.zeros(size, np.float32))


def test_calls_are_answered_by_another_process() -> None:
    stream = ChildProcessStream(CountingStream)
    assert stream.push(chunk(7))[0].committed[0].text == "7"
    child = int(stream.flush()[0].committed[0].text)
    assert child != os.getpid()
    with pytest.raises(RecognizerError, match="an empty chunk"):
        stream.push(chunk(0))
    assert stream.push(chunk(8))  # it goes on after an error
    stream.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_stream_that_cannot_be_made_says_why() -> None:
    with pytest.raises(RecognizerError, match="no model"):
        ChildProcessStream(partial(broken, "no model"))  # type: ignore[arg-type]


def test_a_dead_child_is_an_error_and_not_a_hang() -> None:
    stream = ChildProcessStream(CountingStream)
    os.kill(int(stream.flush()[0].committed[0].text), signal.SIGKILL)
    with pytest.raises(RecognizerError, match="died"):
        for _ in range(2):
            stream.push(chunk(7))
    stream.close()
