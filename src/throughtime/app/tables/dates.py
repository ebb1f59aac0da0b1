"""The dates of a table, of one column or of several that together are a date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.tables.time_columns import joined_texts
from throughtime.data.series.dates import DateColumn, DateFormat, read_dates, read_whole_numbers

if TYPE_CHECKING:
    import numpy as np

    from throughtime.app.tables.files import Rows

_MONTHS = 12
_REMEDY = "name one with --date-format, such as {}"


def read_times(rows: Rows, columns: tuple[str, ...], known: DateFormat | None = None) -> tuple[pl.Series, DateFormat]:
    """Read the dates of each row, or the whole numbers that count its steps, and their format.

    Args:
        rows: the table.
        columns: the column of the dates, or those of their parts, such as a year and a month.
        known: what training or a user decided about the format.

    Returns:
        Dates, dates with a time of day, or whole numbers; and the format that they were read by.

    Raises:
        InputError: names the first cell that is not a date, and says what the cells leave open.
    """
    for name in columns:
        for row in rows.frame[name].is_null().arg_true().head(1):
            raise InputError(f"{rows.at(row, name)}: there is no date; write one, or remove the {rows.unit}")
    cells = rows.frame[columns[0]]
    if len(columns) == 1 and isinstance(cells.dtype, pl.Date | pl.Datetime):
        return cells, known or DateFormat()
    names = " and ".join(columns)
    column = DateColumn(names, lambda row: rows.at(row, names), f"{rows.path}, column {names}", _REMEDY)
    if len(columns) > 1:
        stamps, date_format = read_dates(joined_texts(rows, columns), known, column)
    elif cells.dtype.is_numeric():
        stamps, date_format = read_whole_numbers(cells.to_numpy(), known, column)
    elif cells.dtype == pl.String:
        stamps, date_format = read_dates(cells.to_list(), known, column)
    else:
        raise InputError(f"{rows.path}, column {names}: expected dates or whole numbers, got {cells.dtype}")
    return _series(stamps), date_format


def date_note(rows: Rows, columns: tuple[str, ...], stamps: pl.Series, decided: DateFormat) -> list[str]:
    """Return a note that shows how one cell was read, none where dates can be read in one way only.

    The cell is one whose day and month could be exchanged, if there is one.
    """
    is_open = decided.order in {"dmy", "mdy", "ydm"} or decided.century or decided.calendar not in {"", "steps"}
    if len(columns) != 1 or not is_open or not stamps.dtype.is_temporal():
        return []
    row = ((stamps.dt.day() <= _MONTHS) & (stamps.dt.day() != stamps.dt.month())).arg_max() or 0
    cell = rows.frame[columns[0]][row]
    return [f"Dates: {str(cell)!r} of column {columns[0]} is {stamps[row]} (otherwise with --date-format)."]


def _series(stamps: np.ndarray) -> pl.Series:
    """Stamps as dates, where none has a time of day."""
    whole_days = stamps.dtype.kind == "M" and (stamps == stamps.astype("M8[D]")).all()
    return pl.Series(stamps.astype("M8[D]") if whole_days else stamps)
