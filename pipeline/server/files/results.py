"""What was heard in recordings, as cues that can be read, corrected and taken away; a file each."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...config import SUBTITLE_FORMATS, SubtitleFormat
from ...errors import OutputError, RefusedError
from ...protocols import shown
from ...recording import Transcript
from ...subtitles.build import source_cues, translated_cues
from ...subtitles.check import SubtitleRules
from ...subtitles.cues import Cue, TextBlock
from ...subtitles.files import make_folder, subtitle_text, write_text
from .jobs import Job

MEDIA_TYPES: dict[SubtitleFormat, str] = {
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "ass": "text/x-ssa; charset=utf-8",
    "ttml": "application/ttml+xml",
}
MAX_LISTED = 100
NOT_STORED = "The server's disk did not take this: download it now, it goes when the server stops"
MAX_LINES, MAX_LINE_CHARS = 4, 500  # of a cue that somebody corrects

_RULES = SubtitleRules()
_ID = re.compile(r"[A-Za-z0-9_-]{16}")

Result = dict[str, Any]

log = logging.getLogger(__name__)


class Results:
    """The results of a server, in a folder. All that read or write it take turns, in threads.

    Raises RefusedError for what is not there, OutputError for what cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder, where there is none. Raises OutputError."""
        make_folder(folder)
        folder.chmod(0o700)  # what people said is not for other users of this computer
        self._folder = folder
        self._turn = asyncio.Lock()
        self._unsaved: dict[str, Result] = {}  # the newest MAX_LISTED that the disk did not take

    async def save(self, job: Job) -> None:
        """Keep what has become of a job; where that cannot be written, as long as the server runs,
        and it says so."""
        result = await asyncio.to_thread(_result, job)
        try:
            async with self._turn:
                await asyncio.to_thread(self._write, result)
        except OutputError as error:
            log.error("the result of a recording is not stored: %s", error)
            result["warnings"].append(NOT_STORED)
            self._unsaved[job.id] = result
            if len(self._unsaved) > MAX_LISTED:
                del self._unsaved[next(iter(self._unsaved))]

    async def find(self, job_id: str) -> Result:
        async with self._turn:
            return await asyncio.to_thread(self._read, job_id)

    async def newest(self) -> list[Result]:
        """MAX_LISTED at most, without their cues."""
        async with self._turn:
            return await asyncio.to_thread(self._newest)

    async def correct(self, job_id: str, language: str, number: int, text: str) -> Result:
        """Give cue `number` of a language, from 0, another text; return the cue."""
        async with self._turn:
            return await asyncio.to_thread(self._correct, job_id, language, number, text)

    async def delete(self, job_id: str) -> None:
        async with self._turn:
            self._unsaved.pop(job_id, None)
            await asyncio.to_thread(self._path(job_id).unlink, missing_ok=True)

    async def delete_older(self, days: float) -> None:
        async with self._turn:
            await asyncio.to_thread(self._delete_older, days)

    def _correct(self, job_id: str, language: str, number: int, text: str) -> Result:
        result = self._read(job_id)
        cues = cues_in(result, language)
        if not 0 <= number < len(cues):
            raise RefusedError("bad_request", f"cue must be 0 to {len(cues) - 1}, got {number}")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if len(lines) > MAX_LINES or any(len(line) > MAX_LINE_CHARS for line in lines):
            raise RefusedError(
                "bad_request", f"a cue has {MAX_LINES} lines of {MAX_LINE_CHARS} characters at most"
            )
        cues[number]["lines"] = lines
        if job_id not in self._unsaved:
            self._write(result)
        return cues[number]

    def _newest(self) -> list[Result]:
        paths = sorted(self._folder.glob("*.json"), key=_changed_s, reverse=True)
        found = [*self._unsaved.values(), *(_parsed(path) for path in paths[:MAX_LISTED])]
        listed = [{**each, "cues": None} for each in found if each is not None]
        return sorted(listed, key=lambda each: each["created_at"], reverse=True)

    def _delete_older(self, days: float) -> None:
        oldest_s = time.time() - days * 86_400
        for path in self._folder.glob("*.json"):
            if _changed_s(path) < oldest_s:
                path.unlink(missing_ok=True)

    def _read(self, job_id: str) -> Result:
        result = self._unsaved.get(job_id) or _parsed(self._path(job_id))
        if result is None:
            raise RefusedError("unknown_job", f"there is no job {shown(job_id)}")
        return result

    def _write(self, result: Result) -> None:
        text = json.dumps(result, ensure_ascii=False)
        write_text(self._path(result["id"]), text.encode("utf-8", "replace").decode())

    def _path(self, job_id: str) -> Path:
        """Raises RefusedError: an id is the name of a file, and comes from anybody."""
        if _ID.fullmatch(job_id) is None:
            raise RefusedError("unknown_job", f"there is no job {shown(job_id)}")
        return self._folder / f"{job_id}.json"


def cues_in(result: Result, language: str) -> list[dict[str, Any]]:
    """The cues of a result in a language. Raises RefusedError."""
    found = result["cues"].get(language)
    if found is None:
        known = ", ".join(result["cues"]) or "none"
        raise RefusedError("unsupported_language", f"lang must be {known}, got {shown(language)}")
    return found


def subtitle_file(result: Result, language: str, format_name: str) -> tuple[str, SubtitleFormat]:
    """The text of a subtitle file, and its format. Raises RefusedError."""
    subtitle_format = _parse_format(format_name)
    cues = [
        Cue(cue["start_ms"], cue["end_ms"], (TextBlock(language, tuple(cue["lines"])),))
        for cue in cues_in(result, language)
        if cue["lines"]
    ]
    return subtitle_text(cues, subtitle_format), subtitle_format


def _parse_format(name: str) -> SubtitleFormat:
    for known in SUBTITLE_FORMATS:
        if known == name:
            return known
    raise RefusedError(
        "bad_request", f"format must be {', '.join(SUBTITLE_FORMATS)}, got {shown(name)}"
    )


def _result(job: Job) -> Result:
    spoken = job.transcript
    return {
        "id": job.id,
        "name": job.name,
        "created_at": job.created_at,
        "state": job.state,
        "message": job.message,
        "warnings": job.warnings,
        "duration_ms": job.heard_ms,
        "language": spoken.language if spoken else None,
        "cues": _all_cues(spoken) if spoken else {},
    }


def _all_cues(spoken: Transcript) -> dict[str, list[dict[str, Any]]]:
    own = {spoken.language: source_cues(spoken.segments, _RULES)}
    others = {
        target: translated_cues(spoken.segments, texts, target, _RULES)
        for target, texts in spoken.translations.items()
    }
    return {language: _fields(cues) for language, cues in (own | others).items()}


def _fields(cues: Sequence[Cue]) -> list[dict[str, Any]]:
    return [
        {"start_ms": cue.start_ms, "end_ms": cue.end_ms, "lines": list(cue.lines)} for cue in cues
    ]


def _parsed(path: Path) -> Result | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.error("%s cannot be read: %s; delete it", path, error)
        return None


def _changed_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # deleted meanwhile
        return 0.0
