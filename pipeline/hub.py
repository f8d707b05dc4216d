"""What asking the model hub has in common, whatever is fetched: a bound on the wait, a file that
comes in parts, and a reason for people when it fails."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from concurrent.futures import Future
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from typing import TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from huggingface_hub.errors import HfHubHTTPError

CHUNK_BYTES = 1 << 20
READ_TIMEOUT_S = 30.0
WAITS_S = (1.0, 2.0, 4.0, 8.0)  # between tries that bring nothing

_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO)

T = TypeVar("T")


def answer_of(ask: Callable[[], T], timeout_s: float) -> T:
    """Ask the hub, for `timeout_s` at most; then TimeoutError.

    In a thread: looking up a name has no timeout of its own, and may take half a minute.
    """
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # raised again below
            answer.set_exception(error)

    Thread(target=work, daemon=True).start()
    return answer.result(timeout_s)


def download(url: str, path: Path, size_bytes: int, heard: Callable[[int], None]) -> None:
    """Fetch a file whose size is known, from where an earlier try has left it. `heard` hears how
    many bytes of it there are.

    NOTE: huggingface_hub (2.4) keeps nothing of a file whose download breaks off, which is an hour
    for a large model. Raises OSError or HTTPException after a few tries that bring nothing.
    """
    if path.is_file() and path.stat().st_size > size_bytes:
        path.unlink()  # not this file
    waits = iter(WAITS_S)
    while (before := path.stat().st_size if path.is_file() else 0) < size_bytes or not before:
        failure: Exception = OSError("the connection ends too early")
        try:
            _go_on(url, path, before, heard)
        except (OSError, HTTPException) as error:
            if isinstance(error, HTTPError) and error.code < 500 and error.code not in (408, 429):
                raise
            if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
                raise
            failure = error
        if path.is_file() and path.stat().st_size > before:
            waits = iter(WAITS_S)
        elif size_bytes == 0 and path.is_file():
            return
        elif (wait_s := next(waits, None)) is None:
            raise failure
        else:
            time.sleep(wait_s)


def _go_on(url: str, path: Path, start: int, heard: Callable[[int], None]) -> None:
    """Append what comes until it ends."""
    headers = {"User-Agent": "surtitle"} | ({"Range": f"bytes={start}-"} if start else {})
    with urlopen(Request(url, headers=headers), timeout=READ_TIMEOUT_S) as response:
        goes_on = start and response.status == 206
        with path.open("ab" if goes_on else "wb") as file:
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                heard(file.tell())


def reason(error: Exception) -> str:
    """Why the hub has given no answer, or the disk has not taken it."""
    if isinstance(error, HTTPError):
        return f"the hub answered {error.code}"
    if isinstance(error, HfHubHTTPError):
        return f"the hub answered {error.response.status_code}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]  # a full disk, say
    return "no connection"
