"""Sheets of Excel files. Cells keep their types, so that no number or date is guessed."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.tables.grid import Grid
from throughtime.app.tables.header import Row, find_header
from throughtime.data.files import check_size
from throughtime.data.series.numbers import NA_VALUES, numeric_fraction

if TYPE_CHECKING:
    from pathlib import Path

_SAMPLE = 200  # rows, to find the header
_MAX_CELLS = 20_000_000
_OTHER_DOCUMENTS = {
    "xl/workbook.bin": "a binary Excel file (.xlsb): save it as .xlsx",
    "word/document.xml": "a Word document: save its table as CSV",
    "ppt/presentation.xml": "a presentation: save its table as CSV",
    "content.xml": "an OpenDocument file: save it as .xlsx or CSV",
    "Index/Document.iwa": "a Numbers document: export it as .xlsx or CSV",
}


def is_workbook(path: Path, content: bytes) -> bool:
    """Return whether bytes are an Excel file.

    Raises:
        InputError: for archives and documents of other programs.
    """
    if content[:4] != b"PK\x03\x04":
        return False
    names = _members(path, content)
    if "xl/workbook.xml" in names:
        check_size(path, sum(names.values()), unpacked=True)
        return True
    for name, description in _OTHER_DOCUMENTS.items():
        if name in names:
            raise InputError(f"{path} is not a table but {description}")
    inside = ", ".join(sorted(names)[:3])
    raise InputError(f"{path} is not a table but a ZIP archive of {inside}: unpack it, and name the table in it")


def _members(path: Path, content: bytes) -> dict[str, int]:
    """Return the files of an archive and their unpacked sizes."""
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
        sheet: name of the sheet, or its number from 1; the only one that is not empty if None.
        layout: as for `find_header`.

    Raises:
        InputError: if openpyxl is not installed, for an unknown sheet, and for a sheet without a table.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise InputError(
            f"{path}: Excel files need openpyxl, which is not installed: pip install 'throughtime[excel]'"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on styles and validations, which do not change cells
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            sheets = {worksheet.title: _read_rows(path, worksheet) for worksheet in _select_sheets(path, book, sheet)}
    except InputError:
        raise
    except Exception as error:  # openpyxl raises many types for damaged XML
        raise InputError(f"{path} is a damaged Excel file: {error}") from error
    filled = [name for name, rows in sheets.items() if rows]
    if len(filled) != 1:
        names = ", ".join(filled)
        raise InputError(
            f"{path}: {len(filled)} sheets hold rows ({names}); name one with --sheet" if filled else
            f"{path}: expected rows of data, got empty sheets"
        )  # fmt: skip
    grid = _build_grid(path, sheets[filled[0]], layout)
    if len(sheets) > 1 or sheet is not None:
        grid.notes.insert(0, f"Sheet: {filled[0]} (choose another one with --sheet).")
    return grid


def _select_sheets(path: Path, book: Any, sheet: str | None) -> list[Any]:
    """Return the sheet of a name or number, or all visible sheets."""
    sheets = [worksheet for worksheet in book.worksheets if worksheet.sheet_state == "visible" or sheet is not None]
    if sheet is None:
        return sheets
    names = {worksheet.title: worksheet for worksheet in sheets}
    if sheet in names:
        return [names[sheet]]
    if sheet.isdecimal() and 1 <= int(sheet) <= len(sheets):
        return [sheets[int(sheet) - 1]]
    raise InputError(f"--sheet: {path} has no sheet {sheet}; its sheets are {', '.join(names)}")


def _read_rows(path: Path, sheet: Any) -> list[tuple[int, list[Any]]]:
    """Return the rows of a sheet that are not empty, with their numbers."""
    sheet.reset_dimensions()  # some programs write wrong ones
    rows, count = [], 0
    for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        row = [_strip(cell) for cell in cells]
        while row and row[-1] is None:
            row.pop()
        if row:
            rows.append((number, row))
            count += len(row)
        if count > _MAX_CELLS:
            raise InputError(
                f"{path}: sheet {sheet.title} has more than {_MAX_CELLS:,} cells, the limit; save it as CSV"
            )
    return rows


def _strip(value: Any) -> Any:
    """Return a cell without spaces around text; None if it is empty."""
    if isinstance(value, str):
        return value.strip() or None
    return value


def _build_grid(path: Path, rows: list[tuple[int, list[Any]]], layout: str | None) -> Grid:
    """Return rows as a table."""
    width = max(len(row) for _, row in rows)
    rows = [(number, row + [None] * (width - len(row))) for number, row in rows]
    numbers = [number for number, _ in rows]
    texts = [
        Row(number, [_to_text(cell) for cell in row], i > 0 and number > numbers[i - 1] + 1)
        for i, (number, row) in enumerate(rows[:_SAMPLE])
    ]
    header = find_header(texts, str(path), "row", layout)
    names = header.names or [f"column_{i + 1}" for i in range(width)]
    body = [row for _, row in rows[header.first :]]
    if not body:
        raise InputError(f"{path}: expected rows of data, got only a header")
    columns = {f"column_{i}": _typed_column([row[i] for row in body]) for i in range(width)}
    lines = pl.Series(numbers[header.first :], dtype=pl.Int64)
    return Grid.of(pl.DataFrame(columns), lines, names, header, "row")


def _typed_column(cells: list[Any]) -> pl.Series:
    """Return cells of one type with that type, and cells of several types as text."""
    values = [None if isinstance(cell, str) and cell.lower() in NA_VALUES else cell for cell in cells]
    kinds = {type(cell) for cell in values if cell is not None}
    if kinds and kinds <= {int, float}:
        return pl.Series(values, dtype=pl.Float64 if float in kinds else pl.Int64)
    if kinds and kinds <= {datetime, date}:
        dates = [None if cell is None else _to_datetime(cell) for cell in values]
        days = all(cell is None or cell.time() == time() for cell in dates)
        series = pl.Series(dates, dtype=pl.Datetime("us"))
        return series.cast(pl.Date) if days else series
    to_text = _without_marks if _has_marked_numbers(cells) else _with_decimal_point
    texts = [to_text(cell) if type(cell) in {int, float} else _to_text(cell) for cell in cells]
    return pl.Series([None if cell is None else text for text, cell in zip(texts, cells, strict=True)])


def _has_marked_numbers(cells: list[Any]) -> bool:
    """Return whether the text cells are numbers with marks that may separate thousands: typed ones do not decide."""
    texts = [cell for cell in cells if isinstance(cell, str) and cell.lower() not in NA_VALUES]
    marked = any(re.search(r",\d|\.\d{3}(?!\d)", text) for text in texts)
    return marked and not any("%" in text for text in texts) and numeric_fraction(pl.Series(texts)) == 1


def _with_decimal_point(cell: float) -> str:
    """Return a number as text whose point cannot be read as a thousands separator: 20.125 as 20.1250."""
    return re.sub(r"(\.\d{3})$", r"\g<1>0", _to_text(cell))


def _without_marks(cell: float) -> str:
    """Return a number exactly, without a decimal mark: 1.5 as 15e-1."""
    sign, digits, exponent = Decimal(repr(cell)).as_tuple()
    return f"{'-' * sign}{''.join(map(str, digits))}e{exponent}"


def _to_datetime(cell: Any) -> datetime:
    return cell if isinstance(cell, datetime) else datetime.combine(cell, time())


def _to_text(cell: Any) -> str:
    """Return a cell as text; numbers have a decimal point."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return str(cell).removesuffix(" 00:00:00")
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return re.sub(r"\s+", " ", str(cell)).strip()
