"""A camera of the tests, which sends G.711 by RTSP over TCP (RFC 2326, 10.12)."""

from __future__ import annotations

import asyncio
import struct
from contextlib import aclosing

import av
import numpy as np

from surtitle.pipeline.bots.broadcast import listen
from surtitle.pipeline.bots.stream import StreamReceiver, check_address

from ...patience import PATIENCE_S

RATE_HZ = 8000
PACKET_SAMPLES = 160
PACKETS = 100  # 2 s
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n"
    "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:track1\r\n"
)


def tone() -> bytes:
    """440 Hz in G.711, PACKETS long."""
    samples = np.arange(PACKETS * PACKET_SAMPLES)
    wave = (8000 * np.sin(2 * np.pi * 440 * samples / RATE_HZ)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
    frame.sample_rate = RATE_HZ
    encoder = av.CodecContext.create("pcm_mulaw", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE_HZ, "mono", "s16"
    return b"".join(bytes(packet) for packet in encoder.encode(frame))


async def camera(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    more = {
        "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY\r\n",
        "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n",
        "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 7\r\n",
        "PLAY": "Session: 7\r\n",
    }
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method = head.partition(" ")[0]
            (number,) = [line for line in head.splitlines() if line.startswith("CSeq")]
            body = SDP if method == "DESCRIBE" else ""
            answer = f"RTSP/1.0 200 OK\r\n{number}\r\n{more.get(method, '')}\r\n{body}"
            writer.write(answer.encode())
            if method == "PLAY":
                sound = tone()
                for count in range(PACKETS):
                    at = count * PACKET_SAMPLES
                    payload = sound[at : at + PACKET_SAMPLES]
                    rtp = struct.pack("!BBHII", 0x80, 0, count, at, 7) + payload
                    writer.write(struct.pack("!cBH", b"$", 0, len(rtp)) + rtp)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.transport.abort()


def test_a_camera_is_heard() -> None:
    heard: list[bytes] = []

    async def scenario() -> None:
        async with await asyncio.start_server(camera, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            url = check_address(f"rtsp://127.0.0.1:{port}/live")
            async with aclosing(listen("camera", StreamReceiver(url), print, None)) as audio:
                async for piece in audio:
                    heard.append(piece)
                    if len(heard) == 4:
                        return

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))
    level = np.abs(np.frombuffer(b"".join(heard[1:]), np.int16)).mean()
    assert 0.9 < level / (8000 * 2 / np.pi) < 1.1
