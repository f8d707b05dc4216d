"""What FFmpeg opens at an address of the network, as a broadcast."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import av
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from av.error import ExitError, FFmpegError, HTTPClientError, InvalidDataError

from ..audio.container import METADATA_ERRORS
from ..audio.pcm import SAMPLE_RATE_HZ
from ..errors import MediaError
from .broadcast import PIECE_BYTES, PIECE_S, WAITING_PIECES, Heard, Over, Tries, shown

AWAY_S = 10.0  # without a byte, an address that has been opened is taken for gone

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


class _Over(Exception):
    """A stream with a length has been heard."""


def check_address(url: str) -> str:
    """The address. Raises ValueError for one that is not of a stream on the network."""
    parts = urlsplit(url)
    if parts.scheme not in PROTOCOLS or not parts.hostname:
        known = ", ".join(f"{scheme}://" for scheme in PROTOCOLS)
        raise ValueError(
            f"a stream's address begins with one of {known} and names a host, got {shown(url)!r}"
        )
    return url


class StreamReceiver:
    """A thread waits for FFmpeg. It reads WAITING_PIECES ahead, at most; then it waits as well, and
    what the sender does not keep is lost."""

    def __init__(self, url: str) -> None:
        """An address that `check_address` has accepted."""
        self._url = url
        self._loop = asyncio.get_running_loop()
        self._read: asyncio.Queue[Heard] = asyncio.Queue()
        self._room = threading.Semaphore(WAITING_PIECES)  # in it
        self._stopped = threading.Event()
        # A daemon: nobody can hurry FFmpeg, and the program need not wait for it to end.
        threading.Thread(target=self._run, name="stream reader", daemon=True).start()

    async def next(self) -> Heard:
        heard = await self._read.get()
        self._room.release()
        return heard

    async def aclose(self) -> None:
        self._stopped.set()
        self._room.release()  # the thread may wait for it

    def _run(self) -> None:
        tries = Tries()
        with suppress(RuntimeError):  # the loop is closed
            while not self._stopped.is_set():
                heard_s = 0.0
                try:
                    for piece in _pieces(self._url):
                        self._put(piece)
                        heard_s += PIECE_S
                        if self._stopped.is_set():
                            return
                    why = f"{shown(self._url)} has broken off"
                except _Over:
                    return self._put(Over())
                except MediaError as error:
                    why = str(error)
                lost = tries.lost(why, heard_s)
                self._put(lost)
                self._stopped.wait(lost.wait_s)

    def _put(self, heard: Heard) -> None:
        """Wait for room, and put it in. Raises RuntimeError where nobody listens any more."""
        self._room.acquire()
        self._loop.call_soon_threadsafe(self._read.put_nowait, heard)


def _pieces(url: str) -> Iterator[bytes]:
    """One connection, until it breaks off. Raises MediaError, _Over."""
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
            raise _Over


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
            with av.open(
                url,
                options=options,
                timeout=(AWAY_S, AWAY_S),
                metadata_errors=METADATA_ERRORS,
            ) as container:
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
