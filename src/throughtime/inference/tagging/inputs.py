"""Sentences as numbers: each word by itself, and by the characters that it is written with."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.data.containers import as_items, is_missing
from throughtime.data.jagged import JaggedSequences

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Sentences = Sequence[Sequence[str]]

MAX_CHARACTERS = 16
"""Characters of a word that are read; of a longer one the first and the last half of so many."""

_MAX_WORDS = 50_000


@dataclass(frozen=True)
class WordEncoder:
    """Words and characters by number.

    Attributes:
        words: in lower case with digits as 0; the first stands for all that are unknown.
        characters: from number 2 on; 0 is none, 1 any that is unknown.
    """

    words: list[str]
    characters: list[str]

    @classmethod
    def learn(cls, sentences: Sentences, *, rare: int = 2) -> WordEncoder:
        """Words and characters that come at least `rare` times."""
        words = Counter(normalize_word(word) for sentence in sentences for word in sentence)
        characters = Counter(character for sentence in sentences for word in sentence for character in word)
        vocabulary = [word for word, count in words.most_common(_MAX_WORDS) if count >= rare and word]
        return cls(["", *vocabulary], [character for character, count in characters.most_common() if count >= rare])

    def __post_init__(self) -> None:
        for names in (self.words, self.characters):
            if len(set(names)) != len(names) or not all(isinstance(name, str) for name in names):
                raise ValueError("the vocabulary is none")

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of words and of characters, those for unknown ones included."""
        return len(self.words), len(self.characters) + 2

    def encode(self, sentences: Sentences) -> JaggedSequences:
        """For each word its number and those of its characters: (words, 1 + CHARACTERS)."""
        encoded: dict[str, np.ndarray] = {}
        for sentence in sentences:
            for word in sentence:
                if word not in encoded:
                    encoded[word] = np.array(self._numbers(word), dtype=np.int32)
        return JaggedSequences.of([np.stack([encoded[word] for word in sentence]) for sentence in sentences])

    def example_input(self) -> tuple[np.ndarray, np.ndarray]:
        """Return a sentence of one word as the network reads it, of the last numbers, and its length."""
        words, characters = self.size
        x = np.array([[[words - 1, *[characters - 1] * MAX_CHARACTERS]]], dtype=np.int32)
        return x, np.ones(1, np.int64)

    def _numbers(self, word: str) -> list[int]:
        half = MAX_CHARACTERS // 2
        written = word if len(word) <= MAX_CHARACTERS else word[:half] + word[-half:]
        characters = [self._by_character.get(character, 1) for character in written]
        return [self._by_word.get(normalize_word(word), 0), *characters, *[0] * (MAX_CHARACTERS - len(characters))]

    @cached_property
    def _by_word(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words) if number}

    @cached_property
    def _by_character(self) -> dict[str, int]:
        return {character: number for number, character in enumerate(self.characters, 2)}


def normalize_word(word: str) -> str:
    """Return a word as it is looked up: in lower case, every digit 0."""
    return re.sub(r"\d", "0", word.lower())


def check_sentences(sentences: Any) -> list[list[str]]:
    """Sentences as lists of words.

    Raises:
        InputError: where they are not; names the sentence.
    """
    checked = []
    for number, sentence in enumerate(_rows(sentences, "sentences", "words"), 1):
        if isinstance(sentence, str | bytes) or not hasattr(sentence, "__iter__"):
            hint = "leave it out" if is_missing(sentence) else "split a text into its words first"
            raise InputError(
                f"sentences: expected a list of words as sentence {number}, got {type(sentence).__name__}; {hint}"
            )
        words = as_items(sentence, f"sentences, sentence {number}", "words")
        if not words:
            raise InputError(f"sentences: expected a word or more, got none in sentence {number}; leave it out")
        for position, word in enumerate(words, 1):
            if not isinstance(word, str) or not word:
                raise InputError(f"sentences: expected words, got {word!r} as word {position} of sentence {number}")
        checked.append(words)
    if not checked:
        raise InputError("sentences: expected a sentence or more, got none")
    return checked


def _rows(values: Any, name: str, kind: str) -> list[Any]:
    """Sentences, or their tags, whatever holds them; texts in an array (N, T) are N sentences."""
    if isinstance(values, np.ndarray) and values.ndim == 2 and values.dtype.kind in "OUT":
        return values.tolist()
    return as_items(values, name, f"lists of {kind}")


def check_tags(tags: Any, sentences: Sentences, *, name: str = "tags") -> list[list[Any]]:
    """Tags as lists, one for each word.

    Raises:
        InputError: where there are more or fewer; names the sentence.
    """
    rows = _rows(tags, name, "tags")
    for number, row in enumerate(rows, 1):
        if isinstance(row, str | bytes) or not hasattr(row, "__iter__"):
            raise InputError(f"{name}: expected a list of tags for sentence {number}, got {type(row).__name__}")
    checked = [as_items(row, name, "tags") for row in rows]
    if len(checked) != len(sentences):
        raise InputError(f"{name}: expected a list for each of the {len(sentences)} sentences, got {len(checked)}")
    for number, (words, its_tags) in enumerate(zip(sentences, checked, strict=True), 1):
        if len(words) != len(its_tags):
            raise InputError(
                f"{name}: expected a tag for each of the {len(words)} words of sentence {number}, got {len(its_tags)}"
            )
        for position, tag in enumerate(its_tags, 1):
            if tag is not None and not isinstance(tag, str):
                raise InputError(
                    f"{name}: expected text, or None where a tag is not known, got {tag!r} for word {position} of "
                    f"sentence {number}"
                )
    return checked


def unique_tags(tags: Iterable[Iterable[Any]]) -> list[str]:
    """All different tags in order; None means that a tag is not known and is left out.

    Raises:
        InputError: where there are fewer than two.
    """
    unique = {tag for row in tags for tag in row if tag is not None}
    if len(unique) < 2:
        raise InputError(f"tags: expected two different tags or more, got {', '.join(unique) or 'none'}")
    return sorted(unique)
