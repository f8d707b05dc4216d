from __future__ import annotations

import pytest

from surtitle.pipeline.webrtc.descriptions import (
    is_safe_candidate,
    parse,
    with_left_out,
    with_safe_candidates,
    without_sections,
)

OFFER = """v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE v a d
a=ice-ufrag:Wxyz
m=video 9 UDP/TLS/RTP/SAVPF 96 97
a=mid:v
a=sendonly
a=candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host
m=audio 9 UDP/TLS/RTP/SAVPF 111
a=mid:a
a=candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host
a=candidate:2 1 UDP 2122260223 3f5c.local 50000 typ host
a=candidate:3 1 udp 2122260223 127.0.0.1 50000 typ host
a=end-of-candidates
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
a=mid:d
"""
ANSWER = """v=0
o=- 1 2 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE a d
m=audio 50001 UDP/TLS/RTP/SAVPF 111
a=mid:a
a=ice-ufrag:Ours
m=application 50001 UDP/DTLS/SCTP webrtc-datachannel
a=mid:d
"""


def test_media_that_are_not_wanted_are_left_out_of_the_bundle_too() -> None:
    kept, left_out = without_sections(parse(OFFER), ("audio", "application"))
    assert [section.kind for section in kept.sections] == ["audio", "application"]
    assert left_out == [0]
    assert "a=group:BUNDLE a d" in kept.head


def test_media_that_the_other_side_has_closed_are_left_out() -> None:
    closed = OFFER.replace("m=audio 9", "m=audio 0")
    kept, left_out = without_sections(parse(closed), ("audio", "application"))
    assert [section.kind for section in kept.sections] == ["application"]
    assert left_out == [0, 1]


def test_what_is_not_wanted_idles_over_the_way_that_all_share() -> None:
    whole = with_left_out(parse(ANSWER), parse(OFFER), [0])
    assert [section.lines[0] for section in whole.sections] == [
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
        "m=audio 50001 UDP/TLS/RTP/SAVPF 111",
        "m=application 50001 UDP/DTLS/SCTP webrtc-datachannel",
    ]
    assert {"a=inactive", "a=mid:v", "a=ice-ufrag:Ours"} <= {*whole.sections[0].lines}
    assert "a=group:BUNDLE v a d" in whole.head
    assert parse(str(whole)) == whole


@pytest.mark.parametrize(
    "offer", [OFFER.replace("m=video 9", "m=video 0"), OFFER.replace("BUNDLE v a", "BUNDLE a")]
)
def test_what_is_closed_or_has_a_way_of_its_own_is_refused(offer: str) -> None:
    whole = with_left_out(parse(ANSWER), parse(offer), [0])
    assert whole.sections[0].lines[0] == "m=video 0 UDP/TLS/RTP/SAVPF 96 97"
    assert whole.sections[0].mid == "v"
    assert "a=group:BUNDLE a d" in whole.head


def test_the_ice_user_names_the_negotiation() -> None:
    assert parse(OFFER).ice_user == "Wxyz"
    assert parse(OFFER.replace("a=ice-ufrag:Wxyz\n", "")).ice_user is None


def test_candidates_that_are_not_safe_are_left_out_and_their_end_is_not_told() -> None:
    safe = str(with_safe_candidates(parse(OFFER), allows_loopback=False))
    assert safe.count("a=candidate") == 2 and "192.0.2.7" in safe
    assert "end-of-candidates" not in safe
    assert "127.0.0.1 50000" in str(with_safe_candidates(parse(OFFER), allows_loopback=True))


@pytest.mark.parametrize(
    ("address", "protocol", "is_safe"),
    [
        ("203.0.113.4", "udp", True),
        ("10.1.2.3", "UDP", True),
        ("2001:db8::1", "udp", True),
        ("203.0.113.4", "tcp", False),
        ("169.254.169.254", "udp", False),
        ("fe80::1", "udp", False),
        ("224.0.0.251", "udp", False),
        ("ff02::fb", "udp", False),
        ("0.0.0.0", "udp", False),
        ("127.0.0.1", "udp", False),
        ("::1", "udp", False),
        ("9b36eaac-bb2e-49bb-bb78-21c41c499900.local", "udp", False),
    ],
)
def test_who_is_sent_to(address: str, protocol: str, is_safe: bool) -> None:
    line = f"a=candidate:1 1 {protocol} 2122260223 {address} 50000 typ host"
    assert is_safe_candidate(line, allows_loopback=False) is is_safe


def test_loopback_is_for_those_who_are_on_it() -> None:
    line = "a=candidate:1 1 udp 2122260223 ::1 50000 typ host"
    assert is_safe_candidate(line, allows_loopback=True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begins with v=0, got ''"),
        ("{}", "begins with v=0, got '{}'"),
        ("v=0\nhello", "a line of a session description is like a=mid:0, got 'hello'"),
        ("v=0\ns=-\n", "has 1 to 32 media (m=), got 0"),
        ("v=0\n" + "m=audio 9 RTP/AVP 0\n" * 33, "got 33"),
        ("v=0\nm=audio\n", "a medium is like m=audio 9"),
        ("v=0\n" + "a=x\n" * 30_000, "at most 100000 characters"),
    ],
)
def test_what_is_no_description(text: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert why in str(caught.value)
