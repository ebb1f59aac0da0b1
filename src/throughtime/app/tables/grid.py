"""Rows under a header, without what holds no data: blank rows, comments, repeated headers, empty columns."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import polars as pl

if TYPE_CHECKING:
    from throughtime.app.tables.header import Header

NO_NAME = "(no name)"
"""What a column without a name is called."""


@dataclass(frozen=True)
class Grid:
    """A table as it stands in a file.

    Attributes:
        frame: its cells, null where empty, under the names of the header.
        lines: the line or row of each row.
        notes: what was left out, in plain sentences.
        separator: between the cells of a text file; '' for other files.
    """

    frame: pl.DataFrame
    lines: pl.Series
    notes: list[str]
    separator: str = ""

    @classmethod
    def of(cls, frame: pl.DataFrame, lines: pl.Series, names: list[str], header: Header, unit: str = "line") -> Self:
        """Name the columns of rows, and leave out those that hold no data."""
        notes = _notes(header, unit)
        frame = frame.rename(dict(zip(frame.columns, unique_names(names), strict=True)))
        filled = ~frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
        left_out = {"comment": _comments(frame), "repeated header": _repeated_headers(frame, names)}
        for what, rows in left_out.items():
            count = int(rows.sum())
            if count:
                words = f"{count} {what}{'s' if count > 1 else ''}"
                where = f"{unit}{'s' if count > 1 else ''} {_list(lines.filter(rows).to_list())}"
                notes.append(f"Rows: {words} left out, {where}.")
                filled &= ~rows
        frame, lines = frame.filter(filled), lines.filter(filled)
        empty = [column for column, name in zip(frame.columns, names, strict=True) if not name.strip()]
        frame = frame.drop(column for column in empty if frame[column].is_null().all())
        return cls(frame, lines, notes)


def unique_names(names: list[str]) -> list[str]:
    """Return names of columns in one line each, without control characters; equal ones are numbered."""
    clean = [_printable(re.sub(r"\s+", " ", name).strip()) or NO_NAME for name in names]
    counts, seen = Counter(clean), Counter[str]()
    unique = []
    for name in clean:
        seen[name] += 1
        unique.append(name if counts[name] == 1 else f"{name} ({seen[name]})")
    return unique


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def _comments(frame: pl.DataFrame) -> pl.Series:
    """Rows of one cell that begins with a #."""
    first, *others = frame.columns
    if not others:
        return pl.Series([False]).new_from_index(0, frame.height)
    alone = pl.all_horizontal(pl.col(others).is_null())
    return frame.select(
        alone & pl.col(first).cast(pl.String).str.contains(r"^#.*\s").fill_null(value=False)
    ).to_series()


def _repeated_headers(frame: pl.DataFrame, names: list[str]) -> pl.Series:
    """Rows that hold the names of the columns once more, as joined files do."""
    same = [
        pl.col(column).cast(pl.String).eq_missing(pl.lit(name or None))
        for column, name in zip(frame.columns, names, strict=True)
    ]
    return frame.select(pl.all_horizontal(same)).to_series()


def _notes(header: Header, unit: str) -> list[str]:
    notes = []
    if header.skipped:
        plural = "s" if len(header.skipped) > 1 else ""
        notes.append(f"Header: what precedes it was left out, {unit}{plural} {_list(header.skipped)}.")
    if header.units is not None:
        notes.append(f"Units: the row of units after the header was left out, {unit} {header.units}.")
    return notes


def _list(lines: list[int]) -> str:
    return ", ".join(map(str, lines[:5])) + (", …" if len(lines) > 5 else "")
