"""A recording in, subtitle files out: the stages of live captions, without a clock."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .audio.pcm import to_ms
from .audio.recording import read_audio
from .config import BatchConfig, SegmenterConfig, SubtitleFormat
from .errors import MediaError
from .events import SourceSegment, TranslationRequest, Utterance
from .recognizers import Recognizer
from .recognizers.vad import Vad
from .subtitles.build import bilingual_cues, source_cues, translated_cues
from .subtitles.check import SubtitleRules, Violation, check
from .subtitles.cues import Cue
from .subtitles.files import write_subtitles
from .text.glossary import required
from .text.segmenter import Segmenter
from .text.written_form import written_form
from .translators.queue import TranslationQueue

TRANSLATE_SEGMENTS = 32  # translated together, in all target languages
GUESS_MS = 30_000  # of speech, from which the language is guessed

Progress = Callable[[int], None]  # hears how much of the recording is done, in ms


@dataclass(frozen=True, slots=True)
class Track:
    """One subtitle file to write: a language, or two in the same cues."""

    languages: tuple[str, ...]
    format: SubtitleFormat
    path: Path


@dataclass(slots=True)
class Transcript:
    """What was said, and its translations: one text per segment and target language."""

    language: str
    segments: list[SourceSegment] = field(default_factory=list[SourceSegment])
    translations: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a recording: the files written, each with what breaks the style guide."""

    language: str
    cue_count: int
    violations: dict[Path, list[Violation]]


def subtitle(
    path: Path,
    config: BatchConfig,
    recognizer: Recognizer,
    queue: TranslationQueue,
    progress: Progress,
) -> Report:
    """Write the subtitle files of a recording. Raises SurtitleError; then no file was written."""
    transcript = transcribe(path, config, recognizer, queue, progress)
    if not transcript.segments:
        raise MediaError(f"{path}: nobody speaks in it, as far as {recognizer.name} can hear")
    rules = SubtitleRules()
    shown = transcript.segments
    if not recognizer.is_written:
        shown = written_form(shown, transcript.language)
    cue_count, violations = 0, dict[Path, list[Violation]]()
    for track in tracks(path, config, transcript.language):
        cues = _cues(track, transcript, shown, rules)
        write_subtitles(cues, track.path, track.format)
        cue_count += len(cues)
        violations[track.path] = check(cues, rules)
    return Report(transcript.language, cue_count, violations)


def tracks(path: Path, config: BatchConfig, language: str) -> list[Track]:
    """The files that belong to a recording in `language`: NAME.en.srt, NAME.es.srt, and with
    `bilingual` NAME.en-es.srt."""
    targets = [target for target in config.targets if target != language]
    wanted: list[tuple[str, ...]] = [(language,), *((target,) for target in targets)]
    if config.bilingual:
        wanted += [(language, target) for target in targets]
    folder = config.output_dir or path.parent
    return [
        Track(languages, extension, folder / f"{path.stem}.{'-'.join(languages)}.{extension}")
        for languages in wanted
        for extension in config.formats
    ]


def transcribe(
    path: Path,
    config: BatchConfig,
    recognizer: Recognizer,
    queue: TranslationQueue,
    progress: Progress,
) -> Transcript:
    """Recognize a recording and translate it into every target language."""
    transcript: Transcript | None = None
    waiting: list[SourceSegment] = []

    def translate_waiting() -> None:
        assert transcript is not None, "segments have a language"
        targets = list(transcript.translations)
        requests = [
            TranslationRequest(
                segment.text,
                transcript.language,
                target,
                required=required(segment.text, config.terms, target),
            )
            for target in targets
            for segment in waiting
        ]
        answers = iter(asyncio.run(queue.translate_all(requests, str(path))))
        for target in targets:
            for _ in waiting:
                answer = next(answers)
                if isinstance(answer, Exception):
                    raise answer
                transcript.translations[target].append(answer)
        transcript.segments += waiting
        waiting.clear()

    utterances = _utterances(path, recognizer, progress)
    language, utterances = _with_language(utterances, recognizer, config.source)
    targets = [target for target in config.targets if target != language]
    for target in targets:
        queue.check(language, target)
    transcript = Transcript(language, translations={target: [] for target in targets})
    segmenter = Segmenter(SegmenterConfig(), language, is_written=recognizer.is_written)
    for utterance in utterances:
        waiting += segmenter.push(recognizer.recognize(utterance, language))
        if len(waiting) >= TRANSLATE_SEGMENTS:
            translate_waiting()
    waiting += segmenter.flush()
    translate_waiting()
    return transcript


def _utterances(path: Path, recognizer: Recognizer, progress: Progress) -> Iterator[Utterance]:
    vad = Vad(recognizer.file_vad)
    for chunk in read_audio(path):
        yield from vad.push(chunk)
        progress(to_ms(chunk.start_sample + chunk.samples.size))
    yield from vad.flush()


def _with_language(
    utterances: Iterator[Utterance], recognizer: Recognizer, language: str | None
) -> tuple[str, Iterator[Utterance]]:
    """The language spoken, guessed from the first utterances where it is not given."""
    if language is not None:
        return language, utterances
    heard: list[Utterance] = []
    votes: Counter[str] = Counter()
    heard_ms = 0
    for utterance in utterances:
        heard.append(utterance)
        guess = recognizer.guess_language(utterance)
        utterance_ms = to_ms(utterance.samples.size)
        votes[guess.language] += round(guess.probability * utterance_ms)
        heard_ms += utterance_ms
        if heard_ms >= GUESS_MS:
            break
    guessed = votes.most_common(1)[0][0] if votes else next(iter(recognizer.languages))

    def all_of_them() -> Iterator[Utterance]:
        yield from heard
        yield from utterances

    return guessed, all_of_them()


def _cues(
    track: Track, transcript: Transcript, shown: list[SourceSegment], rules: SubtitleRules
) -> list[Cue]:
    language = transcript.language
    target = track.languages[-1]
    if target == language:
        return source_cues(shown, language, rules)
    translations = transcript.translations[target]
    make = bilingual_cues if len(track.languages) == 2 else translated_cues
    return make(shown, translations, language, target, rules)
