from __future__ import annotations

import random
from typing import get_args

import pytest

from surtitle.pipeline.captions.track import CaptionTrack, SourceTrack
from surtitle.pipeline.config import CaptionMode
from surtitle.pipeline.events import Caption, SourceSegment, Word, joined_text


def segment(
    text: str,
    revision: int,
    *,
    is_final: bool = False,
    segment_id: int = 4,
    language: str = "en",
) -> SourceSegment:
    words = tuple(Word(w, 100 * n, 100 * n + 90, 1.0) for n, w in enumerate(text.split()))
    return SourceSegment(segment_id, revision, words, is_final, language)


def test_too_short_a_draft_is_not_translated_but_a_short_final_is() -> None:
    track = CaptionTrack("es", "fresh")
    assert not track.wants(segment("the harbor", 0))
    assert track.wants(segment("the harbor opens", 0))
    assert track.wants(segment("yes", 0, is_final=True))


def test_a_stable_track_asks_to_keep_what_it_has_shown() -> None:
    track = CaptionTrack("es", "stable")
    first, second = segment("the harbor opens", 0), segment("the harbor opens at", 1)
    assert track.request(first).draft == ""
    assert track.apply(first, "El puerto abre.") is None  # one hypothesis is no agreement
    assert track.request(second).draft == ""  # nor a beginning to go on from
    caption = track.apply(second, "El puerto abre a.")
    assert caption is not None
    assert (caption.text, caption.is_final) == ("El puerto abre", False)
    third = segment("the harbor opens at six", 2)
    request = track.request(third)
    assert (request.pinned, request.draft) == ("El puerto abre", "El puerto abre")
    final = segment("the harbor opens at six", 3, is_final=True)
    assert request.is_draft
    request = track.request(final)
    assert (request.pinned, request.draft, request.is_draft) == ("El puerto abre", "", False)


def test_a_final_is_shown_to_its_end_and_its_segment_forgotten() -> None:
    track = CaptionTrack("es", "stable")
    final = segment("the harbor opens at six", 3, is_final=True)
    caption = track.apply(final, "El puerto abre a las seis.")
    assert caption is not None
    assert (caption.text, caption.is_final, caption.revision) == (
        "El puerto abre a las seis.",
        True,
        3,
    )
    assert track.request(final).draft == ""


def test_a_failed_final_keeps_what_is_shown_or_falls_back_to_the_source() -> None:
    track = CaptionTrack("es", "stable")
    for revision in 0, 1:
        track.apply(segment("the harbor opens", revision), "El puerto abre.")
    caption = track.give_up(segment("the harbor opens at six", 2, is_final=True))
    assert caption is not None and caption.text == "El puerto abre"
    caption = track.give_up(segment("good morning", 0, is_final=True, segment_id=5))
    assert caption is not None and caption.text == "good morning"
    assert track.give_up(segment("good morning to", 0, segment_id=6)) is None


def test_a_request_says_whether_its_text_is_written() -> None:
    assert CaptionTrack("es", "fresh").request(segment("Hello.", 0)).is_written
    raw = CaptionTrack("es", "fresh", is_written=False)
    assert not raw.request(segment("hello", 0)).is_written


def test_what_was_said_before_is_context_with_its_translation_once_that_is_there() -> None:
    track = CaptionTrack("es", "fresh")
    first, second, third = (
        segment(text, 0, is_final=True, segment_id=n)
        for n, text in enumerate(("It is a harbor.", "It opens.", "Ships come."))
    )
    assert track.request(first).context == ()
    track.apply(first, "Es un puerto.")
    assert track.request(second).context == (("It is a harbor.", "Es un puerto."),)
    # The second is still at work.
    draft = segment("ships come from", 0, segment_id=2)
    said = ("It is a harbor.", "Es un puerto."), ("It opens.", "")
    assert track.request(draft).context == track.request(third).context == said
    track.give_up(second)  # so its text is shown in its own language
    assert track.request(third).context == said


def test_context_is_of_a_few_segments() -> None:
    track = CaptionTrack("es", "fresh")
    for n in range(9):
        final = segment(f"text {n}", 0, is_final=True, segment_id=n)
        track.request(final)
        track.apply(final, f"texto {n}")
    expected = tuple((f"text {n}", f"texto {n}") for n in (6, 7, 8))
    assert track.request(segment("text nine is", 0, segment_id=9)).context == expected


def said(*texts: str, joined: bool = False) -> tuple[Word, ...]:
    return tuple(
        Word(text, 100 * n, 100 * n + 90, 0.5, is_joined=joined and n > 0)
        for n, text in enumerate(texts)
    )


def show(
    track: SourceTrack,
    words: tuple[Word, ...],
    committed: int,
    *,
    language: str = "en",
    **final: bool,
) -> Caption:
    caption = track.apply(
        SourceSegment(4, 0, words, final.get("is_final", False), language), committed
    )
    assert caption is not None
    return caption


def test_a_stable_source_shows_committed_words_only() -> None:
    track = SourceTrack("stable")
    caption = track.apply(segment("The harbor opens", 0), 2)
    assert caption is not None and caption.text == "The harbor"
    assert track.apply(segment("The harbor closes", 1), 2) is None


def test_a_caption_of_the_spoken_language_has_the_words_that_it_shows() -> None:
    track = SourceTrack("stable")
    words = said("The", "harbor,", "it", "opens.")
    caption = show(track, words, 2)
    assert (caption.is_source, caption.text, caption.words) == (True, "The harbor,", words[:2])
    caption = show(track, words, 4, is_final=True)
    assert (caption.text, caption.words) == ("The harbor, it opens.", words)


