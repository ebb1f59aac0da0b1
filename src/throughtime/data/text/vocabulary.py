"""Vocabularies of tokens, learned from training texts: words, subwords, characters or bytes.

A vocabulary is a list of tokens in the order of their numbers, which can be written as JSON. The library `tokenizers`
learns it and splits the texts; where it is not installed, a vocabulary that was learned before splits them the same
way. Number 0 is any token that is not in the vocabulary.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError, requires
from throughtime.data.jagged import JaggedSequences
from throughtime.data.text.byte_pairs import BytePairs
from throughtime.data.text.splitting import mark_words, normalize, split_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenizers import Tokenizer
    from tokenizers.trainers import Trainer

TOKENS = ("word", "subword", "char", "byte")
"""Kinds of tokens."""

UNKNOWN = "\N{WHITE SQUARE}"  # never part of a word, since symbols are tokens of their own
_WORD_PATTERN = r"\w+|'\w+|[^\w\s]"  # splits didn't into didn and 't; punctuation marks are tokens of their own
_MAX_SIZES = {"word": 30_000, "subword": 8_000, "char": 2_000, "byte": 257}


@dataclass(frozen=True)
class TokenVocabulary:
    """The tokens of texts and their numbers.

    Attributes:
        kind: 'word' or 'subword', both in lower case, 'char', or 'byte' of UTF-8.
        tokens: tokens in the order of their numbers; the first is that of unknown tokens.
        merges: pairs that are merged to subwords, in this order.
    """

    kind: str
    tokens: list[str]
    merges: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def learn(cls, texts: Iterable[str], kind: str = "word", *, rare: int = 2) -> TokenVocabulary:
        """Learn the vocabulary of texts: the most frequent tokens that occur at least `rare` times.

        Raises:
            InputError: if the kind is unknown, or there are fewer than two tokens.
        """
        if kind not in TOKENS:
            raise InputError(f"tokens: expected one of {', '.join(TOKENS)}, got {kind!r}")
        if kind == "byte":
            return cls(kind, [UNKNOWN, *(f"{byte:02x}" for byte in range(256))])
        tokenizer = _build_tokenizer(kind)
        tokenizer.train_from_iterator(texts, _build_trainer(kind, rare))
        vocabulary = tokenizer.get_vocab()
        # The trainer moves the token of unknown ones where it occurs in a text.
        tokens = sorted(vocabulary, key=lambda token: (token != UNKNOWN, vocabulary[token]))
        if len(tokens) < 3:
            count = f"only {tokens[1]!r}" if len(tokens) > 1 else "none"
            raise InputError(f"texts: expected at least two different tokens that occur {rare} times, got {count}")
        return cls(kind, tokens, _read_merges(tokenizer))

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> TokenVocabulary:
        """Build a vocabulary from its fields, the inverse of `to_json`.

        Raises:
            ValueError: if the fields are not those of a vocabulary.
        """
        tokens, merges = fields["tokens"], [tuple(pair) for pair in fields["merges"]]
        words = [*tokens, *(token for pair in merges for token in pair)]
        if tokens[:1] != [UNKNOWN] or fields["kind"] not in TOKENS or not all(isinstance(word, str) for word in words):
            raise ValueError("the vocabulary is invalid")
        if len(set(tokens)) != len(tokens) or len(tokens) < 2 or any(len(pair) != 2 for pair in merges):
            raise ValueError("the vocabulary is invalid")
        vocabulary = cls(fields["kind"], tokens, merges)
        try:
            vocabulary.encode(["a"])
        except Exception as error:  # the library raises nothing more precise
            raise ValueError(f"the vocabulary is invalid: {error}") from error
        return vocabulary

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, texts: Sequence[str]) -> JaggedSequences:
        """Return the numbers of the tokens of each text; a text without tokens has length 0."""
        if self.kind == "byte":
            return JaggedSequences.of(
                [np.frombuffer(text.encode("utf-8", "replace"), np.uint8).astype(np.int64) + 1 for text in texts]
            )
        if find_spec("tokenizers") is None:
            rows = [self._encode(text) for text in texts]
        else:
            batch = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
            rows = [encoding.ids for encoding in batch]
        return JaggedSequences.of([np.array(row, dtype=np.int64) for row in rows])

    def _encode(self, text: str) -> list[int]:
        """Return the numbers of the tokens of a text, as the library would."""
        if self.kind == "char":
            return [self._numbers.get(character, 0) for character in normalize(text, lowercase=False)]
        words = split_words(normalize(text, lowercase=True))
        if self.kind == "word":
            return [self._numbers.get(word, 0) for word in words]
        return [number for word in words for marked in mark_words(word) for number in self._byte_pairs.encode(marked)]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.tokens)}

    @cached_property
    def _byte_pairs(self) -> BytePairs:
        return BytePairs(self._numbers, self.merges, unknown=0, fuse_unknown=True)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers.models import BPE, WordLevel

        tokenizer = _build_tokenizer(self.kind)
        if self.kind == "subword":
            tokenizer.model = BPE(self._numbers, list(self.merges), unk_token=UNKNOWN, fuse_unk=True)
        else:
            tokenizer.model = WordLevel(self._numbers, unk_token=UNKNOWN)
        return tokenizer

    def __getstate__(self) -> dict[str, Any]:
        return self.to_json()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def _build_tokenizer(kind: str) -> Tokenizer:
    """Return a tokenizer that splits texts, without a vocabulary."""
    with requires("text", "a vocabulary"):
        from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
        from tokenizers.models import BPE, WordLevel

    tokenizer = Tokenizer(BPE(unk_token=UNKNOWN) if kind == "subword" else WordLevel(unk_token=UNKNOWN))
    if kind == "char":
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"(?m)."), "isolated")  # (?m): matches line breaks too
        return tokenizer
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    words = pre_tokenizers.Split(Regex(_WORD_PATTERN), "removed", invert=True)
    # A mark distinguishes a subword at the beginning of a word from one within a word.
    mark = pre_tokenizers.Metaspace()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, mark]) if kind == "subword" else words
    return tokenizer


def _build_trainer(kind: str, rare: int) -> Trainer:
    with requires("text", "a vocabulary"):
        from tokenizers.trainers import BpeTrainer, WordLevelTrainer

    trainer_class = BpeTrainer if kind == "subword" else WordLevelTrainer
    options = {"special_tokens": [UNKNOWN], "min_frequency": rare, "show_progress": False}
    return trainer_class(vocab_size=_MAX_SIZES[kind], **options)


def _read_merges(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    import json

    merges = json.loads(tokenizer.to_str())["model"].get("merges", [])
    return [tuple(pair) for pair in merges]
