"""What fuzzing has found, each in its smallest form: it is read, or refused as is documented."""

from __future__ import annotations

import pytest

from .targets import targets
from .targets.recordings import recording
from .targets.wire import OFFER

DEEP = b"[" * 100_000
CAPTIONS = '{"type": "snapshot", "captions": %s}'
TTML = '<tt xmlns="http://www.w3.org/ns/ttml"><body><div>%s</div></body></tt>'
DATA = OFFER[OFFER.index(b"m=application") :]
HALF = b'"\\ud800"'  # of a surrogate pair
FOUND = {
    # module, target: inputs
    ("models", "config"): [DEEP, b'{"text_config": true}', b'{"text_config": {}}'],
    ("models", "sampler_config"): [DEEP],
    ("models", "tensors_index"): [DEEP, b'{"weight_map": {"a": "%s"}}' % (b"x" * 5000)],
    ("models", "directions"): [DEEP, b"[[1, 2]]", b"[[[], []]]"],
    ("models", "ct2_vocabulary"): [DEEP, b"1", b"[[]]", b'[null, "a"]'],
    ("models", "ct2_card"): [DEEP, b"1", b'{"sources": 1, "targets": ["es"]}'],
    ("models", "ct2_config"): [DEEP, b"1"],
    ("wire", "texts"): [b'{"q": %s, "source": "en", "target": "es"}' % HALF],
    ("subtitles", "change"): [
        DEEP,
        b'{"type": "forget", "session": null}',
        b'{"type": "end", "session": "s", "at": []}',
    ],
    ("subtitles", "document_ttml"): [
        (TTML % f'<p begin="{"9" * 400}s">a</p>').encode(),
        (TTML % f'<p begin="{"9" * 400}:00:00">a</p>').encode(),
        (TTML % ("<p>" * 20_000 + "</p>" * 20_000)).encode(),
        (TTML % f'<p xml:space="preserve" begin="1s">{" " * 50_000}</p>').encode(),
    ],
    ("subtitles", "document_srt"): [b"0:00:00,0 --> 0:00:01,0\na%s\n" % (b" -->" * 12_000)],
    ("peers", "listen"): [
        (CAPTIONS % "null").encode(),
        (CAPTIONS % "[1]").encode(),
        b'{"type": "started", "session": "s", "notices": null}',
        b'{"type": "status", "lag_ms": %s}' % (b"9" * 400),
    ],
    ("peers", "janus"): [b'{"janus": "event", "sender": []}'],
    ("peers", "answer"): [  # the first of a bundle is not there
        OFFER.replace(b"a=mid:0", b"a=sendonly"),
        OFFER.replace(b"a=mid:0", b"a=mid:0\r\na=mid:9"),
        OFFER.replace(b"BUNDLE 0", b"BUNDLE 3") + DATA.replace(b"mid:2", b"mid:3"),
        OFFER.replace(b"BUNDLE 0", b"BUNDLE\t3"),
    ],
    ("recordings", "recording"): [  # no such codec; a name that is not UTF-8
        recording("matroska", "pcm_s16le").replace(b"A_PCM", b"A_XXX"),
        recording("matroska", "pcm_s16le").replace(b"ENCODER", b"ENC\xffDER"),
    ],
    ("peers", "completion"): [
        b'{"data": [{"id": %s}]}' % HALF,
        b'{"choices": [{"message": {"content": %s}}]}' % HALF,
        b'{"choices": [{"message": {"content": "a%sb"}}]}' % (b" " * 50_000),
        b'{"choices": [{"message": {"content": "a%sb"}}]}' % (b"<" * 50_000),
    ],
}


@pytest.mark.parametrize(("module", "name"), FOUND)
def test_what_was_found_stays_mended(module: str, name: str) -> None:
    (target,) = (target for target in targets(module) if target.name == name)
    read = target.open()
    for data in FOUND[module, name]:
        read(data)
