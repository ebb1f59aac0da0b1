"""Classes as numbers, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from throughtime._core.errors import InputError
from throughtime.data.containers import as_list, is_missing

if TYPE_CHECKING:
    from collections.abc import Sequence

_MIN_HELD_OUT = 20  # sequences; fewer say too little about which weights are best


def encode_classes(y: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes in order, and the number of each sequence's class.

    Raises:
        InputError: where there are not `count` of them, or only one class.
    """
    if y is None:
        raise InputError("y: expected a class for each sequence: fit requires y to be passed, but the target y is None")
    y = _label_column(y, "y")
    assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    if len(y) != count:
        raise InputError(f"y: expected a class for each of the {count} sequences, got {len(y)}")
    classes, numbers = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"y: expected two classes or more, got one class, {classes.tolist()[0]!r}")
    return classes, numbers


def _label_column(y: Any, name: str) -> np.ndarray:
    """Return labels as an array, whatever holds them; an index is not looked at.

    Raises:
        InputError: for a missing label, bytes, and texts among numbers; names the row.
    """
    items = as_list(y, name)
    if items is None:
        items = column_or_1d(np.asarray(y), warn=True)
    texts = sum(isinstance(label, str) for label in items)
    for row, label in enumerate(items, 1):
        if is_missing(label):
            raise InputError(f"{name}: expected a class, got a missing value (NaN or None) in row {row}; leave it out")
        if isinstance(label, bytes):
            raise InputError(f"{name}: expected a class, got bytes in row {row}; decode them, as in y.decode('utf-8')")
        if texts and not isinstance(label, str):
            raise InputError(
                f"{name}: expected texts everywhere, since some classes are texts, got {label!r} in row {row}"
            )
    return column_or_1d(np.asarray(items), warn=True)


def class_indices(y: Any, classes: np.ndarray, count: int, name: str = "y") -> np.ndarray:
    """Return the number of each sequence's class.

    Raises:
        InputError: for a class that is not known, and where there are not `count` of them.
    """
    labels: Sequence[Any] = _label_column(y, name).tolist()
    if len(labels) != count:
        raise InputError(f"{name}: expected a class for each of the {count} sequences, got {len(labels)}")
    indices = {label: number for number, label in enumerate(classes.tolist())}
    for row, label in enumerate(labels, 1):
        if label not in indices:
            shown = ", ".join(map(repr, list(indices)[:8])) + (", …" if len(indices) > 8 else "")
            raise InputError(f"{name}: expected one of the classes {shown}, got {label!r} in row {row}")
    return np.array([indices[label] for label in labels], dtype=np.int64)


def class_weights(class_weight: str | dict[Any, float], classes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return the weight of a sequence of each class.

    Args:
        class_weight: 'balanced' for all classes to weigh the same in total, or a weight for each, 1 for the others.
        classes: in order.
        numbers: of the classes of the sequences.

    Raises:
        InputError: for anything else, and for unknown classes.
    """
    if isinstance(class_weight, dict):
        labels = classes.tolist()
        for label, weight in class_weight.items():
            if label not in labels:
                raise InputError(
                    f"class_weight: expected some of the classes {', '.join(map(repr, labels))}, got {label!r}"
                )
            if not isinstance(weight, int | float | np.number) or not 0 <= weight < np.inf:
                raise InputError(f"class_weight: expected numbers of 0 or more, got {weight!r} for {label!r}")
        return np.array([float(class_weight.get(label, 1.0)) for label in labels])
    if class_weight != "balanced":
        raise InputError(f"class_weight: expected None, 'balanced' or a dict of weights, got {class_weight!r}")
    return len(numbers) / (len(classes) * np.maximum(np.bincount(numbers, minlength=len(classes)), 1))


def stratified_holdout(numbers: np.ndarray, fraction: float, random: np.random.RandomState) -> np.ndarray:
    """Rows that are held out: a share of each class, never all of it; none where they would be too few."""
    chosen: list[int] = []
    for number in np.unique(numbers):
        rows = random.permutation(np.flatnonzero(numbers == number))
        chosen += rows[: min(round(fraction * len(rows)), len(rows) - 1)].tolist()
    return np.array(sorted(chosen) if len(chosen) >= _MIN_HELD_OUT else [], dtype=np.int64)
