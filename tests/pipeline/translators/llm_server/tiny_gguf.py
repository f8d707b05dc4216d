"""A language model for llama.cpp, made by hand: it says one sentence, and goes on where that has
been begun.

No attention and no layers that do anything: the embedding of a token is its number, and the output
knows which token follows which.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, cast

import numpy as np

# Each word is a token. What follows the last of a line is the end.
SAID = (
    ("<|assistant|>", "El", " puerto", " abre", " a", " las", " seis", "."),
    (" four", " five", " six"),
)
_CONTROLS = ["<unk>", "<s>", "</s>", "<|user|>", "<|assistant|>"]
_END = _CONTROLS.index("</s>")
_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _BYTE = 1, 2, 3, 4, 6
_HEAD, _ALIGNMENT = 32, 32


def write_tiny_gguf(path: Path) -> None:
    words = [word for line in SAID for word in line if word not in _CONTROLS]
    tokens = [*_CONTROLS, *(f"<0x{n:02X}>" for n in range(256)), *words]
    kinds = [_UNKNOWN] + [_CONTROL] * (len(_CONTROLS) - 1)
    kinds += [_BYTE] * 256 + [_USER_DEFINED] * len(words)
    width = -(-len(tokens) // _HEAD) * _HEAD
    follows = np.zeros((len(tokens), width), np.float32)  # [token that follows, token]
    for line in SAID:
        numbers = [tokens.index(word) for word in line]
        for before, after in zip(numbers, [*numbers[1:], _END], strict=True):
            follows[after, before] = 1
    metadata: dict[str, Any] = {
        "general.architecture": "llama",
        "general.name": "tiny",
        "llama.context_length": 4096,
        "llama.embedding_length": width,
        "llama.block_count": 1,
        "llama.feed_forward_length": _HEAD,
        "llama.attention.head_count": width // _HEAD,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * len(tokens),
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": _END,
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.chat_template": _TEMPLATE,
    }
    path.write_bytes(_gguf(metadata, _tensors(follows)))


def _tensors(follows: np.ndarray) -> dict[str, np.ndarray]:
    vocabulary, width = follows.shape
    nothing = {
        **{f"blk.0.attn_{name}.weight": (width, width) for name in ("q", "k", "v", "output")},
        "blk.0.ffn_gate.weight": (_HEAD, width),
        "blk.0.ffn_up.weight": (_HEAD, width),
        "blk.0.ffn_down.weight": (width, _HEAD),
    }
    norms = ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm")
    return {
        "token_embd.weight": np.eye(vocabulary, width, dtype=np.float32),
        "output.weight": follows,
        **{f"{name}.weight": np.ones(width, np.float32) for name in norms},
        **{name: np.zeros(shape, np.float32) for name, shape in nothing.items()},
    }


def _gguf(metadata: dict[str, Any], tensors: dict[str, np.ndarray]) -> bytes:
    """The file, as ggml's docs/gguf.md says, version 3."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        head += _string(key) + _value(value)
    data = b""
    for name, tensor in tensors.items():
        shape = tensor.shape[::-1]  # the fastest first
        head += _string(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        head += struct.pack("<IQ", 0, len(data))  # float32, where it begins
        data += tensor.tobytes()
        data += bytes(-len(data) % _ALIGNMENT)
    return head + bytes(-len(head) % _ALIGNMENT) + data


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: Any) -> bytes:
    """With its type before it."""
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + _string(value)
        case list():
            items = cast(list[Any], value)
            parts = [_value(np.int32(each) if isinstance(each, int) else each) for each in items]
            count = struct.pack("<Q", len(parts))
            return struct.pack("<I", 9) + parts[0][:4] + count + b"".join(p[4:] for p in parts)
        case np.int32():  # of these are the lists
            return struct.pack("<Ii", 5, int(value))
        case _:
            raise ValueError(f"no type of GGUF for {value!r}")
