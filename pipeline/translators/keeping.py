"""What must not change does not, whatever translates: this stands in front of every backend.

1. What passes through (text/passthrough.py) is taken off the edges of a text, and put back around
   its translation; a text in capitals is translated as one would write it normally.
2. A translation is good when it has the marks and addresses of its text, and amounts of the same
   value (text/amounts.py). Nearly all are, and that is all there is to it.
3. Else a draft is withheld, as the next one comes soon. What is final is asked for again: sentence
   by sentence; around its marks; with small whole numbers in the place of amounts and addresses,
   which any translator has seen more often; and what stands around each of them by itself, which
   reads worse, and cannot be wrong.

What is pinned is what people have seen: it is kept in each of these, or nothing is changed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec

from ..errors import DraftWithheld
from ..events import TranslationRequest
from ..text.amounts import agreeing, find_amounts
from ..text.languages import language_rules
from ..text.passthrough import (
    as_written,
    edges,
    has_kept,
    in_capitals,
    is_in_capitals,
    marks,
    without_kept,
)
from ..text.pieces import joined, pieces
from ..text.units import unit_words_end
from .disguise import Disguise, disguised, items_with_units, kept_items

if TYPE_CHECKING:
    from . import Translator

MIN_WRONG = 3  # amounts changed, before it is a habit

_PART = re.compile(r"([\W_]*)(.*?)([\W_]*)", re.DOTALL)
_END_MARKS = ".。!?！？…"

P = ParamSpec("P")
# What is still to be translated, what came of it, and the answer to the whole.
Course = Generator[TranslationRequest, str, str]


class KeepingTranslator:
    """A backend behind these rules. Its errors are its own."""

    def __init__(self, backend: Translator) -> None:
        """The backend is this one's from now on: `aclose` closes it."""
        self._backend = backend
        self._habits = Habits()
        self.name = backend.name

    @property
    def backend(self) -> Translator:
        return self._backend

    @property
    def at_once(self) -> int:
        return self._backend.at_once

    def check(self, source: str, target: str) -> None:
        self._backend.check(source, target)

    async def translate(self, request: TranslationRequest) -> str:
        """Raises DraftWithheld, beside what the backend raises."""
        return await answered(kept(request, self._habits), self._backend.translate)

    async def aclose(self) -> None:
        await self._backend.aclose()


class Habits:
    """What a backend does to amounts that are more than a whole number, for each direction. Where
    it garbles most of them, they are hidden at once: that saves a call, and the drafts."""

    def __init__(self) -> None:
        self._right: Counter[tuple[str, str]] = Counter()
        self._wrong: Counter[tuple[str, str]] = Counter()

    def note(self, request: TranslationRequest, *, is_right: bool) -> None:
        (self._right if is_right else self._wrong)[request.source, request.target] += 1

    def garbles(self, request: TranslationRequest) -> bool:
        direction = request.source, request.target
        wrong = self._wrong[direction]
        return wrong >= MIN_WRONG and wrong > self._right[direction]


async def answered(
    course: Course, translate: Callable[[TranslationRequest], Awaitable[str]]
) -> str:
    """The end of a course, all of whose requests are answered by `translate`."""
    try:
        asked = next(course)
        while True:
            asked = course.send(await translate(asked))
    except StopIteration as end:
        return end.value


def keeping(open_backend: Callable[P, Translator]) -> Callable[P, KeepingTranslator]:
    """What opens a backend, so that it opens one behind these rules."""

    @wraps(open_backend)
    def open_translator(*args: P.args, **kwargs: P.kwargs) -> KeepingTranslator:
        return KeepingTranslator(open_backend(*args, **kwargs))

    return open_translator


def kept(request: TranslationRequest, habits: Habits) -> Course:
    """Ask for translations until there is one in which nothing has changed (pure)."""
    parts = edges(request.text)
    if not parts.core and parts.before.startswith(request.pinned):
        return parts.before
    inner = _without_edges(request, parts.before, parts.core)
    if inner is None:
        return (yield request)
    answer = yield from _cased(inner, habits)
    answer = parts.before + answer + parts.behind
    return answer if answer.startswith(request.pinned) else (yield request)


