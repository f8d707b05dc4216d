"""What faster-whisper's pieces of words are as words (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from ..audio.pcm import to_ms
from ..events import Utterance, Word

COMPRESSION_RATIO = 2.4  # of a text's bytes; above it: a loop
STEP_MS = 20  # Whisper counts time in steps of 20 ms
UNSPACED = frozenset(("zh", "yue", "ja", "th", "lo", "my"))  # the library parts these by character
CERTAIN = 0.5  # a word from this probability on was said, even if the alignment gave it no length


class WordPart(Protocol):
    """What faster_whisper.transcribe.Word offers; times are seconds."""

    @property
    def word(self) -> str: ...

    @property
    def start(self) -> float: ...

    @property
    def end(self) -> float: ...

    @property
    def probability(self) -> float: ...


class DecodedSegment(Protocol):
    @property
    def compression_ratio(self) -> float: ...

    @property
    def words(self) -> Sequence[WordPart] | None: ...


def words_from_segments(
    segments: Iterable[DecodedSegment], utterance: Utterance, language: str = "en"
) -> list[Word]:
    """Words in media time, in order and inside of the utterance.

    The library parts words at their leading blanks and at punctuation: "3.5 %" comes as " 3",
    ".5", " %". What begins without a blank is of one word with what precedes it. Where the script
    has no blanks, words stay as they are, and are marked as joined.
    """
    first_ms = to_ms(utterance.start_sample)
    last_ms = first_ms + to_ms(utterance.samples.size)
    words: list[Word] = []
    for parts in _whole_words(segments, language):
        if not _was_spoken(parts):
            continue
        text = "".join(part.word for part in parts)
        start_ms = min(first_ms + round(1000 * parts[0].start), last_ms - STEP_MS)
        start_ms = max(start_ms, words[-1].start_ms if words else first_ms)
        end_ms = min(first_ms + round(1000 * parts[-1].end), last_ms)
        words.append(
            Word(
                text=text.strip(),
                start_ms=start_ms,
                end_ms=max(end_ms, start_ms + STEP_MS),
                confidence=min(max(min(float(part.probability) for part in parts), 0.0), 1.0),
                is_joined=language in UNSPACED and not text.startswith(" "),
            )
        )
    return words


def _whole_words(segments: Iterable[DecodedSegment], language: str) -> Iterator[list[WordPart]]:
    """What the library has parted, together again; nothing of segments that are loops."""
    whole: list[WordPart] = []
    for segment in segments:
        if segment.compression_ratio > COMPRESSION_RATIO:
            continue  # it still loops at the highest temperature
        for at, part in enumerate(segment.words or ()):
            text = part.word
            # A segment may begin with a word that lacks its blank; not so with ".com" or "-known".
            begins = text[:1].isspace() or (at == 0 and text[:1].isalnum())
            if whole and (begins or language in UNSPACED):
                yield whole
                whole = []
            whole.append(part)
    if whole:
        yield whole


def _was_spoken(parts: Sequence[WordPart]) -> bool:
    """Whether a word is none that was invented: unlikely, and no sound was found to it."""
    has_text = any(part.word.strip() for part in parts)
    return has_text and any(part.end > part.start or part.probability >= CERTAIN for part in parts)