def test_a_translation_has_no_words_and_is_not_the_source() -> None:
    caption = CaptionTrack("es", "stable").apply(segment("Yes.", 0, is_final=True), "Sí.")
    assert caption is not None and not caption.is_source and caption.words == ()


def test_a_word_that_is_shown_in_part_is_not_among_the_words() -> None:
    track = SourceTrack("fresh")
    words = said(*"one two three four five 6.50.7".split())  # "6", ".", "50", ".", "7"
    caption = show(track, words, 5)
    assert caption.text == "one two three four five 6"
    assert caption.words == words[:5]


def test_text_without_blanks_is_committed_and_shown_without_blanks() -> None:
    track = SourceTrack("stable")
    words = said("港は", "六時に", "開き", "ます。", joined=True)
    caption = show(track, words, 2, language="ja")
    assert (caption.text, caption.words) == ("港は六時に", words[:2])
    caption = show(track, words, 4, language="ja", is_final=True)
    assert (caption.text, caption.words) == ("港は六時に開きます。", words)


def test_a_word_of_two_parts_is_one_where_its_unit_is() -> None:
    track = SourceTrack("stable")
    words = (
        Word("we", 0, 90, 1.0),
        Word("do", 100, 150, 1.0),
        Word("n't", 150, 190, 1.0, False, True),
    )
    assert show(track, words, 2).text == "we"  # not "we do", which would be taken back
    caption = show(track, words, 3, is_final=True)
    assert caption.text == "we don't"
    assert [(w.text, w.start_ms, w.end_ms) for w in caption.words] == [
        ("we", 0, 90),
        ("don't", 100, 190),
    ]


def test_words_are_spelled_as_they_are_shown() -> None:
    track = SourceTrack("stable")
    show(track, said("The", "harbour"), 2)
    caption = show(track, said("The", "harbor", "opens"), 3)
    assert [word.text for word in caption.words] == ["The", "harbour", "opens"]


def test_what_could_not_be_taken_back_is_as_late_as_the_last_word() -> None:
    track = SourceTrack("stable")
    show(track, said("The", "harbor", "opens", "soon"), 4)
    caption = show(track, said("The", "harbor"), 2, is_final=True)
    assert caption.text == "The harbor opens soon"
    assert [(w.text, w.start_ms, w.is_estimated) for w in caption.words] == [
        ("The", 0, False),
        ("harbor", 100, False),
        ("opens", 190, True),
        ("soon", 190, True),
    ]


@pytest.mark.parametrize("mode", get_args(CaptionMode))
@pytest.mark.parametrize(
    ("language", "alphabet"), [("en", "ab.,'5"), ("ja", "港は。A1"), ("th", "กขำ่1")]
)
def test_the_words_of_a_caption_are_those_of_its_text(
    language: str, alphabet: str, mode: CaptionMode
) -> None:
    rng = random.Random(3)
    for segment_id in range(200):
        track, words = SourceTrack(mode), list[Word]()
        committed = 0
        for revision in range(8):
            del words[rng.randrange(committed, len(words) + 1) :]
            for _ in range(rng.randrange(4)):
                text = "".join(rng.choices(alphabet, k=rng.randrange(1, 4)))
                words.append(Word(text, 0, 90, 1.0, is_joined=rng.random() < 0.5))
            if not words:
                continue
            committed = rng.randrange(committed, len(words) + 1)
            is_final = revision == 7
            one = SourceSegment(segment_id, revision, tuple(words), is_final, language)
            caption = track.apply(one, len(words) if is_final else committed)
            if caption is None:
                continue
            spoken = joined_text(caption.words)
            assert caption.text == spoken if is_final else caption.text.startswith(spoken)
            assert len(caption.words) <= len(words) or is_final


def test_a_track_translates_from_the_language_of_each_segment_with_its_own_context() -> None:
    track = CaptionTrack("de", "fresh")
    english = segment("Good morning.", 0, is_final=True, segment_id=0)
    track.request(english)
    track.apply(english, "Guten Morgen.")
    spanish = segment("Buenos días.", 0, is_final=True, segment_id=1, language="es")
    request = track.request(spanish)
    assert (request.source, request.target, request.context) == ("es", "de", ())
    track.apply(spanish, "Guten Tag.")
    request = track.request(segment("Come in.", 0, is_final=True, segment_id=2))
    assert (request.source, request.context) == ("en", (("Good morning.", "Guten Morgen."),))


@pytest.mark.parametrize(("max_erasure", "left"), [(0.0, "Gracias por"), (1.0, "Gracias")])
def test_a_segment_that_was_nothing_goes_as_far_as_it_may(max_erasure: float, left: str) -> None:
    track = CaptionTrack("es", "fresh", max_erasure=max_erasure)
    for revision in 0, 1:
        track.apply(segment("Thanks for watching", revision), "Gracias por")
    withdrawn = segment("Thanks for watching", 2, is_final=True)
    caption = track.withdraw(withdrawn)
    assert (caption.text, caption.is_final, caption.revision) == (left, True, 2)
    late = segment("Thanks for watching", 1)  # its translation was under way
    assert track.apply(late, "Gracias por ver") is None
    caption = SourceTrack("fresh").withdraw(withdrawn)
    assert (caption.text, caption.is_final, caption.is_source, caption.words) == (
        "",
        True,
        True,
        (),
    )
