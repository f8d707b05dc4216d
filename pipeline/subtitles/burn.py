"""Subtitles into the pictures of a video, by FFmpeg with libass."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import OutputError
from .cues import Cue
from .files import write_subtitles, written_at_once
from .mux import muxer

_ASS_FILTER = re.compile(r"^ *[A-Z.|]+ +ass +", re.MULTILINE)


async def find_ffmpeg() -> str:
    """An FFmpeg that can burn subtitles in. Raises OutputError where there is none."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise OutputError(
            "--burn needs the program ffmpeg, and there is none; install it, for example with "
            "`apt-get install ffmpeg`, or use --mux"
        )
    status, said = await _run(ffmpeg, "-hide_banner", "-filters", folder=None)
    if status != 0 or _ASS_FILTER.search(said) is None:
        raise OutputError(
            f"--burn needs an FFmpeg with libass, which {ffmpeg} lacks; install another one, or "
            "use --mux"
        )
    return ffmpeg


async def burn(recording: Path, cues: Sequence[Cue], target: Path, ffmpeg: str) -> None:
    """Write `target`: the recording with the subtitles in its pictures, which are encoded anew; its
    sound is copied. Raises OutputError."""
    with TemporaryDirectory() as folder, written_at_once(target) as partial:
        # In the current folder under a plain name: the filter has an escaping of its own.
        write_subtitles(cues, Path(folder) / "burn.ass", "ass")
        command = _command(ffmpeg, recording, partial, muxer(target))
        status, said = await _run(*command, folder=folder)
        if status != 0:
            reason = said.strip().splitlines()[-1:] or [f"status {status}"]
            raise OutputError(f"{target} cannot be made: FFmpeg says: {reason[0]}")


def _command(ffmpeg: str, recording: Path, partial: Path, container: str) -> list[str]:
    return [
        *(ffmpeg, "-hide_banner", "-loglevel", "error", "-nostdin", "-y"),
        *("-i", f"file:{recording.absolute()}"),
        *("-map", "0:v:0", "-map", "0:a?", "-vf", "ass=burn.ass", "-c:a", "copy"),
        *("-f", container, f"file:{partial.absolute()}"),
    ]


async def _run(*command: str, folder: str | None) -> tuple[int, str]:
    """The status of a command, and what it says. It ends when the caller is cancelled."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None, "it has ended"
    return process.returncode, said.decode(errors="replace")
