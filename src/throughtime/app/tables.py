"""From a file to the long frame that the forecaster reads: unique_id, ds, y."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import polars as pl

from throughtime._errors import InputError
from throughtime.app.cells import read_numbers, read_times
from throughtime.app.columns import Columns, choose
from throughtime.app.files import Rows, read_rows

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Table:
    """Series that were read from a file.

    Attributes:
        path: the file.
        frame: unique_id, ds and y.
        columns: what they are called in the file.
        notes: what was guessed, in plain sentences.
    """

    path: Path
    frame: pl.DataFrame
    columns: Columns
    notes: list[str]


def read_table(path: Path, wanted: Columns) -> Table:
    """Read the series of a CSV or Parquet file.

    Args:
        path: of the file.
        wanted: the columns that are known; the others are guessed.

    Raises:
        InputError: for whatever cannot be used, with file, line and column.
    """
    rows = read_rows(path)
    columns, notes = choose(rows, wanted)
    assert columns.target is not None
    y = read_numbers(rows, columns.target)
    ds = pl.Series(range(len(y))) if columns.time is None else read_times(rows, columns.time)
    ids = (
        pl.Series([columns.target]).new_from_index(0, len(y)) if columns.series is None else _ids(rows, columns.series)
    )
    frame = pl.DataFrame({"unique_id": ids, "ds": ds, "y": y})
    if columns.time is not None:
        _refuse_duplicates(rows, frame, columns)
    elif columns.series is not None:
        frame = frame.with_columns(ds=pl.int_range(pl.len()).over("unique_id"))
    if frame.height < 2:
        raise InputError(f"{path}: expected 2 rows or more, got 1: there is no past to learn from")
    return Table(path, frame, columns, notes)


def write_csv(frame: pl.DataFrame, target: Path | IO[str]) -> None:
    """Write forecasts; dates as 2024-01-31, or 2024-01-31 12:00:00."""
    frame.write_csv(target, datetime_format="%Y-%m-%d %H:%M:%S")


def _ids(rows: Rows, name: str) -> pl.Series:
    cells = rows.frame[name]
    for row in cells.is_null().arg_true().head(1):
        raise InputError(f"{rows.at(row, name)}: the cell is empty; name the series, or remove the {rows.unit}")
    return cells if cells.dtype.is_integer() else cells.cast(pl.String)


def _refuse_duplicates(rows: Rows, frame: pl.DataFrame, columns: Columns) -> None:
    again = frame.select(~pl.struct("unique_id", "ds").is_first_distinct()).to_series().arg_true().head(1)
    for row in again:
        key = frame[row, "unique_id"], frame[row, "ds"]
        first = frame.select((pl.col("unique_id") == key[0]) & (pl.col("ds") == key[1])).to_series().arg_true()[0]
        known = f" of series {key[0]}" if columns.series else ""
        hint = "" if columns.series else ", or name the column that tells the series apart with --series"
        assert columns.time is not None
        raise InputError(
            f"{rows.at(row, columns.time)}: a second value for {key[1]}{known}, the first stands in {rows.unit} "
            f"{rows.lines[first]}; keep one of them{hint}"
        )
