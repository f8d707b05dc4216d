from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.errors import StoreError
from surtitle.pipeline.server.storage import file as store_file
from surtitle.pipeline.server.storage.file import damage, open_for_reading, open_store_file
from surtitle.pipeline.server.storage.store import Store
from surtitle.pipeline.server.storage.transcript import TRANSCRIPT_FORMATS, transcript

FIXTURES = Path(__file__).parents[3] / "fixtures"


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    """A store that version 1 has written: its transcripts, as it made them, lie beside it."""
    return Path(shutil.copy(FIXTURES / "store_v1.sqlite", tmp_path / "sessions.sqlite"))


def transcripts(path: Path) -> dict[str, str]:
    async def made(store: Store) -> dict[str, str]:
        texts: dict[str, str] = {}
        for session in await store.sessions(10):
            captions = await store.captions(session.id)
            source, target = session.source, session.targets[0]
            for languages in (source,), (target,), (source, target):
                for form in TRANSCRIPT_FORMATS:
                    text = transcript(session, captions, form, languages)
                    texts[f"{session.id} {','.join(languages)} {form}"] = text
        return texts

    with closing(Store(path)) as store:
        return asyncio.run(made(store))


def without_is_source(text: str) -> object:
    answer = json.loads(text)
    for caption in answer["captions"]:
        caption.pop("is_source", None)  # as version 1 did not tell it
    return answer


def test_transcripts_of_version_1_are_as_they_were(version_1: Path) -> None:
    expected = json.loads((FIXTURES / "store_v1.transcripts.json").read_text(encoding="utf-8"))
    found = transcripts(version_1)
    assert found.keys() == expected.keys()
    for name, text in expected.items():
        if name.endswith("json"):
            assert without_is_source(found[name]) == without_is_source(text)
        else:
            assert found[name] == text


def test_a_migrated_store_knows_the_spoken_language_and_is_migrated_once(version_1: Path) -> None:
    for _ in range(2):
        with closing(open_store_file(version_1)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (3,)
            rows = connection.execute(
                "SELECT language, is_source, words FROM captions WHERE segment_id = 0"
            ).fetchall()
        assert sorted(rows) == [
            ("de", 0, None), ("en", 0, None), ("en", 1, None), ("es", 0, None), ("ja", 1, None)
        ]  # fmt: skip


def test_a_new_store_is_like_a_migrated_one(version_1: Path, tmp_path: Path) -> None:
    def columns(path: Path) -> list[tuple[object, ...]]:
        with closing(open_store_file(path)) as connection:
            return connection.execute("PRAGMA table_info(captions)").fetchall()

    assert columns(version_1) == columns(tmp_path / "new.sqlite")


def test_a_migration_that_fails_leaves_version_1(
    version_1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (*store_file._FROM_VERSION_1, "INSERT INTO nowhere VALUES (1)")
    monkeypatch.setattr(store_file, "_STEPS", {1: steps})
    with pytest.raises(StoreError, match="nowhere"):
        open_store_file(version_1)
    monkeypatch.undo()
    assert transcripts(version_1)
    assert not version_1.with_name("sessions.sqlite-wal").exists()


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "recipes.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"is a database of something else.*--store"):
        open_store_file(path)
    assert path.read_bytes() == before


def test_a_store_that_another_process_holds_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_file, "BUSY_S", 0.01)
    path = tmp_path / "sessions.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="cannot be opened .* locked"):
            open_store_file(path)


def test_damage_is_found(tmp_path: Path) -> None:
    path = tmp_path / "sessions.sqlite"
    with closing(Store(path)) as store:
        for n in range(500):
            store.begin(f"s-{n:04}", "main", LiveConfig("en", ("es",)))
    with closing(open_for_reading(path)) as connection:
        assert damage(connection) == ""
    scribble(path)
    with closing(open_for_reading(path)) as connection:
        assert damage(connection)


def test_a_file_that_could_not_be_looked_over_in_time_counts_as_sound(tmp_path: Path) -> None:
    with (
        closing(open_store_file(tmp_path / "sessions.sqlite")),
        closing(open_for_reading(tmp_path / "sessions.sqlite")) as connection,
    ):
        connection.set_progress_handler(lambda: 1, 1)  # as an interrupt does
        assert damage(connection) == ""


def scribble(path: Path) -> None:
    """Overwrite the last half of a file."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xa5" * (size - size // 2))
