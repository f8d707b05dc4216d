from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.audio.container import audio_tracks, probe_duration_ms
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.audio.upload import Upload, shown_name
from surtitle.pipeline.errors import MediaError
from surtitle.pipeline.events import AudioChunk, Samples

SAMPLES = Path(__file__).parents[3] / "samples"
HARBOR = SAMPLES / "harbor.flac"
BINARY = b"\n\0\0\0\xff\xfe"  # with this, text is not turned away for being text


Uploaded = Callable[..., Upload]


@pytest.fixture
def uploaded() -> Iterator[Uploaded]:
    with ExitStack() as stack:

        def make(data: bytes, name: str = "talk") -> Upload:
            file = stack.enter_context(tempfile.TemporaryFile(buffering=0))
            file.write(data)
            return Upload(name, file)

        yield make


def sound(chunks: list[AudioChunk]) -> Samples:
    return np.concatenate([chunk.samples for chunk in chunks])


@pytest.mark.parametrize("name", ["harbor.flac", "soup.mp4"])
def test_an_upload_is_heard_as_the_file_is(name: str, uploaded: Uploaded) -> None:
    path = SAMPLES / name
    upload = uploaded(path.read_bytes(), name)
    assert probe_duration_ms(upload) == probe_duration_ms(path)
    assert [track.number for track in audio_tracks(upload)] == [1]
    assert np.array_equal(sound(list(read_audio(upload))), sound(list(read_audio(path))))


def playlist(path: Path) -> bytes:
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:70\n#EXTINF:69,\n"
    return f"{head}{path}\n#EXT-X-ENDLIST\n".encode()


def file_list(path: Path) -> bytes:
    return f"ffconcat version 1.0\nfile '{path}'\n".encode()


def session_description(path: Path) -> bytes:
    return (
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        b"m=audio 5004 RTP/AVP 0\r\n"
    )


def manifest(path: Path) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT60S"><Period><AdaptationSet mimeType="audio/mp4">'
        f"<Representation id='1' bandwidth='1'><BaseURL>file://{path}</BaseURL>"
        "<SegmentBase/></Representation></AdaptationSet></Period></MPD>"
    ).encode()


@pytest.mark.parametrize("make", [playlist, file_list, session_description, manifest])
@pytest.mark.parametrize("tail", [b"", BINARY])
def test_what_names_other_files_or_addresses_is_refused(
    make: Callable[[Path], bytes], tail: bytes, uploaded: Uploaded
) -> None:
    upload = uploaded(make(HARBOR) + tail)
    with pytest.raises(MediaError, match="talk (holds text|is damaged, or not a recording)"):
        list(read_audio(upload))


def test_two_readers_have_a_place_each(uploaded: Uploaded) -> None:
    upload = uploaded(bytes(range(100)))
    with upload.open() as one, upload.open() as other:
        assert one.read(3) == b"\0\1\2"
        other.seek(-2, io.SEEK_END)
        assert other.read() == b"\x62\x63"
        assert one.read(1) == b"\3"


def test_a_closed_upload_is_read_no_more(uploaded: Uploaded) -> None:
    upload = uploaded(HARBOR.read_bytes())
    chunks = read_audio(upload)
    next(chunks)
    upload.close()
    with pytest.raises((MediaError, ValueError)):
        list(chunks)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("talk.mp4", "talk.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\talk.mp4", "talk.mp4"),
        ("a\x1b[31m\nb", "a[31mb"),
        ("", "recording"),
        (None, "recording"),
    ],
)
def test_a_name_is_fit_to_be_shown(name: str | None, shown: str) -> None:
    assert shown_name(name) == shown
