"""Rows of a CSV or Parquet file, each with the line that it stands in, so that a complaint can name the line.

A CSV file is read as text and converted later: only then can a wrong cell be shown as it was written. The separator is
found in the first line, and a first line of numbers is no header.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from throughtime._errors import InputError
from throughtime.data.files import decoded, read_bytes
from throughtime.data.parquet import files_of

if TYPE_CHECKING:
    from pathlib import Path

_SEPARATORS = ",;\t|"
_FIRST = 20_000  # rows of a folder
_WANTED = "a table with a header, a column of dates and one of numbers"


@dataclass(frozen=True)
class Rows:
    """A table as it stands in a file.

    Attributes:
        path: the file.
        frame: text for CSV, typed columns for Parquet.
        lines: the line of each row; for Parquet the number of the row, from 1.
        unit: 'line' or 'row'.
        decimal_comma: whether numbers may be written as 1,5.
    """

    path: Path
    frame: pl.DataFrame
    lines: pl.Series
    unit: str = "line"
    decimal_comma: bool = False

    def at(self, row: int, column: str) -> str:
        """Where a cell is, in words."""
        return f"{self.path}, {self.unit} {self.lines[row]}, column {column}"


def read_rows(path: Path) -> Rows:
    """Read a CSV file (separated by comma, semicolon, tab or bar; perhaps gzipped) or a Parquet file.

    Raises:
        InputError: where there is no such file, or it holds no table.
    """
    content = read_bytes(path, _WANTED, "CSV or Parquet")
    if content[:4] == b"PAR1":
        rows = _parquet(path, content)
    elif path.suffix in {".parquet", ".pq"}:
        raise InputError(f"{path}: expected a Parquet file as its name says, but it does not begin like one")
    else:
        rows = _csv(path, decoded(path, content, "CSV or Parquet"))
    if not rows.frame.height:
        raise InputError(f"{path}: expected rows of data, got a header alone")
    return rows


def first_rows(folder: Path) -> Rows:
    """The first rows of the first Parquet file of a folder.

    Raises:
        InputError: where there is none, or it holds no table.
    """
    path = files_of(folder)[0]
    try:
        frame = pl.read_parquet(path, n_rows=_FIRST)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path} is a damaged Parquet file: {str(error).splitlines()[0]}") from error
    return Rows(path, frame, pl.Series(range(1, frame.height + 1), dtype=pl.Int64), unit="row")


def _parquet(path: Path, content: bytes) -> Rows:
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path} is a damaged Parquet file: {str(error).splitlines()[0]}") from error
    return Rows(path, frame, pl.Series(range(1, frame.height + 1), dtype=pl.Int64), unit="row")


def _csv(path: Path, text: str) -> Rows:
    text = text if "\n" in text else text.replace("\r", "\n")
    # Lines before the header that are blank are dropped, but keep their number.
    body = text.lstrip("\r\n")
    first = 1 + text[: len(text) - len(body)].count("\n")
    head = body.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=re.sub(r'"[^"]*"', "", head).count)
    named = _is_header(next(csv.reader([head], delimiter=separator)))
    try:
        frame = pl.read_csv(body.encode(), separator=separator, has_header=named, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise _ragged(path, body, separator, first) or InputError(
            f"{path} cannot be read as CSV: {str(error).splitlines()[0]}"
        ) from error
    frame = frame.rename(lambda name: name.strip() or "(no name)")
    lines = pl.Series(range(first + named, first + named + frame.height), dtype=pl.Int64)
    filled = ~frame.select(pl.all_horizontal(pl.all().is_null())).to_series()  # blank lines hold no row
    return Rows(path, frame.filter(filled), lines.filter(filled), decimal_comma=separator != ",")


def _is_header(cells: list[str]) -> bool:
    """Whether the first line names the columns: not where it holds numbers, unless they just count the columns."""
    numbers = [cell for cell in cells if re.fullmatch(r"\s*[-+]?\d+([.,]\d+)?(e[-+]?\d+)?\s*", cell, re.IGNORECASE)]
    counted = [[str(i) for i in range(start, start + len(cells))] for start in (0, 1)]
    return not numbers or (len(cells) > 1 and [cell.strip() for cell in cells] in counted)


def _ragged(path: Path, text: str, separator: str, first: int) -> InputError | None:
    """An error that names the first line with more cells than the header, if there is one."""
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    expected = len(next(reader))
    for cells in reader:
        if len(cells) > expected:
            line = first + reader.line_num - 1
            return InputError(f"{path}, line {line}: expected {expected} cells as in the first line, got {len(cells)}")
    return None
