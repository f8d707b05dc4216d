"""A recording that somebody has sent: whatever it claims to be, nothing but itself is opened."""

from __future__ import annotations

import io
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# FFmpeg's names of what holds sound and nothing that points elsewhere: no playlists, lists of
# files, session descriptions or manifests, which name files and addresses to be opened.
DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,"
    "3g2,mj2,mp3,mpeg,mpegts,mxf,ogg,tak,tta,w64,wav,wv"
)
# FFmpeg looks at the first when it has guessed the format, before it reads any of it. "none" is the
# name of no protocol: what a demuxer wants to open besides is refused.
UPLOAD_OPTIONS = {"format_whitelist": DEMUXERS, "protocol_whitelist": "none"}


@dataclass(frozen=True, slots=True, eq=False)
class Upload:
    """An open file without a name in the file system, and what its sender calls it.

    It has those methods of a path that reading needs. `file` is unbuffered; it is the upload's from
    now on.
    """

    name: str
    file: BinaryIO
    _turn: Lock = field(default_factory=Lock, repr=False)

    def __str__(self) -> str:
        return self.name

    @contextmanager
    def open(self, mode: str = "rb") -> Generator[BinaryIO]:
        with io.BufferedReader(_Reader(self)) as reader:
            yield cast(BinaryIO, reader)

    def read_at(self, position: int, into: WriteableBuffer) -> int:
        """Read from a position, in whatever thread; return how many bytes there were."""
        with self._turn:
            self.file.seek(position)
            return cast(io.FileIO, self.file).readinto(into) or 0

    def is_file(self) -> bool:
        return True

    def is_dir(self) -> bool:
        return False

    def stat(self) -> os.stat_result:
        return os.fstat(self.file.fileno())

    def close(self) -> None:
        """What was sent is gone from the disk. Who still reads gets ValueError."""
        with self._turn:
            self.file.close()


class _Reader(io.RawIOBase):
    """One reader of an upload, at a place of its own."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._size = upload.stat().st_size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = self._upload.read_at(self._position, buffer)
        self._position += count
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position


def shown_name(name: str | None) -> str:
    """A sender's name for a file, fit to be shown: of a path the last part, without controls."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    shown = "".join(char for char in last if char.isprintable()).strip()
    return shown[:200] or "recording"
