"""The sound that was sent, for as long as it may have to be sent again (pure)."""

from __future__ import annotations

from collections import deque

SAMPLE_BYTES = 2
SILENCE_BYTES = 32_000  # in a piece, even


class KeptAudio:
    """The newest sound that was sent, up to `sample_count`: what a lost connection may not have
    delivered is in it. Samples count from the start of the session."""

    def __init__(self, sample_count: int) -> None:
        self._most_bytes = sample_count * SAMPLE_BYTES
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._start_byte = 0

    @property
    def start_sample(self) -> int:
        return self._start_byte // SAMPLE_BYTES

    @property
    def end_sample(self) -> int:
        return (self._start_byte + self._bytes) // SAMPLE_BYTES

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._bytes += len(piece)
        while self._bytes > self._most_bytes:
            self._drop_first()

    def since(self, sample: int) -> list[bytes]:
        """The pieces from there on, with silence for what is no longer there: times stay right."""
        before = sample * SAMPLE_BYTES - self._start_byte
        pieces = [bytes(min(SILENCE_BYTES, -at)) for at in range(before, 0, SILENCE_BYTES)]
        for piece in self._pieces:
            if before < len(piece):
                pieces.append(piece[max(0, before) :])
            before -= len(piece)
        return pieces

    def restart(self, sample: int) -> int:
        """What follows `sample` is the beginning of another session; return how many samples of it
        are no longer there."""
        lost = max(0, self.start_sample - sample)
        pieces = self.since(sample + lost)
        self._pieces, self._bytes, self._start_byte = deque(pieces), sum(map(len, pieces)), 0
        return lost

    def _drop_first(self) -> None:
        dropped = len(self._pieces.popleft())
        self._bytes -= dropped
        self._start_byte += dropped
