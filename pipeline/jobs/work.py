"""One recording or subtitle file -> the files that are wanted of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..audio.container import AudioChoice, audio_tracks, others
from ..errors import MediaError, TranslatorError
from ..listening import Hearing
from ..recognizers import Recognizer
from ..recording import transcribe
from ..subtitles.burn import burn
from ..subtitles.check import SubtitleRules, Violation, check
from ..subtitles.cues import Cue
from ..subtitles.documents import Document, read_document
from ..subtitles.files import write_subtitles, write_text
from ..subtitles.mux import SoftTrack, mux
from ..subtitles.outputs import Input, Track, track_cues
from ..subtitles.text_tracks import read_text_track
from ..subtitles.translating import bilingual_texts, seen_cues, translated_texts
from ..text.written_form import written_form
from ..translators.queue import TranslationQueue

Texts = Sequence[str | None]

RULES = SubtitleRules()


@dataclass(frozen=True, slots=True)
class Tools:
    """What all the work shares. The recognizer is there where something is to be heard, FFmpeg
    where subtitles are burned in; `hearing` is who hears, if not the recognizer itself."""

    recognizer: Recognizer | None
    queue: TranslationQueue
    ffmpeg: str
    hearing: Hearing | None = None


@dataclass(slots=True)
class Outcome:
    """What became of an input: its length and language, the files written, each with what breaks
    the style guide, those that were left as they are, and the target languages that are missing."""

    duration_ms: int = 0
    language: str = ""
    cue_count: int = 0
    written: dict[Path, list[Violation]] = field(default_factory=dict[Path, list[Violation]])
    kept: list[Path] = field(default_factory=list[Path])
    missing: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Work:
    """The work on one input. `progress` hears how much of it is heard, in ms, and `warn` what is
    wrong with it where the rest can be used."""

    given: Input
    tools: Tools
    audio: AudioChoice
    force: bool
    from_track: bool
    progress: Callable[[int], None]
    warn: Callable[[str], None]
    outcome: Outcome = field(default_factory=Outcome)

    async def run(self) -> Outcome:
        """Write the files that are not there yet. Raises SurtitleError."""
        language = self.given.language()
        if language is None or self.force or not self.given.has_subtitles():
            language = await self._subtitle()
        else:
            self.outcome.kept += [track.path for track in self.given.tracks(language)]
        self.outcome.language = language
        for path in self.given.files(language)[len(self.given.tracks(language)) :]:
            if not self._keeps(path):
                await self._make_video(path, language)
        return self.outcome

    async def _subtitle(self) -> str:
        """Write the subtitle files; return the language of the input."""
        if self.given.is_document:
            language = self.given.config.source
            assert language is not None, "that of a subtitle file is always known"
            document = await asyncio.to_thread(read_document, self.given.path)
            await self._translate(document, language)
            return language
        if self.from_track:
            source = self.given.config.source
            track = await asyncio.to_thread(read_text_track, self.given.path, source)
            language = track.language or source or "en"
            await self._translate(track.document, language)
            return language
        return await self._listen()

    async def _listen(self) -> str:
        recognizer = self.tools.recognizer
        assert recognizer is not None, "there is one where recordings are heard"
        path, config = self.given.path, self.given.config
        audio = replace(self.audio, language=config.source)
        transcript = await transcribe(
            path,
            audio,
            config,
            recognizer,
            self.tools.queue,
            self.progress,
            self.warn,
            hearing=self.tools.hearing,
        )
        if not transcript.segments:
            heard = f"nobody speaks in it, as far as {recognizer.name} can hear"
            raise MediaError(f"{path}: {heard}{others(audio_tracks(path), audio)}")
        language, translations = transcript.language, transcript.translations
        segments = transcript.segments
        if not recognizer.is_written:
            segments = written_form(segments, language)
        for track in self._tracks_to_write(language, translations):
            cues = track_cues(track, language, segments, translations, RULES)
            write_subtitles(cues, track.path, track.format)
            self._count(track, cues)
        return language

    async def _translate(self, document: Document, language: str) -> None:
        """Write a document in the languages that are wanted."""
        config, queue = self.given.config, self.tools.queue
        texts: dict[str, Texts] = {}
        refused: list[TranslatorError] = []
        for target in config.targets:
            if target == language:
                continue
            try:
                queue.check(language, target)
            except TranslatorError as error:
                refused.append(error)
                continue
            owner = str(self.given.path)
            texts[target] = await translated_texts(
                document, language, target, config.terms, queue, owner, self.progress
            )
        if refused and not texts:
            raise refused[0]
        for error in refused:
            self.warn(f"{self.given.path}: {error}")
        self.outcome.duration_ms = max(cue.end_ms for cue in document.cues)
        texts[language] = [None] * len(document.cues)
        for track in self._tracks_to_write(language, texts):
            self._write(track, document, language, texts)

    def _write(
        self, track: Track, document: Document, language: str, texts: Mapping[str, Texts]
    ) -> None:
        cues = seen_cues(document, *((each, texts[each]) for each in track.languages))
        if track.format == document.format:
            target = track.languages[-1]
            own = texts[target]
            if len(track.languages) > 1:
                own = bilingual_texts(document, own, language)
            write_text(track.path, document.written(own, language, target))
        else:
            write_subtitles(cues, track.path, track.format)
        self._count(track, cues)

    def _tracks_to_write(self, language: str, translations: Mapping[str, Texts]) -> list[Track]:
        """The files that are not kept, and for which there are texts."""
        known = {language, *translations}
        self.outcome.missing = [to for to in self.given.config.targets if to not in known]
        return [
            track
            for track in self.given.tracks(language)
            if known.issuperset(track.languages) and not self._keeps(track.path)
        ]

    def _keeps(self, path: Path) -> bool:
        """Whether a file was there before, and is left as it is."""
        if self.force or not path.exists():
            return False
        self.outcome.kept.append(path)
        return True

    def _count(self, track: Track, cues: list[Cue]) -> None:
        self.outcome.cue_count += len(cues)
        self.outcome.written[track.path] = check(cues, RULES)

    async def _make_video(self, path: Path, language: str) -> None:
        """From the subtitle files as they are there, corrected by hand or not."""
        first_format = self.given.config.formats[0]
        tracks = [
            track
            for track in self.given.tracks(language)
            if track.format == first_format and track.path.exists()
        ]
        shown = _default_track(tracks, self.given.config.targets)
        if path.stem.endswith(".burned"):
            await burn(self.given.path, _cues_in_file(shown), path, self.tools.ffmpeg)
        else:
            soft = [
                SoftTrack(
                    _cues_in_file(track),
                    track.languages[-1],
                    "-".join(track.languages) if len(track.languages) > 1 else "",
                    is_default=track is shown,
                )
                for track in tracks
            ]
            lost: list[str] = []  # heard in a thread, told here
            await asyncio.to_thread(mux, self.given.path, soft, path, lost.append)
            for line in lost:
                self.warn(line)
        self.outcome.written[path] = []


def _default_track(tracks: Sequence[Track], targets: Sequence[str]) -> Track:
    """The one that is shown: in the first target language, if it is there."""
    wanted = (tuple(targets[:1]),)
    return next((track for track in tracks if track.languages in wanted), tracks[0])


def _cues_in_file(track: Track) -> list[Cue]:
    document = read_document(track.path)
    return seen_cues(document, (track.languages[-1], [None] * len(document.cues)))
