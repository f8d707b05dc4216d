from surtitle.pipeline.captions.track import CaptionTrack, SourceTrack
from surtitle.pipeline.events import SourceSegment, Word


def segment(
    text: str, revision: int, *, is_final: bool = False, segment_id: int = 4
) -> SourceSegment:
    words = tuple(Word(w, 100 * n, 100 * n + 90, 1.0) for n, w in enumerate(text.split()))
    return SourceSegment(segment_id, revision, words, is_final)


def test_too_short_a_draft_is_not_translated_but_a_short_final_is() -> None:
    track = CaptionTrack("en", "es", "fresh")
    assert not track.wants(segment("the harbor", 0))
    assert track.wants(segment("the harbor opens", 0))
    assert track.wants(segment("yes", 0, is_final=True))


def test_a_stable_track_asks_to_keep_what_it_has_shown() -> None:
    track = CaptionTrack("en", "es", "stable")
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
    request = track.request(final)
    assert (request.pinned, request.draft) == ("El puerto abre", "")


def test_a_final_is_shown_to_its_end_and_its_segment_forgotten() -> None:
    track = CaptionTrack("en", "es", "stable")
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
    track = CaptionTrack("en", "es", "stable")
    for revision in 0, 1:
        track.apply(segment("the harbor opens", revision), "El puerto abre.")
    caption = track.give_up(segment("the harbor opens at six", 2, is_final=True))
    assert caption is not None and caption.text == "El puerto abre"
    caption = track.give_up(segment("good morning", 0, is_final=True, segment_id=5))
    assert caption is not None and caption.text == "good morning"
    assert track.give_up(segment("good morning to", 0, segment_id=6)) is None


def test_a_stable_source_shows_committed_words_only() -> None:
    track = SourceTrack("en", "stable")
    caption = track.apply(segment("The harbor opens", 0), "The harbor opens", "The harbor")
    assert caption is not None and caption.text == "The harbor"
    assert track.apply(segment("The harbor closes", 1), "The harbor closes", "The harbor") is None
