from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from surtitle.pipeline.config import AUTO, LiveConfig
from surtitle.pipeline.errors import RefusedError
from surtitle.pipeline.events import Caption, Word
from surtitle.pipeline.protocols import Audio, Published, Refuse, Reply, Retarget, Snapshot, View
from surtitle.pipeline.protocols.jitsi import MAX_SOURCES, BridgeDialect, parse_query

from ..opus_packets import PACKET_TICKS, tone_packets

ANN, BEN = "10a52c3f-2614982672", "77b0aa01-1"
PACKETS = tone_packets(200)
ALL = [("sessionId", "m1"), ("sendBack", "true"), ("sendBackInterim", "true")]
Message = dict[str, Any]


def dialect(*query: tuple[str, str], is_translation: bool = False) -> BridgeDialect:
    request = parse_query([*ALL, *query], AUTO, is_translation=is_translation)
    it = BridgeDialect(request, lambda target: target != "xx", iter(range(1000, 10**6)).__next__)
    it.encode(Published(0, Snapshot("m1", "s1", LiveConfig("en"), (), True)))
    return it


def say(it: BridgeDialect, **fields: Any) -> list[Any]:
    return it.receive(json.dumps(fields))


def media(it: BridgeDialect, packet: bytes, tag: str = ANN, **fields: Any) -> list[Any]:
    payload = base64.b64encode(packet).decode()
    return say(it, event="media", media={"tag": tag, "payload": payload} | fields)


def heard_samples(events: list[Any]) -> int:
    return sum(len(event.pcm) // 2 for event in events if isinstance(event, Audio))


def caption(
    language: str = "en", text: str = "Hello.", *, final: bool = True, **rest: Any
) -> Caption:
    spoken = language == "en"
    words = (Word("Hello.", 0, 400, 0.5),) if spoken and final else ()
    return Caption(7, 1, language, text, 0, 400, final, spoken, words, speaker="10a52c3f", **rest)


def told(it: BridgeDialect, caption: Caption) -> list[Message]:
    return [json.loads(message) for message in it.encode(Published(1, caption))]


def test_the_meeting_names_the_room_and_the_languages_can_be_named() -> None:
    request = parse_query(
        [*ALL, ("lang", "de-AT"), ("translate", "es,fr")], "en", is_translation=False
    )
    assert (request.room, request.source, request.targets) == ("m1", "de", ("es", "fr"))
    other = parse_query([*ALL, ("lang", "es"), ("source", "de")], "en", is_translation=True)
    assert (other.room, other.source, other.targets) == ("m1-translate", "de", ("es",))
    assert dialect().begin() == [View("m1")]


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ([], "sessionId"),
        ([*ALL, ("encoding", "ogg-opus")], "encoding"),
        ([*ALL, ("sendBack", "yes")], "sendBack"),
        ([*ALL, ("lang", "english")], "'english'"),
        ([("sessionId", "a b")], "room"),
    ],
)
def test_an_address_that_cannot_be_served(query: list[tuple[str, str]], what: str) -> None:
    with pytest.raises((ValueError, RefusedError), match=what):
        parse_query(query, "en", is_translation=False)


def test_opus_of_each_participant_is_heard() -> None:
    it = dialect()
    ann = [event for packet in PACKETS for event in media(it, packet)]
    ben = [event for packet in PACKETS[:3] for event in media(it, packet, BEN)]
    assert {event.speaker for event in ann} == {"10a52c3f"}
    assert {event.speaker for event in ben} == {"77b0aa01"}
    assert heard_samples(ann) == pytest.approx(3200, abs=160)


def test_what_did_not_come_is_silence_and_what_comes_twice_or_late_is_left_out() -> None:
    it = dialect()
    stamps = [(n, n * PACKET_TICKS) for n in (0, 1, 2, 2, 1, 7)]  # 3 to 6 are lost
    samples = [
        heard_samples(media(it, PACKETS[n], chunk=n, timestamp=str(ticks))) for n, ticks in stamps
    ]
    assert samples[3:5] == [0, 0]
    assert samples[5] == pytest.approx(5 * 320, abs=64)


def test_time_stamps_may_begin_anew() -> None:
    it = dialect()
    media(it, PACKETS[0], timestamp=2**32 - PACKET_TICKS)
    assert heard_samples(media(it, PACKETS[1], timestamp=3 * PACKET_TICKS)) == pytest.approx(
        1280, abs=64
    )
    assert heard_samples(media(it, PACKETS[2], timestamp=10**9)) == 320  # of another clock


def test_who_comes_back_may_count_from_the_beginning() -> None:
    it = dialect()
    media(it, PACKETS[0], chunk=500)
    assert media(it, PACKETS[1], chunk=0) == []
    say(it, event="start", start={"tag": ANN, "mediaFormat": {"encoding": "opus"}})
    assert heard_samples(media(it, PACKETS[1], chunk=0)) > 0


def test_a_ping_is_answered() -> None:
    (reply,) = say(dialect(), event="ping", id=5)
    assert json.loads(reply.message) == {"event": "pong", "id": 5}
    (reply,) = say(dialect(), event="ping")
    assert json.loads(reply.message) == {"event": "pong"}


def test_results_of_what_was_said() -> None:
    it = dialect()
    media(it, PACKETS[0])
    draft, final = *told(it, caption(final=False)), *told(it, caption())
    common = {
        "type": "transcription-result",
        "event": "transcription-result",
        "participant": {"id": "10a52c3f", "ssrc": "2614982672"},
        "message_id": "s1-7",
        "timestamp": 1000,
        "language": "en",
    }
    assert draft == common | {"is_interim": True, "transcript": [{"text": "Hello."}]}
    assert final == common | {
        "is_interim": False,
        "transcript": [{"text": "Hello.", "confidence": 0.5}],
    }


