"""The tile as a track of video: a picture when the text changes, and now and then in between."""

from __future__ import annotations

import asyncio
from fractions import Fraction

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.video.frame import VideoFrame

from ..events import Caption
from .tile import Picture, draw
from .tile_text import TileText

LEAST_S = 0.15  # between two pictures, however often the text changes
HEARTBEAT_S = 1.0  # for who comes late, and for losses
CLOCK_HZ = 90_000


class TileTrack(MediaStreamTrack):
    """Captions in a picture. aiortc asks for each, and encodes it in a thread."""

    kind = "video"

    def __init__(self, title: str, languages: tuple[str, ...]) -> None:
        """`languages` as in TileText."""
        super().__init__()
        self._title = title
        self._text = TileText(languages)
        self._changed = asyncio.Event()
        self._changed.set()
        self._picture: Picture | None = None
        self._began_s: float | None = None
        self._shown_s = 0.0

    def show(self, caption: Caption) -> None:
        """What was shown of the segment in its language is replaced by a newer revision."""
        if self._text.push(caption):
            self._changed.set()

    def clear(self) -> None:
        """Another session begins."""
        self._text.clear()
        self._changed.set()

    async def recv(self) -> VideoFrame:
        """The next picture. Raises MediaStreamError after `stop`."""
        clock = asyncio.get_running_loop().time
        if self._began_s is None:
            self._began_s = clock()
        else:
            await asyncio.sleep(max(0.0, self._shown_s + LEAST_S - clock()))
            try:
                async with asyncio.timeout_at(self._shown_s + HEARTBEAT_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
        if self.readyState != "live":
            raise MediaStreamError
        if self._changed.is_set() or self._picture is None:
            self._changed.clear()
            self._picture = await asyncio.to_thread(draw, tuple(self._text.rows()), self._title)
        self._shown_s = clock()
        shown = VideoFrame.from_ndarray(self._picture, format="rgb24")
        shown.pts = round((self._shown_s - self._began_s) * CLOCK_HZ)
        shown.time_base = Fraction(1, CLOCK_HZ)
        return shown
