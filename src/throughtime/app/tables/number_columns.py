"""Columns of text as numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from throughtime._core.errors import InputError
from throughtime.data.series.numbers import (
    AmbiguousNumberError,
    ContradictoryNumberError,
    NumberCells,
    NumberFormat,
    infer_number_format,
    numeric_fraction,
    parse_numbers,
)

if TYPE_CHECKING:
    from throughtime.app.tables.files import FileRows

_INFINITE = re.compile(r"[-+]?(?:inf(?:inity)?|∞)", re.IGNORECASE)
_MAX_SAMPLE = 1000  # cells that a guess looks at


def to_numbers(cells: pl.Series) -> pl.Series | None:
    """Return cells as numbers, null for all others; None if the column is neither numeric nor text of one format.

    For guesses and for whole numbers; `read_numbers` reads values.
    """
    if cells.dtype != pl.String:
        return cells.cast(pl.Float64).fill_nan(None) if cells.dtype.is_numeric() else None
    number_cells = NumberCells.of(cells)
    try:
        return parse_numbers(number_cells, infer_number_format(number_cells))
    except ValueError:
        return None


def is_numeric(cells: pl.Series) -> bool:
    """Return whether most cells that are not empty are numbers; the reader reports the others."""
    if cells.dtype != pl.String:
        return cells.dtype.is_numeric()
    filled = cells.drop_nulls()
    if len(filled) and filled.cast(pl.Float64, strict=False).null_count() == 0:
        return True
    return numeric_fraction(filled.gather_every(max(1, len(filled) // _MAX_SAMPLE))) > 0.5


def read_numbers(
    rows: FileRows, name: str, stored: NumberFormat | None = None
) -> tuple[pl.Series, NumberFormat | None, list[str]]:
    """Read a column of numbers, null where a value is missing.

    Args:
        rows: the table.
        name: of the column.
        stored: number format of the training data.

    Returns:
        The numbers; their format, None for a typed column; and notes.

    Raises:
        InputError: for the first cell that is not a number, is infinite or contradicts another cell; and for cells that
            can be read in two ways, with the options that decide.
    """
    cells = rows.frame[name]
    if cells.dtype != pl.String:
        if not cells.dtype.is_numeric() and cells.dtype != pl.Null:
            raise InputError(f"{rows.path}, column {name}: expected numbers, got {cells.dtype}")
        values, number_format, notes = cells.cast(pl.Float64).fill_nan(None), None, []
    else:
        number_cells = NumberCells.of(cells)
        number_format, notes = _infer_format(rows, name, number_cells, stored)
        values = parse_numbers(number_cells, number_format)
        _check_text(rows, name, number_cells, values, number_format)
        notes += _note_readings(name, number_cells, values, number_format) if stored is None else []
    for row in values.is_infinite().fill_null(value=False).arg_true().head(1):
        raise InputError(f"{rows.at(row, name)}: the value is infinite; correct it, or leave the cell empty")
    return values, number_format, notes


def _infer_format(
    rows: FileRows, name: str, number_cells: NumberCells, stored: NumberFormat | None
) -> tuple[NumberFormat, list[str]]:
    """Return the format of a column, by its cells, the stored format and the options, and notes.

    If nothing else decides, a point in a table with commas as separators is a decimal point: files with decimal
    commas have other separators. A note gives both readings.
    """
    notes: list[str] = []
    options = rows.options
    origin = "the training data" if stored is not None else ""
    if options.decimal is not None or options.thousands is not None:
        origin = "--decimal and --thousands"
        stored = NumberFormat(options.decimal or "", options.thousands or "")
    try:
        try:
            number_format = infer_number_format(number_cells, stored)
        except AmbiguousNumberError as error:
            is_point_in_csv = (error.mark, rows.separator) == (".", ",")
            if options.thousands != "" and not is_point_in_csv:
                raise
            number_format = infer_number_format(number_cells, NumberFormat(decimal=error.mark))
            if options.thousands != "":
                notes.append(_note_decimal_point(rows, name, error))
    except AmbiguousNumberError as error:
        raise InputError(_ambiguity_message(rows, name, error)) from error
    except ContradictoryNumberError as error:
        raise InputError(_contradiction_message(rows, name, error, origin)) from error
    if options.thousands == "" and number_format.thousands:
        row = number_cells.bodies.str.contains(number_format.thousands, literal=True).arg_max() or 0
        raise InputError(
            f"{rows.at(row, name)}: {rows.frame[name][row]!r} has a thousands separator, but --thousands is none"
        )
    if stored is not None and origin == "the training data" and number_format.percent != stored.percent:
        row = int((number_cells.bodies.is_not_null() & number_cells.percent).arg_max() or 0)
        raise InputError(f"{rows.at(row, name)}: {rows.frame[name][row]!r} has a percent sign, but {origin} have none")
    return number_format, notes


def _both_readings(rows: FileRows, name: str, error: AmbiguousNumberError) -> tuple[str, str, str]:
    """Return a cell, and its value with a decimal mark and with a thousands separator."""
    cell = rows.frame[name][error.row]
    return cell, cell.replace(",", "."), cell.replace(error.mark, "")


def _note_decimal_point(rows: FileRows, name: str, error: AmbiguousNumberError) -> str:
    cell, fraction, whole = _both_readings(rows, name, error)
    return (
        f"Numbers: {cell!r} in column {name} can be {fraction} or {whole}, and no cell of the column decides; in a "
        f"table separated by commas a point is read as the decimal mark (for {whole} add --thousands point)."
    )


def _ambiguity_message(rows: FileRows, name: str, error: AmbiguousNumberError) -> str:
    cell, fraction, whole = _both_readings(rows, name, error)
    word = "point" if error.mark == "." else "comma"
    return (
        f"{rows.at(error.row, name)}: {cell!r} can be {fraction} or {whole}, and no cell of the column decides; "
        f"add --decimal {word} for {fraction}, or --thousands {word} for {whole}"
    )


def _contradiction_message(rows: FileRows, name: str, error: ContradictoryNumberError, origin: str) -> str:
    cells = rows.frame[name]
    if error.other is None:
        return f"{rows.at(error.row, name)}: {cells[error.row]!r} does not fit {origin}: {error.reason}"
    return (
        f"{rows.path}, column {name}: {cells[error.row]!r} in {rows.unit} {rows.lines[error.row]} and "
        f"{cells[error.other]!r} in {rows.unit} {rows.lines[error.other]} contradict each other: {error.reason}; "
        "use one number format in the column"
    )


def _check_text(
    rows: FileRows, name: str, number_cells: NumberCells, values: pl.Series, number_format: NumberFormat
) -> None:
    for row in (values.is_null() & ~number_cells.missing).arg_true().head(1):
        cell = rows.frame[name][row]
        if _INFINITE.fullmatch(cell):
            raise InputError(f"{rows.at(row, name)}: the value is infinite; correct it, or leave the cell empty")
        marks = [
            f"{mark!r} {word}"
            for mark, word in (
                (number_format.decimal, "as decimal mark"),
                (number_format.thousands, "as thousands separator"),
            )
            if mark
        ]
        hint = f" (the column has {' and '.join(marks)})" if marks and numeric_fraction(pl.Series([cell])) else ""
        raise InputError(f"{rows.at(row, name)}: {cell!r} is not a number{hint}; correct it, or leave the cell empty")


def _note_readings(name: str, number_cells: NumberCells, values: pl.Series, number_format: NumberFormat) -> list[str]:
    """Return notes on a column that is not plain digits with a decimal point."""
    notes = []
    marks = "".join(
        re.escape(mark) for mark in (number_format.thousands, number_format.decimal.replace(".", "")) if mark
    )
    for row in number_cells.bodies.str.contains(f"[{marks}]").arg_true()[:1] if marks else ():
        value = _format_value(values[row])
        notes.append(
            f"Numbers: {number_cells.text[row]!r} of column {name} is {value} (change this with --decimal and "
            "--thousands)."
        )
    if number_format.percent:
        notes.append(f"Numbers: percent signs of column {name} are dropped: 45% is 45.")
    censored = (number_cells.censored & values.is_not_null()).arg_true()
    if len(censored):
        row = int(censored[0])
        notes.append(
            f"Numbers: {_count_cells(len(censored))} of column {name} such as {number_cells.text[row]!r} are limits; "
            f"half of the limit is used, {_format_value(values[row])}."
        )
    words = number_cells.text.filter(number_cells.missing & number_cells.text.is_not_null() & (number_cells.text != ""))
    if len(words):
        notes.append(f"Numbers: {_count_cells(len(words))} of column {name} without a value, such as {words[0]!r}.")
    return notes


def _count_cells(cells: int) -> str:
    return f"{cells} cell{'s' if cells != 1 else ''}"


def _format_value(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
