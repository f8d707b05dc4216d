from __future__ import annotations

from surtitle.pipeline.events import Caption, Word
from surtitle.pipeline.server.conversation import Conversation


def caption(segment_id: int, language: str = "en") -> Caption:
    words = (Word("Hello.", 100, 400, 1.0),)
    return Caption(segment_id, 1, language, "Hello.", 100, 400, True, language == "en", words)


def test_segments_are_numbered_in_the_order_in_which_they_begin() -> None:
    conversation = Conversation()
    ana, ben = conversation.join("Ana"), conversation.join("Ben")
    placed = [ana.place(caption(0)), ben.place(caption(0)), ana.place(caption(1))]
    assert [(one.segment_id, one.speaker) for one in placed] == [(0, "Ana"), (1, "Ben"), (2, "Ana")]


def test_a_late_translation_belongs_to_its_sentence() -> None:
    conversation = Conversation()
    ana, ben = conversation.join("Ana"), conversation.join("Ben")
    ana.place(caption(0))
    ben.place(caption(0))
    ana.place(caption(1))
    assert ana.place(caption(0, "es")).segment_id == 0
    assert ben.place(caption(0, "es")).segment_id == 1


def test_times_count_from_the_first_sound_of_any_speaker() -> None:
    conversation = Conversation()
    ana, ben = conversation.join("Ana"), conversation.join("Ben")
    ben.begin(50.0)
    ana.begin(62.5)
    ana.begin(99.0)  # its sound goes on
    late = ana.place(caption(0))
    assert (late.start_ms, late.end_ms) == (12_600, 12_900)
    assert (late.words[0].start_ms, late.words[0].end_ms) == (12_600, 12_900)
    assert ben.place(caption(0)).start_ms == 100
