import shutil
from pathlib import Path

import pytest

from surtitle.model.errors import CheckpointError
from surtitle.model.installed import EMBEDDED, find_model, inspect, model_folders, models_for


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "surtitle" / "models"
    shutil.copytree(EMBEDDED, folder / "mine")
    return folder


def test_models_are_found_by_name_and_by_path(models: Path) -> None:
    assert model_folders() == {
        "mine": models / "mine",
        "embedded": EMBEDDED,
    }
    assert find_model("mine") == find_model(models / "mine") == models / "mine"
    assert find_model("embedded") == EMBEDDED


def test_models_are_found_by_what_they_translate(models: Path) -> None:
    (models / "mine" / "directions.json").unlink()
    assert models_for([("en", "es")]) == ["embedded"]
    assert models_for([("en", "de"), ("pt", "en")]) == ["embedded"]
    assert models_for([(None, "de")]) == ["embedded"]
    assert models_for([("ja", "zh")]) == []


def test_a_name_goes_before_a_folder_that_happens_to_be_here(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()  # as a run that made a model of this name may be called
    monkeypatch.chdir(tmp_path)
    assert find_model("mine") == models / "mine"
    assert find_model("./mine") == Path("mine")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(CheckpointError, match=r"no model yours.*Installed are: embedded, mine"):
        find_model("yours")


def test_a_summary_counts_parameters_and_bytes(models: Path) -> None:
    summary = inspect(models / "mine")
    assert ("en", "es") in summary.directions
    sizes = [path.stat().st_size for path in EMBEDDED.rglob("*.safetensors")]
    assert summary.size_bytes == sum(sizes)
    assert 2 * summary.parameters == pytest.approx(sizes[0], rel=0.01)  # float16


def test_a_damaged_model_is_named(models: Path) -> None:
    weights = models / "mine" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="model.safetensors is damaged"):
        inspect(models / "mine")
    weights.unlink()
    with pytest.raises(CheckpointError, match="model.safetensors is missing"):
        inspect(models / "mine")
