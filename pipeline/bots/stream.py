"""A broadcast, as it is heard: what FFmpeg opens at an address, opened again when it breaks off."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import av
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from av.error import ExitError, FFmpegError, HTTPClientError, InvalidDataError

from ..audio.pcm import SAMPLE_RATE_HZ
from ..client.connection import Waits
from ..errors import MediaError

PIECE_SAMPLES = SAMPLE_RATE_HZ // 10
PIECE_S = PIECE_SAMPLES / SAMPLE_RATE_HZ
PIECE_BYTES = 2 * PIECE_SAMPLES
AWAY_S = 10.0  # without a byte, an address that has been opened is taken for gone
WAITING_PIECES = 50  # 5 s
STEADY_S = 20.0  # heard so long, a stream that breaks off is tried again at once

# What may be read for an address of each kind, also by a playlist or a redirection that it leads
# to. No `file`, `pipe`, `concat` or `data` is among them.
_HTTP = "http,https,tcp,tls,crypto,httpproxy"
PROTOCOLS = {
    "http": _HTTP,
    "https": _HTTP,
    "rtsp": "rtsp,rtp,srtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,srtp,udp,tcp,tls",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,rtmp,tcp,tls",
    "srt": "srt,udp",
}

Say = Callable[[str], None]


class StreamEnded(Exception):
    """It has a length, and that has been heard: a recording, not a broadcast."""


@dataclass(frozen=True, slots=True)
class _Lost:
    """The stream is away; the next try is after `wait_s`."""

    why: str
    wait_s: float


def check_address(url: str) -> str:
    """The address. Raises ValueError for one that is not of a stream on the network."""
    parts = urlsplit(url)
    if parts.scheme not in PROTOCOLS or not parts.hostname:
        known = ", ".join(f"{scheme}://" for scheme in PROTOCOLS)
        raise ValueError(
            f"a stream's address begins with one of {known} and names a host, got {shown(url)!r}"
        )
    return url


def shown(url: str) -> str:
    """An address without what may be a secret in it: its user, password and query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


async def listen(
    url: str, say: Say, leave_after_s: float | None = None
) -> AsyncGenerator[bytes, None]:
    """What is spoken at an address, as pieces of 16 kHz mono PCM, each when its time has come.

    A stream that breaks off is told to `say` and opened again, after waits that grow; the time in
    between is silence, so that the times of captions stay those of the clock. It ends where a
    stream with a length is over, and where one has been away for `leave_after_s`. Raises MediaError
    where it cannot be opened the first time. A thread reads ahead, WAITING_PIECES at most; then it
    waits, and what the sender does not keep for us is lost.
    """
    reader = _Reader(url)
    clock = asyncio.get_running_loop().time
    due_s, lost_s, has_begun = clock(), None, False  # `due_s`: when the next piece has been spoken
    try:
        while True:
            got = await reader.next(None if lost_s is None else PIECE_S)
            if isinstance(got, StreamEnded):
                return
            if isinstance(got, _Lost):
                if not has_begun:
                    raise MediaError(f"{got.why}; is it on the air, and the address right?")
                say(f"{got.why}; trying again in {got.wait_s:g} s")
                lost_s = lost_s or clock()
            elif got:
                if lost_s is not None:
                    say(f"{shown(url)} is heard again")
                lost_s, has_begun = None, True
                await asyncio.sleep(due_s - clock())  # what comes in bursts is spread
                due_s += PIECE_S
                yield got
            if lost_s is None:
                continue
            while due_s <= clock():
                due_s += PIECE_S
                yield bytes(PIECE_BYTES)
            if leave_after_s is not None and clock() - lost_s > leave_after_s:
                say(f"{shown(url)} has been away for {leave_after_s:g} s")
                return
    finally:
        reader.close()


