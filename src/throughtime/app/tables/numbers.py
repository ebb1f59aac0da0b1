"""Cells of a table as numbers."""

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
    from throughtime.app.tables.files import Rows

_INFINITE = re.compile(r"[-+]?(?:inf(?:inity)?|∞)", re.IGNORECASE)
_SAMPLE = 1000  # cells that a guess looks at


def numbers(cells: pl.Series) -> pl.Series | None:
    """Cells as numbers, null where there is no number; None where the type of the column has none, or its text is open.

    For guesses and for whole numbers; `read_numbers` reads values.
    """
    if cells.dtype != pl.String:
        return cells.cast(pl.Float64).fill_nan(None) if cells.dtype.is_numeric() else None
    parts = NumberCells.of(cells)
    try:
        return parse_numbers(parts, infer_number_format(parts))
    except ValueError:
        return None


def is_numeric(cells: pl.Series) -> bool:
    """Whether most cells that hold anything are numbers; a few that are not are for the reader to refuse."""
    if cells.dtype != pl.String:
        return cells.dtype.is_numeric()
    filled = cells.drop_nulls()
    if len(filled) and filled.cast(pl.Float64, strict=False).null_count() == 0:  # plain numbers, as in most files
        return True
    return numeric_fraction(filled.gather_every(max(1, len(filled) // _SAMPLE))) > 0.5


def read_numbers(
    rows: Rows, name: str, known: NumberFormat | None = None
) -> tuple[pl.Series, NumberFormat | None, list[str]]:
    """Read a column of numbers, null where a value is missing.

    Args:
        rows: of the table.
        name: of the column.
        known: how the column was written in training.

    Returns:
        The numbers; how they are written, None for a typed column; and what is to be reported, in plain sentences.

    Raises:
        InputError: names the first cell that is not a number, is infinite, or contradicts another one; and the options
            that decide where two readings are possible.
    """
    cells = rows.frame[name]
    if cells.dtype != pl.String:
        if not cells.dtype.is_numeric() and cells.dtype != pl.Null:
            raise InputError(f"{rows.path}, column {name}: expected numbers, got {cells.dtype}")
        values, form, notes = cells.cast(pl.Float64).fill_nan(None), None, []
    else:
        parts = NumberCells.of(cells)
        form, notes = _format(rows, name, parts, known)
        values = parse_numbers(parts, form)
        _refuse_text(rows, name, parts, values, form)
        notes += _notes(name, parts, values, form) if known is None else []
    for row in values.is_infinite().fill_null(value=False).arg_true().head(1):
        raise InputError(f"{rows.at(row, name)}: the value is infinite; correct it, or leave the cell empty")
    return values, form, notes


def _format(rows: Rows, name: str, parts: NumberCells, known: NumberFormat | None) -> tuple[NumberFormat, list[str]]:
    """Return how a column is written, by its cells, by what is known of it and by the options of the user, and notes.

    Where nothing else decides, a point in a table that is separated by commas begins decimals: where commas begin
    decimals, other marks separate cells. A note gives both readings.
    """
    notes: list[str] = []
    options = rows.options
    origin = "the training data" if known is not None else ""
    if options.decimal is not None or options.thousands is not None:
        origin = "--decimal and --thousands"
        known = NumberFormat(options.decimal or "", options.thousands or "")
    try:
        try:
            form = infer_number_format(parts, known)
        except AmbiguousNumberError as error:
            is_usual = (error.mark, rows.separator) == (".", ",")
            if options.thousands != "" and not is_usual:
                raise
            form = infer_number_format(parts, NumberFormat(decimal=error.mark))
            if options.thousands != "":
                notes.append(_usual_reading(rows, name, error))
    except AmbiguousNumberError as error:
        raise InputError(_ambiguity(rows, name, error)) from error
    except ContradictoryNumberError as error:
        raise InputError(_contradiction(rows, name, error, origin)) from error
    if options.thousands == "" and form.thousands:
        row = parts.bodies.str.contains(form.thousands, literal=True).arg_max() or 0
        raise InputError(
            f"{rows.at(row, name)}: {rows.frame[name][row]!r} has a mark between thousands, but --thousands is none"
        )
    if known is not None and origin == "the training data" and form.percent != known.percent:
        row = int((parts.bodies.is_not_null() & parts.percent).arg_max() or 0)
        raise InputError(f"{rows.at(row, name)}: {rows.frame[name][row]!r} has a percent sign, {origin} have none")
    return form, notes


def _readings(rows: Rows, name: str, error: AmbiguousNumberError) -> tuple[str, str, str]:
    """Return a cell, with its mark before decimals, and with its mark between thousands."""
    cell = rows.frame[name][error.row]
    return cell, cell.replace(",", "."), cell.replace(error.mark, "")


def _usual_reading(rows: Rows, name: str, error: AmbiguousNumberError) -> str:
    cell, fraction, whole = _readings(rows, name, error)
    return (
        f"Numbers: {cell!r} of column {name} may be {fraction} or {whole}, and no cell of the column decides; in a "
        f"table separated by commas a point is taken to begin decimals (for {whole} add --thousands point)."
    )


def _ambiguity(rows: Rows, name: str, error: AmbiguousNumberError) -> str:
    cell, fraction, whole = _readings(rows, name, error)
    word = "point" if error.mark == "." else "comma"
    return (
        f"{rows.at(error.row, name)}: {cell!r} may be {fraction} or {whole}, and no cell of the column decides; "
        f"add --decimal {word} for {fraction}, or --thousands {word} for {whole}"
    )


def _contradiction(rows: Rows, name: str, error: ContradictoryNumberError, origin: str) -> str:
    cells = rows.frame[name]
    if error.other is None:
        return f"{rows.at(error.row, name)}: {cells[error.row]!r} does not fit {origin}: {error.reason}"
    return (
        f"{rows.path}, column {name}: {cells[error.row]!r} in {rows.unit} {rows.lines[error.row]} and "
        f"{cells[error.other]!r} in {rows.unit} {rows.lines[error.other]} contradict each other: {error.reason}; "
        "write all cells of the column alike"
    )


def _refuse_text(rows: Rows, name: str, parts: NumberCells, values: pl.Series, form: NumberFormat) -> None:
    for row in (values.is_null() & ~parts.missing).arg_true().head(1):
        cell = rows.frame[name][row]
        if _INFINITE.fullmatch(cell):
            raise InputError(f"{rows.at(row, name)}: the value is infinite; correct it, or leave the cell empty")
        marks = [
            f"{each!r} {word}"
            for each, word in ((form.decimal, "before decimals"), (form.thousands, "between thousands"))
            if each
        ]
        hint = f" (the column has {' and '.join(marks)})" if marks and numeric_fraction(pl.Series([cell])) else ""
        raise InputError(f"{rows.at(row, name)}: {cell!r} is not a number{hint}; correct it, or leave the cell empty")


def _notes(name: str, parts: NumberCells, values: pl.Series, form: NumberFormat) -> list[str]:
    """What was decided on a column that is not written in plain digits with a point."""
    notes = []
    marks = "".join(re.escape(mark) for mark in (form.thousands, form.decimal.replace(".", "")) if mark)
    for row in parts.bodies.str.contains(f"[{marks}]").arg_true()[:1] if marks else ():
        value = _shown(values[row])
        notes.append(
            f"Numbers: {parts.text[row]!r} of column {name} is {value} (otherwise with --decimal and --thousands)."
        )
    if form.percent:
        notes.append(f"Numbers: percent signs of column {name} are dropped: 45% is 45.")
    censored = (parts.censored & values.is_not_null()).arg_true()
    if len(censored):
        row = int(censored[0])
        notes.append(
            f"Numbers: {_count(len(censored))} of column {name} such as {parts.text[row]!r} are limits; half of the limit "
            f"is taken, {_shown(values[row])}."
        )
    words = parts.text.filter(parts.missing & parts.text.is_not_null() & (parts.text != ""))
    if len(words):
        notes.append(f"Numbers: {_count(len(words))} of column {name} without a value, such as {words[0]!r}.")
    return notes


def _count(cells: int) -> str:
    return f"{cells} cell{'s' if cells != 1 else ''}"


def _shown(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
