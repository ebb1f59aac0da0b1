"""Sheets of Excel files. Cells keep the types that they have there, so that no number or date is guessed."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.tables.grid import Grid
from throughtime.app.tables.header import Record, find_header
from throughtime.data.files import check_size
from throughtime.data.series.numbers import NA_VALUES

if TYPE_CHECKING:
    from pathlib import Path

_SAMPLE = 200  # rows in which the header is looked for
_MOST_CELLS = 20_000_000
_OTHERS = {
    "xl/workbook.bin": "a binary Excel file (.xlsb): save it as .xlsx",
    "word/document.xml": "a Word document: save its table as CSV",
    "ppt/presentation.xml": "a presentation: save its table as CSV",
    "content.xml": "an OpenDocument file: save it as .xlsx or CSV",
    "Index/Document.iwa": "a Numbers document: export it as .xlsx or CSV",
}


def is_workbook(path: Path, content: bytes) -> bool:
    """Whether bytes are an Excel file.

    Raises:
        InputError: for archives and documents of other programs; names them.
    """
    if content[:4] != b"PK\x03\x04":
        return False
    names = _members(path, content)
    if "xl/workbook.xml" in names:
        check_size(path, sum(names.values()), unpacked=True)
        return True
    for name, what in _OTHERS.items():
        if name in names:
            raise InputError(f"{path} is not a table but {what}")
    inside = ", ".join(sorted(names)[:3])
    raise InputError(f"{path} is not a table but a ZIP archive of {inside}: unpack it, and name the table in it")


def _members(path: Path, content: bytes) -> dict[str, int]:
    """The files of an archive, and how large each becomes."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {info.filename: info.file_size for info in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"{path} is a damaged archive or Excel file: {error}") from error


def read_sheet(path: Path, content: bytes, sheet: str | None, layout: str | None = None) -> Grid:
    """Read a sheet of an Excel file.

    Args:
        path: of the file.
        content: its bytes.
        sheet: name of the sheet, or its number from 1; the only one that holds anything if None.
        layout: as for `find_header`.

    Raises:
        InputError: where openpyxl is not installed, there is no such sheet, or it holds no table.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise InputError(
            f"{path}: Excel files need openpyxl, which is not installed: pip install 'throughtime[excel]'"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and validations, which no cell depends on
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            sheets = {each.title: _rows(path, each) for each in _sheets(path, book, sheet)}
    except InputError:
        raise
    except Exception as error:  # whatever damaged XML leads to
        raise InputError(f"{path} is a damaged Excel file: {error}") from error
    filled = [name for name, rows in sheets.items() if rows]
    if len(filled) != 1:
        names = ", ".join(filled)
        raise InputError(
            f"{path}: {len(filled)} sheets hold rows ({names}); name one with --sheet" if filled else
            f"{path}: expected rows of data, got empty sheets"
        )  # fmt: skip
    grid = _grid(path, sheets[filled[0]], layout)
    if len(sheets) > 1 or sheet is not None:
        grid.notes.insert(0, f"Sheet: {filled[0]} (another one with --sheet).")
    return grid


def _sheets(path: Path, book: Any, sheet: str | None) -> list[Any]:
    """The sheet of a name or number, or all that hold cells."""
    sheets = [each for each in book.worksheets if each.sheet_state == "visible" or sheet is not None]
    if sheet is None:
        return sheets
    names = {each.title: each for each in sheets}
    if sheet in names:
        return [names[sheet]]
    if sheet.isdecimal() and 1 <= int(sheet) <= len(sheets):
        return [sheets[int(sheet) - 1]]
    raise InputError(f"--sheet: {path} has no sheet {sheet}; its sheets are {', '.join(names)}")


def _rows(path: Path, sheet: Any) -> list[tuple[int, list[Any]]]:
    """The rows of a sheet that hold anything, with their numbers and as many cells each."""
    sheet.reset_dimensions()  # some programs write wrong ones
    rows, count = [], 0
    for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        row = [_cell(cell) for cell in cells]
        while row and row[-1] is None:
            row.pop()
        if row:
            rows.append((number, row))
            count += len(row)
        if count > _MOST_CELLS:
            raise InputError(
                f"{path}: sheet {sheet.title} has more than {_MOST_CELLS:,} cells, the limit; save it as CSV"
            )
    return rows


def _cell(value: Any) -> Any:
    """A cell without spaces around text; None where it is empty."""
    if isinstance(value, str):
        return value.strip() or None
    return value


def _grid(path: Path, rows: list[tuple[int, list[Any]]], layout: str | None) -> Grid:
    """The table of rows."""
    width = max(len(row) for _, row in rows)
    rows = [(number, row + [None] * (width - len(row))) for number, row in rows]
    numbers = [number for number, _ in rows]
    texts = [
        Record(number, [_text(cell) for cell in row], i > 0 and number > numbers[i - 1] + 1)
        for i, (number, row) in enumerate(rows[:_SAMPLE])
    ]
    header = find_header(texts, str(path), "row", layout)
    names = header.names or [f"column_{i + 1}" for i in range(width)]
    body = [row for _, row in rows[header.first :]]
    if not body:
        raise InputError(f"{path}: expected rows of data, got a header alone")
    columns = {f"column_{i}": _column([row[i] for row in body]) for i in range(width)}
    lines = pl.Series(numbers[header.first :], dtype=pl.Int64)
    return Grid.of(pl.DataFrame(columns), lines, names, header, "row")


def _column(cells: list[Any]) -> pl.Series:
    """Cells of one type as such, those of several as text."""
    values = [None if isinstance(cell, str) and cell.lower() in NA_VALUES else cell for cell in cells]
    kinds = {type(cell) for cell in values if cell is not None}
    if kinds and kinds <= {int, float}:
        return pl.Series(values, dtype=pl.Float64 if float in kinds else pl.Int64)
    if kinds and kinds <= {datetime, date}:
        dates = [None if cell is None else _datetime(cell) for cell in values]
        days = all(cell is None or cell.time() == time() for cell in dates)
        series = pl.Series(dates, dtype=pl.Datetime("us"))
        return series.cast(pl.Date) if days else series
    texts = [None if cell is None else _text(cell) for cell in cells]
    return pl.Series(
        [_definite(text) if isinstance(cell, float) else text for text, cell in zip(texts, cells, strict=True)]
    )


def _definite(text: str | None) -> str | None:
    """A number as text whose point cannot be taken for a mark between thousands: 20.125 as 20.1250."""
    return None if text is None else re.sub(r"(\.\d{3})$", r"\g<1>0", text)


def _datetime(cell: Any) -> datetime:
    return cell if isinstance(cell, datetime) else datetime.combine(cell, time())


def _text(cell: Any) -> str:
    """A cell as text; numbers with a point before decimals."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return str(cell).removesuffix(" 00:00:00")
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return re.sub(r"\s+", " ", str(cell)).strip()
