"""Hashes of the training data, saved with a model, so that an evaluation can leave those data out.

Each training sequence is kept as a hash of eight bytes, at most 2²⁰ of them (8 MiB): beyond that the smallest hashes
are kept, and a sequence with a larger one is not recognized. Two different sequences share a hash with a probability of
10⁻¹³ even for a million of them. A long text is kept as hashes of its windows of 48 characters, every 16 characters, or
wider apart in texts beyond 16 million characters: any excerpt that is longer than a window and a stride is recognized.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WINDOW = 48  # characters of a text that are hashed together
_STRIDE = 16
_MAX_HASHES = 2**20  # hashes
_HASH_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Overlap:
    """Which of some sequences a model has learned from.

    Attributes:
        in_training: whether it has, for each sequence, or for each character of a text: (N,).
        is_known: whether the model keeps what it has learned from; one of a former version does not.
        noun: what is counted, such as 'sequences'.
    """

    in_training: np.ndarray
    is_known: bool = True
    noun: str = "sequences"

    @property
    def all_in_training(self) -> bool:
        """Return whether all were learned from, so that their scores are those of training data."""
        return self.is_known and len(self.in_training) > 0 and bool(self.in_training.all())

    @property
    def scored(self) -> np.ndarray:
        """Numbers of what an evaluation scores: what was not learned from, or all where all was."""
        return np.arange(len(self.in_training)) if self.all_in_training else np.flatnonzero(~self.in_training)

    def qualify(self, noun: str) -> str:
        """Name what is scored: unseen only where nothing that was given was learned from."""
        if self.all_in_training:
            return f"{noun} of the training data"
        if not self.is_known:
            return noun
        return f"other {noun}" if self.in_training.any() else f"unseen {noun}"

    @property
    def notes(self) -> list[str]:
        """Say in a sentence what was learned from, or that it is not known."""
        count, total = int(self.in_training.sum()), len(self.in_training)
        if not self.is_known:
            return [f"Whether the model has learned from these {self.noun} is not known."]
        if self.all_in_training:
            return [f"All {total:,} {self.noun} were part of the training data: these are scores on training data."]
        return [f"{count:,} of {total:,} {self.noun} were part of the training data and are not scored."] * (count > 0)


@dataclass(frozen=True)
class Fingerprints:
    """Hashes of what was learned from.

    Attributes:
        hashes: sorted, int64.
        stride: characters from one window of a text to the next; 0 for hashes of whole sequences.
        is_known: whether they were kept at all.
    """

    hashes: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    stride: int = 0
    is_known: bool = True

    @classmethod
    def from_sequences(cls, sequences: Iterable[Any]) -> Self:
        """Hash sequences: texts, lists of words, arrays of numbers."""
        return cls(np.unique(_hashes(sequences))[:_MAX_HASHES])

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> Self:
        """Hash windows of texts."""
        stride = max(_STRIDE, -(-sum(map(len, texts)) // _MAX_HASHES))
        return cls(np.unique(np.concatenate([_window_hashes(text, stride) for text in texts])), stride)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> Self:
        """Undo `to_tensors`; models of earlier versions hold none.

        Raises:
            ValueError: for tensors that are not fingerprints.
        """
        hashes, stride = (tensors.get(f"fingerprints.{name}") for name in ("hashes", "stride"))
        if hashes is None or stride is None:
            return cls(is_known=False)
        if hashes.dtype != torch.int64 or hashes.ndim != 1 or stride.dtype != torch.int64 or stride.ndim:
            raise ValueError("the fingerprints of the training data are damaged")
        if (hashes[1:] <= hashes[:-1]).any() or not 0 <= int(stride) < 2**31:
            raise ValueError("the fingerprints of the training data are damaged")
        return cls(hashes.numpy(), int(stride))

    def to_tensors(self) -> dict[str, torch.Tensor]:
        """Return the fingerprints as tensors of a model directory."""
        if not self.is_known:
            return {}
        return {
            "fingerprints.hashes": torch.from_numpy(self.hashes.copy()),
            "fingerprints.stride": torch.tensor(self.stride),
        }

    def overlap(self, sequences: Sequence[Any], noun: str = "sequences") -> Overlap:
        """Find the sequences that were learned from."""
        return Overlap(np.isin(_hashes(sequences), self.hashes), self.is_known, noun)

    def overlap_of_text(self, text: str) -> Overlap:
        """Find the characters of a text that were learned from, with at least a window around them."""
        in_training = np.zeros(len(text), dtype=bool)
        former = -self.stride - WINDOW
        for start in np.flatnonzero(np.isin(_window_hashes(text, 1), self.hashes)).tolist():
            in_training[(former if start - former <= self.stride else start) : start + WINDOW] = True
            former = start
        if len(text) - in_training.sum() < WINDOW and in_training.any():  # what is left are the edges of excerpts
            in_training[:] = True
        is_known = self.is_known and (bool(in_training.any()) or len(text) >= WINDOW + self.stride - 1)
        return Overlap(in_training, is_known, "characters")


def duplicate_notes(train: Sequence[Any], held_out: Sequence[Any], noun: str) -> list[str]:
    """Say in a sentence how many held-out sequences also occur in the part that is learned from."""
    count = int(np.isin(_hashes(held_out), _hashes(train)).sum()) if len(held_out) else 0
    return [f"{count:,} of {len(held_out):,} held-out {noun} also occur in the part that is learned from."] * (
        count > 0
    )


def _hashes(sequences: Iterable[Any]) -> np.ndarray:
    digests = b"".join(blake2b(_canonical_bytes(sequence), digest_size=8).digest() for sequence in sequences)
    return np.frombuffer(digests, dtype=np.int64)


def _canonical_bytes(sequence: Any) -> bytes:
    """Bytes of a sequence: the same for a text with other white space, and for numbers of another precision."""
    if isinstance(sequence, str):
        return " ".join(sequence.split()).encode("utf-8", "surrogatepass")
    if isinstance(sequence, np.ndarray):
        numbers = sequence.astype(np.float32) + np.float32(0)  # -0 is 0
        numbers[np.isnan(numbers)] = np.nan
        return repr(numbers.shape).encode() + numbers.tobytes()
    return "\0".join(sequence).encode("utf-8", "surrogatepass")


def _window_hashes(text: str, stride: int) -> np.ndarray:
    """Return a polynomial hash of each window of a text that begins at a multiple of the stride."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    count = len(codes) - WINDOW + 1
    if count < 1:
        return np.zeros(0, dtype=np.int64)
    hashes = np.zeros(-(-count // stride), dtype=np.uint64)
    for offset in range(WINDOW):
        characters = codes[offset : offset + count : stride]
        hashes = (hashes ^ characters) * _HASH_MULTIPLIER
        hashes ^= hashes >> np.uint64(29)
    return hashes.view(np.int64)
