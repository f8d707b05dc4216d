from pathlib import Path

import pytest

from surtitle.model.training.loop import learning_rate
from surtitle.model.training.settings import Settings, parse_directions, parse_oversample

EN_ES = (("en", "es"),)


def test_minutes_are_shared_among_the_stages() -> None:
    settings = Settings(Path("run"), EN_ES, data=Path("data"), minutes=10)
    budgets = [settings.budget_s(stage) for stage in settings.stages[:3]]
    assert sum(budgets) == pytest.approx(600)
    assert settings.budget_s("autoregressive") == max(budgets)


def test_one_stage_has_all_the_minutes() -> None:
    settings = Settings(Path("run"), EN_ES, data=Path("data"), minutes=10, stage="distill")
    assert settings.stages == ("distill",) and settings.budget_s("distill") == 600


def test_fine_tuning_is_without_distillation_at_a_lower_rate(tmp_path: Path) -> None:
    fresh = Settings(Path("run"), EN_ES, tsv=Path("x"))
    tuned = Settings(Path("run"), EN_ES, tsv=Path("x"), start_from=tmp_path, minutes=10)
    assert tuned.stages == ("joint", "export") and tuned.budget_s("joint") == 600
    assert tuned.peak_lr("joint") < fresh.peak_lr("joint")


def test_a_gpu_takes_one_process() -> None:
    Settings(Path("run"), EN_ES, tsv=Path("x"), device="cuda")
    with pytest.raises(ValueError, match="--device cuda takes one process, got --processes 2"):
        Settings(Path("run"), EN_ES, tsv=Path("x"), device="cuda", processes=2)


def test_directions() -> None:
    assert parse_directions("en-es, es-en") == (("en", "es"), ("es", "en"))
    for bad in "", "en", "en-en", "en-es,en-es", "EN-es":
        with pytest.raises(ValueError, match="direction"):
            parse_directions(bad)


def test_what_is_oversampled_is_a_direction_that_is_trained() -> None:
    assert parse_oversample("") == {}
    times = parse_oversample("en-es=3, es-en=12")
    assert times == {("en", "es"): 3, ("es", "en"): 12}
    for bad in "en-es", "en-es=0", "en-es=-1", "en-es=2.5", "en=2", "=2":
        with pytest.raises(ValueError, match="en-"):
            parse_oversample(bad)
    with pytest.raises(ValueError, match="es-en; --directions are en-es"):
        Settings(Path("run"), EN_ES, data=Path("data"), oversample=times)


def test_learning_rate_rises_then_falls() -> None:
    rates = [learning_rate(done / 100, 1.0) for done in range(101)]
    peak = rates.index(max(rates))
    assert 2 <= peak <= 4
    assert rates[peak:] == sorted(rates[peak:], reverse=True) and rates[-1] == pytest.approx(0.02)