def _without_edges(
    request: TranslationRequest, before: str, core: str
) -> TranslationRequest | None:
    """The request for what stands between the edges; None where what people have seen does not
    begin with the first of these."""
    start = before.rstrip()
    if not core or (request.pinned and not request.pinned.startswith(start)):
        return None
    pinned = request.pinned[len(start) :].lstrip() if start else request.pinned
    draft = request.draft.removeprefix(start).lstrip() if start else request.draft
    # What stands in the edges is said there.
    required = tuple(each for each in request.required if each not in before)
    return replace(request, text=core, pinned=pinned, draft=draft, required=required)


def _cased(request: TranslationRequest, habits: Habits) -> Course:
    """Capitals are no matter of translation."""
    if not is_in_capitals(request.text) or (request.pinned and not is_in_capitals(request.pinned)):
        return (yield from _checked(request, habits))
    source, target = request.source, request.target
    normal = replace(
        request,
        text=as_written(request.text, source),
        pinned=as_written(request.pinned, target),
        draft=as_written(request.draft, target),
    )
    return in_capitals((yield from _checked(normal, habits)), target)


def _checked(request: TranslationRequest, habits: Habits) -> Course:
    disguise = disguised(request)
    is_hidden = disguise is not None and disguise.is_needed and habits.garbles(request)
    if is_hidden and disguise is not None:
        restored = _restored(disguise, (yield disguise.hidden(request)), request)
        if restored is not None:
            return restored
        if request.is_draft:
            raise DraftWithheld("an amount has not come back")
    answer = yield request
    good = _good(request, answer)
    if disguise is not None and disguise.is_needed and not is_hidden:
        habits.note(request, is_right=good is not None)
    if good is not None:
        return good
    if request.is_draft:
        raise DraftWithheld(f"a translation has changed what must not change: {answer!r}")
    untried = None if is_hidden else disguise
    found = yield from _again(replace(request, draft=""), answer, untried, habits)
    return answer if found is None else found


def _again(
    request: TranslationRequest, answer: str, disguise: Disguise | None, habits: Habits
) -> Generator[TranslationRequest, str, str | None]:
    """What else there is to try; None where what people have seen forbids all of it."""
    if len(sentences := _sentences(request)) > 1:
        answers: list[str] = []
        for sentence in sentences:
            answers.append((yield from kept(replace(request, text=sentence), habits)))
        return joined(answers, request.target)
    spans = [(start, end, request.text[start:end]) for start, end in marks(request.text)]
    if not has_kept("".join(text for _, _, text in spans), answer):
        return (yield from _around(request, spans, lambda part: kept(part, habits)))
    if disguise is not None:
        restored = _restored(disguise, (yield disguise.hidden(request)), request)
        if restored is not None:
            return restored
    return (yield from _in_parts(request))


