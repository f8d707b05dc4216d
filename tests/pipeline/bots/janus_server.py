"""Debian's Janus on loopback, with one VideoRoom and a text room, and participants of it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiortc import MediaStreamTrack

from surtitle.pipeline.bots.janus_api import Handle, Session, open_session
from surtitle.pipeline.bots.janus_meeting import VIDEOROOM
from surtitle.pipeline.bots.janus_texts import CHANNEL, TEXTROOM
from surtitle.pipeline.webrtc.network import Network
from surtitle.pipeline.webrtc.peer import Peer

from ...patience import PATIENCE_S
from ..webrtc.tone import ToneTrack

ROOM, PIN, PRIVATE_ROOM = 1234, "4711", 5678

JANUS = """
general: {{
    plugins_folder = "{plugins}/plugins"
    transports_folder = "{plugins}/transports"
    events_folder = "{folder}"
    loggers_folder = "{folder}"
    debug_level = 4
    debug_colors = false
}}
certificates: {{ }}
media: {{ ipv6 = false }}
nat: {{ nice_debug = false }}
plugins: {{ disable = "{no_plugins}" }}
transports: {{ disable = "{no_transports}" }}
"""
WEBSOCKETS = """
general: {{ json = "compact", ws = true, ws_port = {port}, ws_ip = "127.0.0.1", wss = false }}
"""
VIDEOROOMS = f"""
room-{ROOM}: {{ description = "Hall", publishers = 20, notify_joining = false }}
room-{PRIVATE_ROOM}: {{ description = "Office", publishers = 6, pin = "{PIN}" }}
"""
TEXTROOMS = f"""
room-{ROOM}: {{ description = "Hall" }}
"""


class JanusServer:
    """A gateway that can be stopped and started again, at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        plugins = next(Path("/usr/lib").glob("*/janus"))
        write = {
            "janus.jcfg": JANUS.format(
                folder=folder,
                plugins=plugins,
                no_plugins=_others(plugins / "plugins", "videoroom", "textroom"),
                no_transports=_others(plugins / "transports", "websockets"),
            ),
            "janus.transport.websockets.jcfg": WEBSOCKETS.format(port=self.port),
            "janus.plugin.videoroom.jcfg": VIDEOROOMS,
            "janus.plugin.textroom.jcfg": TEXTROOMS,
        }
        for name, text in write.items():
            (folder / name).write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Blocks until it answers."""
        command = ["janus", "-C", str(self._folder / "janus.jcfg"), "-F", str(self._folder)]
        with (self._folder / "janus.log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, (self._folder / "janus.log").read_text()[
                    -2000:
                ]
                time.sleep(0.05)
        raise AssertionError(f"Janus has not started in {PATIENCE_S:g} s")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def running_janus(folder: Path) -> Generator[JanusServer, None, None]:
    if shutil.which("janus") is None:
        pytest.skip("janus is not installed: apt-get install janus")
    server = JanusServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@asynccontextmanager
async def participant(
    url: str, name: str, track: MediaStreamTrack | None = None, **entry: Any
) -> AsyncGenerator[tuple[Session, Handle], None]:
    """Somebody who sends a tone, or another track, to the room."""
    entry = {"room": ROOM} | entry
    async with open_session(url) as session:
        handle = await session.attach(VIDEOROOM)
        await handle.ask("join", ptype="publisher", display=name, **entry)
        peer = Peer(Network())
        try:
            peer.connection.addTrack(track or ToneTrack())
            offer = {"type": "offer", "sdp": await peer.offer(), "trickle": False}
            published = await handle.ask("publish", offer)
            await peer.accept(published.jsep["sdp"])
            await peer.connected()
            yield session, handle
        finally:
            await peer.aclose()


async def first_picture(session: Session, feed: int) -> Any:
    """What somebody shows, as RGB [H, W, 3]."""
    handle = await session.attach(VIDEOROOM)
    streams = [{"feed": feed}]
    offered = await handle.ask("join", ptype="subscriber", room=ROOM, streams=streams)
    peer, tracks = Peer(Network()), list[MediaStreamTrack]()
    peer.connection.on("track", tracks.append)
    try:
        answer = await peer.answer(offered.jsep["sdp"], ("video",))
        await handle.ask("start", {"type": "answer", "sdp": answer, "trickle": False})
        await peer.connected()
        shown: Any = await tracks[0].recv()
        return shown.to_ndarray(format="rgb24")
    finally:
        await peer.aclose()


@asynccontextmanager
async def text_room(session: Session, texts: list[str]) -> AsyncGenerator[None, None]:
    """Somebody who reads the text room."""
    handle = await session.attach(TEXTROOM)
    offered = await handle.ask("setup")
    peer = Peer(Network())
    channel = peer.connection.createDataChannel(CHANNEL)

    def hear(raw: str) -> None:
        message = json.loads(raw)
        if message["textroom"] == "message":
            texts.append(message["text"])

    channel.on("message", hear)
    join = {"textroom": "join", "transaction": "t", "room": ROOM, "username": "reader"}
    channel.on("open", lambda: channel.send(json.dumps(join)))
    try:
        answer = await peer.answer(offered.jsep["sdp"])
        await handle.ask("ack", {"type": "answer", "sdp": answer, "trickle": False})
        await peer.connected()
        yield
    finally:
        await peer.aclose()


def _others(folder: Path, *wanted: str) -> str:
    """The plugins that are not wanted, as Janus names them."""
    names = [path.name for path in folder.glob("*.so")]
    return ",".join(name for name in names if not any(one in name for one in wanted))
