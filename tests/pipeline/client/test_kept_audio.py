from surtitle.pipeline.client.kept_audio import KeptAudio

PIECES = [bytes([n, 0]) * 100 for n in range(6)]
SOUND = b"".join(PIECES)


def kept_400_of_600() -> KeptAudio:
    kept = KeptAudio(400)
    for piece in PIECES:
        kept.add(piece)
    return kept


def test_kept_sound_counts_from_the_start_of_the_session() -> None:
    kept = kept_400_of_600()
    assert (kept.start_sample, kept.end_sample) == (200, 600)
    assert b"".join(kept.since(250)) == SOUND[500:1200]
    assert b"".join(kept.since(150)) == bytes(100) + SOUND[400:1200]
    assert kept.since(600) == kept.since(10_000) == []
    assert kept.restart(450) == 0
    assert (kept.start_sample, kept.end_sample) == (0, 150)
    assert b"".join(kept.since(0)) == SOUND[900:1200]


def test_what_a_new_session_misses_is_counted() -> None:
    kept = kept_400_of_600()
    assert kept.restart(50) == 150
    assert b"".join(kept.since(0)) == SOUND[400:1200]
