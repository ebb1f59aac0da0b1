"""Text whose cells are separated by a character: CSV, TSV and their relatives.

All cells are read as text and converted later: only then can a wrong cell be shown as it was written.
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
from throughtime.app.tables.header import Record, find_header, table_width
from throughtime.data.series.dates import is_date

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from throughtime.app.tables.header import Header

LONGEST_CELL = 131_072
"""Characters of a cell."""

MOST_COLUMNS = 16_384
"""Columns of a table, as many as a spreadsheet has."""

MOST_LINES = 50_000_000
"""Lines of a file."""

_SEPARATORS = ",;\t|"
_SAMPLE = 200  # records in which the separator and the header are looked for
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)


def read_delimited(path: Path, text: str, layout: str | None = None) -> Grid:
    """Read the text of a CSV file, whatever separates its cells and precedes its header.

    Raises:
        InputError: for text that is not a table, or exceeds a limit.
    """
    text = text if "\n" in text else text.replace("\r", "\n")
    _check_lines(path, text)
    given = _SEPARATOR_LINE.match(text)
    start = given.end() if given else 0
    separator = given[1] if given else _separator(path, text)
    if not separator.isascii() or separator == '"':
        raise InputError(f"{path}, line 1: {separator!r} cannot separate cells; save the file with commas or tabs")
    records, ends = _records(path, text, start, separator)
    if not records:
        raise InputError(f"{path} is empty: expected a table with a header, a column of dates and one of numbers")
    header = find_header(records, str(path), "line", layout)
    body = ends[header.first - 1] if header.first else start
    first = 1 + text.count("\n", 0, body)
    names, width = _names(header, records[header.first :] or records)
    frame = _cells(path, text[body:], separator, width, first)
    lines = pl.Series(range(first, first + frame.height), dtype=pl.Int64) + _line_breaks(frame)
    return replace(Grid.of(frame, lines, names, header), separator=separator)


def _check_lines(path: Path, text: str) -> None:
    count = text.count("\n")
    if count > MOST_LINES:
        raise InputError(
            f"{path} has {count:,} lines; the limit is {MOST_LINES:,}; split it, or save it as a folder of Parquet "
            "files, which are read by parts"
        )


def _separator(path: Path, text: str) -> str:
    """The character that splits most lines into equally many cells."""
    best_score, best = (0, 0), ","
    for separator in _SEPARATORS:
        try:
            records, _ = _records(path, text, 0, separator)
        except InputError:  # not with this one; where no other fits, it is raised again
            continue
        width = table_width(records) if records else 0
        score = (sum(len(record.cells) == width for record in records), width)
        if width > 1 and score > best_score:
            best_score, best = score, separator
    return best


def _records(path: Path, text: str, start: int, separator: str) -> tuple[list[Record], list[int]]:
    """The first records that hold anything, and where in the text each ends."""
    records: list[Record] = []
    line_ends: list[int] = []
    ends: list[int] = []
    before = text.count("\n", 0, start)
    reader = csv.reader(_lines(text, start, line_ends), delimiter=separator)
    line, blank = before + 1, False
    try:
        for raw in islice(reader, 4 * _SAMPLE):
            cells = [cell.strip() for cell in raw]
            if any(cells):
                _check_widths(path, line, cells)
                records.append(Record(line, cells, blank))
                ends.append(line_ends[-1])
            line, blank = before + reader.line_num + 1, not any(cells)
            if len(records) == _SAMPLE:
                break
    except csv.Error as error:
        faulty = before + reader.line_num
        sentence = _long_cell(path, faulty) if "limit" in str(error) else f"{path}, line {faulty}: {error}"
        raise InputError(sentence) from error
    return records, ends


def _lines(text: str, start: int, ends: list[int]) -> Iterator[str]:
    """The lines of a text one by one, whose ends are added to a list."""
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        ends.append(end)
        yield text[start:end]
        start = end


def _check_widths(path: Path, line: int, cells: list[str]) -> None:
    if len(cells) > MOST_COLUMNS:
        raise InputError(f"{path}, line {line}: {len(cells):,} cells; the limit is {MOST_COLUMNS:,} columns")
    if any(len(cell) > LONGEST_CELL for cell in cells):
        raise InputError(_long_cell(path, line))


def _long_cell(path: Path, line: int) -> str:
    return (
        f"{path}, line {line}: a cell is longer than {LONGEST_CELL:,} characters, the limit; is a quotation mark open?"
    )


def _names(header: Header, body: list[Record]) -> tuple[list[str], int]:
    """The names of the columns, and how many cells a row may have."""
    width = table_width(body)
    names = header.names
    if names is None:
        return [f"column_{i + 1}" for i in range(width)], width
    if width != len(names) + 1:
        return names, len(names)
    full = [record.cells for record in body if len(record.cells) == width]
    if not any(cells[-1] for cells in full):  # each row ends in a separator
        names = [*names, ""]
    elif len(names) == 1 or not all(map(is_date, {cells[0] for cells in full})):
        names = ["", *names]  # the first column holds the names of rows, as R writes them
    return names, len(names)  # of dates in front and one cell too many, a separator divides a number


def _cells(path: Path, text: str, separator: str, width: int, first: int) -> pl.DataFrame:
    """The rows after the header, all of them with as many cells."""
    schema = {f"column_{i}": pl.String for i in range(width)}
    if not text.strip("\r\n"):
        raise InputError(f"{path}: expected rows of data, got a header alone")
    header = separator.join(schema)  # of all columns, since cells may be missing in the first row
    options = {"separator": separator, "schema": schema, "infer_schema": False}
    try:
        frame = pl.read_csv(f"{header}\n{text}".encode(), **options)
    except pl.exceptions.PolarsError as error:
        frame = _with_inner_quotes(text, separator, schema)
        if frame is None:
            raise _ragged(path, text, separator, width, first) or InputError(
                f"{path} cannot be read as CSV: {str(error).splitlines()[0]}; is a quotation mark open?"
            ) from error
    if _line_breaks(frame).max():
        _check_quotes(path, text, separator, first)
    longest = frame.select(pl.max_horizontal(pl.all().str.len_bytes())).to_series()
    for row in (longest > LONGEST_CELL).arg_true().head(1):
        raise InputError(_long_cell(path, first + row))
    stripped = pl.all().str.strip_chars()
    return frame.select(pl.when(stripped != "").then(stripped).name.keep())


def _with_inner_quotes(text: str, separator: str, schema: dict[str, type[pl.String]]) -> pl.DataFrame | None:
    """The rows of a text in which quotation marks stand within cells, as 5" pipe; None where a row is not one line."""
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
    """Refuse a text whose cells of several lines come from a quotation mark that is not doubled."""
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        for _ in reader:
            pass
    except csv.Error as error:
        line = first + reader.line_num - 1
        raise InputError(f"{path}, line {line}: {error}; double quotation marks within quoted cells") from error


def _line_breaks(frame: pl.DataFrame) -> pl.Series:
    """How many line breaks within cells precede each row."""
    breaks = frame.select(pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True).fill_null(0))).to_series()
    return breaks.cast(pl.Int64).cum_sum().shift(1, fill_value=0)


def _ragged(path: Path, text: str, separator: str, expected: int, first: int) -> InputError | None:
    """An error that names the first line with more cells than the header, if there is one."""
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
