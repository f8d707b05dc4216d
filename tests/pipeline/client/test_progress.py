from __future__ import annotations

from typing import Any

from surtitle.pipeline.client.progress import Progress

Message = dict[str, Any]


def status(heard_ms: int) -> Message:
    return {"type": "status", "lag_ms": 0, "heard_ms": heard_ms}


def caption(segment_id: int, language: str, start_ms: int, *, is_final: bool = True) -> Message:
    return {
        "type": "caption",
        "segment_id": segment_id,
        "revision": 1,
        "language": language,
        "text": "hello",
        "start_ms": start_ms,
        "end_ms": start_ms + 900,
        "is_final": is_final,
    }


def test_a_session_is_captioned_up_to_what_lacks_a_final_in_some_language() -> None:
    progress = Progress({"en", "es"})
    for message in caption(0, "en", 0), caption(0, "es", 0), caption(1, "en", 1000):
        assert progress.push(message)
    assert (progress.captioned_ms, progress.has_open_segments) == (1000, True)
    progress.push(caption(1, "es", 1000))
    assert (progress.captioned_ms, progress.has_open_segments) == (1900, False)
    progress.push(caption(2, "en", 2000, is_final=False))
    assert progress.captioned_ms == 2000


def test_what_was_heard_without_a_word_is_captioned_after_a_while() -> None:
    progress = Progress({"en"})
    progress.push(caption(0, "en", 0))
    for heard_ms, captioned_ms in ((3000, 900), (9000, 4000)):
        assert progress.push(status(heard_ms))
        assert progress.captioned_ms == captioned_ms


def test_what_is_said_again_is_no_progress() -> None:
    progress = Progress({"en"})
    draft, final = caption(0, "en", 0, is_final=False), caption(0, "en", 0)
    told = [draft, draft, draft | {"revision": 0}, final, final, draft | {"revision": 9}]
    assert [progress.push(m) for m in told] == [True, False, False, True, False, False]
    told = [status(5), status(5), status(4), {"type": "status"}, {"type": "of_later"}]
    assert [progress.push(m) for m in told] == [True, False, False, False, False]


def test_in_a_conversation_others_do_not_count_and_captions_tell_no_times() -> None:
    progress = Progress({"en"}, "Ann")
    assert not progress.push(caption(0, "en", 0, is_final=False) | {"speaker": "Ben"})
    assert not progress.has_open_segments
    assert progress.push(caption(1, "en", 90_000) | {"speaker": "Ann"})
    assert progress.captioned_ms == 0
    progress.push(status(9000))
    assert progress.captioned_ms == 4000
