"""A subtitle file in, the texts of its cues in another language out: sentences go through the
queue, cues come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..config import Term
from ..events import TranslationRequest
from ..text.glossary import required
from ..text.languages import language_rules
from ..translators.queue import TranslationQueue
from .cues import Cue, TextBlock
from .documents import Document
from .markup import Speech, rewritten, seen_lines, speeches
from .sentences import Said, Sentence, dealt_out, sentences

BATCH_SENTENCES = 64  # translated together, before it is told how far it is
CONTEXT = 3  # sentences before one, that tell what it is about


@dataclass(frozen=True, slots=True)
class _Place:
    cue: int
    speech: int


async def translated_texts(
    document: Document,
    source: str,
    target: str,
    terms: Sequence[Term],
    queue: TranslationQueue,
    owner: str,
    progress: Callable[[int], None] = lambda done_ms: None,
) -> list[str | None]:
    """The texts of a document's cues in another language; None for one in which nothing is said.

    Sentences that run over cues are translated whole. `progress` hears up to where it is done.
    Raises TranslatorError.
    """
    ours, theirs = language_rules(source), language_rules(target)
    cues = [speeches(cue.text, document.format, ours) for cue in document.cues]
    said, places = _said(document, cues)
    found = sentences(said, ours)
    requests = _requests(found, source, target, terms)
    answers: list[str] = []
    for at in range(0, len(requests), BATCH_SENTENCES):
        for answer in await queue.translate_all(requests[at : at + BATCH_SENTENCES], owner):
            if isinstance(answer, Exception):
                raise answer
            answers.append(answer)
        progress(said[found[len(answers) - 1].parts[-1][0]].end_ms)
    dealt = dealt_out(range(len(said)), found, answers, ours, theirs)
    texts = {place: dealt[number] for number, place in enumerate(places)}
    return [
        rewritten(
            cue,
            [texts.get(_Place(at, number), "") for number in range(len(cue))],
            document.format,
            ours,
            theirs,
        )
        if any(speech.text for speech in cue)
        else None
        for at, cue in enumerate(cues)
    ]


def _requests(
    found: Sequence[Sentence], source: str, target: str, terms: Sequence[Term]
) -> list[TranslationRequest]:
    return [
        TranslationRequest(
            each.text,
            source,
            target,
            required=required(each.text, terms, target),
            context=tuple((before.text, "") for before in found[max(0, at - CONTEXT) : at]),
        )
        for at, each in enumerate(found)
    ]


def bilingual_texts(
    document: Document, texts: Sequence[str | None], source: str
) -> list[str | None]:
    """Both languages in each cue, what is said above its translation, each in as few lines as hold
    it."""
    rules = language_rules(source)
    both: list[str | None] = []
    for cue, text in zip(document.cues, texts, strict=True):
        if text is None:
            both.append(None)
            continue
        said = speeches(cue.text, document.format, rules)
        own = [speech.text for speech in said]
        above = rewritten(said, own, document.format, rules, rules)
        both.append(f"{above}\n{text}")
    return both


def seen_cues(document: Document, *languages: tuple[str, Sequence[str | None]]) -> list[Cue]:
    """The cues as they are seen, without tags and places, in one language or two; those without
    text are left out."""
    cues: list[Cue] = []
    for at, cue in enumerate(document.cues):
        shown = ((language, texts[at]) for language, texts in languages)
        lines = [
            (language, seen_lines(cue.text if text is None else text, document.format))
            for language, text in shown
        ]
        if len({each for _, each in lines}) == 1:  # nothing in it is translated
            del lines[1:]
        blocks = tuple(TextBlock(language, each) for language, each in lines if each)
        if blocks:
            cues.append(Cue(cue.start_ms, cue.end_ms, blocks))
    return cues


def _said(document: Document, cues: Sequence[Sequence[Speech]]) -> tuple[list[Said], list[_Place]]:
    """What is said, in the order of time, and where it stands."""
    by_time = sorted(range(len(cues)), key=lambda at: document.cues[at].start_ms)
    said: list[Said] = []
    places: list[_Place] = []
    for at in by_time:
        cue = document.cues[at]
        for number, speech in enumerate(cues[at]):
            if speech.text:
                is_new = speech.has_dash or number > 0
                voice = f"{cue.voice}♪{at}" if speech.is_sung else cue.voice  # a line of a song
                said.append(Said(speech.text, cue.start_ms, cue.end_ms, voice, is_new))
                places.append(_Place(at, number))
    return said, places
