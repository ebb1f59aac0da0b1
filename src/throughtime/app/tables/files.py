"""Rows of a CSV, Excel or Parquet file, each with the line that it stands in, so that a message can name the line."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.tables.delimited import MOST_COLUMNS, read_delimited
from throughtime.app.tables.excel import is_workbook, read_sheet
from throughtime.app.tables.read_options import ReadOptions
from throughtime.data.encodings import decode_table
from throughtime.data.files import read_bytes
from throughtime.data.series.parquet import find_parquet_files

if TYPE_CHECKING:
    from pathlib import Path

_FIRST = 20_000  # rows of a folder
_WANTED = "a table with a header, a column of dates and one of numbers"
_KIND = "CSV, Excel or Parquet"


@dataclass(frozen=True)
class Rows:
    """A table as it stands in a file.

    Attributes:
        path: the file.
        frame: text for CSV, typed columns for Parquet and Excel.
        lines: the line of each row; for Parquet the number of the row, from 1.
        unit: 'line' or 'row'.
        notes: how the file was read, in plain sentences.
        options: what a user said of it.
        origin: the column of each value, where the file has a row for each series.
        separator: between the cells of a text file; '' for other files.
    """

    path: Path
    frame: pl.DataFrame
    lines: pl.Series
    unit: str = "line"
    notes: list[str] = field(default_factory=list)
    options: ReadOptions = field(default_factory=ReadOptions)
    origin: pl.Series | None = None
    separator: str = ""

    def at(self, row: int, column: str) -> str:
        """Where a cell is, in words."""
        column = column if self.origin is None else self.origin[row]
        return f"{self.path}, {self.unit} {self.lines[row]}, column {column}"


def read_rows(path: Path, options: ReadOptions | None = None) -> Rows:
    """Read a CSV file (of whatever separator and encoding; perhaps gzipped), an Excel file or a Parquet file.

    Raises:
        InputError: where there is no such file, or it holds no table.
    """
    options = options or ReadOptions()
    content = read_bytes(path, _WANTED, _KIND)
    if options.encoding is not None and content[:4] in {b"PAR1", b"PK\x03\x04"}:
        raise InputError(f"--encoding: {path} is not a text file; leave it out")
    if content[:4] == b"PAR1":
        rows = Rows(*_parquet(path, content), options=options)
    elif path.suffix in {".parquet", ".pq"}:
        raise InputError(f"{path}: expected a Parquet file as its name says, but it does not begin like one")
    elif is_workbook(path, content):
        grid = read_sheet(path, content, options.sheet, options.layout)
        rows = Rows(path, grid.frame, grid.lines, "row", grid.notes, options)
    else:
        rows = _text(path, content, options)
    if not rows.frame.height:
        raise InputError(f"{path}: expected rows of data, got a header alone")
    return rows


def first_rows(folder: Path) -> Rows:
    """The first rows of the first Parquet file of a folder.

    Raises:
        InputError: where there is none, or it holds no table.
    """
    path = find_parquet_files(folder)[0]
    try:
        frame = pl.read_parquet(path, n_rows=_FIRST)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path} is a damaged Parquet file: {str(error).splitlines()[0]}") from error
    return Rows(path, frame, _numbers(frame), unit="row")


def _text(path: Path, content: bytes, options: ReadOptions) -> Rows:
    if options.sheet is not None:
        raise InputError(f"--sheet: {path} is not an Excel file; leave it out")
    text, encoding = decode_table(path, content, _KIND, options.encoding, options.fallback_encoding)
    grid = read_delimited(path, text, options.layout)
    notes = [f"Encoding: {encoding} (another one with --encoding)."] if encoding else []
    notes += grid.notes
    return Rows(path, grid.frame, grid.lines, notes=notes, options=options, separator=grid.separator)


def _parquet(path: Path, content: bytes) -> tuple[Path, pl.DataFrame, pl.Series, str]:
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path} is a damaged Parquet file: {str(error).splitlines()[0]}") from error
    if frame.width > MOST_COLUMNS:
        raise InputError(f"{path}: {frame.width:,} columns; the limit is {MOST_COLUMNS:,}")
    return path, frame, _numbers(frame), "row"


def _numbers(frame: pl.DataFrame) -> pl.Series:
    return pl.Series(range(1, frame.height + 1), dtype=pl.Int64)
