"""Text to token ids and back, and the prompt that tells the model what to do.

The tokenizer is a `tokenizer.json` as the `tokenizers` library reads it. The embedded model's has
one special token per target language; a chat checkpoint gets the same request in words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import permutations
from pathlib import Path

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from ..errors import CheckpointError

Direction = tuple[str, str]  # source and target, ISO 639-1

PAD, EOS, BOS, TURN = "<pad>", "<eos>", "<bos>", "<turn>"
_LANGUAGE_NAMES = {
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "ja": "Japanese",
    "pt": "Portuguese",
    "zh": "Chinese",
}
_LANGUAGE_TOKEN = re.compile("<2[a-z]{2}>")


def language_token(language: str) -> str:
    return f"<2{language}>"


class TranslationTokenizer:
    """Prompt format of the embedded model: `<bos><2es>source text<turn>`, answered by the target
    text, `<eos>`, and `<pad>` to the end of the canvas. Of a chat model: its turn template with
    the request in words and the empty thought that its template adds.
    """

    def __init__(self, tokenizer: Tokenizer, directions: Sequence[Direction]) -> None:
        self._tokenizer = tokenizer
        self._is_chat = tokenizer.token_to_id("<|turn>") is not None
        self.directions = tuple(directions)

    @classmethod
    def load(cls, folder: Path) -> TranslationTokenizer:
        """Read tokenizer.json, and directions.json unless it is a chat model's folder.

        Raises CheckpointError naming the file.
        """
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise CheckpointError(f"{path} is missing: the model cannot read text without it")
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for every damage
            raise CheckpointError(f"{path} is damaged: {error}") from error
        if tokenizer.token_to_id("<|turn>") is not None:
            return cls(tokenizer, list(permutations(_LANGUAGE_NAMES, 2)))
        return cls(tokenizer, _read_directions(folder / "directions.json"))

    @property
    def vocab_size(self) -> int:
        return self._tokenizer.get_vocab_size()

    def knows(self, language: str) -> bool:
        """Whether prompts can ask for it."""
        return self._tokenizer.token_to_id(language_token(language)) is not None

    def with_directions(self, directions: Sequence[Direction]) -> TranslationTokenizer:
        """The same tokens for a model that is trained for other directions."""
        return TranslationTokenizer(self._tokenizer, directions)

    def spelled_by(self, before: TranslationTokenizer) -> list[list[int]]:
        """For each token, the ids of those that spell it in the vocabulary of `before`; for the
        token of a language that is not there, those of all that are."""
        theirs = before._tokenizer
        ids = theirs.get_vocab()
        languages = sorted(ids[name] for name in filter(_LANGUAGE_TOKEN.fullmatch, ids))
        found: list[list[int]] = []
        ours = self._tokenizer.get_vocab()
        for name in sorted(ours, key=ours.__getitem__):
            same = theirs.token_to_id(name)
            if same is not None:
                found.append([same])
            elif _LANGUAGE_TOKEN.fullmatch(name):
                found.append(languages)
            else:
                found.append([part.id for part in theirs.model.tokenize(name)])
        return found

    def prompt(self, text: str, source: str, target: str) -> list[int]:
        """Token ids of the request to translate `text`."""
        if not self._is_chat:
            ids = self._tokenizer.encode(text, add_special_tokens=False).ids
            head = [self._id(BOS), self._id(language_token(target))]
            return [*head, *ids, self._id(TURN)]
        request = (
            f"Translate this {_LANGUAGE_NAMES[source]} speech into {_LANGUAGE_NAMES[target]}. "
            f"Answer with the translation alone.\n\n{text}"
        )
        chat = f"<bos><|turn>user\n{request}<turn|>\n<|turn>model\n<|channel>thought\n<channel|>"
        return self._tokenizer.encode(chat, add_special_tokens=False).ids

    def answer(self, text: str) -> list[int]:
        """Token ids of a target text, with its end mark: what training asks for."""
        return [*self._tokenizer.encode(text, add_special_tokens=False).ids, self._id(EOS)]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of a canvas: special tokens dropped, spaces trimmed."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=True).strip()

    def merge_repeats(self, ids: Sequence[int]) -> list[int]:
        """One token for a run of equal ones, unless it has digits: 1933 stays."""
        merged: list[int] = []
        for token in ids:
            if not merged or token != merged[-1] or self._has_digit(token):
                merged.append(token)
        return merged

    def _has_digit(self, token: int) -> bool:
        text = self._tokenizer.id_to_token(token) or ""
        return any(char.isdigit() for char in text)

    def save(self, folder: Path) -> None:
        """Write what `load` reads."""
        self._tokenizer.save(str(folder / "tokenizer.json"))
        directions = json.dumps([list(direction) for direction in self.directions])
        (folder / "directions.json").write_text(directions + "\n", encoding="utf-8")

    def _id(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise CheckpointError(f"the tokenizer has no token {token}")
        return found


def _read_directions(path: Path) -> list[Direction]:
    try:
        directions = [(source, target) for source, target in json.loads(path.read_text("utf-8"))]
        if not all(isinstance(code, str) for direction in directions for code in direction):
            raise ValueError("a language is a text")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f'{path} must name the directions of the model, as in [["en", "es"]]: {error!s:.200}'
        ) from error
    return directions


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, directions: Sequence[Direction]
) -> TranslationTokenizer:
    """Byte-level byte-pair encoding: any text goes in, no token is unknown.

    Ids: 0 pad, 1 eos, 2 bos, 3 turn, then one per language.
    """
    languages = sorted({language for direction in directions for language in direction})
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[
            AddedToken(token, special=True)
            for token in (PAD, EOS, BOS, TURN, *map(language_token, languages))
        ],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return TranslationTokenizer(tokenizer, directions)