def _in_parts(request: TranslationRequest) -> Generator[TranslationRequest, str, str | None]:
    """Two halves with as many amounts each, if people have not seen anything yet; of one amount,
    what stands around it."""
    items = kept_items(request)
    if request.pinned:
        return (yield from _around(request, items, _fragment))
    if len(items) < 2:
        return (yield from _around(request, items_with_units(request), _fragment))
    cut = unit_words_end(request.text, items[len(items) // 2 - 1][1], request.source)
    answers: list[str] = []
    for text in (request.text[:cut], request.text[cut:]):
        required = () if answers else request.required
        half = replace(request, text=text.strip(), required=required, key=None)
        answers.append((yield from _half(half)))
    is_parted = request.text[cut : cut + 1].isspace()
    return joined(answers, request.target) if is_parted else "".join(answers)


def _half(part: TranslationRequest) -> Course:
    """Of a sentence, with nothing pinned."""
    answer = None
    disguise = disguised(part)
    if disguise is not None and any(char.isalpha() for char in without_kept(part.text)):
        hidden = disguise.hidden(part)
        answer = disguise.restored(_trimmed((yield hidden), hidden), part)
    elif disguise is None:
        return (yield from _fragment(part))
    if answer is None:
        answer = yield from _in_parts(part)
    assert answer is not None, "nothing is pinned"
    return answer


def _good(request: TranslationRequest, answer: str) -> str | None:
    if not has_kept(request.text, answer):
        return None
    fixed = len(request.pinned)
    return agreeing(request.text, request.source, answer, request.target, fixed)


def _restored(disguise: Disguise, answer: str, request: TranslationRequest) -> str | None:
    """None where it is not right, as where people have seen half of an amount."""
    restored = disguise.restored(answer, request)
    return restored if restored is None or not request.pinned else _good(request, restored)


def _sentences(request: TranslationRequest) -> list[str]:
    """Nobody knows which of them what is pinned or required belongs to."""
    if request.pinned or request.required:
        return [request.text]
    return [text.strip() for text in pieces(request.text, request.source) if text.strip()]


def _around(
    request: TranslationRequest,
    spans: Sequence[tuple[int, int, str]],
    translate: Callable[[TranslationRequest], Course],
) -> Generator[TranslationRequest, str, str | None]:
    """Translate what stands between, and join it with what is kept. What people have seen of it
    stands for all up to the last kept piece in it; None where it has these in another order."""
    seen, at, done = request.pinned, 0, ""
    rest = list(spans)
    while rest and (place := seen.find(rest[0][2])) >= 0:
        length = place + len(rest[0][2])
        done, seen, at = done + seen[:length], seen[length:], rest.pop(0)[1]
    if rest and (half := _begun(rest[0][2], seen)):
        done, seen, at = done + seen + rest[0][2][half:], "", rest.pop(0)[1]
    if any(back in seen for _, _, back in rest):
        return None
    required = request.required
    for start, end, back in [*rest, (len(request.text), len(request.text), "")]:
        part = request.text[at:start]
        core = part.strip()
        space = part[: len(part) - len(part.lstrip())]
        answer = core
        if any(char.isalpha() for char in without_kept(core)):
            wanted = replace(request, text=core, pinned=seen.strip(), required=required, key=None)
            answer, required = (yield from translate(wanted)), ()
        elif seen.strip():
            return None
        behind = part[len(part.rstrip()) :] if core else ""
        done += space + answer + behind + back
        at, seen = end, ""
    return done if done.startswith(request.pinned) else None


def _begun(back: str, seen: str) -> int:
    """How much of an amount stands at the end of what people have seen: "1" of "1.200"."""
    for length in range(len(back) - 1, 0, -1):
        begins = not seen[: len(seen) - length][-1:].isalnum()
        if begins and seen.endswith(back[:length]) and re.search(r"\d", back[:length]):
            return length
    return 0


def _fragment(request: TranslationRequest) -> Course:
    """A part of a sentence without amounts."""
    before, core, behind = _with_own_marks(request.text)
    pinned = request.pinned.removeprefix(before.strip()).lstrip()
    part = replace(request, text=core, pinned=pinned)
    answer = _trimmed((yield part), part)
    if not answer or find_amounts(answer.removeprefix(pinned), request.target):
        answer = pinned or core  # a number out of nothing
    return before + answer + behind


def _with_own_marks(text: str) -> tuple[str, str, str]:
    """What is to be translated of a part of a sentence, between the marks at its edges."""
    found = _PART.fullmatch(text)
    assert found is not None, "any text has these parts"
    return found[1], found[2], found[3]


def _trimmed(answer: str, part: TranslationRequest) -> str:
    """The translation of a part of a sentence, which a translator takes for a whole one."""
    answer = answer.strip()
    if part.pinned:
        return answer
    if part.text[-1:] not in _END_MARKS:
        answer = answer.rstrip(_END_MARKS).lstrip("¡¿")
    if part.text[:1].islower() and not language_rules(part.target).capitalizes_nouns:
        answer = answer[:1].lower() + answer[1:]
    return answer
