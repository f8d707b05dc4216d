"""The files of models."""

from __future__ import annotations

import io
import json
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import sentencepiece
import torch
from tokenizers import Tokenizer
from tokenizers import models as tokenizer_models

from surtitle.model.errors import CheckpointError
from surtitle.model.installed import EMBEDDED, inspect
from surtitle.model.network.config import load_config, load_sampler_config
from surtitle.model.network.tokenizer import TranslationTokenizer
from surtitle.model.network.weights import read_tensors
from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.translators.ctranslate2.layouts import directions_text, read_layout

from .target import Fuzz, Target

WORDS = [b"null", b"-1", b"1e999", b"[[", b'{"":', b'"text_config"', b"9" * 12, b"true"]
TENSORS = {"a": torch.zeros(2, 3)}
INDEX = json.dumps({"weight_map": {"model.decoder.a": "model.safetensors"}}).encode()
CARD = b'{"sources": ["en"], "targets": ["es"]}'
VOCABULARY = json.dumps(["</s>", "<s>", "__en__", "__es__", "a"]).encode()


def _in_a_folder(
    read: Callable[[Path], object], name: str, other_files: dict[str, bytes] | None = None
) -> Callable[[], Fuzz]:
    """`read` meets a folder, in which the input is the file `name`."""

    def open_it() -> Fuzz:
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        for other, content in (other_files or {}).items():
            (folder / other).write_bytes(content)

        def fuzz(data: bytes) -> None:
            (folder / name).write_bytes(data)
            try:
                read(folder)
            except (CheckpointError, TranslatorError) as error:
                assert str(error)

        return fuzz

    return open_it


def _tensors(folder: Path) -> None:
    found = read_tensors(folder, TENSORS, torch.float32, "cpu")
    assert found["a"].shape == (2, 3)


def _layout(folder: Path) -> None:
    layout = read_layout(folder)
    directions_text(layout)
    for source in layout.sources:
        for target in layout.targets:
            layout.knows(source, target)


def _safetensors() -> bytes:
    head = json.dumps(
        {"model.decoder.a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    ).encode()
    return struct.pack("<Q", len(head)) + head + bytes(24)


def _tokenizer() -> bytes:
    """A small one: the embedded is 700 kB."""
    vocabulary = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<turn>": 3, "<2es>": 4, "a": 5}
    return Tokenizer(tokenizer_models.WordLevel(vocabulary, "a")).to_str().encode()


def _pieces() -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(  # pyright: ignore
        sentence_iterator=iter(["a b", "b a c"] * 9),
        model_writer=model,
        vocab_size=16,
        hard_vocab_limit=False,
        normalization_rule_name="identity",  # the usual ones are 240 kB
        minloglevel=3,
    )
    return model.getvalue()


PIECES = _pieces()
DIRECTIONS = (EMBEDDED / "directions.json").read_bytes()
SETTINGS = (EMBEDDED / "generation_config.json").read_bytes()
CONFIG = (EMBEDDED / "config.json").read_bytes()
TARGETS = [
    Target("config", _in_a_folder(load_config, "config.json"), [CONFIG], WORDS, 5),
    Target(
        "generation_config",
        _in_a_folder(load_config, "generation_config.json", {"config.json": CONFIG}),
        [SETTINGS],
        WORDS,
        5,
    ),
    Target(
        "sampler_config",
        _in_a_folder(load_sampler_config, "generation_config.json"),
        [SETTINGS],
        WORDS,
        5,
    ),
    Target("tensors", _in_a_folder(_tensors, "model.safetensors"), [_safetensors()], WORDS, 5),
    Target(
        "tensors_index",
        _in_a_folder(
            _tensors, "model.safetensors.index.json", {"model.safetensors": _safetensors()}
        ),
        [INDEX],
        [*WORDS, b"..", b"\\u0000"],
        5,
    ),
    Target(
        "inspect",
        _in_a_folder(
            inspect,
            "model.safetensors",
            {"tokenizer.json": _tokenizer(), "directions.json": DIRECTIONS},
        ),
        [_safetensors()],
        WORDS,
        2,
    ),
    Target(
        "tokenizer",
        _in_a_folder(TranslationTokenizer.load, "tokenizer.json", {"directions.json": DIRECTIONS}),
        [_tokenizer()],
        [*WORDS, b'"BPE"', b'"ByteLevel"', b'"merges"'],
        5,
    ),
    Target(
        "directions",
        _in_a_folder(
            inspect,
            "directions.json",
            {"tokenizer.json": _tokenizer(), "model.safetensors": _safetensors()},
        ),
        [DIRECTIONS],
        WORDS,
        5,
    ),
    Target(
        "ct2_vocabulary",
        _in_a_folder(_layout, "shared_vocabulary.json", {"tokenizer.json": _tokenizer()}),
        [VOCABULARY],
        WORDS,
        5,
    ),
    Target(
        "ct2_pieces",
        _in_a_folder(_layout, "sentencepiece.bpe.model", {"shared_vocabulary.json": VOCABULARY}),
        [PIECES],
        WORDS,
        2,
    ),
    Target(
        "ct2_card",
        _in_a_folder(
            _layout,
            "surtitle.json",
            {"shared_vocabulary.txt": b"a\n", "source.spm": PIECES, "target.spm": PIECES},
        ),
        [CARD],
        WORDS,
        5,
    ),
    Target(
        "ct2_config",
        _in_a_folder(
            _layout,
            "config.json",
            {"shared_vocabulary.json": VOCABULARY, "tokenizer.json": _tokenizer()},
        ),
        [b'{"add_source_eos": true}'],
        WORDS,
        5,
    ),
]
