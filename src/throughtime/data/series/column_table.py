"""Columns of tables, whatever holds them: what reading a long table needs to know of one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jaxtyping import Bool, Int, Shaped


class Column(Protocol):
    """A column of a table."""

    @property
    def name(self) -> str:
        """Name of the column."""
        ...

    @property
    def kind(self) -> str:
        """Kind of its cells: 'number', 'integer', 'date', 'datetime', 'duration', 'object' or 'other'."""
        ...

    @property
    def type_name(self) -> str:
        """Its type, for messages."""
        ...

    @property
    def zone(self) -> str:
        """Time zone of its dates; '' for none."""
        ...

    def __len__(self) -> int: ...

    def is_missing(self) -> Bool[np.ndarray, "T"]:
        """Return which cells are empty."""
        ...

    def array(self) -> Shaped[np.ndarray, "T"]:
        """Return the numbers of a column of numbers; empty cells are NaN."""
        ...

    def cells(self, rows: Int[np.ndarray, "M"] | None = None) -> list[Any]:
        """Return cells as Python values, of some rows or all."""
        ...

    def heads(self) -> Int[np.ndarray, "M"]:
        """Return the rows whose cell differs from that of the row before; rows that may be equal may be among them."""
        ...

    def stamps(self, *, in_utc: bool) -> Shaped[np.ndarray, "T"]:
        """Return the dates of a column of dates, datetime64[us], in UTC or in local time."""
        ...


class ColumnTable(Protocol):
    """Columns of equal lengths."""

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        ...

    @property
    def backend(self) -> str:
        """What it is made of: 'pandas', 'polars', 'pyarrow' or 'arrays'."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, name: str) -> Column: ...


class ArrayColumn:
    """A column out of an array or a list.

    Args:
        name: of the column.
        values: numbers, texts, dates, or objects of these; None and NaN are empty.
        zone: time zone that dates without one are in.

    Raises:
        InputError: for values that are not a column.
    """

    def __init__(self, name: str, values: Any, zone: str = "") -> None:
        self.name = name
        self._values, self.kind, self.zone = _to_array(name, values), "", zone
        dtype = self._values.dtype
        if dtype.kind == "O":
            self._values, self.kind = _infer_kind(self._values)
        else:
            self.kind = {
                "i": "integer",
                "u": "integer",
                "f": "number",
                "M": "datetime",
                "U": "other",
                "m": "duration",
            }.get(dtype.kind, "other")
        if self.kind == "datetime":
            self._values = self._values.astype("M8[us]")

    @property
    def type_name(self) -> str:
        """Its type, for messages."""
        cells = self._values
        return (
            str(cells.dtype) if cells.dtype.kind != "O" else ", ".join(sorted({type(cell).__name__ for cell in cells}))
        )

    def __len__(self) -> int:
        return len(self._values)

    def is_missing(self) -> Bool[np.ndarray, "T"]:
        """Return which cells are empty: None, NaN and NaT."""
        if self._values.dtype.kind == "O":
            return np.array([cell is None or cell != cell for cell in self._values], dtype=bool)  # noqa: PLR0124  NaN
        return np.isnat(self._values) if self._values.dtype.kind == "M" else self._values != self._values

    def array(self) -> Shaped[np.ndarray, "T"]:
        """Return the values."""
        return self._values

    def cells(self, rows: Int[np.ndarray, "M"] | None = None) -> list[Any]:
        """Return cells as Python values."""
        return (self._values if rows is None else self._values[rows]).tolist()

    def heads(self) -> Int[np.ndarray, "M"]:
        """Return the rows whose cell differs from that of the row before."""
        values = self._values
        if values.dtype.kind == "O" and self.kind != "other":  # where True equals 1
            return np.arange(len(values))
        return np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])[: len(values)])

    def stamps(self, *, in_utc: bool) -> Shaped[np.ndarray, "T"]:
        """Return the dates; those of numpy have no time zone of their own."""
        if self._values.dtype.kind != "O":
            return self._values
        times = [time.astimezone(UTC) if in_utc else time for time in self._values]
        return np.array([time.replace(tzinfo=None) for time in times], dtype="M8[us]")


class ArrayTable:
    """Columns as arrays and lists.

    Args:
        columns: by name.
        zone: time zone that the dates of column ds are in, where they have none.
        title: of the table, for messages.

    Raises:
        InputError: for anything but columns of equal lengths.
    """

    backend = "arrays"

    def __init__(self, columns: Mapping[str, Any], zone: str = "", *, title: str = "columns") -> None:
        try:
            named = {str(name): columns[name] for name in columns.keys()}  # noqa: SIM118 - frames iterate otherwise
        except AttributeError:
            raise InputError(
                f"{title}: expected columns by name, such as {{'ds': […], 'y': […]}}, got {type(columns).__name__}"
            ) from None
        self._columns = {name: ArrayColumn(name, c, zone if name == "ds" else "") for name, c in named.items()}
        self.columns = list(self._columns)
        lengths = {name: len(column) for name, column in self._columns.items()}
        if len({*lengths.values()}) > 1:
            raise InputError(f"{title}: expected columns of one length, got {lengths}")

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def __getitem__(self, name: str) -> ArrayColumn:
        return self._columns[name]


def _to_array(name: str, values: Any) -> np.ndarray:
    """Return values as an array of one dimension; lists as objects, whose types numpy would blend."""
    if isinstance(values, np.ma.MaskedArray):
        values = values.tolist()
    if isinstance(values, list | tuple):
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array
    array = np.asarray(values)
    if array.ndim != 1:
        raise InputError(f"column {name}: expected a list or an array of one dimension, got {type(values).__name__}")
    return array.astype(str) if array.dtype.kind == "S" else array


def _infer_kind(cells: np.ndarray) -> tuple[np.ndarray, str]:
    """Return objects as an array of their common type, and its kind."""
    filled = [cell for cell in cells if not (cell is None or cell != cell)]  # noqa: PLR0124  NaN
    kinds: Sequence[tuple[Any, str]] = (
        (str, "other"),
        (np.datetime64, "datetime"),
        (datetime, "datetime"),
        (date, "date"),
    )
    for kind, word in kinds:
        if filled and all(isinstance(cell, kind) for cell in filled):
            aware = kind is datetime and any(cell.tzinfo is not None for cell in filled)
            return (cells if word == "other" or aware else cells.astype("M8[us]")), word
    if all(isinstance(cell, int | float | np.integer | np.floating) and not isinstance(cell, bool) for cell in filled):
        whole = len(filled) == len(cells) > 0 and all(isinstance(cell, int | np.integer) for cell in filled)
        fits = whole and all(-(2**63) <= cell < 2**63 for cell in filled)
        return (cells.astype(np.int64), "integer") if fits else (cells.astype(np.float64), "number")
    return cells, "object"
