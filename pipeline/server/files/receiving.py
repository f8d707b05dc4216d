"""What a request brings: a recording, which goes to the disk piece by piece, and a form's fields.

Nothing of a recording is held in memory. It has no name in the file system: whatever happens to the
server, it is gone with it.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from ...audio.upload import Upload, shown_name
from ...config import FilesConfig
from ...errors import RefusedError
from ..gate.limits import Place
from ..gate.wire import PLACE

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FIELDS, MAX_FIELD_BYTES = 100, 64 << 10  # of a form, besides the recording
MAX_FORM_BYTES = 1 << 20  # with what parts them
WRITE_BYTES = 1 << 18  # gathered before a thread is asked to write them
LOOK_BYTES = 16 << 20  # between two looks at how much room the disk has
# A head that promises no length: what a sender calls raw is 16-bit mono at 16 kHz.
RAW_HEAD = (
    b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0"
    b"data\xff\xff\xff\xff"
)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Form:
    """The fields of a form in their order, and the recording in it."""

    upload: Upload
    fields: list[tuple[str, str]]


async def receive_body(request: Request, folder: Path, config: FilesConfig, name: str) -> Upload:
    """The recording that is the body of a request.

    Raises RefusedError, and ClientDisconnect where the sender goes away.
    """
    sink = _Sink(folder, config, request.headers.get("content-length"))
    try:
        async for piece in request.stream():
            await sink.write(piece)
        return await sink.finish(name)
    except BaseException:
        sink.drop()
        raise


async def receive_form(
    request: Request, folder: Path, config: FilesConfig, field_name: str, *, is_raw: bool = False
) -> Form:
    """A form with the recording in the field `field_name`; `is_raw`: samples without a head.

    Raises RefusedError, and ClientDisconnect where the sender goes away.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise _bad(f"the body must be multipart/form-data, with a recording as {field_name!r}")
    sink = _Sink(folder, config, request.headers.get("content-length"))
    try:
        if is_raw:
            await sink.write(RAW_HEAD)
        parts = _Parts(field_name)
        parser = MultipartParser(options[b"boundary"], parts.callbacks())
        async for piece in request.stream():
            parser.write(piece)
            for data in parts.taken():
                await sink.write(data)
        parser.finalize()
        if parts.name is None or not parts.is_ended:
            raise _bad(f"the form must hold a recording as {field_name!r}, whole")
        return Form(await sink.finish(shown_name(parts.name)), parts.fields)
    except FormParserError as error:
        sink.drop()
        raise _bad(f"the form cannot be read: {error}") from error
    except BaseException:
        sink.drop()
        raise


async def receive_short(request: Request, most_bytes: int) -> bytes:
    """A body that is no recording. Raises RefusedError."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > most_bytes:
            raise RefusedError("too_large", f"the body may have {most_bytes} bytes")
    return body


def take_time(request: Request) -> None:
    """The request takes as long as it takes, as long as something comes."""
    place: Place | None = request.scope.get("state", {}).get(PLACE)
    if place is not None:
        place.take_time()


class _Sink:
    """The file of an upload, which grows within bounds."""

    def __init__(self, folder: Path, config: FilesConfig, length: str | None) -> None:
        """`length` is what the sender says of the request. Raises RefusedError."""
        self._folder, self._config = folder, config
        if length is not None and length.isdigit():
            self._check(int(length) - MAX_FORM_BYTES)
        self._file: BinaryIO | None = None
        self._waiting: list[bytes] = []
        self._waiting_bytes = self._bytes = self._looked_bytes = 0

    async def write(self, data: bytes) -> None:
        """Raises RefusedError."""
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes >= WRITE_BYTES:
            await self._flush()

    async def finish(self, name: str) -> Upload:
        await self._flush()
        assert self._file is not None, "it was flushed"
        return Upload(name, self._file)

    def drop(self) -> None:
        if self._file is not None:
            self._file.close()

    async def _flush(self) -> None:
        data, self._waiting = b"".join(self._waiting), []
        self._waiting_bytes = 0
        self._check(self._bytes + len(data))
        writing = asyncio.create_task(asyncio.to_thread(self._write, data))
        try:  # shielded: a write that goes on must not have its file closed under it
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing])
            raise
        except OSError as error:
            raise _not_written(error) from error

    def _write(self, data: bytes) -> None:
        if self._file is None:
            # Unbuffered: what is written is there for who reads it.
            file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            self._file = cast(BinaryIO, file)
        if self._bytes >= self._looked_bytes:
            self._looked_bytes = self._bytes + LOOK_BYTES
            free_bytes = shutil.disk_usage(self._folder).free
            if free_bytes < self._config.min_free_bytes:
                raise OSError(errno.ENOSPC, "what is left is for live captions")
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._bytes += len(data)

    def _check(self, size_bytes: int) -> None:
        if size_bytes > self._config.max_upload_bytes:
            most = f"{self._config.max_upload_bytes / 1e6:g} MB"
            raise RefusedError("too_large", f"a recording may have {most}; send its sound alone")


class _Parts:
    """The parts of a form, as the parser finds them."""

    def __init__(self, recording: str) -> None:
        """`recording` is the name of its field."""
        self.name: str | None = None  # of the recording, when it has begun
        self.is_ended = False
        self.fields: list[tuple[str, str]] = []
        self._recording = recording
        self._data: list[bytes] = []  # of the recording, not taken yet
        self._is_recording = False
        self._field, self._value = "", bytearray()
        self._header, self._header_value = bytearray(), bytearray()
        self._field_bytes = 0

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": self._take,
            "on_part_end": self._end,
        }

    def taken(self) -> list[bytes]:
        """What has come of the recording since this was asked last."""
        data, self._data = self._data, []
        return data

    def _begin(self) -> None:
        self._is_recording, self._field = False, ""
        self._value.clear()

    def _end_header(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._header_value))
            self._field = options.get(b"name", b"").decode(errors="replace")
            self._is_recording = self._field == self._recording
            if self._is_recording:
                if self.name is not None:
                    raise _bad(f"the form may hold one recording as {self._recording!r}")
                self.name = options.get(b"filename", b"").decode(errors="replace")
        self._header.clear()
        self._header_value.clear()

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._is_recording:
            self._data.append(data[start:end])
            return
        self._field_bytes += end - start
        if self._field_bytes > MAX_FIELD_BYTES:
            raise _bad(f"the fields of the form may have {MAX_FIELD_BYTES} bytes")
        self._value += data[start:end]

    def _end(self) -> None:
        if self._is_recording:
            self.is_ended = True
        elif len(self.fields) >= MAX_FIELDS:
            raise _bad(f"the form may have {MAX_FIELDS} fields")
        else:
            self.fields.append((self._field, self._value.decode(errors="replace")))


def _not_written(error: OSError) -> RefusedError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RefusedError("disk_full", "the server's disk is full; make room there, or try later")
    log.error("an upload cannot be written: %s", error)
    return RefusedError("internal", "the recording cannot be written; see the server's log")


def _bad(message: str) -> RefusedError:
    return RefusedError("bad_request", message)
