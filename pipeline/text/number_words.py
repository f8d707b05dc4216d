"""Numbers in words: which ones a text tells, as far as words of their own say them (pure).

They say where "5" may stand for "five". Compounds are told by their parts, roughly: nothing depends
on them but whether a translation is asked for again.
"""

from __future__ import annotations

import re

_TENS_FROM_20 = range(20, 100, 10)
_WORD = re.compile(r"[^\W\d_]+")
# From 0 on; several words for one number stand between bars.
_TO_TWENTY = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen",
    "es": "cero un|uno|una dos tres cuatro cinco seis siete ocho nueve diez once doce trece "
    "catorce quince dieciséis diecisiete dieciocho diecinueve",
    "de": "null ein|eins|eine|einen|einem|einer zwei drei vier fünf sechs sieben acht neun zehn "
    "elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn",
    "fr": "zéro un|une deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze "
    "quinze seize dix-sept dix-huit dix-neuf",
    "it": "zero un|uno|una due tre quattro cinque sei sette otto nove dieci undici dodici tredici "
    "quattordici quindici sedici diciassette diciotto diciannove",
    "pt": "zero um|uma dois|duas três quatro cinco seis sete oito nove dez onze doze treze "
    "catorze|quatorze quinze dezesseis|dezasseis dezessete|dezassete dezoito dezenove|dezanove",
}
_TENS = {  # from 20 on
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "de": "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "fr": "vingt trente quarante cinquante soixante soixante-dix quatre-vingts|quatre-vingt "
    "quatre-vingt-dix",
    "it": "venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
    "pt": "vinte trinta quarenta cinquenta|cinqüenta sessenta setenta oitenta noventa",
}
# Whose numbers are too many to list: any number may stand for them.
_OTHERS = {
    "en": "hundred thousand million billion dozen half third quarter noon midnight first second",
    "es": "cien ciento cientos mil millón millones docena medio media tercio cuarto mediodía "
    "medianoche primero primer primera segundo veintiuno veintidós veintitrés veinticuatro "
    "veinticinco veintiséis veintisiete veintiocho veintinueve",
    "de": "hundert tausend million millionen milliarde milliarden dutzend halb halbe viertel "
    "mittag mitternacht erste ersten zweite zweiten",
    "fr": "cent cents mille million millions milliard milliards douzaine demi demie quart midi "
    "minuit premier première",
    "it": "cento mila mille milione milioni miliardo miliardi dozzina mezzo mezza quarto "
    "mezzogiorno mezzanotte primo prima secondo",
    "pt": "cem cento mil milhão milhões bilhão bilhões dúzia meio meia quarto meia-noite primeiro "
    "primeira segundo",
}
_COMPOUNDS = {"de": ("zig", "ßig", "hundert", "tausend", "zehn"), "it": ("cento", "mila", "anta")}


def words_for(number: int, language: str) -> tuple[str, ...]:
    """The words for a number below 20, or for one of the tens; none where no list has it."""
    if 0 <= number < 20:
        table, at = _TO_TWENTY, number
    elif number % 10 == 0 and 20 <= number < 100:
        table, at = _TENS, number // 10 - 2
    else:
        return ()
    return tuple(table[language].split()[at].split("|")) if language in table else ()


def said_in_words(number: int, text: str, language: str) -> re.Match[str] | None:
    """Where a number stands in a text as a word of its own, if it does."""
    words = words_for(number, language)
    if not words:
        return None
    forms = "|".join(map(re.escape, words))
    return re.search(rf"(?<![\w-])(?:{forms})(?![\w-])", text, re.IGNORECASE)


def ends_with_number(text: str, language: str) -> bool:
    """Whether the last word of a text is a number, two or more: one may be an article."""
    last = re.search(r"([^\W\d_]+)[ \u00a0\u202f$€£]*$", text)
    if last is None:
        return False
    word = last[1].lower()
    return any(word in words_for(number, language) for number in (*range(2, 20), *_TENS_FROM_20))


def may_tell(text: str, number: str, language: str) -> bool:
    """Whether words of a text may be what a number in digits stands for: those for it, or words
    from which one cannot tell. So it is in a language that is not listed here."""
    if language not in _OTHERS:
        return True
    words = [word.lower() for word in _WORD.findall(text)]
    if not set(words).isdisjoint(_OTHERS[language].split()):
        return True
    if any(word.endswith(_COMPOUNDS.get(language, ())) and len(word) > 5 for word in words):
        return True
    forms = [form for part in _parts(number) for form in words_for(part, language)]
    return any(form.split("-")[0] in words for form in forms)


def _parts(number: str) -> tuple[int, ...]:
    """A number that has words, or the larger part of one as "forty-seven"."""
    if not number.isdecimal() or len(number) > 2:
        return ()
    whole = int(number)
    return (whole,) if whole < 20 else (whole - whole % 10,)
