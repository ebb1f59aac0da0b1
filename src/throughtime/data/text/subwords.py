"""Vocabularies of subwords, frequent words and parts of words, learned from sentences by the library tokenizers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError, requires
from throughtime.data.text.byte_pair_tokenizer import BytePairTokenizer
from throughtime.data.text.special_symbols import SPECIAL, UNKNOWN
from throughtime.data.text.splitting import SPACE_MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenizers import Tokenizer

KINDS = ("bpe", "unigram")


@dataclass(frozen=True)
class SubwordSettings:
    """Settings of a vocabulary of subwords.

    Attributes:
        size: maximum of V.
        kind: 'bpe' (Sennrich et al. 2016, Neural Machine Translation of Rare Words with Subword Units) or 'unigram'
            (Kudo 2018, Subword Regularization).
        lowercase: whether texts are converted to lower case, so that capitals are never written.
    """

    size: int = 6000
    kind: str = "bpe"
    lowercase: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"kind of subwords: expected one of {', '.join(KINDS)}, got {self.kind!r}")
        if not isinstance(self.lowercase, bool):
            raise InputError(f"lowercase: expected True or False, got {self.lowercase!r}")
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size <= len(SPECIAL):
            raise InputError(f"size of the vocabulary: expected more than {len(SPECIAL)}, got {self.size!r}")


@dataclass(frozen=True)
class SubwordVocabulary:
    """A vocabulary of subwords.

    Attributes:
        content: the tokenizer of the library, as JSON.
    """

    content: str

    @classmethod
    def learn(cls, sentences: Iterable[str], settings: SubwordSettings) -> SubwordVocabulary:
        """Learn the vocabulary of sentences.

        Raises:
            InputError: if the sentences have fewer than two different characters.
        """
        tokenizer, trainer = _build_tokenizer(settings)
        tokenizer.train_from_iterator(sentences, trainer)
        if tokenizer.get_vocab_size() < len(SPECIAL) + 2:
            raise InputError("sentences: expected at least two different characters: there is nothing to learn")
        return cls(tokenizer.to_str())

    @cached_property
    def tokenizer(self) -> Tokenizer | BytePairTokenizer:
        """Tokenizer of the library; where it is not installed, one of Python for byte pairs.

        Raises:
            MissingPackageError: where the library is not installed, and the subwords are not byte pairs.
            ValueError: for content that is not a tokenizer.
        """
        if find_spec("tokenizers") is None:
            return BytePairTokenizer.from_json(self.content)
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_str(self.content)
        except Exception as error:  # the library raises nothing more precise
            raise ValueError(f"invalid vocabulary: {error}") from error
        tokenizer.encode_special_tokens = True  # <s> in a text is ordinary text
        return tokenizer

    def check(self) -> None:
        """Check that the vocabulary is one that `learn` can return.

        Raises:
            ValueError: names what is invalid.
        """
        numbers = self.tokenizer.get_vocab()
        if sorted(numbers.values()) != list(range(len(numbers))) or [numbers.get(name) for name in SPECIAL] != [
            0,
            1,
            2,
            3,
        ]:
            raise ValueError("the numbers of the vocabulary are not those of its subwords")
        if self.tokenizer.post_processor is not None or self.tokenizer.padding is not None:
            raise ValueError("the vocabulary adds to sentences what is not in them")

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size()

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return the numbers of the subwords of each sentence."""
        return [list(encoding.ids) for encoding in self.tokenizer.encode_batch(list(sentences))]

    def decode(self, numbers: Iterable[Sequence[int]]) -> list[str]:
        """Return the sentences of numbers."""
        return [text.strip() for text in self.tokenizer.decode_batch([list(row) for row in numbers])]

    def pieces(self, numbers: Sequence[int]) -> list[str]:
        """Return the subwords of numbers, without the blank before a word."""
        tokens = [self.tokenizer.id_to_token(number) or SPECIAL[UNKNOWN] for number in numbers]
        return [piece.removeprefix(SPACE_MARK) or SPACE_MARK for piece in tokens]


def _build_tokenizer(settings: SubwordSettings) -> tuple[Tokenizer, Any]:
    with requires("text", "a vocabulary of subwords"):
        from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    options = {"vocab_size": settings.size, "special_tokens": list(SPECIAL), "show_progress": False}
    if settings.kind == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
        trainer = trainers.BpeTrainer(min_frequency=2, **options)
    else:
        tokenizer = Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(unk_token=SPECIAL[UNKNOWN], **options)
    steps: list[Any] = [normalizers.NFC()]
    if settings.lowercase:
        steps.append(normalizers.Lowercase())
    tokenizer.normalizer = normalizers.Sequence(steps)  # pyright: ignore[reportAttributeAccessIssue]
    # Punctuation marks are subwords of their own, and keep the blank before them.
    splitters = [pre_tokenizers.Metaspace(replacement=SPACE_MARK), pre_tokenizers.Punctuation()]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splitters)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = decoders.Metaspace(replacement=SPACE_MARK)  # pyright: ignore[reportAttributeAccessIssue]
    return tokenizer, trainer
