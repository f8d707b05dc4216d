from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiortc.mediastreams import MediaStreamError
from av.audio.frame import AudioFrame

from surtitle.pipeline.bots import speakers as module
from surtitle.pipeline.bots.speakers import Speakers, speaker_name
from surtitle.pipeline.client.connection import Server
from surtitle.pipeline.client.real_time import start_message
from surtitle.pipeline.config import LiveConfig

from ..server.scripted import Served, read_final, serve
from ..webrtc.tone import SAMPLES, ToneTrack, tone

START = start_message("main", LiveConfig("en", ("es",)))


class ShortTone(ToneTrack):
    """So many packets of a tone, as fast as they are taken."""

    def __init__(self, packets: int) -> None:
        super().__init__()
        self._left = packets

    async def recv(self) -> AudioFrame:
        if not self._left:
            raise MediaStreamError
        self._left -= 1
        self._count += 1
        return tone((self._count - 1) * SAMPLES)


def test_each_track_is_heard_under_its_name_to_its_end(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.view("lang=es") as viewer:
            speakers = Speakers(Server(served.url), START, print)
            for name in "Ann", "Ben":
                speakers.hear(name, ShortTone(50))
            await speakers.finish()
            finals = [await read_final(viewer) for _ in "ab"]
            assert sorted(final["speaker"] for final in finals) == ["Ann", "Ben"]

    serve(scenario, tmp_path)


def test_who_is_refused_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.05)
    said: list[str] = []

    async def scenario(served: Served) -> None:
        other, _ = await served.publish(room="other")
        speakers = Speakers(Server(served.url), START, said.append)
        speakers.hear("Ann", ToneTrack())
        while len(said) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await other.close()
        async with served.view() as viewer:
            while (await _speaker(viewer)) != "Ann":
                pass
        await speakers.aclose()

    serve(scenario, tmp_path, max_sessions=1, resume_s=0.0)
    assert "Ann is not captioned: the server says: this server has 1 sessions" in said[0]


async def _speaker(viewer: object) -> str:
    from ..server.scripted import read

    return (await read(viewer)).get("speaker", "")  # type: ignore[arg-type]


def test_what_nobody_takes_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_PIECES", 3)

    async def scenario() -> list[bytes]:
        sound = module._Sound()
        await sound.take(ShortTone(100))  # 20 pieces, and the end
        return [piece async for piece in sound.audio()]

    assert len(asyncio.run(scenario())) == 2


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Ann ", "Ann"), ("", "participant 7"), (None, "participant 7"), ("\0\n", "participant 7")],
)
def test_names_are_as_the_server_takes_them(name: object, shown: str) -> None:
    assert speaker_name(name, "participant 7") == shown
    assert len(speaker_name("é" * 500, "")) == 80
