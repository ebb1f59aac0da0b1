"""Rows under a header, without blank rows, comments, repeated headers and empty columns."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import polars as pl

if TYPE_CHECKING:
    from throughtime.app.tables.header import Header

NO_NAME = "(no name)"
"""The name of a column without a name."""


@dataclass(frozen=True)
class Grid:
    """A table of a file.

    Attributes:
        frame: its cells, null if empty, under the names of the header.
        lines: line or row number of each row.
        notes: on what was left out.
        separator: of the cells of a text file; '' for other files.
    """

    frame: pl.DataFrame
    lines: pl.Series
    notes: list[str]
    separator: str = ""

    @classmethod
    def of(cls, frame: pl.DataFrame, lines: pl.Series, names: list[str], header: Header, unit: str = "line") -> Self:
        """Return rows with the names of a header, without those that hold no data."""
        notes = _note_header(header, unit)
        frame = frame.rename(dict(zip(frame.columns, unique_names(names), strict=True)))
        filled = ~frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
        left_out = {"comment": _comment_rows(frame), "repeated header": _repeated_headers(frame, names)}
        for what, rows in left_out.items():
            count = int(rows.sum())
            if count:
                words = f"{count} {what}{'s' if count > 1 else ''}"
                where = f"{unit}{'s' if count > 1 else ''} {_join_lines(lines.filter(rows).to_list())}"
                notes.append(f"Rows: {words} left out, {where}.")
                filled &= ~rows
        frame, lines = frame.filter(filled), lines.filter(filled)
        empty = [column for column, name in zip(frame.columns, names, strict=True) if not name.strip()]
        frame = frame.drop(column for column in empty if frame[column].is_null().all())
        return cls(frame, lines, notes)


def unique_names(names: list[str]) -> list[str]:
    """Return names of columns without line breaks and control characters; equal names are numbered."""
    clean = [_printable(re.sub(r"\s+", " ", name).strip()) or NO_NAME for name in names]
    counts, seen = Counter(clean), Counter[str]()
    unique = []
    for name in clean:
        seen[name] += 1
        unique.append(name if counts[name] == 1 else f"{name} ({seen[name]})")
    return unique


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def _comment_rows(frame: pl.DataFrame) -> pl.Series:
    """Return which rows have a single cell that begins with a #."""
    first, *others = frame.columns
    if not others:
        return pl.Series([False]).new_from_index(0, frame.height)
    alone = pl.all_horizontal(pl.col(others).is_null())
    return frame.select(
        alone & pl.col(first).cast(pl.String).str.contains(r"^#.*\s").fill_null(value=False)
    ).to_series()


def _repeated_headers(frame: pl.DataFrame, names: list[str]) -> pl.Series:
    """Return which rows repeat the names of the columns, as in concatenated files."""
    same = [
        pl.col(column).cast(pl.String).eq_missing(pl.lit(name or None))
        for column, name in zip(frame.columns, names, strict=True)
    ]
    return frame.select(pl.all_horizontal(same)).to_series()


def _note_header(header: Header, unit: str) -> list[str]:
    notes = []
    if header.skipped:
        plural = "s" if len(header.skipped) > 1 else ""
        notes.append(f"Header: lines before it were left out, {unit}{plural} {_join_lines(header.skipped)}.")
    if header.units is not None:
        notes.append(f"Units: the row of units after the header was left out, {unit} {header.units}.")
    return notes


def _join_lines(lines: list[int]) -> str:
    return ", ".join(map(str, lines[:5])) + (", …" if len(lines) > 5 else "")
