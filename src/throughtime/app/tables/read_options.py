"""Options of the command line on how a file is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from throughtime._core.errors import InputError
from throughtime.data.series.dates import DateFormat

LAYOUTS = ("long", "columns", "rows")
"""One row for each date and series; one column for each series; one row for each series, with dates in the header."""

READ_OPTION_NAMES = ("encoding", "sheet", "decimal", "thousands", "date_format", "layout", "sql", "database")
"""Names of the options."""

_DECIMAL_MARKS = {"point": ".", ".": ".", "comma": ",", ",": ","}
_THOUSANDS_SEPARATORS = {**_DECIMAL_MARKS, "space": " ", " ": " ", "apostrophe": "'", "'": "'", "none": ""}


@dataclass(frozen=True)
class ReadOptions:
    """How a file is read; None for what is detected.

    Attributes:
        encoding: of a text file.
        sheet: of an Excel file, by name or by number from 1.
        decimal: decimal mark: '.' or ','.
        thousands: thousands separator: '.', ',', ' ' or "'"; '' for none.
        dates: date format.
        layout: one of `LAYOUTS`.
        fallback_encoding: of text that is not valid UTF-8: that of the training data.
        sql: query that gives the rows, in place of a file.
        database: URI of its database.
    """

    encoding: str | None = None
    sheet: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    dates: DateFormat | None = None
    layout: str | None = None
    fallback_encoding: str | None = None
    sql: str | None = None
    database: str | None = None

    @classmethod
    def of(
        cls,
        encoding: str | None = None,
        sheet: str | None = None,
        decimal: str | None = None,
        thousands: str | None = None,
        date_format: str | None = None,
        layout: str | None = None,
        sql: str | None = None,
        database: str | None = None,
    ) -> Self:
        """Parse the values of the command line.

        Raises:
            InputError: for an unknown value, and for one mark in two roles.
        """
        if layout is not None and layout not in LAYOUTS:
            raise InputError(f"--layout: expected one of {', '.join(LAYOUTS)}, got {layout!r}")
        mark, separator = (
            _parse_mark("decimal", decimal, _DECIMAL_MARKS),
            _parse_mark("thousands", thousands, _THOUSANDS_SEPARATORS),
        )
        if mark is not None and mark == separator:
            raise InputError(f"--thousands: expected another mark than --decimal, got {thousands!r} for both")
        dates = None if date_format is None else DateFormat.of(date_format)
        return cls(encoding, sheet, mark, separator, dates, layout, sql=sql, database=database)


def _parse_mark(option: str, word: str | None, marks: dict[str, str]) -> str | None:
    if word is None:
        return None
    if word.lower() not in marks:
        names = ", ".join(name for name in marks if len(name) > 1)
        raise InputError(f"--{option}: expected one of {names}, or the mark itself, got {word!r}")
    return marks[word.lower()]


def select_read_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that are read options."""
    return {name: options[name] for name in READ_OPTION_NAMES if name in options}
