"""From text to numbers: what the tokens of a text are, and the vocabulary that was found in the training texts.

A vocabulary is plain data, the tokens in the order of their numbers, so that it can be written as JSON; the library
`tokenizers` does the work. Number 0 is any token that is not in the vocabulary.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from throughtime._core.errors import InputError, MissingPackageError, requires
from throughtime.data.jagged import JaggedSequences

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenizers import Tokenizer
    from tokenizers.trainers import Trainer

TOKENS = ("word", "subword", "char", "byte")
"""What a text can be taken to consist of."""

UNKNOWN = "\N{WHITE SQUARE}"  # never the name of a token in a text of words: white space and squares stand alone
_WORDS = r"\w+|'\w+|[^\w\s]"  # didn 't , film 's , punctuation one by one
_SIZES = {"word": 30_000, "subword": 8_000, "char": 2_000, "byte": 257}


@dataclass(frozen=True)
class TokenVocabulary:
    """The tokens of texts and their numbers.

    Attributes:
        kind: 'word' and 'subword' in lower case, 'char', or 'byte' of UTF-8.
        tokens: by number; the first stands for all that are unknown.
        merges: pairs that make up subwords, the first to be joined first.
    """

    kind: str
    tokens: list[str]
    merges: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def learn(cls, texts: Iterable[str], kind: str = "word", *, rare: int = 2) -> TokenVocabulary:
        """Find the vocabulary of texts: the most frequent tokens that come at least `rare` times.

        Raises:
            InputError: for a kind that does not exist, and where there are fewer than two tokens.
        """
        if kind not in TOKENS:
            raise InputError(f"tokens: expected one of {', '.join(TOKENS)}, got {kind!r}")
        if kind == "byte":
            return cls(kind, [UNKNOWN, *(f"{byte:02x}" for byte in range(256))])
        tokenizer = _empty(kind)
        tokenizer.train_from_iterator(texts, _trainer(kind, rare))
        vocabulary = tokenizer.get_vocab()
        tokens = sorted(vocabulary, key=vocabulary.__getitem__)
        if len(tokens) < 3:
            known = f"only {tokens[1]!r}" if len(tokens) > 1 else "none"
            raise InputError(f"texts: expected at least two different tokens that come {rare} times, got {known}")
        return cls(kind, tokens, _merges(tokenizer))

    @classmethod
    def from_json(cls, to_json: dict[str, Any]) -> TokenVocabulary:
        """Undo `to_json`.

        Raises:
            ValueError: for what is no vocabulary.
        """
        tokens, merges = to_json["tokens"], [tuple(pair) for pair in to_json["merges"]]
        words = [*tokens, *(part for pair in merges for part in pair)]
        if tokens[:1] != [UNKNOWN] or to_json["kind"] not in TOKENS or not all(isinstance(word, str) for word in words):
            raise ValueError("the vocabulary is none")
        if len(set(tokens)) != len(tokens) or len(tokens) < 2 or any(len(pair) != 2 for pair in merges):
            raise ValueError("the vocabulary is none")
        found = cls(to_json["kind"], tokens, merges)
        try:
            found.encode(["a"])
        except MissingPackageError:
            raise
        except Exception as error:  # the library raises nothing more precise
            raise ValueError(f"the vocabulary is none: {error}") from error
        return found

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold."""
        return asdict(self)

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, texts: Sequence[str]) -> JaggedSequences:
        """The numbers of the tokens of each text; a text without tokens has length 0."""
        if self.kind == "byte":
            rows = [torch.tensor(list(text.encode("utf-8", "replace")), dtype=torch.int64) + 1 for text in texts]
            return JaggedSequences.of(rows)
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return JaggedSequences.of([torch.tensor(each.ids, dtype=torch.int64) for each in encoded])

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        with requires("text", "a vocabulary"):
            from tokenizers.models import BPE, WordLevel

        tokenizer = _empty(self.kind)
        numbers = {token: number for number, token in enumerate(self.tokens)}
        if self.kind == "subword":
            tokenizer.model = BPE(numbers, list(self.merges), unk_token=UNKNOWN, fuse_unk=True)
        else:
            tokenizer.model = WordLevel(numbers, unk_token=UNKNOWN)
        return tokenizer

    def __getstate__(self) -> dict[str, Any]:
        return self.to_json()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def _empty(kind: str) -> Tokenizer:
    """How a text is cut, without any vocabulary."""
    with requires("text", "a vocabulary"):
        from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
        from tokenizers.models import BPE, WordLevel

    tokenizer = Tokenizer(BPE(unk_token=UNKNOWN) if kind == "subword" else WordLevel(unk_token=UNKNOWN))
    if kind == "char":
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"(?m)."), "isolated")  # (?m): a line break too
        return tokenizer
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    words = pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True)
    # A subword that begins a word is told from one within it by a mark in front.
    mark = pre_tokenizers.Metaspace()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, mark]) if kind == "subword" else words
    return tokenizer


def _trainer(kind: str, rare: int) -> Trainer:
    with requires("text", "a vocabulary"):
        from tokenizers.trainers import BpeTrainer, WordLevelTrainer

    made = BpeTrainer if kind == "subword" else WordLevelTrainer
    options = {"special_tokens": [UNKNOWN], "min_frequency": rare, "show_progress": False}
    return made(vocab_size=_SIZES[kind], **options)


def _merges(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    import json

    found = json.loads(tokenizer.to_str())["model"].get("merges", [])
    return [tuple(pair) for pair in found]
