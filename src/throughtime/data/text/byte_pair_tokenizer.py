"""A tokenizer of byte pairs as the library tokenizers writes it, in Python, for where that is not installed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from throughtime._core.errors import MissingPackageError
from throughtime.data.text.byte_pairs import BytePairs
from throughtime.data.text.special_symbols import SPECIAL, UNKNOWN
from throughtime.data.text.splitting import SPACE_MARK, isolate_punctuation, mark_words, normalize

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARK = {"type": "Metaspace", "replacement": SPACE_MARK, "prepend_scheme": "always", "split": True}
_SPLITTERS = {"type": "Sequence", "pretokenizers": [_MARK, {"type": "Punctuation", "behavior": "Isolated"}]}
_PLAIN = {
    "type": "BPE",
    "dropout": None,
    "unk_token": SPECIAL[UNKNOWN],
    "continuing_subword_prefix": None,
    "end_of_word_suffix": None,
    "fuse_unk": False,
    "byte_fallback": False,
    "ignore_merges": False,
}


class SubwordEncoding(NamedTuple):
    """A text as numbers.

    Attributes:
        ids: numbers of its subwords.
    """

    ids: tuple[int, ...]


@dataclass(frozen=True)
class BytePairTokenizer:
    """The methods of `tokenizers.Tokenizer` that a vocabulary of subwords calls, for byte pairs.

    Attributes:
        pairs: symbols and merges.
        lowercase: whether texts are converted to lower case.
    """

    pairs: BytePairs
    lowercase: bool
    post_processor = padding = None

    @classmethod
    def from_json(cls, content: str) -> BytePairTokenizer:
        """Read the JSON of the library.

        Raises:
            ValueError: for what is not a tokenizer.
            MissingPackageError: for a tokenizer of another kind.
        """
        fields = json.loads(content)
        model, steps = dict(fields["model"]), [step["type"] for step in fields["normalizer"]["normalizers"]]
        numbers, merges = model.pop("vocab", None), model.pop("merges", None)
        is_plain = model == _PLAIN and steps in (["NFC"], ["NFC", "Lowercase"])
        others = [fields[name] for name in ("post_processor", "padding", "truncation")]
        if not is_plain or fields["pre_tokenizer"] != _SPLITTERS or fields["decoder"] != _MARK or any(others):
            raise MissingPackageError(
                f"tokenizers is not installed: pip install tokenizers (subwords of the kind {model.get('type')!r} need "
                "it; their numbers do not)",
                name="tokenizers",
            )
        pairs = BytePairs(numbers, [_pair(merge) for merge in merges], unknown=UNKNOWN, fuse_unknown=False)
        return cls(pairs, lowercase=len(steps) > 1)

    def get_vocab(self) -> dict[str, int]:
        """Return the number of each symbol."""
        return dict(self.pairs.numbers)

    def get_vocab_size(self) -> int:
        """Return the number of symbols."""
        return len(self.pairs.numbers)

    def id_to_token(self, number: int) -> str | None:
        """Return the symbol of a number, None for a number that has none."""
        return self._symbols.get(number)

    def encode_batch(self, texts: Sequence[str]) -> list[SubwordEncoding]:
        """Return the numbers of the subwords of each text."""
        return [SubwordEncoding(tuple(self._encode(text))) for text in texts]

    def decode_batch(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """Return the texts of numbers, without symbols that stand for no text."""
        return [self._decode(row) for row in rows]

    @cached_property
    def _symbols(self) -> dict[int, str]:
        return {number: symbol for symbol, number in self.pairs.numbers.items()}

    def _encode(self, text: str) -> list[int]:
        words = mark_words(normalize(text, lowercase=self.lowercase))
        return [number for word in words for piece in isolate_punctuation(word) for number in self.pairs.encode(piece)]

    def _decode(self, row: Sequence[int]) -> str:
        symbols = (self._symbols.get(number, "") for number in row if number >= len(SPECIAL))
        return "".join(symbols).replace(SPACE_MARK, " ")


def _pair(merge: Any) -> tuple[str, str]:
    if not isinstance(merge, list) or [type(symbol) for symbol in merge] != [str, str]:
        raise ValueError("a merge is not a pair of symbols")
    return merge[0], merge[1]
