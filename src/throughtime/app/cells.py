"""Cells of a table as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from throughtime._errors import InputError

if TYPE_CHECKING:
    from throughtime.app.files import Rows

MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?", ".")
"""Cells that say that there is no value, in lower case."""

_SPACED = r"^[-+]?\d{1,3}([\s'’]\d{3})+([.,]\d+)?$"
_BY_COMMAS = r"^[-+]?\d{1,3}(,\d{3})+(\.\d*)?$"
_BY_POINTS = r"^[-+]?\d{1,3}(\.\d{3})+,\d+$|^[-+]?\d{1,3}(\.\d{3}){2,}$"  # 1.234 alone may be a fraction


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
