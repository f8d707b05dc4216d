"""English sentences with amounts, made by a grammar, and what must stand in their translations.

Independent of what keeps amounts in a translation (pipeline/text/amounts.py): the grammar knows
what it has written, and looks for that.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from ..text.number_words import words_for

SENTENCES = 360
MARKS = {  # of thousands and of decimals, as a translation may have them
    "es": (".\u00a0\u202f ", ","),
    "de": (".\u00a0\u202f ’'", ","),
    "fr": ("\u00a0\u202f .", ","),
    "it": (".\u00a0\u202f ", ","),
    "pt": (".\u00a0\u202f ", ","),
}
_SINGLES = [
    ("It costs {price}.", "The ticket was {price} yesterday.", "She paid {price} for the old car."),
    ("The price went up by {percent}.", "About {percent} of the voters stayed at home."),
    ("There are {count} people here.", "We sold {count} books last year.", "I counted {count}."),
    ("We need {decimal} liters of water.", "The river is {decimal} meters deep."),
    ("The bus leaves at {time}.", "Our meeting begins at {time} tomorrow."),
    ("Call me at {phone}.", "His number is {phone}, I think."),
    ("It is {cold} degrees today.", "In winter the temperature falls to {cold} degrees."),
    ("The file has {size}.", "You need {size} of memory for this game."),
    ("He was born in {year}.", "The bridge was built in {year} and is still open."),
    ("Please install version {version}.", "The problem is gone in {version}."),
    ("They live on the {ordinal} floor.", "My birthday is on the {ordinal} of May."),
    ("The town is {distance} from here.", "He ran {distance} this morning."),
]
_DOUBLES = [
    "The price went up by {percent} to {price}.",
    "In {year}, {count} people lived here.",
    "The train at {time} costs {price}.",
    "It fell from {percent} to {percent2}.",
    "Between {year} and {year2} we built {count} houses.",
    "You get {size} for {price}, or {size2} for {price2}.",
    "Call {phone} before {time}.",
    "{count} of them came, but only {small} stayed.",
    "She bought {small} tickets for {price}.",
    "He drove {distance} in {decimal} hours.",
]


@dataclass(frozen=True, slots=True)
class _Part:
    """An amount as it stands in the sentence, and patterns: one of `forms` must be there for it,
    and one of `units` somewhere."""

    text: str
    forms: tuple[str, ...]
    units: str = ""


@dataclass(frozen=True, slots=True)
class AmountSentence:
    text: str
    parts: tuple[_Part, ...]

    def is_kept_in(self, answer: str) -> bool:
        """Whether a translation has each amount once, and no digit besides. Signs of money, of
        percent and of bytes may have become words."""
        for part in sorted(self.parts, key=lambda each: -len(each.text)):
            if part.units and not re.search(part.units, answer, re.IGNORECASE):
                return False
            for form in part.forms:
                found = re.search(form, answer, re.IGNORECASE)
                if found:
                    answer = answer[: found.start()] + "|" + answer[found.end() :]
                    break
            else:
                return False
        return not re.search(r"\d", answer)


def amount_sentences(target: str, count: int = SENTENCES, seed: int = 0) -> list[AmountSentence]:
    """Different ones, the same from the same seed; none for a language without MARKS."""
    if target not in MARKS:
        return []
    rng = random.Random(seed)
    templates = [rng.choice(group) for _ in range(count) for group in _SINGLES]
    found: dict[str, AmountSentence] = {}
    for at, template in enumerate(templates):
        sentence = _filled(rng.choice(_DOUBLES) if at % 3 == 2 else template, target, rng)
        found.setdefault(sentence.text, sentence)
        if len(found) == count:
            break
    return list(found.values())


def _filled(template: str, target: str, rng: random.Random) -> AmountSentence:
    parts: list[_Part] = []

    def fill(slot: re.Match[str]) -> str:
        parts.append(_MAKERS[slot[1].rstrip("2")](target, rng))
        return parts[-1].text

    text = re.sub(r"\{(\w+)\}", fill, template)
    text = text.replace(".m..", ".m.")  # it ends the sentence too
    return AmountSentence(text[0].upper() + text[1:], tuple(parts))


def _number(value: int, decimals: str, target: str) -> tuple[str, tuple[str, ...]]:
    """A number as English has it, and patterns of it in another language."""
    thousands, mark = MARKS[target]
    text = f"{value:,}"
    pattern = text.replace(",", f"[{re.escape(thousands)}]?")
    forms = [pattern]
    if decimals:
        # A point is understood where it cannot be one of thousands.
        marks = mark if len(decimals) == 3 else mark + "."
        forms = [f"{pattern}[{re.escape(marks)}]{decimals}"]
        text += f".{decimals}"
    elif words := words_for(value, target):
        forms.append(rf"\b(?:{'|'.join(words)})\b")
    guarded = [
        rf"(?<![\d.,]){form}(?![\d]|[.,]\d)" if "\\b" not in form else form for form in forms
    ]
    return text, tuple(guarded)


def _whole(value: int, target: str, units: str = "", written: str = "{}") -> _Part:
    text, forms = _number(value, "", target)
    return _Part(written.format(text), forms, units)


def _decimal(rng: random.Random, target: str, units: str = "", written: str = "{}") -> _Part:
    text, forms = _number(rng.randrange(100), str(rng.choice((5, 2, 75, 4, 9, 25, 125))), target)
    return _Part(written.format(text), forms, units)


def _large(rng: random.Random) -> int:
    return rng.choice((rng.randrange(21, 999), rng.randrange(1001, 99_999), rng.randrange(10**6)))


def _price(target: str, rng: random.Random) -> _Part:
    written, units = rng.choice(
        (
            ("${}", r"\$|d[oóò]l"),
            ("{} dollars", r"\$|d[oóò]l"),
            ("€{}", "€|euro"),
            ("£{}", "£|libr|pf|livr|sterl"),
        )
    )
    if rng.random() < 0.3:
        text, forms = _number(rng.randrange(1, 3000), f"{rng.randrange(1, 100):02}", target)
        return _Part(written.format(text), forms, units)
    return _whole(_large(rng), target, units, written)


def _percent(target: str, rng: random.Random) -> _Part:
    units = r"%|por ?cien|prozent|pour ?cent|per ?cento|por ?cento"
    if rng.random() < 0.5:
        return _decimal(rng, target, units, "{}%")
    return _whole(rng.randrange(21, 100), target, units, "{}%")


def _time(target: str, rng: random.Random) -> _Part:
    hour, minutes, half = (
        rng.randrange(1, 12),
        rng.choice("05 10 20 25 35 40 50 55".split()),
        rng.choice("ap"),
    )
    hours = f"0?{hour}|{hour + 12}" if half == "p" else f"0?{hour}"
    form = rf"(?<!\d)(?:{hours}) ?[:.h] ?{minutes}(?!\d)"
    return _Part(f"{hour}:{minutes} {half}.m.", (form,))


def _phone(target: str, rng: random.Random) -> _Part:
    written = rng.choice(("555-0{:03}", "+1 555 014 {:04}", "1-800-555-{:04}"))
    text = written.format(rng.randrange(1000))
    digits = re.findall(r"\d", text)
    return _Part(
        text,
        ((r"(?<!\d)\+? ?" if "+" in text else r"(?<!\d)") + "[ .-]?".join(digits) + r"(?!\d)",),
    )


def _cold(target: str, rng: random.Random) -> _Part:
    value = rng.randrange(2, 40)
    forms = (str(value), *words_for(value, target))
    return _Part(
        f"-{value}",
        (rf"(?:[-\u2212\u2013]|minus |menos |moins |meno )(?:{'|'.join(forms)})(?!\d)",),
    )


def _size(target: str, rng: random.Random) -> _Part:
    unit, words = rng.choice((("GB", "GB|gigab"), ("MB", "MB|megab"), ("TB", "TB|terab")))
    return _decimal(rng, target, words, f"{{}} {unit}")


def _distance(target: str, rng: random.Random) -> _Part:
    unit, words = rng.choice(
        (("km", "km|(?:kil|quil|chil)[oóôò]m"), ("miles", r"mil|meil|migl|\bmi\b"))
    )
    return _decimal(rng, target, words, f"{{}} {unit}")


def _year(target: str, rng: random.Random) -> _Part:
    year = str(rng.randrange(1850, 2030))
    return _Part(year, (rf"(?<!\d){year}(?!\d)",))


def _version(target: str, rng: random.Random) -> _Part:
    text = ".".join(str(rng.randrange(1, 20)) for _ in range(3))
    return _Part(text, (rf"(?<![\d.]){re.escape(text)}(?!\d)",))


def _ordinal(target: str, rng: random.Random) -> _Part:
    value = rng.randrange(21, 31)
    ending = {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return _Part(f"{value}{ending}", (rf"(?<!\d){value}(?!\d)",))


_MAKERS: dict[str, Callable[[str, random.Random], _Part]] = {
    "price": _price,
    "percent": _percent,
    "count": lambda target, rng: _whole(_large(rng), target),
    "small": lambda target, rng: _whole(rng.randrange(2, 20), target),
    "decimal": lambda target, rng: _decimal(rng, target),
    "time": _time,
    "phone": _phone,
    "cold": _cold,
    "size": _size,
    "year": _year,
    "version": _version,
    "ordinal": _ordinal,
    "distance": _distance,
}
