"""Vocabularies of symbols: the characters, bytes or words of a text and their numbers."""

from __future__ import annotations

import codecs
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from throughtime._core.errors import InputError
from throughtime.data.files import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from jaxtyping import Int

UNITS = ("characters", "bytes", "words")
"""Units in which a text is split."""

UNKNOWN = "<unk>"
"""Symbol of all words that are not in the vocabulary."""

LINE_END = "\n"


@dataclass(frozen=True)
class SymbolVocabulary:
    """The V symbols of a text and their numbers.

    Attributes:
        unit: 'characters', 'bytes' or 'words'. Words are separated by blanks, the end of a line is a symbol, and words
            that are not in the vocabulary are read as '<unk>'.
        symbols: symbols in the order of their numbers.

    >>> vocabulary = SymbolVocabulary.of("to be or not to be", "characters")
    >>> len(vocabulary), vocabulary.decode(vocabulary.encode("not to be"))
    (7, 'not to be')
    """

    unit: str
    symbols: tuple[str, ...]

    @classmethod
    def of(cls, text: str, unit: str) -> Self:
        """Build the vocabulary of a text; words that occur once are read as '<unk>', unless the text contains that.

        Raises:
            InputError: if the unit is unknown, or the text has fewer than two symbols.
        """
        if unit not in UNITS:
            raise InputError(f"unit: expected one of {', '.join(UNITS)}, got {unit!r}")
        check_text(text)
        counts = Counter(_split(text, unit))
        symbols = sorted(counts)
        if unit == "words" and UNKNOWN not in counts:
            symbols = [UNKNOWN, *(word for word in symbols if counts[word] > 1 or word == LINE_END)]
        if len(symbols) < 2 or len(counts) < 2:
            raise InputError(
                f"text: expected at least two different {unit}{' that occur twice' * (unit == 'words')}, got "
                f"{len(symbols)}: there is nothing to choose from"
            )
        return cls(unit, _BYTES if unit == "bytes" else tuple(symbols))

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Number of each symbol."""
        return {symbol: number for number, symbol in enumerate(self.symbols)}

    @property
    def start(self) -> int:
        """Number of the symbol before the start of a text: the end of a line, else the first symbol."""
        return self.numbers.get(LINE_END, 0)

    def encode(self, text: str) -> Int[np.ndarray, "T"]:
        """Return the numbers of the symbols of a text.

        Raises:
            InputError: for a character that is not in the vocabulary.
        """
        if self.unit == "bytes":
            return np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int64)
        unknown = self.numbers.get(UNKNOWN) if self.unit == "words" else None
        numbers = [self.numbers.get(symbol, unknown) for symbol in _split(text, self.unit)]
        if None in numbers:
            index = numbers.index(None)
            raise InputError(
                f"text: {text[index]!r}, character {index + 1}, did not occur in training; leave it out, or train on "
                "bytes, which know every text"
            )
        return np.array(numbers, dtype=np.int64)

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of numbers."""
        return "".join(self.write(numbers))

    def write(self, numbers: Iterable[int], *, after: str = "") -> Iterator[str]:
        """Yield the text of each number, which continues the text `after`; '' within a character of several bytes."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        needs_space = bool(after) and not after[-1].isspace()
        for number in numbers:
            symbol = self.symbols[number]
            if self.unit == "bytes":
                yield decoder.decode(bytes([number]))
            elif self.unit == "words" and symbol != LINE_END:
                yield f" {symbol}" if needs_space else symbol
            else:
                yield symbol
            needs_space = symbol != LINE_END
        if remainder := decoder.decode(b"", final=True):
            yield remainder


_BYTES = tuple(map(chr, range(256)))


def check_text(text: object) -> str:
    """Check a text and return it.

    Raises:
        InputError: if it is not a string, or is empty.
    """
    if not isinstance(text, str):
        raise InputError(f"text: expected a string, got {type(text).__name__}")
    if not text.strip():
        raise InputError("text: expected some text, got only blanks" if text else "text: it is empty")
    return text


def read_text_file(path: Path) -> str:
    """Read a UTF-8 file, which may be gzipped.

    Raises:
        InputError: if the file does not exist, is empty, or is not text.
    """
    text = read_text(path, "text", "text")
    if not text.strip():
        raise InputError(f"{path} is empty: expected text")
    return text


def _split(text: str, unit: str) -> Iterable[str]:
    if unit == "characters":
        return text
    if unit == "bytes":
        return map(chr, text.encode())
    return [symbol for line in text.splitlines(keepends=True) for symbol in _split_words(line)]


def _split_words(line: str) -> list[str]:
    return [*line.split(), LINE_END] if line.endswith(("\n", "\r")) else line.split()
