"""Text to token ids and back, and the prompt that tells the model what to do.

The tokenizer is a `tokenizer.json` as the `tokenizers` library reads it. The embedded model's has
one special token per target language; a chat checkpoint gets the same request in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from .errors import CheckpointError

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


def language_token(language: str) -> str:
    return f"<2{language}>"


class TranslationTokenizer:
    """Prompt format of the embedded model: `<bos><2es>source text<turn>`, answered by the target
    text, `<eos>`, and `<pad>` to the end of the canvas. Of a chat model: its turn template with
    the request in words and the empty thought that its template adds.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.languages = tuple(
            name for name in _LANGUAGE_NAMES if tokenizer.token_to_id(language_token(name))
        )
        self._is_chat = not self.languages and tokenizer.token_to_id("<|turn>") is not None
        if self._is_chat:
            self.languages = tuple(_LANGUAGE_NAMES)

    @classmethod
    def load(cls, folder: Path) -> TranslationTokenizer:
        """Read tokenizer.json. Raises CheckpointError naming the file."""
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise CheckpointError(f"{path} is missing: the model cannot read text without it")
        try:
            tokenizer = cls(Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises bare Exception for every damage
            raise CheckpointError(f"{path} is damaged: {error}") from error
        if not tokenizer.languages:
            raise CheckpointError(f"{path} has neither language tokens nor a chat template")
        return tokenizer

    @property
    def vocab_size(self) -> int:
        return self._tokenizer.get_vocab_size()

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
        chat = (
            f"<bos><|turn>user\n{request}<turn|>\n<|turn>model\n<|channel>thought\n<channel|>"
        )
        return self._tokenizer.encode(chat, add_special_tokens=False).ids

    def answer(self, text: str) -> list[int]:
        """Token ids of a target text, with its end mark: what training asks for."""
        return [*self._tokenizer.encode(text, add_special_tokens=False).ids, self._id(EOS)]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of a canvas: special tokens dropped, spaces trimmed."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=True).strip()

    def save(self, folder: Path) -> None:
        self._tokenizer.save(str(folder / "tokenizer.json"))

    def _id(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise CheckpointError(f"the tokenizer has no token {token}")
        return found


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, languages: Sequence[str]
) -> TranslationTokenizer:
    """Byte-level byte-pair encoding: any text goes in, no token is unknown.

    Ids: 0 pad, 1 eos, 2 bos, 3 turn, then one per language.
    """
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
    return TranslationTokenizer(tokenizer)
