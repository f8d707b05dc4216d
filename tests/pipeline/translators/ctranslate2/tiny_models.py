"""Tiny CTranslate2 models of each architecture, with random weights: made by transformers, and
converted as people convert theirs."""

from __future__ import annotations

import io
import json
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import sentencepiece
import torch
import transformers
from ctranslate2.converters import TransformersConverter

SENTENCES = [
    "I have a dog and a cat.",
    "The old dog sleeps under the table.",
    "Where is the train to the harbor?",
    "We are reading a book in the garden.",
    "Tengo un perro y una gata.",
    "El perro viejo duerme debajo de la mesa.",
    "¿Dónde está el tren al puerto?",
    "Leemos un libro en el jardín.",
]
SIZES = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1}
HEADS = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
WIDTHS = {"encoder_ffn_dim": 32, "decoder_ffn_dim": 32}


def pieces_model(
    folder: Path, name: str, size: int = 120, texts: Sequence[str] = SENTENCES, **options: Any
) -> None:
    """Train a SentencePiece model on a few sentences."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(  # pyright: ignore
        sentence_iterator=iter([*texts] * 4),
        model_writer=model,
        vocab_size=size,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    (folder / name).write_bytes(model.getvalue())


def pieces_of(path: Path) -> list[str]:
    processor: Any = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [processor.id_to_piece(n) for n in range(processor.get_piece_size())]


def marian(folder: Path, tags: tuple[str, ...] = (), name: str = "opus-mt-en-es") -> Path:
    """A model of OPUS-MT; with `tags` like ">>spa<<" of several targets."""
    source = _marian_tokenizer(folder, SENTENCES, tags)
    model = transformers.MarianMTModel(_marian_config(source, 16, 1))
    _make_random(model)
    return _converted(model, source, folder / name, "source.spm", "target.spm")


def trained_marian(folder: Path, pairs: Sequence[tuple[str, str]], steps: int) -> Path:
    """One that has learned some sentences by heart."""
    source = _marian_tokenizer(folder, [text for pair in pairs for text in pair], size=150)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tokenizer: Any = transformers.MarianTokenizer.from_pretrained(source)
    torch.manual_seed(0)
    model = transformers.MarianMTModel(_marian_config(source, 64, 1))
    read = tokenizer([one for one, _ in pairs], return_tensors="pt", padding=True)
    labels = tokenizer(text_target=[other for _, other in pairs], return_tensors="pt", padding=True)
    wanted = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    model.model.shared.weight.data[-1] = 0
    for _ in range(steps):
        some = torch.randperm(len(pairs))[:25]
        batch = {name: rows[some] for name, rows in read.items()}
        loss: Any = model(**batch, labels=wanted[some]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        with (
            torch.no_grad()
        ):  # CTranslate2 begins an answer from zero, where this begins from <pad>
            model.model.shared.weight[-1] = 0
    model.eval()
    return _converted(model, source, folder / "opus-mt-en-es", "source.spm", "target.spm")


def _marian_tokenizer(
    folder: Path, texts: list[str], tags: tuple[str, ...] = (), size: int = 120
) -> Path:
    """The folder with its files."""
    source = folder / "marian"
    source.mkdir(parents=True)
    pieces_model(source, "source.spm", size, texts)
    shutil.copy(source / "source.spm", source / "target.spm")
    special = {"</s>", "<unk>", "<s>"}
    pieces = [each for each in pieces_of(source / "source.spm") if each not in special]
    tokens = ["</s>", "<unk>", *pieces, *tags, "<pad>"]
    vocabulary = {token: n for n, token in enumerate(tokens)}
    (source / "vocab.json").write_text(json.dumps(vocabulary))
    languages = {} if tags else {"source_lang": "en", "target_lang": "es"}
    (source / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "MarianTokenizer", **languages})
    )
    return source


def _marian_config(source: Path, width: int, layers: int) -> Any:
    size = len(json.loads((source / "vocab.json").read_text()))
    return transformers.MarianConfig(
        vocab_size=size,
        d_model=width,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_ffn_dim=2 * width,
        decoder_ffn_dim=2 * width,
        pad_token_id=size - 1,
        decoder_start_token_id=size - 1,
        eos_token_id=0,
        forced_eos_token_id=0,
        max_position_embeddings=300,
        scale_embedding=True,
        dropout=0.0,
        **HEADS,
    )


def m2m(folder: Path) -> Path:
    source = folder / "m2m"
    source.mkdir(parents=True)
    pieces_model(source, "sentencepiece.bpe.model")
    pieces = [p for p in pieces_of(source / "sentencepiece.bpe.model") if p[0] != "<"]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *pieces]
    (source / "vocab.json").write_text(json.dumps({token: n for n, token in enumerate(tokens)}))
    tokenizer = transformers.M2M100Tokenizer(
        str(source / "vocab.json"), str(source / "sentencepiece.bpe.model")
    )
    tokenizer.save_pretrained(source)
    size = len(tokenizer) + len(tokenizer.lang_token_to_id) + tokenizer.num_madeup_words
    return _converted(_m2m_model(size), source, folder / "m2m100", PIECES)


def nllb(folder: Path) -> Path:
    """With the tokenizer of the tokenizers library, as newer releases save it."""
    source = folder / "nllb"
    source.mkdir(parents=True)
    tokens = ["<s>", "<pad>", "</s>", "<unk>"]
    words = sorted({p for s in SENTENCES for p in _byte_like_pieces(s)})
    vocabulary = {token: n for n, token in enumerate([*tokens, *words])}
    tokenizer = transformers.NllbTokenizer(vocab=vocabulary, merges=[])
    tokenizer.save_pretrained(source)
    return _converted(_m2m_model(len(tokenizer) + 8), source, folder / "nllb200", "tokenizer.json")


def t5(folder: Path, tags: tuple[str, ...] = ("<2de>", "<2en>", "<2es>")) -> Path:
    """MADLAD, or without `tags` plain T5."""
    source = folder / "t5"
    source.mkdir(parents=True)
    pieces_model(
        source,
        "spiece.model",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        user_defined_symbols=list(tags),
    )
    tokenizer = transformers.T5Tokenizer.from_pretrained(source, extra_ids=0 if tags else 100)
    tokenizer.save_pretrained(source)
    config = transformers.T5Config(
        vocab_size=len(tokenizer),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        decoder_start_token_id=0,
    )
    name = "madlad" if tags else "t5-small"
    model = transformers.T5ForConditionalGeneration(config)
    _make_random(model)
    return _converted(model, source, folder / name, "spiece.model")


PIECES = "sentencepiece.bpe.model"


class _Converter(TransformersConverter):
    """As with a transformers before 5, which told the converter the language tags of M2M-100."""

    def load_tokenizer(self, tokenizer_class: Any, model_name_or_path: str, **kwargs: Any) -> Any:
        tokenizer = super().load_tokenizer(tokenizer_class, model_name_or_path, **kwargs)
        if isinstance(tokenizer, transformers.M2M100Tokenizer):
            tags = {"additional_special_tokens": list(tokenizer.lang_token_to_id)}
            told = {"special_tokens_map": property(lambda self: tags)}
            tokenizer.__class__ = type("Told", (transformers.M2M100Tokenizer,), told)
        return tokenizer


def _m2m_model(size: int) -> Any:
    config = transformers.M2M100Config(
        vocab_size=size, max_position_embeddings=300, **SIZES, **HEADS, **WIDTHS
    )
    model = transformers.M2M100ForConditionalGeneration(config)
    _make_random(model)
    return model


def _byte_like_pieces(sentence: str) -> list[str]:
    return [*(f"▁{sentence}".replace(" ", "▁"))]


def _make_random(model: Any) -> None:
    """Weights that are larger than usual: no two answers are alike."""
    with torch.no_grad():
        generator = torch.Generator().manual_seed(3)
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.6)


def _converted(model: Any, source: Path, target: Path, *files: str) -> Path:
    model.save_pretrained(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers recommends what it can do without
        _Converter(str(source)).convert(str(target))
    for name in files:
        shutil.copy(source / name, target / name)
    assert ctranslate2.contains_model(str(target))
    return target
