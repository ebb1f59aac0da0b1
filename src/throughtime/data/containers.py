"""Convert containers of sequences to lists: columns of frames, arrays of objects, generators, tensors.

Only the order of the items matters: the index of a pandas column is ignored.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from throughtime._core.errors import InputError


def as_list(values: Any, name: str) -> list[Any] | None:
    """Return the items of a container; None for a table or an array of numbers, in which each row is a sequence.

    Args:
        values: a list, a tuple, a generator, an array of objects or of texts, a column of pandas, polars or pyarrow, or
            a frame with such columns: one column is a container, several are the channels of each sequence.
        name: name of the argument, for messages.

    Raises:
        InputError: for a container without an order, and for a frame that mixes texts or sequences with other columns.
    """
    if isinstance(values, str | bytes):
        raise InputError(f"{name}: expected a list, got a single {type(values).__name__}; write [{name}]")
    if isinstance(values, Mapping | AbstractSet) and not hasattr(values, "shape"):  # as a sparse matrix has
        raise InputError(f"{name}: expected a list, got {type(values).__name__}, whose items have no order")
    if isinstance(values, list):
        return values
    if isinstance(values, tuple | Iterator | range):
        return list(values)
    if is_tensor(values):
        return None
    if isinstance(values, np.ndarray):
        return _from_array(values, name)
    if hasattr(values, "columns") or hasattr(values, "column_names"):
        return _from_frame(values, name)
    for method in ("to_list", "to_pylist", "tolist"):  # pandas and polars; pyarrow; arrays of pandas
        if hasattr(values, method):
            return list(getattr(values, method)())
    return None


def as_items(values: Any, name: str, kind: str) -> list[Any]:
    """Return the items of a container, or raise.

    Args:
        values: as for `as_list`.
        name: name of the argument, for messages.
        kind: kind of items, for messages.

    Raises:
        InputError: as `as_list`, and for tables of numbers and values that are not containers.
    """
    items = None if isinstance(values, str | bytes) else as_list(values, name)
    if items is None:
        raise InputError(f"{name}: expected a list of {kind}, got {type(values).__name__}")
    return items


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def is_tensor(value: Any) -> bool:
    """Return whether a value is a tensor of torch, which is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _from_array(values: np.ndarray, name: str) -> list[Any] | None:
    if values.ndim == 1 and values.dtype.kind in "OUST":
        return values.tolist()
    if values.ndim == 2 and values.dtype == object and any(map(_is_sequence, values.flat)):
        return _channels(list(values.T), [f"column {i + 1}" for i in range(values.shape[1])], name)
    return None


def _from_frame(frame: Any, name: str) -> list[Any] | None:
    names = [str(column) for column in (frame.column_names if hasattr(frame, "column_names") else frame.columns)]
    columns = [as_list(_column(frame, i, label), name) for i, label in enumerate(names)]
    has_sequences = [any(_is_sequence(item) or isinstance(item, str) for item in column or ()) for column in columns]
    if not any(has_sequences):
        return None
    return _channels([column or [] for column in columns], names, name)


def _column(frame: Any, position: int, label: str) -> Any:
    """Return a column of pandas (whose names may be duplicates or not texts), polars or pyarrow."""
    return frame.iloc[:, position] if hasattr(frame, "iloc") else frame[label]


def _channels(columns: list[Any], labels: list[str], name: str) -> list[Any]:
    """Join the columns of a frame, each of which holds one channel of all sequences.

    Raises:
        InputError: if a column holds anything but sequences of numbers, or channels differ in length.
    """
    if len(columns) == 1:
        return list(columns[0])
    for column, label in zip(columns, labels, strict=True):
        if not all(map(_is_sequence, column)):
            raise InputError(
                f"{name}: expected one column, or columns that all hold sequences of numbers, got others in {label}; "
                f"choose among {', '.join(labels[:8])}"
            )
    rows = []
    for number, row in enumerate(zip(*columns, strict=True), 1):
        lengths = {len(channel) for channel in row}
        if len(lengths) > 1:
            raise InputError(
                f"{name}: expected channels of one length in row {number}, got {min(lengths)} to {max(lengths)} steps"
            )
        try:
            rows.append(np.stack([np.asarray(channel, dtype=np.float64) for channel in row], 1))
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"{name}: expected one column, or channels of numbers, got something else in row {number}: {error}; "
                f"choose among {', '.join(labels[:8])}"
            ) from error
    return rows


def _is_sequence(item: Any) -> bool:
    """Return whether an item of a container is a sequence and not a text."""
    if isinstance(item, str | bytes | Mapping | AbstractSet) or not hasattr(item, "__len__"):
        return False
    return not (isinstance(item, np.ndarray) or is_tensor(item)) or item.ndim > 0
