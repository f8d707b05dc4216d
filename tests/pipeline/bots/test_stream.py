"""Broadcasts of a small HTTP server on loopback, in MP3 as Icecast sends it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.bots import stream
from surtitle.pipeline.bots.broadcast import PIECE_BYTES, Say, listen
from surtitle.pipeline.bots.stream import StreamReceiver, check_address
from surtitle.pipeline.client import connection
from surtitle.pipeline.client.connection import Message, Server
from surtitle.pipeline.client.publishing import publish
from surtitle.pipeline.client.real_time import start_message
from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.errors import RemoteError

from ...patience import PATIENCE_S
from ..server.scripted import Served
from ..server.scripted import serve as serve_captions
from .mp3 import mp3_tone

Serve = Callable[[int, asyncio.StreamWriter], Awaitable[None]]


HALF_SECOND = mp3_tone(0.5)
ICECAST = b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n"
LENGTH = f"HTTP/1.0 200 OK\r\nContent-Length: {len(HALF_SECOND)}\r\n\r\n".encode()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(connection, "LONGEST_WAIT_S", 0.01)


def heard(
    serve: Serve,
    path: str = "",
    until: Callable[[list[bytes]], bool] | None = None,
    **options: float,
) -> tuple[list[bytes], list[str]]:
    """The pieces that come from a server, to the end or `until` they are enough; what was said.

    `serve` answers each connection, which it is told the number of.
    """
    pieces: list[bytes] = []
    said: list[str] = []

    async def scenario() -> None:
        count = 0
        writers: list[asyncio.StreamWriter] = []
        answering: list[asyncio.Task[None]] = []

        def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            answering.append(asyncio.create_task(answer(reader, writer)))

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal count
            count += 1
            try:
                await reader.readuntil(b"\r\n\r\n")
                await serve(count, writer)
                writer.close()
                await writer.wait_closed()
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # who listened has gone
            finally:
                writer.transport.abort()

        try:
            async with await asyncio.start_server(admit, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                url = f"http://ann:secret@127.0.0.1:{port}/{path}?key=secret"
                async with aclosing(tuned_in(url, said.append, **options)) as audio:
                    async for piece in audio:
                        pieces.append(piece)
                        if until is not None and until(pieces):
                            return
        finally:
            for writer in writers:  # also of those who came so late that none has answered them
                writer.transport.abort()

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))
    return pieces, said


def tuned_in(url: str, say: Say, leave_after_s: float | None = None) -> AsyncGenerator[bytes, None]:
    return listen("the stream", StreamReceiver(url), say, leave_after_s)


async def send(writer: asyncio.StreamWriter, *parts: bytes) -> None:
    for part in parts:
        writer.write(part)
        await writer.drain()


def loudness(pieces: list[bytes]) -> float:
    return float(np.abs(np.frombuffer(b"".join(pieces), np.int16)).mean())


def is_sound(piece: bytes) -> bool:
    return loudness([piece]) > 1000


def test_a_broadcast_is_heard_and_its_level_kept() -> None:
    async def serve(count: int, writer: asyncio.StreamWriter) -> None:
        await send(writer, ICECAST, HALF_SECOND)

    pieces, _ = heard(serve, until=lambda pieces: len(pieces) == 4)
    assert {len(piece) for piece in pieces} == {PIECE_BYTES}
    middle = loudness(pieces[1:3])
    assert middle == pytest.approx(8000 * 2 / np.pi, rel=0.1)  # of a sine wave


def test_a_station_may_write_its_name_in_any_encoding() -> None:
    async def serve(count: int, writer: asyncio.StreamWriter) -> None:
        await send(
            writer, ICECAST.replace(b"\r\n\r\n", b"\r\nicy-name: Caf\xe9\r\n\r\n"), HALF_SECOND
        )

    pieces, said = heard(serve, until=lambda pieces: len(pieces) == 4)
    assert any(map(is_sound, pieces)), said


def test_one_that_breaks_off_is_opened_again_with_silence_in_between() -> None:
    gap = asyncio.Event()

    async def serve(count: int, writer: asyncio.StreamWriter) -> None:
        if count > 1:
            await gap.wait()
        await send(writer, ICECAST, HALF_SECOND)

    def enough(pieces: list[bytes]) -> bool:
        sounds = [is_sound(piece) for piece in pieces]
        if True in sounds and not sounds[-1]:
            gap.set()
        return sum(sounds) > 6

    pieces, said = heard(serve, until=enough)
    sounds = "".join("#" if is_sound(piece) else "." for piece in pieces).strip(".")
    assert "#." in sounds and sounds.endswith("#")
    assert "has broken off" in said[0] and said[0].endswith("trying again in 0.01 s")
    assert said[-1].endswith("is heard again")


def test_who_has_waited_long_enough_leaves() -> None:
    async def serve(count: int, writer: asyncio.StreamWriter) -> None:
        if count == 1:
            await send(writer, ICECAST, HALF_SECOND)
        else:
            await send(writer, b"HTTP/1.0 404 Gone\r\n\r\n")

    _, said = heard(serve, leave_after_s=0.2)
    assert "has been away for 0.2 s" in said[-1]
    assert any("the server refuses" in line for line in said)


def test_a_stream_with_a_length_is_heard_once() -> None:
    async def serve(count: int, writer: asyncio.StreamWriter) -> None:
        await send(writer, LENGTH, HALF_SECOND)

    pieces, said = heard(serve)
    assert 4 <= len(pieces) <= 6 and said == []


def test_one_that_is_not_on_the_air_is_told_without_secrets() -> None:
    async def serve(count: int, writer: asyncio.StreamWriter) -> None:
        await send(writer, b"HTTP/1.0 401 No\r\n\r\n")

    with pytest.raises(RemoteError, match="cannot be opened: the server refuses") as refused:
        heard(serve, "live.mp3")
    assert "/live.mp3" in str(refused.value) and "secret" not in str(refused.value)


@pytest.mark.parametrize("named", ["file:///etc/hostname", "/etc/hostname", "concat:a|b"])
def test_a_playlist_leads_to_no_file(named: str) -> None:
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{named}\n#EXT-X-ENDLIST\n"
    asked: list[int] = []

    async def serve(count: int, writer: asyncio.StreamWriter) -> None:
        asked.append(count)
        await send(writer, b"HTTP/1.0 200 OK\r\n\r\n", playlist.encode())

    with pytest.raises(RemoteError):
        heard(serve, "live.m3u8")
    assert asked


def test_a_redirection_leads_to_no_file() -> None:
    async def serve(count: int, writer: asyncio.StreamWriter) -> None:
        await send(writer, b"HTTP/1.0 302 Found\r\nLocation: file:///etc/hostname\r\n\r\n")

    with pytest.raises(RemoteError):
        heard(serve)


def test_what_is_no_sound_is_told() -> None:
    async def serve(count: int, writer: asyncio.StreamWriter) -> None:
        await send(writer, b"HTTP/1.0 200 OK\r\n\r\n", b"<html>hello</html>" * 100)

    with pytest.raises(RemoteError, match="is it on the air"):
        heard(serve)


def test_the_thread_ends_with_who_listens() -> None:
    async def serve(count: int, writer: asyncio.StreamWriter) -> None:
        await send(writer, ICECAST, *[HALF_SECOND] * 1000)  # far more than is read ahead

    heard(serve, until=lambda pieces: len(pieces) == 2)
    for thread in threading.enumerate():
        if thread.name == "stream reader":
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def test_several_bots_caption_several_rooms(tmp_path: Path) -> None:
    finals: dict[str, list[str]] = {"hall": [], "yard": []}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await send(writer, LENGTH, HALF_SECOND)
            writer.close()
            await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def scenario(served: Served) -> None:
        async def join(room: str, url: str) -> None:
            def hear(message: Message) -> None:
                if message["type"] == "caption" and message["is_final"]:
                    finals[room].append(message["text"])

            start = start_message(room, LiveConfig("en", ("es",)))
            await publish(Server(served.url), start, tuned_in(url, print), hear, print)

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            await asyncio.gather(join("hall", url), join("yard", url))

    serve_captions(scenario, tmp_path)
    assert finals["hall"] == finals["yard"] == ["The.", "[es] the"]


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "concat:a|b",
        "data:,x",
        "pipe:0",
        "http:///x",
        "ftp://a/b",
    ],
)
def test_only_streams_of_the_network_are_opened(address: str) -> None:
    with pytest.raises(ValueError, match="begins with one of http://"):
        check_address(address)


def test_a_refused_address_is_told_without_its_password() -> None:
    with pytest.raises(ValueError, match="got 'ftp://host/x'"):
        check_address("ftp://ann:secret@host/x?key=secret")


def test_srt_without_ffmpeg_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream.shutil, "which", lambda name: None)

    async def scenario() -> None:
        async with aclosing(tuned_in("srt://127.0.0.1:9", print)) as audio:
            async for _ in audio:
                pass

    with pytest.raises(RemoteError, match="needs the program ffmpeg"):
        asyncio.run(scenario())
