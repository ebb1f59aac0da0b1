"""The dates of a table, from one column or from several that together are a date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.tables.composite_dates import join_date_columns
from throughtime.data.series.dates import DateColumn, DateFormat, read_dates, read_whole_numbers

if TYPE_CHECKING:
    import numpy as np

    from throughtime.app.tables.files import FileRows

_MONTHS = 12
_FIX = "name one with --date-format, such as {}"


def read_times(
    rows: FileRows, columns: tuple[str, ...], stored: DateFormat | None = None
) -> tuple[pl.Series, DateFormat]:
    """Read the date of each row, or the whole number of its step, and the format.

    Args:
        rows: the table.
        columns: the column of dates, or the columns of their parts, such as a year and a month.
        stored: format of the training data, or the one that the user set.

    Returns:
        Dates, dates with a time of day, or whole numbers; and their format.

    Raises:
        InputError: for the first cell that is not a date, and for cells that can be read in two ways.
    """
    for name in columns:
        for row in rows.frame[name].is_null().arg_true().head(1):
            raise InputError(f"{rows.at(row, name)}: the date is missing; add it, or remove the {rows.unit}")
    cells = rows.frame[columns[0]]
    if len(columns) == 1 and isinstance(cells.dtype, pl.Date | pl.Datetime):
        return cells, stored or DateFormat()
    names = " and ".join(columns)
    column = DateColumn(names, lambda row: rows.at(row, names), f"{rows.path}, column {names}", _FIX)
    if len(columns) > 1:
        stamps, date_format = read_dates(join_date_columns(rows, columns), stored, column)
    elif cells.dtype.is_numeric():
        stamps, date_format = read_whole_numbers(cells.to_numpy(), stored, column)
    elif cells.dtype == pl.String:
        stamps, date_format = read_dates(cells.to_list(), stored, column)
    else:
        raise InputError(f"{rows.path}, column {names}: expected dates or whole numbers, got {cells.dtype}")
    return _to_dates(stamps), date_format


def note_date_format(rows: FileRows, columns: tuple[str, ...], stamps: pl.Series, date_format: DateFormat) -> list[str]:
    """Return a note with the reading of one cell, none if the dates can be read in one way only.

    The day and the month of the cell could be exchanged, if there is such a cell.
    """
    is_open = (
        date_format.order in {"dmy", "mdy", "ydm", "yz"}
        or date_format.century
        or date_format.calendar not in {"", "steps"}
    )
    if len(columns) != 1 or not is_open or not stamps.dtype.is_temporal():
        return []
    row = ((stamps.dt.day() <= _MONTHS) & (stamps.dt.day() != stamps.dt.month())).arg_max() or 0
    cell = rows.frame[columns[0]][row]
    return [f"Dates: {str(cell)!r} of column {columns[0]} is {stamps[row]} (change this with --date-format)."]


def _to_dates(stamps: np.ndarray) -> pl.Series:
    """Return stamps as dates if none has a time of day."""
    whole_days = stamps.dtype.kind == "M" and (stamps == stamps.astype("M8[D]")).all()
    return pl.Series(stamps.astype("M8[D]") if whole_days else stamps)
