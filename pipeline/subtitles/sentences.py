"""Sentences that run over cues: put together, and their translations dealt out again (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from ..text.clauses import ends_sentence
from ..text.languages import LanguageRules
from ..text.tokens import Token, count_chars, join, tokenize
from .line_breaks import fewest_pieces, split

LONGEST_PAUSE_MS = 3000  # within a sentence, between two cues
NEAR = 20  # places among which the next one in the same voice is looked for
MOST_CHARS = 300  # of a sentence: subtitles without marks would be one from end to end


@dataclass(frozen=True, slots=True)
class Said:
    """What is said at one place, a cue or a part of it. `is_new`: by another speaker than before,
    so that no sentence runs on to it."""

    text: str
    start_ms: int
    end_ms: int
    voice: str = ""
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, and which parts of it stand at which places, by number."""

    text: str
    parts: tuple[tuple[int, str], ...]


def sentences(said: Sequence[Said], rules: LanguageRules) -> list[Sentence]:
    """The sentences of all that is said, in order; every word stands in one of them."""
    found: list[Sentence] = []
    is_open: dict[str, list[tuple[int, list[Token]]]] = {}  # by voice: those may overlap

    def close(voice: str) -> None:
        if parts := is_open.pop(voice, None):
            found.append(_sentence(parts, rules))

    for place, each in enumerate(said):
        before = is_open.get(each.voice)
        if before and not _runs_on(said[before[-1][0]], each, before):
            close(each.voice)
        tokens = tokenize(each.text, rules)
        following = _first_word(said, place, rules)
        begins = True
        for token, after in zip(tokens, [*(t.text for t in tokens[1:]), following], strict=True):
            parts = is_open.setdefault(each.voice, [])
            if begins or not parts:
                parts.append((place, []))
            parts[-1][1].append(token)
            begins = False
            if _ends(token.text, after, token is tokens[-1], rules):
                close(each.voice)
    for voice in list(is_open):
        close(voice)
    return sorted(found, key=lambda sentence: sentence.parts[0][0])


def dealt_out(
    places: Iterable[int],
    sentences: Sequence[Sentence],
    translations: Sequence[str],
    source: LanguageRules,
    target: LanguageRules,
) -> dict[int, str]:
    """The translation of what is said at each of the places.

    Where a sentence has more places than its translation has words, those that would be left empty
    show the text of the place before them: a cue stays a cue.
    """
    pieces: dict[int, list[Token]] = {place: [] for place in places}
    for sentence, translation in zip(sentences, translations, strict=True):
        tokens = tokenize(translation, target)
        cut = _cut(tokens, [text for _, text in sentence.parts], source, target)
        for (place, _), piece in zip(sentence.parts, cut, strict=True):
            pieces[place] += piece
    texts = {place: join(piece) for place, piece in pieces.items()}
    for sentence in sentences:
        for (before, _), (place, _) in pairwise(sentence.parts):
            texts[place] = texts[place] or texts[before]
    return texts


def _runs_on(last: Said, following: Said, parts: Sequence[tuple[int, list[Token]]]) -> bool:
    if following.is_new or following.start_ms - last.end_ms > LONGEST_PAUSE_MS:
        return False
    return sum(len(token.text) + 1 for _, tokens in parts for token in tokens) < MOST_CHARS


def _ends(word: str, following: str | None, is_last: bool, rules: LanguageRules) -> bool:
    """Whether a sentence ends with a word; `is_last` of its cue. Where cues begin in lower case,
    that says something only after three dots."""
    if is_last and not word.endswith(("..", "…")):
        following = None
    return ends_sentence(word, following and following.lstrip(".…"), rules)


def _first_word(said: Sequence[Said], place: int, rules: LanguageRules) -> str | None:
    """What follows in the same voice, None where nothing does that belongs together."""
    last = said[place]
    near = islice(said, place + 1, place + 1 + NEAR)
    following = next((each for each in near if each.voice == last.voice), None)
    if following is None or not _runs_on(last, following, ()):
        return None
    tokens = tokenize(following.text, rules)
    return tokens[0].text if tokens else None


def _sentence(parts: Sequence[tuple[int, list[Token]]], rules: LanguageRules) -> Sentence:
    texts = tuple((place, join(tokens)) for place, tokens in parts)
    return Sentence((" " if rules.has_spaces else "").join(text for _, text in texts), texts)


def _cut(
    tokens: Sequence[Token], parts: Sequence[str], source: LanguageRules, target: LanguageRules
) -> list[Sequence[Token]]:
    """Cut a translation to one piece for each of the parts, by their lengths; the last ones are
    empty where there are not as many words."""
    count = min(len(parts), len(tokens))
    if count < 2:
        return [tokens, *[()] * (len(parts) - 1)]
    chars = [max(1, count_chars(part, source)) for part in parts[:count]]
    shares = [each / sum(chars) for each in chars]
    # Two lines for each, if that can be; else as many as it takes: a cue of its own it cannot get.
    lines = 2
    while fewest_pieces(tokens, target, lines) > count:
        lines += 1
    return [*split(tokens, shares, target, lines), *[()] * (len(parts) - count)]
