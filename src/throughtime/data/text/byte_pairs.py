"""Byte pair encoding of words, as the library tokenizers does it, for where it is not installed.

Source: Sennrich et al. 2016, Neural Machine Translation of Rare Words with Subword Units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_CACHED_WORDS = 2**16


@dataclass(frozen=True)
class BytePairs:
    """Merges of pairs of symbols.

    Attributes:
        numbers: number of each symbol.
        merges: pairs that become one symbol, the first ones first.
        unknown: number of a character that is not a symbol.
        fuse_unknown: whether unknown characters next to one another have one number together.

    >>> pairs = BytePairs({"?": 0, "a": 1, "b": 2, "ab": 3}, [("a", "b")], unknown=0, fuse_unknown=True)
    >>> pairs.encode("abaxx")
    (3, 1, 0)
    """

    numbers: Mapping[str, int]
    merges: Sequence[tuple[str, str]]
    unknown: int
    fuse_unknown: bool

    def __post_init__(self) -> None:
        for first, second in self.merges:
            if not {first, second, first + second} <= self.numbers.keys():
                raise ValueError(f"the merge of {first!r} and {second!r} is not of symbols")

    @cached_property
    def encode(self) -> Callable[[str], tuple[int, ...]]:
        """Return the numbers of the symbols of a word."""
        return lru_cache(_CACHED_WORDS)(lambda word: self._merged(self._characters(word)))

    @cached_property
    def _ranks(self) -> dict[tuple[int, int], int]:
        n = self.numbers
        return {(n[first], n[second]): rank for rank, (first, second) in enumerate(self.merges)}

    def _characters(self, word: str) -> list[int]:
        symbols: list[int] = []
        follows_unknown = False
        for character in word:
            number = self.numbers.get(character)
            if number is not None or not (self.fuse_unknown and follows_unknown):
                symbols.append(self.unknown if number is None else number)
            follows_unknown = number is None
        return symbols

    def _merged(self, symbols: list[int]) -> tuple[int, ...]:
        """Merge the pair of the lowest rank wherever it is, until there is none."""
        while len(symbols) > 1:
            rank, pair = min((self._ranks.get(pair, math.inf), pair) for pair in {*pairwise(symbols)})
            if rank == math.inf:
                break
            symbols = _replace(symbols, pair, self.numbers["".join(self.merges[int(rank)])])
        return tuple(symbols)


def _replace(symbols: list[int], pair: tuple[int, int], number: int) -> list[int]:
    replaced: list[int] = []
    i = 0
    while i < len(symbols):
        is_pair = tuple(symbols[i : i + 2]) == pair
        replaced.append(number if is_pair else symbols[i])
        i += 2 if is_pair else 1
    return replaced
