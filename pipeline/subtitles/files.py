"""Cues -> SubRip, WebVTT, ASS and TTML files. A file is there whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from html import escape
from pathlib import Path

from pysubs2 import Color, SSAEvent, SSAFile, SSAStyle

from ..config import SubtitleFormat
from ..errors import OutputError
from .cues import Cue, TextBlock
from .ttml import ttml_text

MAX_ASS_MS = 10 * 3600 * 1000  # its clock has one digit for the hour

# What players or pysubs2 would take for markup becomes the nearest character that every font has:
# SubRip and ASS have no escape that every player knows, and pysubs2 takes braces and backslashes
# for ASS tags in any format.
_ASS_MARKUP = str.maketrans("{}\\", "()/")
_SUBRIP_TAG = re.compile(r"<(?=\s*[/A-Za-z])")
# Controls, lone surrogates, noncharacters: a broken translator may write them, XML forbids them.
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")

# Sizes are in pixels of this picture; players scale it to theirs.
_ASS_INFO = {"PlayResX": "1920", "PlayResY": "1080"}


def _ass_style(fontsize: int, color: Color) -> SSAStyle:
    return SSAStyle(
        fontsize=fontsize,
        primarycolor=color,
        outline=3,
        shadow=1,
        marginl=120,
        marginr=120,
        marginv=54,
    )


_ASS_STYLES = {
    "Default": _ass_style(64, Color(255, 255, 255)),
    "Upper": _ass_style(54, Color(255, 236, 160)),
}


def write_subtitles(cues: Sequence[Cue], path: Path, subtitle_format: SubtitleFormat) -> None:
    """Write the file in one step, over an older one if there is one. Raises OutputError."""
    if subtitle_format == "ass" and cues and cues[-1].end_ms >= MAX_ASS_MS:
        raise OutputError(
            f"{path}: ASS ends at 10 hours, and this is longer; choose another format"
        )
    # Windows wrote the first SubRip files, and some players still want its line ends.
    newline = "\r\n" if subtitle_format == "srt" else "\n"
    write_text(path, subtitle_text(cues, subtitle_format), newline)


def write_text(path: Path, text: str, newline: str = "") -> None:
    """Write a file in one step, with other ends of lines if wanted. Raises OutputError."""
    with (
        written_at_once(path) as partial,
        partial.open("w", encoding="utf-8", newline=newline) as file,
    ):
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def written_at_once(path: Path) -> Generator[Path]:
    """A file to be written, which becomes `path` when all has gone well. Raises OutputError."""
    partial = _partial(path.parent)
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise OutputError(_why_not_written(path, error)) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def subtitle_text(cues: Sequence[Cue], subtitle_format: SubtitleFormat) -> str:
    """The text of a subtitle file."""
    cues = [_clean(cue) for cue in cues]
    if subtitle_format == "ttml":
        return ttml_text(cues)
    file = SSAFile()
    file.info |= _ASS_INFO
    file.styles = _ASS_STYLES
    file.events = [
        SSAEvent(cue.start_ms, cue.end_ms, _cue_text(cue, subtitle_format)) for cue in cues
    ]
    return file.to_string(subtitle_format, header_notice="")  # only ASS has a header


def _clean(cue: Cue) -> Cue:
    """Each line is one line, and what is blank is gone."""
    blocks: list[TextBlock] = []
    for block in cue.blocks:
        lines = [printable(line) for line in block.lines]
        if shown := tuple(line for line in lines if line):
            blocks.append(replace(block, lines=shown))
    return replace(cue, blocks=tuple(blocks))


def _cue_text(cue: Cue, subtitle_format: SubtitleFormat) -> str:
    blocks = [_block_text(block, subtitle_format) for block in cue.blocks]
    if subtitle_format == "ass":  # the last block is the one that is read; others stand back
        blocks[:-1] = [f"{{\\rUpper}}{block}{{\\r}}" for block in blocks[:-1]]
    return r"\N".join(blocks)


def _block_text(block: TextBlock, subtitle_format: SubtitleFormat) -> str:
    return r"\N".join(escaped(line, subtitle_format) for line in block.lines)


def printable(line: str) -> str:
    """A line without what is no text."""
    return _NO_TEXT.sub(" ", line).strip()


def escaped(line: str, subtitle_format: SubtitleFormat) -> str:
    """A line in a file that is not XML: nothing in it is taken for markup."""
    line = line.translate(_ASS_MARKUP)
    if subtitle_format == "vtt":
        return escape(line, quote=False)
    if subtitle_format == "srt":
        return _SUBRIP_TAG.sub("‹", line.replace("-->", "→"))
    return line


def make_folder(folder: Path) -> None:
    """Make a folder for results, where there is none yet. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(f"{folder} is a file, not a folder; choose another one") from error
    except OSError as error:
        raise OutputError(f"the folder {folder} cannot be made: {error.strerror}") from error


def check_writable(paths: Collection[Path]) -> None:
    """Find out before the work whether files can be written later. Raises OutputError."""
    for path in paths:
        try:
            if stat.S_ISDIR(path.stat().st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise OutputError(_why_not_written(path, error)) from error
    for folder, path in {path.parent: path for path in paths}.items():
        partial = _partial(folder)
        try:
            partial.touch(exist_ok=False)
        except OSError as error:
            raise OutputError(_why_not_written(path, error)) from error
        partial.unlink()


def _partial(folder: Path) -> Path:
    """A file that nobody else has; its name is short, however long that of the result is."""
    return folder / f".surtitle-{os.getpid()}-{secrets.token_hex(4)}.part"


def _why_not_written(path: Path, error: OSError) -> str:
    if error.errno == errno.ENAMETOOLONG:
        return f"{path} cannot be written: its name would be too long; rename the recording"
    if path.is_dir():
        return f"{path} cannot be written: a folder has this name; rename or remove it"
    if not path.parent.is_dir():
        return f"{path} cannot be written: there is no folder {path.parent}; create it"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path} cannot be written: its folder is read-only; choose another output folder"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{path} cannot be written: the disk is full; make room or choose another folder"
    return f"{path} cannot be written: {error.strerror}; choose another output folder"
