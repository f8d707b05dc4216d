"""A text <-> the pieces that a model reads, by SentencePiece or the tokenizers library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from ...errors import TranslatorError

SPACE = "▁"  # a piece that begins with it begins a word


class Subwords(Protocol):
    def split(self, text: str) -> list[str]: ...

    def join(self, pieces: Sequence[str]) -> str:
        """The text, without the space that its first piece may begin with."""
        ...


def load_subwords(path: Path) -> Subwords:
    """Raises TranslatorError for a file that is none."""
    try:
        return TokenizersSubwords(path) if path.suffix == ".json" else SentencePieces(path)
    except ImportError as error:
        raise TranslatorError(f"{path} needs SentencePiece: pip install sentencepiece") from error
    except Exception as error:  # of two libraries, which tell it in many ways
        raise TranslatorError(f"{path} is damaged: fetch the model again") from error


class SentencePieces:
    def __init__(self, path: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        self._processor = cast("Any", SentencePieceProcessor(model_file=str(path)))

    def split(self, text: str) -> list[str]:
        return self._processor.encode(text, out_type=str)

    def join(self, pieces: Sequence[str]) -> str:
        return self._processor.decode(list(pieces))


class TokenizersSubwords:
    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(path))

    def split(self, text: str) -> list[str]:
        return self._tokenizer.encode(text, add_special_tokens=False).tokens

    def join(self, pieces: Sequence[str]) -> str:
        return self._tokenizer.decoder.decode(list(pieces)).strip()


def continued(text: str, pieces: Sequence[str], subwords: Subwords) -> str:
    """A text, and what a model has written behind it."""
    more = subwords.join(pieces)
    if not more or not text:
        return text + more
    return f"{text} {more}" if pieces[0].startswith(SPACE) else text + more
