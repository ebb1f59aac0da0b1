"""Normalize names of series, so that a series is recognized in later data, whatever the type of the column.

`1`, `1.0`, `np.int64(1)`, `Decimal("1")` and `"1"` are one series; `"01"` is another one. Columns of mixed types, such
as texts among numbers, are refused, and so are types that are not names: dates, booleans, lists.
"""

from __future__ import annotations

import unicodedata
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jaxtyping import Int, Shaped

    from throughtime.data.series.column_table import Column

_HINT = "; name the series of every row"
_MAX_EXACT_FLOAT = 2**53  # larger whole numbers are rounded in a column of floats


def read_series_ids(column: Column, training_ids: Sequence[Any] = ()) -> Shaped[np.ndarray, "T"]:
    """Read the series of each row: int64 if all names are whole numbers, else texts without spaces around them.

    Args:
        column: names of series.
        training_ids: names of the series in training, whose type takes precedence over that of the column.

    Raises:
        InputError: for an empty name, a type that is not a name, mixed types, and a name that may be a training name in
            another spelling, such as '01' for 1.
    """
    title, missing = f"column {column.name}", column.is_missing()
    if missing.any():
        raise InputError(f"{title}: row {int(missing.argmax()) + 1} is empty{_HINT}")
    if column.kind == "integer" and not len(training_ids):
        return column.array()
    heads = column.heads()  # rows of a series are mostly consecutive: one comparison for all of them
    names = normalize_ids(column.cells(heads), heads, title)
    return np.repeat(_match_training_ids(names, training_ids, title), np.diff(heads, append=len(column)))


def normalize_ids(cells: Sequence[Any], rows: Int[np.ndarray, "N"], title: str) -> Shaped[np.ndarray, "N"]:
    """Normalize names of series.

    Args:
        cells: names.
        rows: row of each name, counted from 0, for messages.
        title: title of the column, for messages.

    Raises:
        InputError: as `read_series_ids`.
    """
    names = [_normalize_id(cell, f"{title}: row {row + 1}") for cell, row in zip(cells, rows.tolist(), strict=True)]
    is_text = np.array([isinstance(cell, str | UUID) for cell in cells])
    if is_text.any() and not is_text.all():
        first, other = sorted((int(is_text.argmax()), int((~is_text).argmax())))
        raise InputError(
            f"{title}: expected names of one type, got {cells[first]!r} ({type(cells[first]).__name__}) in row "
            f"{rows[first] + 1} and {cells[other]!r} ({type(cells[other]).__name__}) in row {rows[other] + 1}; "
            "write all as texts or all as whole numbers"
        )
    fit_int64 = all(isinstance(name, int) and -(2**63) <= name < 2**63 for name in names)
    return np.array(names, dtype=np.int64) if fit_int64 else np.array([str(name) for name in names])


def _match_training_ids(
    names: Shaped[np.ndarray, "N"], training_ids: Sequence[Any], title: str
) -> Shaped[np.ndarray, "N"]:
    """Convert names to the type of training.

    Raises:
        InputError: if a new name and a training name are different texts but the same number.
    """
    if not len(training_ids):
        return names
    are_texts = [isinstance(name, str) for name in training_ids]
    from_numbers = names.dtype.kind != "U"
    if all(are_texts):
        names = names.astype(str)
    elif not any(are_texts) and not from_numbers:
        names = _to_numbers(names, {*map(str, training_ids)}, title)
    new_ids = {*names.tolist()}.difference(training_ids)
    if new_ids:
        _check_lookalikes(new_ids, training_ids, title, strict=from_numbers or not all(are_texts))
    return names


def _to_numbers(names: Shaped[np.ndarray, "N"], training_ids: set[str], title: str) -> Shaped[np.ndarray, "N"]:
    """Convert texts to whole numbers if all are whole numbers."""
    others = [name for name in names.tolist() if len(name) > 18 or not name.isdecimal() or str(int(name)) != name]
    if not others:
        return names.astype(np.int64)
    if training_ids & {*names.tolist()}:
        raise InputError(f"{title}: expected whole numbers as in training, got {others[0]!r}")
    return names


def _check_lookalikes(new_ids: Iterable[Any], training_ids: Sequence[Any], title: str, *, strict: bool) -> None:
    """Raise if a new name is the same number as a training name.

    With `strict` one of the two columns holds numbers; else both hold texts, and only '1.0' counts as a number.
    """
    numbers = {number: name for name in training_ids if (number := _parse_number(name)) is not None}
    for name in new_ids if numbers else ():
        number = _parse_number(name)
        lookalike = None if number is None else numbers.get(number)
        if lookalike is not None and (strict or _is_float_text(name) or _is_float_text(lookalike)):
            raise InputError(
                f"{title}: {name!r} is not in the training data, but {lookalike!r} is the same number; write the "
                "series as in training, or give a new series another name"
            )


def _normalize_id(cell: Any, location: str) -> int | str:
    """Return the normal form of a name: a whole number, or a text."""
    if isinstance(cell, str | UUID):
        text = unicodedata.normalize("NFC", str(cell)).strip()
        if not text:
            raise InputError(f"{location} is empty{_HINT}")
        return text
    if isinstance(cell, bool | np.bool_) or not isinstance(cell, int | float | Decimal | np.integer | np.floating):
        raise InputError(
            f"{location} holds {cell!r} ({type(cell).__name__}); expected texts or whole numbers: "
            "convert the column to text"
        )
    if isinstance(cell, int | np.integer):
        return int(cell)
    if cell != cell:  # noqa: PLR0124  NaN
        raise InputError(f"{location} is empty{_HINT}")
    if isinstance(cell, float | np.floating) and not abs(cell) <= _MAX_EXACT_FLOAT:
        raise InputError(
            f"{location} holds {cell!r}, a rounded or infinite number, which may be several series; "
            "read the column as text"
        )
    return int(cell) if cell == int(cell) else format(Decimal(str(cell)).normalize(), "f")


def _parse_number(name: Any) -> Decimal | None:
    """Return a name as a number, exact for any number of digits; None if it is not a number."""
    try:
        number = Decimal(name if isinstance(name, str) else int(name))
    except (InvalidOperation, ValueError):
        return None
    return number if number.is_finite() else None


def _is_float_text(name: Any) -> bool:
    """Return whether a text is a whole number with a decimal point, as written from a column of floats."""
    return isinstance(name, str) and name.rpartition(".")[2].strip("0") == "" and "." in name
