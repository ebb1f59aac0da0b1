"""Inputs of a classifier: texts, or sequences of numbers in any of the usual containers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.dataclass_json import dataclass_from_json
from throughtime._core.errors import InputError
from throughtime.data.containers import as_list, is_missing, is_tensor
from throughtime.data.jagged import JaggedSequences
from throughtime.data.text.vocabulary import TokenVocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_STEPS = 32  # recurrent steps; in longer sequences of numbers, each reads several


def read_items(X: Any, encoder: Encoder | None = None) -> Sequence[Any] | None:
    """Return texts, or sequences (T_i, d); None for a matrix, and for whatever else is to be refused.

    Args:
        X: in any of the usual containers.
        encoder: whose kind they must be of, where there is one already.

    Raises:
        InputError: for sequences that cannot be used, and for those of the other kind.
    """
    items = as_list(X, "X")
    texts = as_texts(items)
    sequences = as_sequences(X, items) if texts is None else None
    if encoder is not None and (texts is not None) != isinstance(encoder, TokenVocabulary):
        expected, got = ("texts", "numbers") if texts is None else ("sequences of numbers", "texts")
        raise InputError(f"X: expected {expected} as in training, got {got}")
    return texts if sequences is None else sequences


def read_matrix(X: Any, width: int | None) -> list[np.ndarray]:
    """Return the rows of a matrix (N, T) as sequences (T, 1).

    Args:
        X: the matrix.
        width: steps of the sequences in training, where all had as many.

    Raises:
        InputError: for anything but a matrix of numbers of this width.
    """
    matrix = _as_numbers(X, "the matrix")
    if matrix.ndim != 2:
        raise InputError(f"X: expected texts, sequences of numbers or a matrix (N, T), got the shape {matrix.shape}")
    if width is not None and matrix.shape[1] != width:
        raise InputError(f"X: expected {width} steps in each sequence as in training, got {matrix.shape[1]}")
    return list(matrix[:, :, None])


def as_texts(items: list[Any] | None) -> list[str] | None:
    """Texts, where these are any.

    Raises:
        InputError: where only some are.
    """
    if items is None or not any(isinstance(item, str | bytes) for item in items):
        return None
    for number, text in enumerate(items, 1):
        if isinstance(text, bytes):
            raise InputError(f"X: expected texts, got bytes as number {number}; decode them, as in X.decode('utf-8')")
        if not isinstance(text, str):
            what = "a missing value" if is_missing(text) else type(text).__name__
            raise InputError(f"X: expected a text everywhere, got {what} as number {number}")
        if not text.strip():
            raise InputError(f"X: expected words, got an empty text as number {number}; leave it out")
    return list(items)


def as_sequences(X: Any, items: list[Any] | None) -> list[np.ndarray] | None:
    """Sequences (T_i, d), where these are any; None for a matrix, and for whatever else is to be refused.

    Args:
        X: as it was given.
        items: of X, where that is a container.

    Raises:
        InputError: where they have different numbers of dimensions or channels, or hold what is not a number.
    """
    if items is None:
        values = X.detach().cpu().numpy() if is_tensor(X) else X
        if not isinstance(values, np.ndarray) or values.ndim != 3:
            return None
        items = list(values)
    if not items:
        raise InputError("X: expected sequences or texts, got none")
    if not any(map(_is_array, items)):
        return None
    arrays = [_as_sequence(item, number) for number, item in enumerate(items, 1)]
    dimensions = {array.ndim for array in arrays}
    if dimensions == {1}:
        if len({len(array) for array in arrays}) == 1:
            return None  # a matrix
        arrays = [array[:, None] for array in arrays]
    elif dimensions != {2}:
        first = {array.ndim: number for number, array in reversed([*enumerate(arrays, 1)])}
        shown = " and ".join(f"{count} in sequence {number}" for count, number in sorted(first.items()))
        raise InputError(f"X: expected sequences (T, d) of two dimensions each, got {shown}")
    return arrays


def _is_array(item: Any) -> bool:
    """Return whether an item may be a sequence of numbers: a column or a frame too."""
    return hasattr(item, "__len__") or (hasattr(item, "__iter__") and not isinstance(item, str | bytes))


def _as_sequence(values: Any, number: int) -> np.ndarray:
    """Return a sequence as numbers.

    Raises:
        InputError: names the sequence.
    """
    if is_missing(values):
        raise InputError(f"X: expected a sequence, got a missing value as number {number}; leave it out")
    array = _as_numbers(values, f"sequence {number}")
    if not len(array):
        raise InputError(f"X: expected sequences of one step or more, got none in sequence {number}")
    return array


def _as_numbers(values: Any, location: str) -> np.ndarray:
    """Return values as numbers, and refuse what only looks like some: texts of digits, dates, complex numbers.

    Raises:
        InputError: names the location.
    """
    try:
        if is_tensor(values):
            values = values.detach().cpu()
        array = np.asarray(values if hasattr(values, "__len__") else list(values))
        strange = array.dtype.kind in "USTMmc" or (
            array.dtype == object and any(isinstance(value, str | bytes) for value in array.flat)
        )
        if not strange:
            array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"X: expected numbers, got something else in {location}: {error}") from error
    if strange:
        raise InputError(f"X: expected numbers, got {array.flat[0]!r} in {location}")
    return array


@dataclass(frozen=True)
class SequenceScaler:
    """Scaling of sequences of numbers: standardised channels, and several steps in one where there are many.

    Where a recurrent step reads several, it also reads the change from each to the next. Missing values (NaN) lie on
    the line between their neighbours; a channel without any value is at its mean.

    Attributes:
        means: of each channel in training.
        deviations: of each channel in training, 1 where a channel never changes.
        block: steps that one recurrent step reads.
        changes: standard deviation of the change of each standardised channel, where several steps are read in one.
    """

    means: list[float]
    deviations: list[float]
    block: int
    changes: list[float]

    @classmethod
    def learn(cls, sequences: Sequence[np.ndarray]) -> SequenceScaler:
        """Find it out from training data."""
        check_sequences(sequences)
        together = np.ma.masked_invalid(np.concatenate(sequences))
        deviations = _replace_zero(together.std(0).filled(0.0), 1e-12 * np.abs(together).max(0).filled(0.0))
        block = -(-max(map(len, sequences)) // _MAX_STEPS)
        scaler = cls(together.mean(0).filled(0.0).tolist(), deviations.tolist(), block, [])
        if block == 1:
            return scaler
        changes = np.concatenate([_differences(scaler.standardized(sequence)) for sequence in sequences])
        return replace(scaler, changes=_replace_zero(changes.std(0), 1e-12).tolist())

    @property
    def width(self) -> int:
        """Channels."""
        return len(self.means)

    @property
    def features(self) -> int:
        """Numbers that a recurrent step reads."""
        return self.block * (self.width + len(self.changes))

    def encode(self, sequences: Sequence[np.ndarray]) -> JaggedSequences:
        """Return what the network reads: (steps, features)."""
        check_sequences(sequences, self.width)
        return JaggedSequences.of([self._encoded(sequence) for sequence in sequences])

    def standardized(self, sequence: np.ndarray) -> np.ndarray:
        """Return a sequence with channels of mean 0 and deviation 1, and without gaps."""
        z = (sequence - np.array(self.means)) / np.array(self.deviations)
        for channel in np.flatnonzero(np.isnan(z).any(0)):
            observed = np.flatnonzero(~np.isnan(z[:, channel]))
            z[:, channel] = np.interp(range(len(z)), observed, z[observed, channel]) if len(observed) else 0.0
        return z

    def _encoded(self, sequence: np.ndarray) -> np.ndarray:
        z = self.standardized(sequence)
        if self.changes:
            z = np.concatenate([z, _differences(z) / np.array(self.changes)], 1)
        missing = -len(z) % self.block
        if missing:
            z = np.concatenate([z, np.zeros((missing, z.shape[1]))])
        return z.reshape(-1, self.features).astype(np.float32)


def _differences(z: np.ndarray) -> np.ndarray:
    """From each step to the next, 0 at the first."""
    return np.diff(z, axis=0, prepend=z[:1])


def _replace_zero(deviations: np.ndarray, least: np.ndarray | float) -> np.ndarray:
    return np.where(deviations > least, deviations, 1.0)


def check_sequences(sequences: Sequence[np.ndarray], width: int | None = None) -> None:
    """Refuse sequences of different widths, without any step, or with an infinite number."""
    expected = sequences[0].shape[1] if width is None else width
    source = "sequence 1" if width is None else "the training data"
    for number, sequence in enumerate(sequences, 1):
        if sequence.shape[1] != expected:
            raise InputError(
                f"X: expected {expected} channels as in {source}, got {sequence.shape[1]} in sequence {number}"
            )
        if not len(sequence):
            raise InputError(f"X: expected sequences of one step or more, got none in sequence {number}")
        if np.isinf(sequence).any():
            step = int(np.flatnonzero(np.isinf(sequence).any(1))[0]) + 1
            raise InputError(
                f"X: expected finite numbers, got infinity in sequence {number}, step {step}; write NaN for what is "
                "missing, or leave the sequence out"
            )


def count_missing(sequences: Sequence[Any]) -> int:
    """Return the number of NaN values."""
    return sum(int(np.isnan(sequence).sum()) for sequence in sequences if isinstance(sequence, np.ndarray))


Encoder = TokenVocabulary | SequenceScaler
"""Encodes texts, or sequences of numbers, as inputs of the network."""


def encode(encoder: Encoder, data: Sequence[Any]) -> JaggedSequences:
    """Return what the network reads."""
    encoded = encoder.encode(data)
    if (encoded.lengths > 0).all():
        return encoded
    # A text of nothing but control characters, say, counts as one unknown token.
    return JaggedSequences.of(
        [row if len(row) else np.zeros(1, row.dtype) for row in (encoded[i] for i in range(len(encoded)))]
    )


def example_input(encoder: Encoder) -> tuple[np.ndarray, np.ndarray]:
    """Return a sequence of one step as the network reads it, and its length; of tokens, the one of the last number."""
    if isinstance(encoder, TokenVocabulary):
        return np.array([[len(encoder) - 1]]), np.ones(1, np.int64)
    return np.zeros((1, 1, encoder.features), np.float32), np.ones(1, np.int64)


def prefixes(sequence: Any) -> list[Any]:
    """Return a sequence after each of its words or steps."""
    if isinstance(sequence, str):
        words = sequence.split()
        return [" ".join(words[: end + 1]) for end in range(len(words))]
    return [sequence[: end + 1] for end in range(len(sequence))]


def encoder_to_json(encoder: Encoder) -> dict[str, Any]:
    """Return an encoder as JSON can hold it."""
    return encoder.to_json() if isinstance(encoder, TokenVocabulary) else asdict(encoder)


def classes_from_json(labels: list[Any]) -> np.ndarray:
    """Return the classes of a saved classifier.

    Raises:
        ValueError: for labels of several types, and for a label that occurs twice.
    """
    if len({type(label) for label in labels}) > 1 or any(label != label for label in labels):  # noqa: PLR0124 - NaN
        raise ValueError("the classes are not all of one type")
    classes = np.array(labels)
    if classes.ndim != 1 or len(np.unique(classes)) != len(labels) > 1:
        raise ValueError("the classes are not all different")
    return classes


def encoder_from_json(values: dict[str, Any]) -> Encoder:
    """Undo `encoder_to_json`.

    Raises:
        ValueError: for what is neither a vocabulary nor a scaling.
    """
    if "tokens" in values:
        return TokenVocabulary.from_json(values)
    scaling = dataclass_from_json(SequenceScaler, values)
    if type(scaling.block) is not int or not 1 <= scaling.block <= 1_000_000:
        raise ValueError(f"impossible number of steps in one: {scaling.block!r}")
    changes = [scaling.changes] if scaling.block > 1 else []
    numbers = np.array([scaling.means, scaling.deviations, *changes], dtype=np.float64)
    if numbers.ndim != 2 or not np.isfinite(numbers).all() or (numbers[1:] <= 0).any():
        raise ValueError("the scales of the channels are impossible")
    if scaling.block == 1 and scaling.changes:
        raise ValueError("changes are read where several steps are, and only there")
    return scaling
