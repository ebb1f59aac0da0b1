"""Files of numbers alone: steps in rows, inputs in columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from throughtime._core.errors import InputError
from throughtime.app.tables.files import read_rows
from throughtime.app.tables.number_columns import read_numbers

if TYPE_CHECKING:
    from pathlib import Path

    from jaxtyping import Float


def read_matrix(path: Path, columns: int) -> Float[np.ndarray, "T {columns}"]:
    """Read the numbers of a CSV, Excel, Parquet or `.npy` file.

    Args:
        path: of the file; a table has names of columns in its first line.
        columns: that it must have.

    Raises:
        InputError: for a file that does not hold that many columns of finite numbers.
    """
    matrix = _read_array(path) if path.suffix == ".npy" else _read_columns(path)
    if matrix.ndim != 2 or matrix.shape[1] != columns or not len(matrix):
        raise InputError(
            f"{path}: expected {columns} column{'s' * (columns != 1)} of numbers, one for each input, and a row for "
            f"each step; got {' x '.join(map(str, matrix.shape))}"
        )
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise InputError(f"{path}: the value in row {row + 1}, column {column + 1} is missing or infinite; fill it")
    return matrix


def _read_array(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read as a NumPy array: {error}") from error
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path}: expected numbers, got {array.dtype}")
    return array.astype(np.float64)


def _read_columns(path: Path) -> np.ndarray:
    rows = read_rows(path)
    numbers = [read_numbers(rows, name)[0].cast(float).to_numpy() for name in rows.frame.columns]
    return np.stack(numbers, 1)