class _Reader:
    """The thread that waits for FFmpeg, and what it has read."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.get_running_loop()
        self._read: asyncio.Queue[bytes | _Lost | StreamEnded] = asyncio.Queue()
        self._room = threading.Semaphore(WAITING_PIECES)  # in it
        self._stopped = threading.Event()
        # A daemon: nobody can hurry FFmpeg, and the program need not wait for it to end.
        threading.Thread(target=self._run, name="stream reader", daemon=True).start()

    async def next(self, timeout_s: float | None) -> bytes | _Lost | StreamEnded:
        """What comes next, or empty bytes where nothing does in time."""
        try:
            async with asyncio.timeout(timeout_s):
                item = await self._read.get()
        except TimeoutError:
            return b""
        self._room.release()
        return item

    def close(self) -> None:
        self._stopped.set()
        self._room.release()  # the thread may wait for it

    def _run(self) -> None:
        waits = Waits()
        with suppress(RuntimeError):  # the loop is closed
            while not self._stopped.is_set():
                heard_s = 0.0
                try:
                    for piece in _pieces(self._url):
                        self._put(piece)
                        heard_s += PIECE_S
                        if self._stopped.is_set():
                            return
                    lost = f"{shown(self._url)} has broken off"
                except StreamEnded as ended:
                    return self._put(ended)
                except MediaError as error:
                    lost = str(error)
                if heard_s > STEADY_S:
                    waits.reset()
                wait_s = waits.next()
                self._put(_Lost(lost, wait_s))
                self._stopped.wait(wait_s)

    def _put(self, item: bytes | _Lost | StreamEnded) -> None:
        """Wait for room, and put it in. Raises RuntimeError where nobody listens any more."""
        self._room.acquire()
        self._loop.call_soon_threadsafe(self._read.put_nowait, item)


def _pieces(url: str) -> Iterator[bytes]:
    """One connection, until it breaks off. Raises MediaError, StreamEnded."""
    waiting = bytearray()
    with _opened(url) as container:
        stream = container.streams.best("audio")
        if stream is None:
            raise MediaError(f"{shown(url)} has no audio; there is nothing to hear in it")
        # To s16 at once: only there does FFmpeg keep the level of what it mixes to one channel.
        to_mono = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
        try:
            for packet in container.demux(stream):
                try:
                    decoded = packet.decode()
                except InvalidDataError:  # damaged on its way: the next may be whole
                    continue
                for audio in decoded:
                    for mono in to_mono.resample(audio):  # pyright: ignore[reportArgumentType]
                        waiting += mono.to_ndarray().tobytes()
                while len(waiting) >= PIECE_BYTES:
                    yield bytes(waiting[:PIECE_BYTES])
                    del waiting[:PIECE_BYTES]
        except FFmpegError as error:
            raise MediaError(f"{shown(url)} has broken off: {_why(error)}") from error
        if container.duration:
            raise StreamEnded


@contextmanager
def _opened(url: str) -> Generator[InputContainer]:
    """Raises MediaError."""
    scheme = urlsplit(url).scheme
    options = {"protocol_whitelist": PROTOCOLS[scheme]}
    if scheme.startswith("rtsp"):
        options["rtsp_transport"] = "tcp"  # through firewalls, and nothing is lost on the way
    try:
        if scheme == "srt":
            with _srt_relay(url) as relayed:
                yield relayed
        else:
            with av.open(url, options=options, timeout=(AWAY_S, AWAY_S)) as container:
                yield container
    except FFmpegError as error:
        raise MediaError(f"{shown(url)} cannot be opened: {_why(error)}") from error


@contextmanager
def _srt_relay(url: str) -> Generator[InputContainer]:
    """Through the program `ffmpeg`: the library in PyAV's wheel is built without SRT."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise MediaError(f"{shown(url)} needs the program ffmpeg, which speaks SRT: install it")
    command = [ffmpeg, "-nostdin", "-loglevel", "error", "-protocol_whitelist", PROTOCOLS["srt"]]
    command += ["-i", url, "-map", "0:a:0", "-c", "copy", "-f", "mpegts", "-flush_packets", "1"]
    command += ["-protocol_whitelist", "pipe", "pipe:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as relay:
        assert relay.stdout is not None and relay.stderr is not None
        try:
            with av.open(relay.stdout, "r", format="mpegts") as container:
                yield container
        except FFmpegError as error:
            relay.kill()
            said = relay.stderr.read().decode(errors="replace").strip()[-200:]
            why = said.replace(url, shown(url)) or _why(error)
            raise MediaError(f"{shown(url)} cannot be opened: {why}") from error
        finally:
            relay.kill()


def _why(error: FFmpegError) -> str:
    """What FFmpeg says, without the address, which may hold a password."""
    if isinstance(error, ExitError):
        return f"nothing has come for {AWAY_S:g} s"
    if isinstance(error, HTTPClientError):
        return f"the server refuses ({error.strerror})"
    return error.strerror or type(error).__name__
