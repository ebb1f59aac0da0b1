"""Text whose cells are separated by a character: CSV, TSV and similar formats.

All cells are read as text and converted later, so that a message can show a wrong cell as it is in the file.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.tables.grid import Grid
from throughtime.app.tables.header import Row, find_header, table_width
from throughtime.data.series.dates import is_date

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from throughtime.app.tables.header import Header

MAX_CELL_CHARACTERS = 131_072
"""Limit of the characters of a cell."""

MAX_COLUMNS = 16_384
"""Limit of the columns of a table, that of a spreadsheet."""

MAX_LINES = 50_000_000
"""Limit of the lines of a file."""

_SEPARATORS = ",;\t|"
_SAMPLE = 200  # rows, to find the separator and the header
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)


def read_delimited(path: Path, text: str, layout: str | None = None) -> Grid:
    """Read the text of a CSV file with any separator, and with any lines before its header.

    Raises:
        InputError: for text that is not a table, or that exceeds a limit.
    """
    text = text if "\n" in text else text.replace("\r", "\n")
    _check_lines(path, text)
    declared = _SEPARATOR_LINE.match(text)
    start = declared.end() if declared else 0
    separator = declared[1] if declared else _detect_separator(path, text)
    if not separator.isascii() or separator == '"':
        raise InputError(f"{path}, line 1: {separator!r} cannot separate cells; save the file with commas or tabs")
    rows, ends = _read_rows(path, text, start, separator)
    if not rows:
        raise InputError(f"{path} is empty: expected a table with a header, a column of dates and one of numbers")
    header = find_header(rows, str(path), "line", layout)
    body = ends[header.first - 1] if header.first else start
    first = 1 + text.count("\n", 0, body)
    names, width = _column_names(header, rows[header.first :] or rows)
    frame = _read_cells(path, text[body:], separator, width, first)
    lines = pl.Series(range(first, first + frame.height), dtype=pl.Int64) + _line_breaks(frame)
    return replace(Grid.of(frame, lines, names, header), separator=separator)


def _check_lines(path: Path, text: str) -> None:
    count = text.count("\n")
    if count > MAX_LINES:
        raise InputError(
            f"{path} has {count:,} lines; the limit is {MAX_LINES:,}; split it, or save it as a folder of Parquet "
            "files, which are read in batches"
        )


def _detect_separator(path: Path, text: str) -> str:
    """Return the character that splits most lines into the same number of cells."""
    best_score, best = (0, 0), ","
    for separator in _SEPARATORS:
        try:
            rows, _ = _read_rows(path, text, 0, separator)
        except InputError:  # raised again if no other separator fits
            continue
        width = table_width(rows) if rows else 0
        score = (sum(len(row.cells) == width for row in rows), width)
        if width > 1 and score > best_score:
            best_score, best = score, separator
    return best


def _read_rows(path: Path, text: str, start: int, separator: str) -> tuple[list[Row], list[int]]:
    """Return the first rows that are not empty, and the position in the text where each ends."""
    rows: list[Row] = []
    line_ends: list[int] = []
    ends: list[int] = []
    before = text.count("\n", 0, start)
    reader = csv.reader(_split_lines(text, start, line_ends), delimiter=separator)
    line, blank = before + 1, False
    try:
        for raw in islice(reader, 4 * _SAMPLE):
            cells = [cell.strip() for cell in raw]
            if any(cells):
                _check_widths(path, line, cells)
                rows.append(Row(line, cells, blank))
                ends.append(line_ends[-1])
            line, blank = before + reader.line_num + 1, not any(cells)
            if len(rows) == _SAMPLE:
                break
    except csv.Error as error:
        faulty = before + reader.line_num
        sentence = _long_cell_message(path, faulty) if "limit" in str(error) else f"{path}, line {faulty}: {error}"
        raise InputError(sentence) from error
    return rows, ends


def _split_lines(text: str, start: int, ends: list[int]) -> Iterator[str]:
    """Yield the lines of a text, and append their ends to a list."""
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        ends.append(end)
        yield text[start:end]
        start = end


def _check_widths(path: Path, line: int, cells: list[str]) -> None:
    if len(cells) > MAX_COLUMNS:
        raise InputError(f"{path}, line {line}: {len(cells):,} cells; the limit is {MAX_COLUMNS:,} columns")
    if any(len(cell) > MAX_CELL_CHARACTERS for cell in cells):
        raise InputError(_long_cell_message(path, line))


def _long_cell_message(path: Path, line: int) -> str:
    limit = f"{MAX_CELL_CHARACTERS:,} characters"
    return f"{path}, line {line}: a cell is longer than {limit}, the limit; is a quotation mark open?"


def _column_names(header: Header, body: list[Row]) -> tuple[list[str], int]:
    """Return the names of the columns, and the number of cells of a row."""
    width = table_width(body)
    names = header.names
    if names is None:
        return [f"column_{i + 1}" for i in range(width)], width
    if width != len(names) + 1:
        return names, len(names)
    full = [row.cells for row in body if len(row.cells) == width]
    if not any(cells[-1] for cells in full):  # each row ends with a separator
        names = [*names, ""]
    elif len(names) == 1 or not all(map(is_date, {cells[0] for cells in full})):
        names = ["", *names]  # R writes the names of rows without a header
    return names, len(names)  # with dates in front, the separator is part of a number


def _read_cells(path: Path, text: str, separator: str, width: int, first: int) -> pl.DataFrame:
    """Return the rows after the header, with the same number of cells."""
    schema = {f"column_{i}": pl.String for i in range(width)}
    if not text.strip("\r\n"):
        raise InputError(f"{path}: expected rows of data, got only a header")
    header = separator.join(schema)  # all columns, as cells may be missing in the first row
    options = {"separator": separator, "schema": schema, "infer_schema": False}
    try:
        frame = pl.read_csv(f"{header}\n{text}".encode(), **options)
    except pl.exceptions.PolarsError as error:
        frame = _read_inner_quotes(text, separator, schema)
        if frame is None:
            raise _find_long_row(path, text, separator, width, first) or InputError(
                f"{path} cannot be read as CSV: {str(error).splitlines()[0]}; is a quotation mark open?"
            ) from error
    if _line_breaks(frame).max():
        _check_quotes(path, text, separator, first)
    longest = frame.select(pl.max_horizontal(pl.all().str.len_bytes())).to_series()
    for row in (longest > MAX_CELL_CHARACTERS).arg_true().head(1):
        raise InputError(_long_cell_message(path, first + row))
    stripped = pl.all().str.strip_chars()
    return frame.select(pl.when(stripped != "").then(stripped).name.keep())


def _read_inner_quotes(text: str, separator: str, schema: dict[str, type[pl.String]]) -> pl.DataFrame | None:
    """Return the rows of a text with quotation marks within cells, such as 5" pipe; None if a row is not one line."""
    rows, opening = [], re.compile(rf'(?:^|{re.escape(separator)})\s*"')
    for line in text.split("\n"):
        if line.count('"') % 2 and opening.search(line):
            return None
        cells = next(csv.reader([line.rstrip("\r")], delimiter=separator), [])
        rows.append([*cells, *[None] * (len(schema) - len(cells))])
    if any(len(row) > len(schema) for row in rows):
        return None
    return pl.DataFrame(rows, schema=schema, orient="row")


def _check_quotes(path: Path, text: str, separator: str, first: int) -> None:
    """Check that cells of several lines do not come from a quotation mark that is not doubled."""
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        for _ in reader:
            pass
    except csv.Error as error:
        line = first + reader.line_num - 1
        raise InputError(f"{path}, line {line}: {error}; double quotation marks within quoted cells") from error


def _line_breaks(frame: pl.DataFrame) -> pl.Series:
    """Return the number of line breaks within cells before each row."""
    breaks = frame.select(pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True).fill_null(0))).to_series()
    return breaks.cast(pl.Int64).cum_sum().shift(1, fill_value=0)


def _find_long_row(path: Path, text: str, separator: str, expected: int, first: int) -> InputError | None:
    """Return an error on the first line with more cells than the header, if there is one."""
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        for cells in reader:
            if len(cells) > expected:
                line = first + reader.line_num - 1
                return InputError(
                    f"{path}, line {line}: expected {expected} cells as in the header, got {len(cells)}; "
                    "put cells that hold the separator into quotation marks"
                )
    except csv.Error as error:
        return InputError(f"{path}, line {first + reader.line_num - 1}: {error}")
    return None
