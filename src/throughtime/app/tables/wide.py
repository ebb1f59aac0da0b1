"""Tables with a row for each series and dates in the header, as long tables."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.tables.footer import is_total
from throughtime.app.tables.header import date_name, is_value
from throughtime.app.tables.numbers import is_numeric
from throughtime.data.series.numbers import NA_VALUES

if TYPE_CHECKING:
    from throughtime.app.tables.columns import Columns
    from throughtime.app.tables.files import Rows

DATE, VALUE = "date", "value"
"""What the columns of a long table are called that was made of a wide one."""

_FEWEST = 3  # columns named by dates
_SAMPLE = 200  # cells that a guess looks at
_STEP = re.compile(r"[A-Za-z]{0,10}[ _]?(\d{1,6})")


def melt_wide_table(rows: Rows, wanted: Columns) -> tuple[Rows, Columns]:
    """Turn a table with a row for each series into a long one; others stay as they are.

    It is one where at least three columns of numbers are named by dates or years, or where all columns but the first
    are numbered on, and no column was named that contradicts it.

    Raises:
        InputError: where the layout was asked for and does not fit.
    """
    asked = rows.options.layout
    if asked in {"long", "columns"} or (asked is None and (wanted.time or wanted.target or wanted.beside)):
        return rows, wanted
    frame = rows.frame
    dated = [name for name in frame.columns if date_name(name) is not None]
    counted = _counted(frame.columns)
    fewest = _FEWEST if asked is None else 1
    steps = dated if len(dated) >= fewest else counted
    names = [name for name in frame.columns if name not in steps]
    fits = len(steps) >= fewest and all(_may_be_numbers(frame[name]) for name in steps)
    certain = fits and bool(names) and not any(_holds_values(frame[name]) for name in names)
    if asked is None and not (certain and (steps is dated or names == frame.columns[:1])):
        return rows, wanted
    if not fits or not names:
        raise InputError(
            f"--layout rows: {rows.path}: expected columns that name series and columns of numbers named by dates, "
            f"got {', '.join(frame.columns[:8])}{', …' if frame.width > 8 else ''}"
        )
    return _long(_without_total(rows, names), wanted, names, steps, dated=steps is dated)


def _empty_series(long: pl.DataFrame, first: pl.Expr, series: list[str]) -> list[str]:
    """What is to be reported of rows without any value."""
    empty = long.filter(first.is_null()).unique("(line)", maintain_order=True)
    if not empty.height:
        return []
    names = [" ".join(map(str, row)) for row in empty.select(series).head(5).rows()]
    plural = "s" if empty.height > 1 else ""
    more = ", …" if empty.height > len(names) else ""
    return [f"Layout: {empty.height} row{plural} without any value left out: {', '.join(names)}{more}."]


def _may_be_numbers(cells: pl.Series) -> bool:
    """Whether most cells are numbers, or none holds anything."""
    empty = cells.dtype == pl.String and cells.str.to_lowercase().is_in(NA_VALUES).all()
    return bool(is_numeric(cells) or cells.is_null().all() or empty)


def _holds_values(cells: pl.Series) -> bool:
    """Whether cells are numbers or dates, which name no series."""
    if cells.dtype != pl.String:
        return cells.dtype.is_numeric() or cells.dtype.is_temporal()
    filled = cells.drop_nulls().head(_SAMPLE).to_list()
    return 2 * sum(map(is_value, filled)) > len(filled)


def _without_total(rows: Rows, names: list[str]) -> Rows:
    """Leave out a last row that is called a total."""
    cells = rows.frame.select(pl.col(names).cast(pl.String)).row(-1)
    if rows.frame.height < 2 or not any(cell is not None and is_total(cell) for cell in cells):
        return rows
    note = f"Footer: left out what follows the data, {rows.unit} {rows.lines[-1]} ({' '.join(filter(None, cells))!r})."
    return replace(rows, frame=rows.frame.head(-1), lines=rows.lines.head(-1), notes=[*rows.notes, note])


def _counted(columns: list[str]) -> list[str]:
    """All columns but the first, where they are numbered on, as V2, V3, V4 after V1."""
    matches = [_STEP.fullmatch(name) for name in columns[1:]]
    numbers = [int(match[1]) for match in matches if match]
    if len(numbers) < len(columns) - 1 or len({name.rstrip("0123456789") for name in columns[1:]}) != 1:
        return []
    return columns[1:] if numbers == list(range(numbers[0], numbers[0] + len(numbers))) else []


def _long(rows: Rows, wanted: Columns, names: list[str], steps: list[str], *, dated: bool) -> tuple[Rows, Columns]:
    frame = rows.frame
    typed = [name for name in steps if rows.frame[name].dtype.is_numeric()]
    cells = pl.col(steps).cast(pl.Float64)
    if len(typed) < len(steps):  # numbers as text, with a point that cannot be taken for a mark between thousands
        cells = pl.col(steps).cast(pl.String)
        frame = frame.with_columns(pl.col(typed).cast(pl.String).str.replace(r"(\.\d{3})$", "${1}0"))
    frame = frame.select(pl.col(names), cells)
    varying = [name for name in names if frame[name].n_unique() > 1] or names[:1]
    series = next(([name] for name in varying if frame[name].n_unique() == frame.height), varying)
    series = [name for name in wanted.series_columns(rows) if name in names] or series
    frame = frame.select(series + steps).with_columns(rows.lines.alias("(line)"))
    long = frame.unpivot(steps, index=["(line)", *series], variable_name=DATE, value_name=VALUE)
    order = pl.Series(range(len(steps)), dtype=pl.Int64)
    step = pl.col(DATE).replace_strict(pl.Series(steps), order)
    filled = pl.col(VALUE).is_not_null()
    filled = filled if len(typed) == len(steps) else filled & ~pl.col(VALUE).str.to_lowercase().is_in(NA_VALUES)
    first = pl.when(filled).then(step).min().over("(line)")
    notes = [*rows.notes, *_empty_series(long, first, series)]
    long = long.filter(step >= first).sort("(line)", step, maintain_order=True)
    if dated:
        dates = pl.Series([date_name(name) or name for name in steps])
        table = long.with_columns(pl.col(DATE).replace_strict(pl.Series(steps), dates)).drop("(line)")
    else:
        table = long.drop("(line)", DATE)
    note = (
        f"Layout: a row for each series, {len(steps)} columns from {steps[0]} to {steps[-1]} (otherwise --layout long)."
    )
    fresh = replace(rows, frame=table, lines=long["(line)"], notes=[*notes, note], origin=long[DATE])
    return fresh, replace(wanted, time=DATE if dated else None, target=VALUE, series=wanted.series or tuple(series))
