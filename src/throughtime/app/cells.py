"""Cells of a table as numbers and dates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from throughtime._errors import InputError
from throughtime.data.dates import is_date, parse_dates

if TYPE_CHECKING:
    from throughtime.app.files import Rows

MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?", ".")
"""Cells that say that there is no value, in lower case."""

_SPACED = r"^[-+]?\d{1,3}([\s'’]\d{3})+([.,]\d+)?$"
_BY_COMMAS = r"^[-+]?\d{1,3}(,\d{3})+(\.\d*)?$"
_BY_POINTS = r"^[-+]?\d{1,3}(\.\d{3})+,\d+$|^[-+]?\d{1,3}(\.\d{3}){2,}$"  # 1.234 alone may be a fraction
_UNIX = ((1, "s"), (10**3, "ms"), (10**6, "us"), (10**9, "ns"))
_FIRST, _LAST = 946_684_800, 4_102_444_800  # 2000 and 2100, in seconds


def numbers(cells: pl.Series, *, decimal_comma: bool) -> pl.Series | None:
    """Cells as numbers, null where there is no number; None where the type of the column has none."""
    if cells.dtype == pl.String:
        text = _ungrouped(cells.str.strip_chars(), decimal_comma=decimal_comma)
        missing = text.str.to_lowercase().is_in(MISSING)
        return text.set(missing, None).cast(pl.Float64, strict=False)
    return cells.cast(pl.Float64).fill_nan(None) if cells.dtype.is_numeric() else None


def _ungrouped(text: pl.Series, *, decimal_comma: bool) -> pl.Series:
    """Numbers without marks between thousands, as 1,234.5 or 1 234,5 has, and with a decimal point."""
    spaced, marked = text.str.contains(_SPACED), text.str.contains(_BY_POINTS if decimal_comma else _BY_COMMAS)
    text = text.str.replace_all(r"[\s'’]", "").zip_with(spaced, text)
    text = text.str.replace_all("." if decimal_comma else ",", "", literal=True).zip_with(marked, text)
    return text.str.replace(r"^([-+]?\d+),(\d+)$", "$1.$2") if decimal_comma else text


def read_numbers(rows: Rows, name: str) -> pl.Series:
    """A column of numbers, null where a value is missing.

    Raises:
        InputError: names the first cell that is neither, and the first that is infinite.
    """
    cells = rows.frame[name]
    values = numbers(cells, decimal_comma=rows.decimal_comma)
    if values is None:
        raise InputError(f"{rows.path}, column {name}: expected numbers, got {cells.dtype}")
    if cells.dtype == pl.String:
        empty = cells.str.strip_chars().str.to_lowercase().is_in(MISSING).fill_null(value=True)
        for row in (values.is_null() & ~empty).arg_true().head(1):
            raise InputError(f"{rows.at(row, name)}: {cells[row]!r} is no number; mend it, or leave the cell empty")
    for row in values.is_infinite().fill_null(value=False).arg_true().head(1):
        raise InputError(f"{rows.at(row, name)}: the value is infinite; mend it, or leave the cell empty")
    return values


def read_times(rows: Rows, name: str) -> pl.Series:
    """A column of dates, or of whole numbers such as years.

    Raises:
        InputError: names the first cell that is neither.
    """
    cells = rows.frame[name]
    for row in cells.is_null().arg_true().head(1):
        raise InputError(f"{rows.at(row, name)}: there is no date; write one, or remove the {rows.unit}")
    if cells.dtype.is_temporal():
        return cells
    counted = numbers(cells, decimal_comma=rows.decimal_comma)
    if counted is not None and not counted.is_null().any():
        return _whole(rows, name, counted)
    if cells.dtype != pl.String:
        raise InputError(f"{rows.path}, column {name}: expected dates or whole numbers, got {cells.dtype}")
    return _dates(rows, name, cells.str.strip_chars())


def _whole(rows: Rows, name: str, counted: pl.Series) -> pl.Series:
    for row in (counted != counted.round()).arg_true().head(1):
        raise InputError(f"{rows.at(row, name)}: {counted[row]} is neither a date nor a whole number")
    whole = counted.cast(pl.Int64)
    if whole.is_between(1_000_01_01, 3_000_12_31).all():  # 20240131
        return _dates(rows, name, whole.cast(pl.String).str.replace(r"^(....)(..)(..)$", "$1-$2-$3"))
    if whole.is_between(1_800_01, 2_200_12).all() and (whole % 100).is_between(1, 12).all():  # 202401
        return _dates(rows, name, whole.cast(pl.String).str.replace(r"^(....)(..)$", "$1-$2"))
    for units, unit in _UNIX:
        if whole.is_between(units * _FIRST, units * _LAST).all():
            return pl.Series(whole.to_numpy().astype(f"datetime64[{unit}]").astype("datetime64[us]"))
    return whole


def _dates(rows: Rows, name: str, texts: pl.Series) -> pl.Series:
    try:
        stamps = pl.Series(parse_dates(texts.to_list()))
    except InputError:
        for row, text in enumerate(texts):
            if not is_date(text):
                raise InputError(f"{rows.at(row, name)}: {text!r} is no date; write dates as 2024-01-31") from None
        raise InputError(
            f"{rows.path}, column {name}: dates are written in different forms; write all as 2024-01-31"
        ) from None
    days = stamps.cast(pl.Date)
    return days if (days.cast(stamps.dtype) == stamps).all() else stamps
