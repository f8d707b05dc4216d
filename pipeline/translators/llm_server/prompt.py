"""What an LLM is asked for one translation, and what of its answer is the translation (pure)."""

from __future__ import annotations

import re

from ...captions.budget import common_prefix, units
from ...events import TranslationRequest
from ...text.glossary import contains
from ...text.language_names import LANGUAGE_NAMES
from ...text.languages import language_rules

Message = dict[str, str]

# A model that goes on from this in the assistant's name says REST_OF_PROBE.
PROBE: list[Message] = [
    {"role": "user", "content": "Repeat this sentence exactly: one two three four five six"},
    {"role": "assistant", "content": "one two three four"},
]
REST_OF_PROBE = "five"

# Tags of most models; channels of Gemma and of gpt-oss, and what is left of Gemma's where a server
# has taken the special tokens out.
_THOUGHT = re.compile(
    r"<(?:think(?:ing)?|reasoning)>|<\|channel>thought|<\|channel\|>analysis", re.IGNORECASE
)
_END_OF_THOUGHT = re.compile(
    r"\A.*(?:</(?:think(?:ing)?|reasoning)>|<channel\|>|<\|channel\|>final<\|message\|>)",
    re.DOTALL | re.IGNORECASE,
)
_END_OF_TURN = re.compile(r"(?:<(?:\|\w+\|?|\w+\|)>\s*)+\Z")  # where the server has not cut it
_EMPTY_THOUGHT = re.compile(r"\A\s*thought\n", re.IGNORECASE)
_FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL)
_INTRODUCTION = re.compile(r"[^\n]{0,120}[:：][*_\s]*\n\s*")
_IS_CALLED = (
    "translation|translated text|text|texto|texte|testo"
    "|traducción|traduction|tradução|traduzione|übersetzung|перевод|переклад|翻訳|翻译|翻譯|譯文|译文|번역|ترجمة"
)
# The blanks before it are looked at once, however many there are.
_NOTE = re.compile(r"(?<!\s)\s*[(\[](?:note|nota|literally|lit\.)\b[^)\]]*[)\]]\s*$", re.IGNORECASE)
_QUOTES = ('"', '"'), ("“", "”"), ("„", "“"), ("„", "”"), ("«", "»"), ("»", "«"), ("「", "」")
_AROUND = (*_QUOTES, ("'", "'"), ("‘", "’"), ("**", "**"), ("`", "`"))
_BEFORE_WORD = frozenset(".,;:!?…)]»”")  # marks that a blank follows where words are parted by them
TASK_CHARS = 50  # of the task tell it from any translation
_SURE_UNITS = 2  # that both texts have: there one can go on in the other


def messages(
    request: TranslationRequest, *, can_continue: bool, wrong: tuple[str, str] | None = None
) -> list[Message]:
    """A conversation that the translation of a request is the next answer of.

    What was said before and has its translation stands there as if the model had said that: so
    these show what an answer is like. No message is the system's, which some models do not have.
    With `can_continue` the last message is the pinned beginning of the answer. `wrong`: an answer
    of before, and what was wrong with it.
    """
    task = _task(request)
    found: list[Message] = []
    for text, translation in request.context:
        if translation:
            found += [_user(f"{task}\n\n{text}" if not found else text), _assistant(translation)]
    demands, aside = _demands(request, begins=not can_continue), _aside(request)
    text = request.text.strip() if not demands + aside else f"Text: {request.text.strip()}"
    parts = [*demands, text, *aside]
    found.append(_user("\n\n".join(parts if found else [task, *parts])))
    if wrong is not None:
        answer, complaint = wrong
        found += [_assistant(answer), _user(f"{complaint} Answer with the translation alone.")]
    if can_continue and request.pinned.strip():
        found.append(_assistant(request.pinned.strip()))
    return found


def translation_in(answer: str, request: TranslationRequest) -> str:
    """An answer without what models put around a translation: thoughts, fences, labels, quotes,
    remarks. What the text has itself stays."""
    text = request.text.strip()
    found = without_thoughts(answer, request).strip()
    if "```" not in text and (fence := _FENCE.search(found)):
        found = fence[1].strip()
    for _ in range(2):  # a label in quotes, quotes behind a label
        found = _without_label(found, request)
        found = _without_quotes(found, text)
    if "\n" not in text:
        found = found.partition("\n")[0].strip()
        found = _without_quotes(found, text)
    if not re.search(r"[(\[]", text):
        found = _NOTE.sub("", found)
    return found


def continuation_in(answer: str, request: TranslationRequest) -> str:
    """The translation, of which the answer is what follows its pinned beginning, or is meant to."""
    pinned = request.pinned.strip()
    rest = without_thoughts(answer, request).rstrip()
    if rest.lstrip().startswith(pinned):  # some say again what they were given
        rest = rest.lstrip()[len(pinned) :]
    if "\n" not in request.text.strip():
        rest = rest.partition("\n")[0].rstrip()
    return _joined(pinned, rest, request.target)


def complaint(translation: str, request: TranslationRequest) -> str:
    """What is wrong with a translation, in sentences for the model; "" where nothing is."""
    found: list[str] = []
    if not begins_as_pinned(translation, request):
        found.append(f"The translation must begin exactly with “{request.pinned.strip()}”.")
    for expression in request.required:
        if not contains(translation, expression):
            found.append(f"The translation must contain “{expression}”.")
    return " ".join(found)


