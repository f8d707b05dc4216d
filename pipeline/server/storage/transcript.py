"""The final captions of a session -> SubRip, WebVTT, TTML, plain text or JSON (pure)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import accumulate, pairwise
from typing import Any, Literal, get_args

from ...config import AUTO
from ...errors import RefusedError
from ...events import Caption, SourceSegment, Word, joined_text
from ...subtitles.build import bilingual_cues, source_cues, translated_cues
from ...subtitles.check import SubtitleRules
from ...subtitles.cues import Cue
from ...subtitles.files import subtitle_text
from ...text.languages import language_rules
from ...text.tokens import tokenize
from .changes import word_fields
from .store import StoredSession

TranscriptFormat = Literal["srt", "vtt", "ttml", "txt", "json"]
TRANSCRIPT_FORMATS: tuple[TranscriptFormat, ...] = get_args(TranscriptFormat)
MEDIA_TYPES: dict[TranscriptFormat, str] = {
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt",
    "ttml": "application/ttml+xml",
    "txt": "text/plain",
    "json": "application/json",
}


def parse_format(name: str) -> TranscriptFormat:
    """Raises RefusedError."""
    for known in TRANSCRIPT_FORMATS:
        if known == name:
            return known
    raise RefusedError(
        "bad_request", f"format must be {', '.join(TRANSCRIPT_FORMATS)}, got {name!r:.80}"
    )


def parse_languages(text: str, session: StoredSession) -> tuple[str, ...]:
    """The language spoken, one of the others, or both; none named: the language spoken.

    That one is called AUTO where it may have changed.

    Raises RefusedError.
    """
    wanted = set(text.split(",")) if text else {session.source}
    known = (session.source, *session.targets)
    if not wanted <= set(known):
        raise RefusedError(
            "unsupported_language", f"this session has {', '.join(known)}, got lang={text!r:.80}"
        )
    if len(wanted - {session.source}) > 1:
        raise RefusedError(
            "bad_request",
            f"lang may name one language, or {session.source} and another, got {text!r:.80}",
        )
    return tuple(language for language in known if language in wanted)


def transcript(
    session: StoredSession,
    captions: Sequence[Caption],
    transcript_format: TranscriptFormat,
    languages: tuple[str, ...],
) -> str:
    """`captions` are final, by segment; `languages` as from `parse_languages`."""
    shown = [caption for caption in captions if _shown_as(caption, languages) is not None]
    match transcript_format:
        case "json":
            return json.dumps(
                {**asdict(session), "captions": [_fields(caption) for caption in shown]},
                ensure_ascii=False,
                indent=1,
            )
        case "txt":
            return _plain_text(shown, languages)
        case "srt" | "vtt" | "ttml":
            return subtitle_text(_cues(session, captions, languages), transcript_format)


def _shown_as(caption: Caption, languages: tuple[str, ...]) -> str | None:
    """As which of `languages` a caption stands in a transcript, AUTO being what is spoken."""
    if caption.is_source and AUTO in languages:
        return AUTO
    return caption.language if caption.language in languages else None


def _fields(caption: Caption) -> dict[str, Any]:
    """`words` stand there where they are known, and `speaker` where several speak."""
    fields = asdict(caption)
    del fields["words"]
    if not caption.speaker:
        del fields["speaker"]
    if caption.words:
        fields["words"] = [word_fields(word) for word in caption.words]
    return fields


def _plain_text(captions: Sequence[Caption], languages: tuple[str, ...]) -> str:
    """A line per segment; with two languages, a paragraph of two lines."""
    lines: dict[int, dict[str, str]] = {}
    for caption in captions:
        shown_as = _shown_as(caption, languages)
        assert shown_as is not None, "the others are left out"
        text = f"{caption.speaker}: {caption.text}" if caption.speaker else caption.text
        lines.setdefault(caption.segment_id, {})[shown_as] = text if caption.text else ""
    paragraphs = [
        "\n".join(texts[language] for language in languages if texts.get(language))
        for texts in lines.values()
    ]
    between = "\n" if len(languages) == 1 else "\n\n"
    return between.join(filter(None, paragraphs)) + "\n"


def _cues(
    session: StoredSession, captions: Sequence[Caption], languages: tuple[str, ...]
) -> list[Cue]:
    target, rules = languages[-1], SubtitleRules()
    spoken = [c for c in captions if c.is_source or c.language == session.source]
    names = {name: n for n, name in enumerate(dict.fromkeys(c.speaker for c in spoken), 1)}
    segments = [
        replace(_segment(caption), speaker=names[caption.speaker] if caption.speaker else None)
        for caption in spoken
        if caption.text.strip()
    ]
    if target == session.source:
        return source_cues(segments, rules)
    texts = {c.segment_id: c.text for c in captions if c.language == target}
    translations = [texts.get(segment.segment_id, "") for segment in segments]
    make = bilingual_cues if len(languages) == 2 else translated_cues
    return make(segments, translations, target, rules)


def _segment(caption: Caption) -> SourceSegment:
    words = caption.words
    if joined_text(words) != caption.text:
        words = _estimated_words(caption)
    return SourceSegment(
        caption.segment_id, caption.revision, words, is_final=True, language=caption.language
    )


def _estimated_words(caption: Caption) -> tuple[Word, ...]:
    """The words of the text, which share its time by their length.

    Of captions without words, as sessions had none once, and of those that show another text than
    was heard in the end: live, what was shown may not be taken back at will.
    """
    tokens = tokenize(caption.text, language_rules(caption.language))
    chars = sum(len(token.text) for token in tokens)
    duration_ms = caption.end_ms - caption.start_ms
    times = [
        caption.start_ms + duration_ms * spoken // chars
        for spoken in accumulate((len(token.text) for token in tokens), initial=0)
    ]
    return tuple(
        Word(token.text, start_ms, end_ms, 1.0, is_estimated=True, is_joined=not token.space)
        for token, (start_ms, end_ms) in zip(tokens, pairwise(times), strict=True)
    )
