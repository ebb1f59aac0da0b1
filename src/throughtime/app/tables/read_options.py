"""What a user says of a file, so that it need not be recognised: options of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from throughtime._core.errors import InputError
from throughtime.data.series.dates import DateFormat

LAYOUTS = ("long", "columns", "rows")
"""A row for each date and series; a column for each series; a row for each series, with dates in the header."""

READ_OPTION_NAMES = ("encoding", "sheet", "decimal", "thousands", "date_format", "layout")
"""Names of the options of the command line."""

_DECIMALS = {"point": ".", ".": ".", "comma": ",", ",": ","}
_THOUSANDS = {**_DECIMALS, "space": " ", " ": " ", "apostrophe": "'", "'": "'", "none": ""}


@dataclass(frozen=True)
class ReadOptions:
    """How a file is to be read; None for whatever is to be recognised.

    Attributes:
        encoding: of text.
        sheet: of an Excel file, by name or by number from 1.
        decimal: mark before decimals: '.' or ','.
        thousands: mark between thousands: '.', ',', ' ' or "'"; '' where no mark separates thousands.
        dates: how dates are written.
        layout: one of `LAYOUTS`.
        fallback_encoding: of text that is not in UTF-8, as that of the training data was.
    """

    encoding: str | None = None
    sheet: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    dates: DateFormat | None = None
    layout: str | None = None
    fallback_encoding: str | None = None

    @classmethod
    def of(
        cls,
        encoding: str | None = None,
        sheet: str | None = None,
        decimal: str | None = None,
        thousands: str | None = None,
        date_format: str | None = None,
        layout: str | None = None,
    ) -> Self:
        """Check the words of the command line.

        Raises:
            InputError: for a word that is not known, and for one mark in two roles.
        """
        if layout is not None and layout not in LAYOUTS:
            raise InputError(f"--layout: expected one of {', '.join(LAYOUTS)}, got {layout!r}")
        begins, separates = _mark("decimal", decimal, _DECIMALS), _mark("thousands", thousands, _THOUSANDS)
        if begins is not None and begins == separates:
            raise InputError(f"--thousands: expected another mark than --decimal, got {thousands!r} for both")
        dates = None if date_format is None else DateFormat.of(date_format)
        return cls(encoding, sheet, begins, separates, dates, layout)


def _mark(option: str, word: str | None, marks: dict[str, str]) -> str | None:
    if word is None:
        return None
    if word.lower() not in marks:
        names = ", ".join(name for name in marks if len(name) > 1)
        raise InputError(f"--{option}: expected one of {names}, or the mark itself, got {word!r}")
    return marks[word.lower()]


def select_read_options(options: dict[str, Any]) -> dict[str, Any]:
    """Those of several options that say how a file is to be read."""
    return {name: options[name] for name in READ_OPTION_NAMES if name in options}
