"""What one language is like, as data: how much of it a line holds, how fast it is read, where its
clauses begin.

The numbers are those of the Netflix Timed Text Style Guide for adult programs. The word lists say
where clauses begin and which words lean on the next one; they are short on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LanguageRules:
    """What one language allows, and the words that show where it may be cut.

    `line_chars` limits a line and `chars_per_s` the reading speed, spaces and punctuation counted.
    A cue breaks well before a conjunction, a relative or a preposition, and never after one of
    them, nor after a `binding` word: article, possessive, subject pronoun, auxiliary.
    """

    line_chars: int = 42
    chars_per_s: int = 17
    min_duration_ms: int = 834  # 5/6 s
    has_spaces: bool = True
    is_wide: bool = False  # full-width script: a half-width character counts one half
    capitalizes_nouns: bool = False  # so two capitals in a row need not be one name
    dots_ordinals: bool = False  # "3. Oktober"
    conjunctions: frozenset[str] = frozenset()
    relatives: frozenset[str] = frozenset()
    prepositions: frozenset[str] = frozenset()
    binding: frozenset[str] = frozenset()
    abbreviations: frozenset[str] = frozenset()  # without their last dot


def language_rules(language: str) -> LanguageRules:
    """The rules of a language by its ISO 639-1 code; a region ("pt-BR") makes no difference."""
    return LANGUAGES.get(language.lower().split("-")[0], OTHER_LANGUAGE)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


OTHER_LANGUAGE = LanguageRules()

LANGUAGES = {
    "en": LanguageRules(
        chars_per_s=20,
        conjunctions=_words(
            "and or but nor so because when where while if although though since unless until "
            "whether"
        ),
        relatives=_words("that which who whose"),
        prepositions=_words(
            "of to in on at by for with from into onto about as over under between through during "
            "without within against than like after before across among around behind beyond near "
            "toward towards upon via"
        ),
        binding=_words(
            "a an the my your his her its our their this these those no some any every each "
            "i you he she it we they am is are was were be been being have has had do does did "
            "will would shall should can could may might must not to very too more most what how"
        ),
        abbreviations=_words(
            "mr mrs ms dr prof st vs e.g i.e sr jr gen col capt lt sgt rev hon approx dept est fig"
        ),
    ),
    "es": LanguageRules(
        conjunctions=_words(
            "y e o u pero sino ni porque pues cuando donde mientras si aunque como"
        ),
        relatives=_words("que quien quienes cual cuales cuyo cuya"),
        prepositions=_words(
            "a ante bajo con contra de desde durante en entre hacia hasta para por según sin sobre "
            "tras del al"
        ),
        binding=_words(
            "el la los las un una unos unas lo mi tu su mis tus sus nuestro nuestra nuestros "
            "nuestras este esta estos estas ese esa esos esas aquel aquella yo tú él ella nosotros "
            "ustedes ellos ellas usted me te se nos le les no muy más tan es son era eran fue "
            "está están estaba ha han he hemos había ser estar puede pueden puedo podemos debe va "
            "voy vamos cada todo toda todos todas"
        ),
        abbreviations=_words("sr sra srta dr dra prof d dña ud uds p.ej núm pág ee uu ee.uu"),
    ),
    "de": LanguageRules(
        capitalizes_nouns=True,
        dots_ordinals=True,
        conjunctions=_words(
            "und oder aber denn sondern doch dass weil wenn als ob obwohl während damit bevor "
            "nachdem sodass bis sowie wo"
        ),
        prepositions=_words(
            "an auf aus bei durch für gegen hinter in mit nach neben ohne seit über um unter von "
            "vor zu zwischen wegen trotz im am ins zum zur vom beim ans"
        ),
        binding=_words(
            "der die das den dem des ein eine einen einem einer eines kein keine keinen keinem "
            "mein meine meinen dein deine sein seine seinen ihr ihre ihren unser unsere unseren "
            "euer dieser diese dieses diesen diesem jeder jede jedes jeden ich du er sie es wir "
            "man ist sind war waren bin bist hat haben habe hatte wird werden würde kann können "
            "muss müssen soll sollen will wollen nicht sehr mehr zu"
        ),
        abbreviations=_words(
            "z.b d.h u.a z.t bzw usw etc ca dr prof hr fr nr str st evtl ggf inkl sog vgl"
        ),
    ),
    "fr": LanguageRules(
        conjunctions=_words(
            "et ou mais or ni car donc quand lorsque puisque si comme où parce quoique"
        ),
        relatives=_words("que qui dont"),
        prepositions=_words(
            "à au aux de du des en dans par pour sur sous avec sans entre vers chez contre depuis "
            "pendant avant après devant derrière malgré selon"
        ),
        binding=_words(
            "le la les l' un une d' mon ma mes ton ta tes son sa ses notre nos votre vos leur "
            "leurs ce cet cette ces je j' tu il elle on nous vous ils elles me te se lui y ne n' "
            "pas très plus trop est sont était étaient a ont ai as avons avez avait sera suis "
            "être avoir peut peux pouvons doit va vais chaque tout toute tous toutes"
        ),
        abbreviations=_words("m mm mme mlle dr prof st ste p.ex cf av env"),
    ),
    "it": LanguageRules(
        conjunctions=_words(
            "e ed o oppure ma però perché quando dove mentre se anche poiché affinché come quindi"
        ),
        relatives=_words("che cui chi"),
        prepositions=_words(
            "di a da in con su per tra fra del dello della dei degli delle al allo alla ai agli "
            "alle dal dallo dalla dai dagli dalle nel nello nella nei negli nelle sul sullo sulla "
            "sui sugli sulle senza verso durante contro"
        ),
        binding=_words(
            "il lo la i gli le un uno una mio mia miei mie tuo tua suo sua suoi sue nostro nostra "
            "nostri loro questo questa questi queste quel quello quella quei io tu lui lei noi voi "
            "mi ti si ci vi ne non molto più è sono era erano ha hanno ho abbiamo aveva sarà "
            "essere avere può possono deve ogni tutto tutta tutti tutte"
        ),
        abbreviations=_words("sig sig.ra dott dr prof ing avv ecc es pag"),
    ),
    "pt": LanguageRules(
        conjunctions=_words(
            "e ou mas nem porque pois quando onde enquanto se embora como portanto"
        ),
        relatives=_words("que quem cujo cuja"),
        prepositions=_words(
            "a ante até com contra de desde em entre para por sem sob sobre do da dos das no na "
            "nos nas ao à aos às pelo pela pelos pelas num numa durante"
        ),
        binding=_words(
            "o os as um uma uns umas meu minha meus minhas teu tua seu sua seus suas nosso nossa "
            "nossos nossas este esta estes estas esse essa esses essas aquele aquela eu tu ele ela "
            "nós vocês eles elas você me te lhe não muito mais tão é são era eram foi está estão "
            "estava tem têm ter ser estar pode podem deve vai cada todo toda todos todas"
        ),
        abbreviations=_words("sr sra srta dr dra prof profa d av núm pág ex"),
    ),
    "ar": LanguageRules(chars_per_s=20),
    "hi": LanguageRules(chars_per_s=22),
    "ko": LanguageRules(line_chars=16, chars_per_s=12, is_wide=True),
    "zh": LanguageRules(line_chars=16, chars_per_s=9, has_spaces=False, is_wide=True),
    "ja": LanguageRules(
        line_chars=23, chars_per_s=4, min_duration_ms=500, has_spaces=False, is_wide=True
    ),
    "th": LanguageRules(line_chars=35, has_spaces=False),
}