def repeats_its_task(translation: str, request: TranslationRequest) -> bool:
    """As a model does that was not made for conversations."""
    beginning = _task(request)[:TASK_CHARS]
    return beginning in translation and beginning not in request.text


def begins_as_pinned(translation: str, request: TranslationRequest) -> bool:
    pinned = units(request.pinned, request.target)
    return units(translation, request.target)[: len(pinned)] == pinned


def pinned_and_rest(translation: str, request: TranslationRequest) -> str:
    """The pinned beginning, and what a translation that begins otherwise says after as much: after
    the last words of the beginning, where it has these too, else after as many as it has."""
    pinned, found = (units(text, request.target) for text in (request.pinned, translation))
    said, heard = ([unit.strip().casefold() for unit in each] for each in (pinned, found))
    places = [
        (common, -abs(at - len(pinned)), at)
        for at in range(1, len(found) + 1)
        if (common := common_prefix(said[::-1], heard[max(0, at - len(said)) : at][::-1]))
        >= _SURE_UNITS
    ]
    at = max(places)[2] if places else len(pinned)
    return _joined(request.pinned.strip(), "".join(found[at:]), request.target)


def without_thoughts(answer: str, request: TranslationRequest) -> str:
    """An answer without what a model has thought before it, even if it never came to an end with
    that, or began with it in the prompt."""
    if _END_OF_THOUGHT.match(request.text) or _THOUGHT.search(request.text):
        return answer
    if "<|" not in request.text:
        answer = _END_OF_TURN.sub("", answer)
    said = _EMPTY_THOUGHT.sub("", _END_OF_THOUGHT.sub("", answer, count=1), count=1)
    begun = _THOUGHT.search(said)
    return said[: begun.start()] if begun else said


def _task(request: TranslationRequest) -> str:
    source, target = LANGUAGE_NAMES[request.source], LANGUAGE_NAMES[request.target]
    task = (
        f"Translate from {source} into {target}, for subtitles: natural spoken {target}, short, "
        "nothing left out and nothing added. Names, numbers, tags and symbols stay as they are. "
        f"Answer with the {target} translation alone."
    )
    if request.key is not None:
        task += " A text that breaks off is translated as far as it goes."
    if not request.is_written:
        task += (
            " The text comes from a speech recognizer, without case and punctuation: write both."
        )
    return task


def _demands(request: TranslationRequest, *, begins: bool) -> list[str]:
    """What a text needs beside the task that all have."""
    found: list[str] = []
    if request.required:
        expressions = ", ".join(f"“{expression}”" for expression in request.required)
        found.append(f"Where they belong, use exactly these expressions: {expressions}")
    if begins and request.pinned.strip():
        found.append(f"The translation must begin exactly with “{request.pinned.strip()}”.")
    return found


def _aside(request: TranslationRequest) -> list[str]:
    """What was said before and has no translation: behind the text, as a small model (1.5 B) that
    got it before the text translated it as well."""
    bare = [text for text, translation in request.context if not translation]
    return (
        [f"(It was said after: “{' '.join(bare)}” That is not to be translated.)"] if bare else []
    )


def _user(content: str) -> Message:
    return {"role": "user", "content": content}


def _assistant(content: str) -> Message:
    return {"role": "assistant", "content": content}


def _without_label(answer: str, request: TranslationRequest) -> str:
    """Without "Translation:", the language's name, or a line that announces what follows."""
    if re.match(r"[^\n]{0,60}[:：]", request.text.strip()):
        return answer
    name = re.escape(LANGUAGE_NAMES[request.target])
    label = rf"[*_#\s]*(?:(?:the )?(?:{name} )?(?:{_IS_CALLED})|{name})"
    label += rf"(?: \([^)\n]*\)| in(?:to)? {name})?"
    answer = re.sub(rf"^{label}[*_]*\s*[:：][*_]*\s*", "", answer, flags=re.IGNORECASE)
    return answer[found.end() :] if (found := _INTRODUCTION.match(answer)) else answer


def _without_quotes(answer: str, text: str) -> str:
    """Without quotes around all of it that the text has not."""
    for opening, closing in _AROUND:
        inner = answer[len(opening) : -len(closing)]
        is_around = answer.startswith(opening) and answer.endswith(closing) and inner.strip()
        if is_around and opening not in inner and closing not in inner:
            has_quotes = text.startswith(tuple(each[0] for each in _AROUND))
            return answer if has_quotes else inner.strip()
    return answer


def _joined(pinned: str, rest: str, language: str) -> str:
    """Most servers give the blank between them, some have lost it."""
    if not rest.strip() or not pinned:
        return pinned or rest.strip()
    before, after = pinned[-1], rest[0]
    is_number = before in ".,:" and after.isdigit()
    opens = after.isalnum() or after in "¿¡(«“"
    is_parted = opens and (before.isalnum() or before in _BEFORE_WORD) and not is_number
    return (
        f"{pinned} {rest}" if is_parted and language_rules(language).has_spaces else pinned + rest
    )
