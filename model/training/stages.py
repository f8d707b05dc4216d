"""All stages of a run in order; each goes on where it was interrupted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from ..errors import TrainingError
from ..network.batches import MAX_TOKENS, Pair, examples
from ..network.config import (
    FULL,
    SLIDING,
    VERIFIED,
    ModelConfig,
    SamplerConfig,
    load_config,
    load_sampler_config,
    save_config,
    save_sampler_config,
)
from ..network.denoiser import Denoiser
from ..network.spelling import spoken
from ..network.tokenizer import TranslationTokenizer, train_tokenizer
from ..network.weights import load_model
from .card import export
from .corpus import Corpus, oversampled, read_folder, read_own
from .display import Display
from .distill import read_distilled, run_distill
from .loop import Work, train
from .settings import Settings, names
from .validation import Validator, best_path

SAMPLER = SamplerConfig(  # of the embedded model
    max_denoising_steps=8, t_min=0.1, t_max=0.4, merge_repeats=True, decoding=VERIFIED
)
TOKENIZER_PAIRS = 500_000  # that a vocabulary is made from, at most


def embedded_config(vocab_size: int) -> ModelConfig:
    """The shape of the embedded model."""
    return ModelConfig(
        vocab_size=vocab_size,
        hidden_size=256,
        intermediate_size=256,
        moe_intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        num_global_key_value_heads=2,
        global_head_dim=64,
        num_experts=8,
        top_k_experts=2,
        layer_types=(SLIDING, FULL, SLIDING, FULL),
        eos_token_ids=(1,),
        canvas_length=64,
        bidirectional_prompt=True,
        mask_token_id=0,
    )


def initialize(model: Denoiser) -> None:
    """Random weights that start calm: no 1/sqrt(K) in the attention and post-norms everywhere."""
    torch.manual_seed(1)
    depth = len(model.layers)
    for name, weight in model.named_parameters():
        if weight.dim() >= 2:
            nn.init.normal_(weight, std=weight.shape[-1] ** -0.5)
        elif name.endswith(("q_norm.weight", "k_norm.weight")):
            nn.init.constant_(weight, weight.shape[0] ** -0.25)
        elif "post_" in name and "layernorm_" not in name:
            nn.init.constant_(weight, (2 * depth) ** -0.5)


def run(settings: Settings, command: str, display: Display) -> None:
    """What the settings ask for; `command` is how a user would ask for the same again.

    Raises TrainingError, CheckpointError.
    """
    corpus = _read(settings)
    tokenizer = _prepare(settings, corpus)
    _remember(settings, command)
    display.say(
        f"{len(corpus.train)} pairs to learn from, {len(corpus.dev)} held out: "
        f"{names(settings.directions)}"
    )
    _warn_of_long(corpus.train, tokenizer, display)
    for stage in settings.stages:
        if stage == "export":
            export(_weights(settings, stage), tokenizer, corpus, settings, display)
        elif stage == "distill":
            model = _weights(settings, stage).eval().requires_grad_(False)
            run_distill(model, tokenizer, corpus, settings, display)
        else:
            distilled = read_distilled(settings) if stage == "joint" else []
            with torch.device(settings.device):
                model = _weights(settings, stage).requires_grad_(True)
                pairs = oversampled(distilled or corpus.train, settings.oversample)
                work = Work(stage, settings, tokenizer, pairs)
                validator = Validator(model.config, tokenizer, corpus.dev, settings.run, stage)
                train(model, work, validator, display)


def _read(settings: Settings) -> Corpus:
    if settings.tsv is not None:
        return read_own(settings.tsv, settings.dev_tsv, settings.directions[0])
    assert settings.data is not None
    return read_folder(settings.data, settings.directions)


def _prepare(settings: Settings, corpus: Corpus) -> TranslationTokenizer:
    """A new run gets its tokenizer and config, or those of the model that it starts from."""
    folder, directions = settings.run, settings.directions
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "tokenizer.json").exists():
        tokenizer = TranslationTokenizer.load(folder)
        if set(tokenizer.directions) != set(directions):
            raise TrainingError(
                f"{folder} was begun for {names(tokenizer.directions)}, not for "
                f"{names(directions)}: give another --run"
            )
        return tokenizer
    if settings.start_from and not settings.new_languages:
        tokenizer = TranslationTokenizer.load(settings.start_from).with_directions(directions)
    else:
        pairs = oversampled(corpus.train, settings.oversample)
        if len(pairs) > TOKENIZER_PAIRS:
            pairs = random.Random(1).sample(pairs, TOKENIZER_PAIRS)
        texts = (text for p in pairs for text in (p.source, spoken(p.source), p.target))
        tokenizer = train_tokenizer(texts, settings.tokens_to_learn, directions)
    if settings.start_from:
        start, sampler = load_config(settings.start_from), load_sampler_config(settings.start_from)
        config = replace(start, vocab_size=tokenizer.vocab_size)
    else:
        config, sampler = embedded_config(tokenizer.vocab_size), SAMPLER
    save_config(config, folder)
    save_sampler_config(sampler, config, folder)
    tokenizer.save(folder)  # last: it says that the run is prepared
    return tokenizer


def _remember(settings: Settings, command: str) -> None:
    path = settings.run / "commands.txt"
    before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if before[-1:] != [command]:
        path.write_text("\n".join([*before, command]) + "\n", encoding="utf-8")


def _warn_of_long(pairs: Sequence[Pair], tokenizer: TranslationTokenizer, display: Display) -> None:
    some = random.Random(1).sample(pairs, min(len(pairs), 2000))
    share = 1 - len(examples(some, tokenizer)) / len(some)
    if share > 0.01:
        display.say(
            f"{share:.0%} of the pairs are longer than {MAX_TOKENS} tokens and are left out: "
            "parting them into sentences would keep them"
        )


def _weights(settings: Settings, stage: str) -> Denoiser:
    """Those that the stage starts from: the best of the one before, or those of `start_from`."""
    model = Denoiser(load_config(settings.run))
    before = "joint" if stage == "export" else "autoregressive"
    path = best_path(settings.run, before)
    if stage != "autoregressive" and path.exists():
        model.load_state_dict(torch.load(path, weights_only=True))
    elif settings.start_from and stage != "export":
        _start(model, settings.start_from, settings.run)
    elif stage == "autoregressive":
        initialize(model)
    else:
        raise TrainingError(
            f"{path} is missing: run the stage {before} first, or all of them without --stage"
        )
    return model


def _start(model: Denoiser, folder: Path, run: Path) -> None:
    """Give it the weights in `folder`, for the vocabulary of the run: what a new token means is at
    first the mean of those that spelled it before."""
    state = load_model(folder).state_dict()
    tokenizer, before = TranslationTokenizer.load(run), TranslationTokenizer.load(folder)
    rows = state["embed_tokens.weight"]  # [V, D]
    spelled = tokenizer.spelled_by(before)
    state["embed_tokens.weight"] = torch.stack([rows[ids].mean(dim=0) for ids in spelled])
    model.load_state_dict(state)
