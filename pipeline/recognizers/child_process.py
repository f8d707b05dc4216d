"""A recognizer stream in a process of its own.

For recognizers that hold Python's global lock while they compute: PocketSphinx does, and in our
process it would stop the event loop for as long as it listens.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import cast

from ..errors import RecognizerError
from ..events import AudioChunk, Hypothesis
from . import RecognizerStream


class ChildProcessStream:
    """The stream that `make_stream` makes, in a child process, which `close` ends.

    `make_stream` must be picklable. Raises RecognizerError where it does, and from `push` and
    `flush` where the child has died.
    """

    def __init__(self, make_stream: Callable[[], RecognizerStream]) -> None:
        context = multiprocessing.get_context("spawn")  # forking a process with threads is unsafe
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(make_stream, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._receive()  # it is ready, or says why not

    def push(self, chunk: AudioChunk) -> list[Hypothesis]:
        return self._call(chunk)

    def flush(self) -> list[Hypothesis]:
        return self._call(None)

    def close(self) -> None:
        self._pipe.close()  # the child ends when it reads from it
        self._process.join(timeout=1)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()

    def _call(self, chunk: AudioChunk | None) -> list[Hypothesis]:
        try:
            self._pipe.send(chunk)
        except OSError as error:
            raise _died() from error
        return self._receive()

    def _receive(self) -> list[Hypothesis]:
        try:
            answer = cast("list[Hypothesis] | RecognizerError", self._pipe.recv())
        except (EOFError, OSError) as error:
            raise _died() from error
        if isinstance(answer, RecognizerError):
            raise answer
        return answer


def _died() -> RecognizerError:
    return RecognizerError("the recognizer's process has died; start the session again")


def _serve(make_stream: Callable[[], RecognizerStream], pipe: Connection) -> None:
    """Answer calls until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    try:
        stream = make_stream()
    except RecognizerError as error:
        pipe.send(error)
        return
    pipe.send([])
    while True:
        try:
            chunk = cast("AudioChunk | None", pipe.recv())  # None: flush
        except EOFError:
            break
        try:
            answer = stream.flush() if chunk is None else stream.push(chunk)
        except RecognizerError as error:
            answer = error
        pipe.send(answer)
    stream.close()
