"""Tables with one row for each series and dates in the header, as long tables."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.tables.footer import is_total
from throughtime.app.tables.header import is_value, parse_date_name
from throughtime.app.tables.number_columns import is_numeric
from throughtime.data.series.numbers import NA_VALUES

if TYPE_CHECKING:
    from throughtime.app.tables.column_selection import Columns
    from throughtime.app.tables.files import FileRows

DATE, VALUE = "date", "value"
"""Names of the columns of the long table."""

_MIN_DATED_COLUMNS = 3
_SAMPLE = 200  # cells
_NUMBERED = re.compile(r"[A-Za-z]{0,10}[ _]?(\d{1,6})")


def melt_wide_table(rows: FileRows, columns: Columns) -> tuple[FileRows, Columns]:
    """Return a table with one row for each series as a long table; other tables stay as they are.

    Such a table has at least three columns of numbers named by dates or years, or consecutive numbers in the names of
    all columns except the first, and the user named no column.

    Raises:
        InputError: if the user set the layout and the table does not have it.
    """
    layout = rows.options.layout
    if layout in {"long", "columns"} or (layout is None and (columns.time or columns.target or columns.covariates)):
        return rows, columns
    frame = rows.frame
    dated = [name for name in frame.columns if parse_date_name(name) is not None]
    numbered = _numbered_columns(frame.columns)
    minimum = _MIN_DATED_COLUMNS if layout is None else 1
    steps = dated if len(dated) >= minimum else numbered
    names = [name for name in frame.columns if name not in steps]
    fits = len(steps) >= minimum and all(_may_be_numbers(frame[name]) for name in steps)
    certain = fits and bool(names) and not any(_holds_values(frame[name]) for name in names)
    if layout is None and not (certain and (steps is dated or names == frame.columns[:1])):
        return rows, columns
    if not fits or not names:
        raise InputError(
            f"--layout rows: {rows.path}: expected columns that name series and columns of numbers named by dates, "
            f"got {', '.join(frame.columns[:8])}{', …' if frame.width > 8 else ''}"
        )
    return _melt(_drop_total(rows, names), columns, names, steps, dated=steps is dated)


def _note_empty_series(long: pl.DataFrame, first: pl.Expr, series: list[str]) -> list[str]:
    """Return a note on rows without any value."""
    empty = long.filter(first.is_null()).unique("(line)", maintain_order=True)
    if not empty.height:
        return []
    names = [" ".join(map(str, row)) for row in empty.select(series).head(5).rows()]
    plural = "s" if empty.height > 1 else ""
    more = ", …" if empty.height > len(names) else ""
    return [f"Layout: {empty.height} row{plural} without any value left out: {', '.join(names)}{more}."]


def _may_be_numbers(cells: pl.Series) -> bool:
    """Return whether most cells are numbers, or all are empty."""
    empty = cells.dtype == pl.String and cells.str.to_lowercase().is_in(NA_VALUES).all()
    return bool(is_numeric(cells) or cells.is_null().all() or empty)


def _holds_values(cells: pl.Series) -> bool:
    """Return whether cells are numbers or dates, which do not name series."""
    if cells.dtype != pl.String:
        return cells.dtype.is_numeric() or cells.dtype.is_temporal()
    filled = cells.drop_nulls().head(_SAMPLE).to_list()
    return 2 * sum(map(is_value, filled)) > len(filled)


def _drop_total(rows: FileRows, names: list[str]) -> FileRows:
    """Return a table without a last row of totals."""
    cells = rows.frame.select(pl.col(names).cast(pl.String)).row(-1)
    if rows.frame.height < 2 or not any(cell is not None and is_total(cell) for cell in cells):
        return rows
    text = " ".join(filter(None, cells))
    note = f"Footer: rows after the data were left out: {rows.unit} {rows.lines[-1]} ({text!r})."
    return replace(rows, frame=rows.frame.head(-1), lines=rows.lines.head(-1), notes=[*rows.notes, note])


def _numbered_columns(columns: list[str]) -> list[str]:
    """Return all columns except the first if their names have consecutive numbers, such as V2, V3, V4."""
    matches = [_NUMBERED.fullmatch(name) for name in columns[1:]]
    numbers = [int(match[1]) for match in matches if match]
    if len(numbers) < len(columns) - 1 or len({name.rstrip("0123456789") for name in columns[1:]}) != 1:
        return []
    return columns[1:] if numbers == list(range(numbers[0], numbers[0] + len(numbers))) else []


def _melt(
    rows: FileRows, columns: Columns, names: list[str], steps: list[str], *, dated: bool
) -> tuple[FileRows, Columns]:
    frame = rows.frame
    typed = [name for name in steps if rows.frame[name].dtype.is_numeric()]
    cells = pl.col(steps).cast(pl.Float64)
    if len(typed) < len(steps):  # as text, with a zero so that a point cannot be read as a thousands separator
        cells = pl.col(steps).cast(pl.String)
        frame = frame.with_columns(pl.col(typed).cast(pl.String).str.replace(r"(\.\d{3})$", "${1}0"))
    frame = frame.select(pl.col(names), cells)
    varying = [name for name in names if frame[name].n_unique() > 1] or names[:1]
    series = next(([name] for name in varying if frame[name].n_unique() == frame.height), varying)
    series = [name for name in columns.series_columns(rows) if name in names] or series
    frame = frame.select(series + steps).with_columns(rows.lines.alias("(line)"))
    long = frame.unpivot(steps, index=["(line)", *series], variable_name=DATE, value_name=VALUE)
    order = pl.Series(range(len(steps)), dtype=pl.Int64)
    step = pl.col(DATE).replace_strict(pl.Series(steps), order)
    filled = pl.col(VALUE).is_not_null()
    filled = filled if len(typed) == len(steps) else filled & ~pl.col(VALUE).str.to_lowercase().is_in(NA_VALUES)
    first = pl.when(filled).then(step).min().over("(line)")
    notes = [*rows.notes, *_note_empty_series(long, first, series)]
    long = long.filter(step >= first).sort("(line)", step, maintain_order=True)
    if dated:
        dates = pl.Series([parse_date_name(name) or name for name in steps])
        table = long.with_columns(pl.col(DATE).replace_strict(pl.Series(steps), dates)).drop("(line)")
    else:
        table = long.drop("(line)", DATE)
    note = (
        f"Layout: one row for each series, {len(steps)} columns from {steps[0]} to {steps[-1]} (change this with "
        "--layout long)."
    )
    melted = replace(rows, frame=table, lines=long["(line)"], notes=[*notes, note], origin=long[DATE])
    return melted, replace(columns, time=DATE if dated else None, target=VALUE, series=columns.series or tuple(series))
