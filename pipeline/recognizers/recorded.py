"""Recognition that costs nothing: what is said in some recordings is known, and looked up.

For measuring what everything else carries. A file of JSON lines names the recordings and has their
words, as `surtitle load --words` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio.pcm import to_ms, to_s16
from ..audio.recording import read_audio
from ..config import VadConfig
from ..errors import MediaError, RecognizerError
from ..events import Samples, Utterance, Word
from . import LanguageGuess

ANCHOR_SAMPLES = 64  # by which sound is found in a recording, about its loudest sample
LOUD_ENOUGH = 0.01  # of full scale: in less than that nobody speaks


@dataclass(frozen=True, slots=True)
class RecordedSpeech:
    """A recording, 16 kHz mono [N] in 16 bits, and the words in it, in order."""

    path: Path
    language: str
    pcm: NDArray[np.int16]
    words: tuple[Word, ...]


class RecordedRecognizer:
    """Says the words of recordings that are in what it hears; it never changes its mind.

    It must hear the very samples, 16 kHz in 16 bits; pauses may have been put between the words.
    """

    uses_terms = False
    is_written = True
    cpu_threads = 1  # it stands in for one that needs as many

    def __init__(self, speech: Sequence[RecordedSpeech]) -> None:
        """Raises RecognizerError where there is none."""
        if not speech:
            raise RecognizerError("there are no recordings whose words could be looked up")
        self._speech = tuple(speech)
        self._bytes = [one.pcm.tobytes() for one in speech]
        self.languages = frozenset(one.language for one in speech)

    @property
    def name(self) -> str:
        return f"recorded words of {len(self._speech)} recordings"

    @property
    def file_vad(self) -> VadConfig:
        return self.live_vad

    @property
    def live_vad(self) -> VadConfig:
        return VadConfig(min_silence_ms=500, speech_pad_ms=200, max_utterance_ms=15_000)

    def guess_language(self, utterance: Utterance) -> LanguageGuess:
        found = self._find(utterance.samples)
        return LanguageGuess(found[0].language if found else min(self.languages), 1.0)

    def recognize(
        self,
        utterance: Utterance,
        language: str,
        terms: tuple[str, ...] = (),
        *,
        is_draft: bool = False,
    ) -> list[Word]:
        """The words of an utterance; none where it is from no recording of that language."""
        found = self._find(utterance.samples)
        if found is None or found[0].language != language:
            return []
        speech, start_sample = found
        start_ms = to_ms(start_sample)
        end_ms = start_ms + to_ms(utterance.samples.size)
        shift_ms = to_ms(utterance.start_sample) - start_ms
        return [
            Word(word.text, word.start_ms + shift_ms, word.end_ms + shift_ms, word.confidence)
            for word in speech.words
            # Its middle, as times are rough, and pauses are cut close. A draft may cut a word off.
            if start_ms <= (word.start_ms + word.end_ms) // 2 < end_ms
            and (not is_draft or word.end_ms <= end_ms)
        ]

    def close(self) -> None:
        """It holds nothing."""

    def _find(self, samples: Samples) -> tuple[RecordedSpeech, int] | None:
        """Where samples are from, and with which sample of it they would begin."""
        if not samples.size or np.abs(samples).max() < LOUD_ENOUGH:
            return None
        loudest = int(np.abs(samples).argmax())
        first = max(0, min(loudest - ANCHOR_SAMPLES // 2, samples.size - ANCHOR_SAMPLES))
        anchor = to_s16(samples[first : first + ANCHOR_SAMPLES]).tobytes()
        for speech, data in zip(self._speech, self._bytes, strict=True):
            at = data.find(anchor)
            while at % 2 and at > 0:  # between two samples
                at = data.find(anchor, at + 1)
            if at >= 0:
                return speech, at // 2 - first
        return None


def read_recorded(path: Path) -> list[RecordedSpeech]:
    """The recordings of a file, which are looked for from its folder on. Raises RecognizerError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [_parsed(json.loads(line), path.parent) for line in lines if line.strip()]
    except (OSError, MediaError) as error:
        raise RecognizerError(f"{path} cannot be used: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RecognizerError(
            f"{path} is no file of recorded words; surtitle load --words writes one"
        ) from error


def write_recorded(path: Path, speech: Sequence[RecordedSpeech]) -> None:
    """Raises OSError."""
    lines = [
        json.dumps(
            {
                "recording": _relative(one.path, path.parent),
                "language": one.language,
                "samples": one.pcm.size,
                "words": [[word.text, word.start_ms, word.end_ms] for word in one.words],
            },
            ensure_ascii=False,
        )
        for one in speech
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_pcm(path: Path) -> NDArray[np.int16]:
    """A recording, 16 kHz mono [N] in 16 bits. Raises MediaError."""
    chunks = [to_s16(chunk.samples) for chunk in read_audio(path)]
    return np.concatenate([np.zeros(0, np.int16), *chunks])


def _parsed(fields: dict[str, Any], folder: Path) -> RecordedSpeech:
    """Raises MediaError, and RecognizerError for a recording that is another now."""
    path = folder / fields["recording"]
    pcm = read_pcm(path)
    if pcm.size != fields["samples"]:
        raise RecognizerError(
            f"{path} has {pcm.size} samples, and had {fields['samples']} when its words were "
            "written; write them again"
        )
    words = [Word(str(text), int(start), int(end), 1.0) for text, start, end in fields["words"]]
    return RecordedSpeech(path, str(fields["language"]), pcm, tuple(words))


def _relative(path: Path, folder: Path) -> str:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return str(path.resolve())