def test_each_language_that_is_read_has_its_result_as_it_was_asked_for() -> None:
    it = dialect()
    media(it, PACKETS[0])
    assert say(it, event="sources", exports=[], requests=["es-MX", "es", "xx", "tlh"]) == [
        Retarget()
    ]
    assert it.targets("10a52c3f") == ("es",)
    assert it.start("10a52c3f").config == LiveConfig(AUTO, ("es",))
    assert told(it, caption("es", "Ho", final=False)) == []
    results = told(it, caption("es", "Hola."))
    assert [result["language"] for result in results] == ["es-MX", "es"]
    assert {(result["type"], result["text"], result["message_id"]) for result in results} == {
        ("translation-result", "Hola.", "s1-7")
    }
    say(it, event="sources", requests=[])
    assert it.targets("10a52c3f") == ()


def test_nothing_is_sent_back_unless_it_is_asked_for() -> None:
    request = parse_query([("sessionId", "m1"), ("translate", "es")], "en", is_translation=False)
    it = BridgeDialect(request, lambda target: True, lambda: 0)
    media(it, PACKETS[0])
    assert told(it, caption()) == told(it, caption("es")) == []
    assert it.targets("10a52c3f") == ("es",)  # for those who read the room


def test_who_is_heard_by_another_is_told_by_another() -> None:
    assert told(dialect(), caption()) == []


def test_translations_of_a_source_grow_and_then_are_whole() -> None:
    it = dialect(is_translation=True)
    media(it, PACKETS[0], "10a52c3f-a0")
    media(it, PACKETS[0], "77b0aa01-a0")
    say(it, event="sources", exports=["10a52c3f-a0"], requests=["10a52c3f-a0.es", "77b0aa01-a0.fr"])
    assert it.targets("10a52c3f") == ("es",) and it.targets("77b0aa01") == ("fr",)
    assert it.start("10a52c3f").config.mode == "stable"
    texts = ["Hola", "Hola a", "Hola a todos."]
    results = [
        *told(it, caption("es", texts[0], final=False)),
        *told(it, caption("es", texts[1], final=False)),
        *told(it, caption("es", texts[2])),
        *told(it, caption("fr", "Salut.")),
        *told(it, caption("en")),
    ]
    assert [result["transcript"][0]["text"] for result in results] == ["Hola", " a", texts[2]]
    assert [result["is_interim"] for result in results] == [True, True, False]
    assert {(result["type"], result["event"]) for result in results} == {
        ("realtime-translation-result", "transcription-result")
    }
    assert results[0]["participant"] == {"id": "10a52c3f-a0"}


def test_a_source_that_nobody_wants_translated_is_not_heard() -> None:
    it = dialect(is_translation=True)
    say(it, event="sources", requests=["10a52c3f-a0.es"])
    assert heard_samples(media(it, PACKETS[0], "10a52c3f-a0")) > 0
    assert media(it, PACKETS[0], "77b0aa01-a0") == []


def test_what_is_said_in_the_wanted_language_is_its_own_translation() -> None:
    it = dialect(is_translation=True)
    media(it, PACKETS[0], "10a52c3f-a0")
    say(it, event="sources", requests=["10a52c3f-a0.en"])
    (result,) = told(it, caption("en"))
    assert result["transcript"] == [{"text": "Hello."}]


def test_a_participant_who_cannot_be_decoded_is_told_once_and_costs_no_other() -> None:
    it = dialect()
    (reply,) = media(it, b"\xff" * 3)
    assert "end-to-end encrypted" in json.loads(reply.message)["message"]
    assert [media(it, b"\xff" * 3) for _ in range(50)] == [[]] * 50
    assert heard_samples(media(it, PACKETS[0], BEN)) > 0


def test_another_coding_is_told_and_not_heard() -> None:
    it = dialect()
    (reply,) = say(it, event="start", start={"tag": ANN, "mediaFormat": {"encoding": "L16"}})
    assert "only opus" in json.loads(reply.message)["message"]
    assert media(it, PACKETS[0]) == []


def test_garbage_is_answered_and_ten_in_a_row_are_the_end() -> None:
    it = dialect()
    answers = [it.receive(message)[0] for message in ["{", "[]", b"\0\0", '{"event": "hm"}'] * 3]
    assert [type(answer) for answer in answers[:10]] == [Reply] * 9 + [Refuse]
    it = dialect()
    for _ in range(20):
        it.receive("{")
        say(it, event="ping")
    assert isinstance(it.receive("{")[0], Reply)


def test_the_number_of_participants_is_bounded() -> None:
    it = dialect()
    for number in range(MAX_SOURCES):
        say(it, event="start", start={"tag": f"tag {number}"})
    (reply,) = media(it, PACKETS[0], "one more")
    assert "as many as can be" in json.loads(reply.message)["message"]


def test_two_sources_of_a_participant_are_told_apart() -> None:
    it = dialect()
    names = [media(it, PACKETS[0], tag)[0].speaker for tag in ("10a52c3f-a0", "10a52c3f-a1")]
    assert names == ["10a52c3f", "10a52c3f-a1"]


def test_who_was_silent_for_long_begins_anew() -> None:
    it = dialect()
    media(it, PACKETS[0], chunk=9, timestamp=0)
    it.forget("10a52c3f")
    assert heard_samples(media(it, PACKETS[0], chunk=0, timestamp=5 * 48_000)) < 400
