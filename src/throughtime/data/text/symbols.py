"""Text as numbers: the characters, bytes or words of a text, and the vocabulary that knows them."""

from __future__ import annotations

import codecs
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from throughtime._core.errors import InputError
from throughtime.data.files import decode_text, read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

UNITS = ("characters", "bytes", "words")
"""What a text may be read as."""

UNKNOWN = "<unk>"
"""What stands for every word that the vocabulary does not hold."""

LINE_END = "\n"


@dataclass(frozen=True)
class SymbolVocabulary:
    """The V symbols that a text is made of, each with its number.

    Attributes:
        unit: 'characters', 'bytes' or 'words'. Words are what blanks separate, and each line ends in a symbol of its
            own; a word that the vocabulary does not hold is read as '<unk>'.
        symbols: by their numbers.

    >>> vocabulary = SymbolVocabulary.of("to be or not to be", "characters")
    >>> len(vocabulary), vocabulary.decode(vocabulary.encode("not to be"))
    (7, 'not to be')
    """

    unit: str
    symbols: tuple[str, ...]

    @classmethod
    def of(cls, text: str, unit: str) -> Self:
        """The vocabulary of a text. Words that occur once are left to '<unk>', unless the text has marked its own.

        Raises:
            InputError: for an unknown unit, or a text that is empty or repeats a single symbol.
        """
        if unit not in UNITS:
            raise InputError(f"unit: expected one of {', '.join(UNITS)}, got {unit!r}")
        check_text(text)
        found = Counter(_split(text, unit))
        symbols = sorted(found)
        if unit == "words" and UNKNOWN not in found:
            symbols = [UNKNOWN, *(word for word in symbols if found[word] > 1 or word == LINE_END)]
        if len(symbols) < 2 or len(found) < 2:
            raise InputError(
                f"text: expected at least two different {unit}{' that occur twice' * (unit == 'words')}, got "
                f"{len(symbols)}: there is nothing to choose from"
            )
        return cls(unit, _BYTES if unit == "bytes" else tuple(symbols))

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each symbol."""
        return {symbol: number for number, symbol in enumerate(self.symbols)}

    @property
    def start(self) -> int:
        """The symbol behind which a text begins: the end of a line where there is one, else the first symbol."""
        return self.numbers.get(LINE_END, 0)

    def encode(self, text: str) -> np.ndarray:
        """The numbers of a text.

        Raises:
            InputError: for a character that the vocabulary does not hold.
        """
        if self.unit == "bytes":
            return np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int64)
        other = self.numbers.get(UNKNOWN) if self.unit == "words" else None
        numbers = [self.numbers.get(symbol, other) for symbol in _split(text, self.unit)]
        if None in numbers:
            place = numbers.index(None)
            raise InputError(
                f"text: {text[place]!r}, character {place + 1}, did not occur in training; leave it out, or train on "
                "bytes, which know every text"
            )
        return np.array(numbers, dtype=np.int64)

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of numbers."""
        return "".join(self.write(numbers))

    def write(self, numbers: Iterable[int], *, after: str = "") -> Iterator[str]:
        """The text of each number as it comes, behind what stands there already; '' in the middle of a character."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        begun = bool(after) and not after[-1].isspace()
        for number in numbers:
            symbol = self.symbols[number]
            if self.unit == "bytes":
                yield decoder.decode(bytes([number]))
            elif self.unit == "words" and symbol != LINE_END:
                yield f" {symbol}" if begun else symbol
            else:
                yield symbol
            begun = symbol != LINE_END
        if rest := decoder.decode(b"", final=True):
            yield rest


_BYTES = tuple(map(chr, range(256)))


def check_text(text: object) -> str:
    """Refuse what is no text, or is empty.

    Raises:
        InputError: for that.
    """
    if not isinstance(text, str):
        raise InputError(f"text: expected a string, got {type(text).__name__}")
    if not text.strip():
        raise InputError("text: expected some text, got nothing but blanks" if text else "text: it is empty")
    return text


def read_text_file(path: Path) -> str:
    """The text of a UTF-8 file, perhaps gzipped.

    Raises:
        InputError: for a file that is not there, is empty, or holds no text.
    """
    text = decode_text(path, read_bytes(path, "text", "text"), "text")
    if not text.strip():
        raise InputError(f"{path} is empty: expected text")
    return text


def _split(text: str, unit: str) -> Iterable[str]:
    if unit == "characters":
        return text
    if unit == "bytes":
        return map(chr, text.encode())
    return [symbol for line in text.splitlines(keepends=True) for symbol in _words(line)]


def _words(line: str) -> list[str]:
    return [*line.split(), LINE_END] if line.endswith(("\n", "\r")) else line.split()
