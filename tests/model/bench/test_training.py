"""The weights that travel; the training itself is that of `surtitle train`."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import torch

from surtitle.model.bench import models, training
from surtitle.model.network.config import save_config
from surtitle.model.network.weights import load_model
from surtitle.model.training.validation import CURVE, best_path


def test_shards_are_a_checkpoint_in_bfloat16(tmp_path: Path) -> None:
    model = models.random_model(models.CONFIGS["toy"], torch.device("cpu"))
    save_config(model.config, tmp_path)
    training.save_shards(model.state_dict(), tmp_path, most_bytes=60_000)
    shards = sorted(tmp_path.glob("*.safetensors"))
    largest = 2 * max(value.numel() for value in model.state_dict().values())
    assert len(shards) > 2 and largest > 60_000  # which has a file of its own
    assert sum(path.stat().st_size > largest for path in shards) == 1
    loaded = load_model(tmp_path).state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(loaded[name], value.bfloat16().float()), name


def test_the_best_weights_so_far_are_kept(tmp_path: Path) -> None:
    run, folder, ended = tmp_path / "run", tmp_path / "folder", threading.Event()
    folder.mkdir()
    ended.set()
    training._keep(run, folder, ended)  # nothing is there yet
    assert not list(folder.iterdir())
    config = replace(models.CONFIGS["toy"], num_experts=2)
    model = models.random_model(config, torch.device("cpu"))
    run.mkdir()
    save_config(config, run)
    torch.save(model.state_dict(), best_path(run, "joint"))
    (run / CURVE).write_text('{"chrf": 3}\n')
    training._keep(run, folder, ended)
    assert load_model(folder).config == config
    assert (folder / "training.jsonl").read_text() == '{"chrf": 3}\n'
    assert len(list(folder.iterdir())) == 4
