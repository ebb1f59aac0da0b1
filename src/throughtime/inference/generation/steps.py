"""Encodings of the steps that are generated: symbols of a text, or the keys of a piano that sound together.

Each knows what the network reads and draws at a step, and how drawn steps become text or music again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from throughtime.data.music.piano_roll import KEYS, as_piece, as_roll
from throughtime.data.text.symbols import UNITS, SymbolVocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from throughtime.inference.generation.sampling import Sampling

PIANO_ROLL = "piano_roll"


class StepCodec(Protocol):
    """Encoding of the steps of a text or of a piece."""

    @property
    def width(self) -> int:
        """V of the network."""
        ...

    def prompt(self, prompt: Any) -> np.ndarray:
        """Return what the network reads before it draws, (T, …)."""
        ...

    def draw(self, logits: np.ndarray, sampling: Sampling, random: np.random.Generator) -> Any:
        """Draw a step from logits (V,), as the network reads it."""
        ...

    def write(self, steps: Iterable[Any], prompt: Any) -> Iterator[Any]:
        """Yield drawn steps as a user reads them, after a prompt."""
        ...

    def join(self, prompt: Any, written: Iterable[Any]) -> Any:
        """Return a prompt and what follows it, in one."""
        ...


@dataclass(frozen=True)
class TextSteps:
    """Characters, bytes or words."""

    vocabulary: SymbolVocabulary

    @property
    def width(self) -> int:
        """V of the network."""
        return len(self.vocabulary)

    def prompt(self, prompt: str | None) -> np.ndarray:
        """Return the symbols of a prompt, or the one that precedes every text."""
        numbers = self.vocabulary.encode(prompt) if prompt else np.zeros(0)
        return numbers if len(numbers) else np.array([self.vocabulary.start])

    def draw(self, logits: np.ndarray, sampling: Sampling, random: np.random.Generator) -> int:
        """Draw the number of a symbol."""
        return sampling.sample_symbol(logits, random)

    def write(self, steps: Iterable[int], prompt: str | None) -> Iterator[str]:
        """Pieces of text."""
        return self.vocabulary.write(steps, after=prompt or "")

    def join(self, prompt: str | None, written: Iterable[str]) -> str:
        """Return a text."""
        return (prompt or "") + "".join(written)


@dataclass(frozen=True)
class PianoRollSteps:
    """The keys of a piano, each of which sounds or not."""

    width: int = KEYS

    def prompt(self, prompt: Any) -> np.ndarray:
        """Silence, then the steps of a piece."""
        silence = np.zeros((1, KEYS), dtype=np.uint8)
        rows = np.concatenate([silence, as_roll(prompt, "prompt")]) if _has_steps(prompt) else silence
        return rows.astype(np.float32)

    def draw(self, logits: np.ndarray, sampling: Sampling, random: np.random.Generator) -> np.ndarray:
        """Ones where a key sounds."""
        return sampling.sample_keys(logits, random)

    def write(self, steps: Iterable[np.ndarray], prompt: Any) -> Iterator[list[int]]:
        """Yield lists of notes."""
        return (as_piece(step[None])[0] for step in steps)

    def join(self, prompt: Any, written: Iterable[list[int]]) -> list[list[int]]:
        """Return a piece."""
        return [*(as_piece(as_roll(prompt, "prompt")) if _has_steps(prompt) else []), *written]


def _has_steps(piece: Any) -> bool:
    return piece is not None and len(piece) > 0


def vocabulary_from_json(unit: Any, symbols: Any) -> SymbolVocabulary | None:
    """Return the vocabulary of a saved generator of text; None for one of music.

    Raises:
        ValueError: for an unknown unit, or what is not a vocabulary.
    """
    if unit == PIANO_ROLL:
        return None
    if unit not in UNITS or not all(isinstance(symbol, str) for symbol in symbols) or len(set(symbols)) < 2:
        raise ValueError(f"no vocabulary of {unit}")
    return SymbolVocabulary(unit, tuple(symbols))
