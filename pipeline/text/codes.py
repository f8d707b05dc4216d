"""Language codes: of three letters, as containers carry them, and of two, as we use them."""

from __future__ import annotations

# ISO 639-1, then ISO 639-2 (both forms where a language has two), of the languages that a
# recognizer or translator here may know.
_CODES = """
af afr|am amh|ar ara|as asm|az aze|ba bak|be bel|bg bul|bn ben|bo bod tib|br bre|bs bos|ca cat|
cs ces cze|cy cym wel|da dan|de deu ger|el ell gre|en eng|es spa|et est|eu eus baq|fa fas per|
fi fin|fo fao|fr fra fre|ga gle|gl glg|gu guj|ha hau|he heb|hi hin|hr hrv|ht hat|hu hun|hy hye arm|
id ind|is isl ice|it ita|ja jpn|jv jav|ka kat geo|kk kaz|km khm|kn kan|ko kor|la lat|lb ltz|lo lao|
lt lit|lv lav|mg mlg|mi mri mao|mk mkd mac|ml mal|mn mon|mr mar|ms msa may|mt mlt|my mya bur|ne nep|
nl nld dut|nn nno|no nor nob|oc oci|pa pan|pl pol|ps pus|pt por|ro ron rum|ru rus|sa san|sd snd|
si sin|sk slk slo|sl slv|sn sna|so som|sq sqi alb|sr srp|su sun|sv swe|sw swa|ta tam|te tel|tg tgk|
th tha|tk tuk|tl tgl fil|tr tur|tt tat|uk ukr|ur urd|uz uzb|vi vie|yi yid|yo yor|zh zho chi cmn
"""
_TWO_LETTERS = {
    code: codes.split()[0]
    for codes in _CODES.replace("\n", "").split("|")
    for code in codes.split()
}
_THREE_LETTERS = {
    codes.split()[0]: codes.split()[1] for codes in _CODES.replace("\n", "").split("|")
}


def known_languages() -> list[str]:
    """The ISO 639-1 codes of all languages that a recognizer or translator here may know."""
    return sorted(_THREE_LETTERS)


def two_letters(tag: str) -> str | None:
    """The ISO 639-1 code of a container's tag like "eng", "en" or "en-US"; None where unknown."""
    return _TWO_LETTERS.get(tag.lower().replace("_", "-").partition("-")[0])


def three_letters(code: str) -> str:
    """The ISO 639-2 code of an ISO 639-1 one, the one that a language calls itself by; "und" where
    unknown."""
    return _THREE_LETTERS.get(code, "und")
