"""Bytes that come to a server's port: heads, bodies, WebSocket frames."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path
from typing import Any

from surtitle.pipeline.config import FilesConfig, ServerConfig
from surtitle.pipeline.server.app import listen, open_server
from surtitle.pipeline.server.files.service import FilesService
from surtitle.pipeline.server.storage.store import Store
from surtitle.pipeline.translators.echo import EchoTranslator

from ...pipeline.scripted_recognizer import Ears, ScriptedRecognizer, scripted_pool
from ...pipeline.server.gate.test_wire import UPGRADE
from ...pipeline.server.gate.test_wire import text as frame
from ...pipeline.server.scripted import WORD_MS, WORDS
from .target import Fuzz, Target
from .wire import FRAGMENT, HONEST, OFFER, OFFER_BODY

PATIENCE_S = 0.03  # for a request that does not come to its end
HANGS_S = 10.0
FORM = (
    b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n'
    b'--x\r\ncontent-disposition: form-data; name="response_format"\r\n\r\nsrt\r\n--x--\r\n'
)
FORM_TYPE = "multipart/form-data; boundary=x"


def request(method: str, path: str, body: bytes = b"", kind: str = "", more: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n{more}"
    if kind:
        head += f"content-type: {kind}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def upgraded(path: bytes, *frames: bytes) -> bytes:
    return UPGRADE.replace(b"/v1/view", path) + b"\r\n" + b"".join(frames)


SAMPLES = [
    *(
        request("GET", path)
        for path in (
            "/healthz",
            "/metrics",
            "/v1/languages",
            "/languages",
            "/v1/sessions",
            "/v1/sessions/x/transcript?format=srt&lang=en,es",
            "/overlay/main.js",
            "/v1/jobs",
            "/v1/jobs/AAAAAAAAAAAAAAAA/subtitles?lang=en&format=srt",
        )
    ),
    request("DELETE", "/v1/sessions/x"),
    request("DELETE", "/v1/jobs/AAAAAAAAAAAAAAAA"),
    request("POST", "/v1/qr", b"http://localhost/overlay", "text/plain"),
    request("POST", "/whip/main?source=en&targets=es", OFFER, "application/sdp"),
    request("POST", "/whep/main?lang=es", OFFER, "application/sdp"),
    request("POST", "/v1/offer", OFFER_BODY.encode(), "application/json"),
    request(
        "PATCH", "/whip/main/x", FRAGMENT, "application/trickle-ice-sdpfrag", 'if-match: "x"\r\n'
    ),
    request("POST", "/v1/audio/transcriptions", FORM, FORM_TYPE),
    request(
        "POST",
        "/asr?task=translate&output=srt",
        FORM.replace(b'"file"', b'"audio_file"'),
        FORM_TYPE,
    ),
    request(
        "POST", "/detect-language?encode=false", FORM.replace(b'"file"', b'"audio_file"'), FORM_TYPE
    ),
    request(
        "POST", "/translate", b'{"q": "a", "source": "en", "target": "es"}', "application/json"
    ),
    request("POST", "/v1/jobs?name=a.wav&to=es", b"RIFF"),
    request(
        "PATCH", "/v1/jobs/AAAAAAAAAAAAAAAA/cues", b'{"language": "en", "cue": 0, "text": "a"}'
    ),
    upgraded(b"/v1/publish", frame(HONEST[0][:125])),
    upgraded(b"/v1/view?room=main&lang=es&session=x&after=3", frame(b"{}"), frame(b"", 0x89)),
    upgraded(b"/v1/listen?encoding=linear16&sample_rate=16000", frame(bytes(100), 0x82)),
    upgraded(b"/v1/realtime/translations?model=m", frame(b'{"type": "session.close"}')),
    upgraded(b"/transcribe?sessionId=m&sendBack=true", frame(b'{"event": "ping", "id": 1}')),
    upgraded(b"/translate?sessionId=m", frame(b"a", 0x01), frame(b"b", 0x80)),
]
WORDS_OF_HTTP = [
    b"transfer-encoding: chunked\r\n",
    b"content-length: 0\r\n",
    b"expect: 100-continue\r\n",
    b"authorization: Bearer x\r\n",
    b"origin: null\r\n",
    b"%00",
    b"%ff",
    b"/../",
    b"\r\n\r\n",
    b"if-none-match: *\r\n",
    b"range: bytes=0-1\r\n",
]


class _Complaints(logging.Handler):
    """What a server logs with a traceback is a fault of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.errors.append(record.exc_info[1])


def _server() -> Fuzz:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    loop = asyncio.new_event_loop()
    complaints = _Complaints()
    logging.getLogger().addHandler(complaints)
    logging.lastResort = None
    config = ServerConfig(port=0, request_timeout_s=PATIENCE_S, resume_s=0.0)
    listening = listen(config)
    port = listening.getsockname()[1]

    async def serve(is_open: asyncio.Future[None]) -> None:
        pool = scripted_pool(ScriptedRecognizer(WORDS), Ears(WORD_MS))
        files = FilesService(
            folder / "files", FilesConfig(min_free_bytes=0), lambda: ScriptedRecognizer(WORDS)
        )
        store = Store(folder / "store.sqlite")
        async with open_server(config, pool, EchoTranslator(), store, files=files) as server:
            is_open.set_result(None)
            await server.serve([listening])

    async def answer(data: bytes) -> bytes:
        async with asyncio.timeout(HANGS_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(data)
                return await reader.read(1 << 16)
            except ConnectionError:
                return b""
            finally:
                writer.transport.abort()

    def read(data: bytes) -> None:
        said = loop.run_until_complete(answer(data))
        if complaints.errors:
            raise complaints.errors.pop()
        assert not said.startswith(b"HTTP/1.1 500"), said

    is_open = loop.create_future()
    loop.serving = loop.create_task(serve(is_open))  # type: ignore[attr-defined]
    loop.run_until_complete(is_open)
    return read


TARGETS = [Target("http", _server, SAMPLES, WORDS_OF_HTTP, 1)]
