"""What clients say to a server: messages, queries, forms, bodies, descriptions."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import parse_qsl

from surtitle.pipeline.errors import RefusedError
from surtitle.pipeline.protocols import (
    Dialect,
    bazarr,
    deepgram,
    jitsi,
    libretranslate,
    openai_audio,
)
from surtitle.pipeline.protocols.captions_parsing import parse_view
from surtitle.pipeline.server.gate.access import host_and_port
from surtitle.pipeline.server.storage.transcript import parse_format
from surtitle.pipeline.server.webrtc.requests import (
    parse_fragment,
    parse_offer,
    parse_publish,
    parse_tile,
)
from surtitle.pipeline.webrtc import descriptions

from ...pipeline.protocols import test_hostile as hostile
from .target import Fuzz, Target, as_text, messages, plain

HONEST = [json.dumps(message).encode() for message in hostile.HONEST]
WORDS = [b'"type"', b'"start"', b"null", b"true", b"1e999", b'"\\ud800"', b"[[", b'{"":', b"NaN"]
WAY = b"""a=ice-ufrag:abcd\r
a=ice-pwd:abcdefghijklmnopqrstuvwx\r
a=fingerprint:sha-256 %s\r
a=setup:actpass\r
""" % b":".join(b"%02X" % byte for byte in range(32))
OFFER = b"""v=0\r
o=- 1 1 IN IP4 127.0.0.1\r
s=-\r
t=0 0\r
a=group:BUNDLE 0 1 2\r
m=audio 9 UDP/TLS/RTP/SAVPF 111\r
c=IN IP4 0.0.0.0\r
a=rtpmap:111 opus/48000/2\r
a=fmtp:111 minptime=10;useinbandfec=1\r
a=mid:0\r
a=sendonly\r
a=rtcp-mux\r
%sa=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host\r
a=ssrc:1 cname:x\r
m=video 9 UDP/TLS/RTP/SAVPF 96\r
c=IN IP4 0.0.0.0\r
a=rtpmap:96 VP8/90000\r
a=rtcp-fb:96 nack pli\r
a=mid:1\r
a=recvonly\r
a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r
c=IN IP4 0.0.0.0\r
a=mid:2\r
a=sctp-port:5000\r
%s""" % (WAY, WAY)
START = {"type": "start", "version": 1, "source": "en", "targets": ["es"]}
OFFER_BODY = json.dumps({"type": "offer", "sdp": "v=0", "start": START, "lang": "es", "dual": "en"})
FRAGMENT = (
    b"a=ice-ufrag:abcd\r\na=mid:0\r\n"
    b"a=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ srflx raddr 10.0.0.1 rport 9\r\n"
)
QUERIES = [
    b"room=main&lang=en,es&session=s&after=12",
    b"encoding=linear16&sample_rate=16000&language=en-US&keyterm=harbor&utterance_end_ms=1000",
    b"sessionId=m1&sendBack=true&sendBackInterim=true&lang=de-AT&translate=es,fr&source=de",
    b"task=translate&language=en&output=srt&encode=false",
    b"source=en&targets=es,de&speaker=Ana&mode=stable&lang=es&dual=en&format=vtt",
    b"response_format=verbose_json&timestamp_granularities[]=word&stream=true&prompt=a,b&language=English",
]


def _conversing(make_dialect: Callable[[], Dialect]) -> Fuzz:
    def read(data: bytes) -> None:
        dialect = make_dialect()
        for message in messages(data):
            hostile.answers(dialect, message)

    return read


def _query(data: bytes) -> None:
    pairs = parse_qsl(as_text(data), keep_blank_values=True)
    query = dict(pairs)
    parsers: list[Callable[[], object]] = [
        lambda: parse_view(query),
        lambda: deepgram.parse_query(pairs),
        lambda: jitsi.parse_query(pairs, "en", is_translation=len(data) % 2 == 0),
        lambda: bazarr.parse_asr(query),
        lambda: parse_publish("main", query, "en"),
        lambda: parse_tile(query.get("room", "main"), query),
        lambda: parse_format(query.get("format", "srt")),
        lambda: openai_audio.parse_form(pairs),
    ]
    for parse in parsers:
        try:
            parse()
        except (RefusedError, ValueError) as error:
            assert 0 < len(str(error)) < 2000


def _texts(data: bytes) -> None:
    for kind in "application/json", "application/x-www-form-urlencoded":
        try:
            request = libretranslate.parse_request(data, kind)
        except RefusedError:
            continue
        # What is asked can be answered.
        json.dumps(libretranslate.answer(request, request.texts), ensure_ascii=False).encode()


def _offer(data: bytes) -> None:
    try:
        parse_offer(as_text(data))
    except RefusedError as error:
        str(error).encode()


def _fragment(data: bytes) -> None:
    try:
        fragment = parse_fragment(as_text(data))
    except RefusedError:
        return
    for _, line in fragment.candidates:
        descriptions.is_safe_candidate(line, allows_loopback=False)


def _description(data: bytes) -> None:
    try:
        description = descriptions.parse(as_text(data))
    except ValueError:
        return
    kept, left_out = descriptions.without_sections(description, ("audio", "application"))
    safe = descriptions.with_safe_candidates(kept, allows_loopback=False)
    if kept.sections:
        answer = descriptions.with_left_out(safe, description, left_out)
        assert len(answer.sections) == len(description.sections)


def _address(data: bytes) -> None:
    host_and_port(as_text(data))


_DIALECTS = dict(
    zip(
        "publish published view deepgram realtime realtime_on jitsi jitsi_translate".split(),
        hostile.DIALECTS,
        strict=True,
    )
)
TARGETS = [
    *(
        Target(f"dialect_{name}", plain(_conversing(make)), HONEST, WORDS)
        for name, make in _DIALECTS.items()
    ),
    Target("query", plain(_query), QUERIES, [b"%00", b"%ud800", b"&", b"auto", b"multi", b",,"]),
    Target("texts", plain(_texts), [b'{"q": ["a", "b"], "source": "en", "target": "es"}'], WORDS),
    Target("offer_body", plain(_offer), [OFFER_BODY.encode()], WORDS),
    Target("fragment", plain(_fragment), [FRAGMENT], [b"typ", b"a=end-of-candidates"]),
    Target("description", plain(_description), [OFFER], [b"m=audio 0 x 1", b"a=mid:", b"BUNDLE"]),
    Target("address", plain(_address), [b"http://[::1]:80/", b"https://a.example:443"], [b"]:"]),
]
