"""Rows of a CSV, Excel or Parquet file with their line numbers, so that a message can name the line."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.output import STDIN
from throughtime.app.tables.databases import find_database
from throughtime.app.tables.delimited import MAX_COLUMNS, read_delimited
from throughtime.app.tables.excel import is_workbook, read_sheet
from throughtime.app.tables.read_options import ReadOptions
from throughtime.data.encodings import decode_table
from throughtime.data.files import MAX_BYTES, check_size, read_bytes
from throughtime.data.series.parquet import find_parquet_files

_FOLDER_ROWS = 20_000
_EXPECTED_CONTENT = "a table with a header, a column of dates and one of numbers"
_FILE_KINDS = "CSV, Excel or Parquet"


@dataclass(frozen=True)
class FileRows:
    """The rows of a file.

    Attributes:
        path: the file.
        frame: text for CSV, typed columns for Parquet and Excel.
        lines: line of each row; for Parquet the number of the row, from 1; with the name of the file in a folder.
        unit: 'line' or 'row'.
        notes: on how the file was read.
        options: how the user asked to read it.
        origin: column of each value, if the file has one row for each series.
        separator: of the cells of a text file; '' for other files.
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
        """Return the location of a cell for a message."""
        column = column if self.origin is None else self.origin[row]
        return f"{self.path}, {self.unit} {self.lines[row]}, column {column}"


def read_rows(path: Path, options: ReadOptions | None = None) -> FileRows:
    """Read a CSV file (of any separator and encoding, also gzipped), an Excel file, a Parquet file or a query.

    Args:
        path: of the file, - for the standard input, or of the database of a query.
        options: how it is read.

    Raises:
        InputError: for a file that does not exist or holds no table, and for a query that a database refuses.
    """
    options = options or ReadOptions()
    if options.sql is not None:
        frame = find_database(options.database or "").read(options.sql)
        return FileRows(path, frame, _row_numbers(frame), "row", options=options)
    if str(path) == STDIN:
        return _parse(Path("standard input"), _read_stdin(), options)
    return _parse(path, read_bytes(path, _EXPECTED_CONTENT, _FILE_KINDS), options)


def _read_stdin() -> bytes:
    content = sys.stdin.buffer.read(MAX_BYTES + 1)
    path = Path("standard input")
    check_size(path, len(content))
    if content[:2] == b"\x1f\x8b":
        raise InputError("standard input is packed with gzip: unpack it first, such as with zcat")
    if not content.strip():
        raise InputError(f"standard input is empty: expected {_EXPECTED_CONTENT}")
    return content


def _parse(path: Path, content: bytes, options: ReadOptions) -> FileRows:
    """Return the rows of a file with a content."""
    if options.encoding is not None and content[:4] in {b"PAR1", b"PK\x03\x04"}:
        raise InputError(f"--encoding does not apply to {path}, which is not a text file; leave it out")
    if content[:4] == b"PAR1":
        rows = FileRows(*_read_parquet(path, content), options=options)
    elif path.suffix in {".parquet", ".pq"}:
        raise InputError(f"{path}: expected a Parquet file because of its name, but the content is not Parquet")
    elif is_workbook(path, content):
        grid = read_sheet(path, content, options.sheet, options.layout)
        rows = FileRows(path, grid.frame, grid.lines, "row", grid.notes, options)
    else:
        rows = _read_text(path, content, options)
    if not rows.frame.height:
        raise InputError(f"{path}: expected rows of data, got only a header")
    return rows


def read_first_rows(folder: Path) -> FileRows:
    """Read the first rows of the first Parquet file of a folder.

    Raises:
        InputError: for a folder without Parquet files, and for a damaged file.
    """
    path = find_parquet_files(folder)[0]
    try:
        frame = pl.read_parquet(path, n_rows=_FOLDER_ROWS)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path} is a damaged Parquet file: {str(error).splitlines()[0]}") from error
    return FileRows(path, frame, _row_numbers(frame), unit="row")


def _read_text(path: Path, content: bytes, options: ReadOptions) -> FileRows:
    if options.sheet is not None:
        raise InputError(f"--sheet does not apply to {path}, which is not an Excel file; leave it out")
    text, encoding = decode_table(path, content, _FILE_KINDS, options.encoding, options.fallback_encoding)
    grid = read_delimited(path, text, options.layout)
    notes = [f"Encoding: {encoding} (another one with --encoding)."] if encoding else []
    notes += grid.notes
    return FileRows(path, grid.frame, grid.lines, notes=notes, options=options, separator=grid.separator)


def _read_parquet(path: Path, content: bytes) -> tuple[Path, pl.DataFrame, pl.Series, str]:
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path} is a damaged Parquet file: {str(error).splitlines()[0]}") from error
    if frame.width > MAX_COLUMNS:
        raise InputError(f"{path}: {frame.width:,} columns; the limit is {MAX_COLUMNS:,}")
    return path, frame, _row_numbers(frame), "row"


def _row_numbers(frame: pl.DataFrame) -> pl.Series:
    return pl.Series(range(1, frame.height + 1), dtype=pl.Int64)
