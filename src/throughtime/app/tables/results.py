"""Where `--to` writes a table: a CSV, Parquet or Excel file, or a table of a database."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError
from throughtime.app.output import text_file, write_output
from throughtime.app.tables.databases import find_database, is_database
from throughtime.app.tables.table_words import format_table

if TYPE_CHECKING:
    import polars as pl

    from throughtime.app.tables.table_format import TableFormat

_TEXT = {".csv", ".tsv", ".txt"}
_EXPECTED = "a .csv, .parquet or .xlsx file, or the URI of a database"
_DEFAULT_TABLE = "forecast"


def check_target(to: str | None, *, option: str = "--to", overwrite: bool) -> None:
    """Check that a table may be written, before anything is computed.

    Args:
        to: file, or URI of a database with the name of its table after #; None for none.
        option: that names it.
        overwrite: whether a file or table of that name may be replaced.

    Raises:
        InputError: for a target that exists, unless it may be replaced, and for one of an unknown kind.
    """
    if to is None:
        return
    if is_database(to):
        uri, _, table = to.partition("#")
        find_database(uri, option).check_table(table or _DEFAULT_TABLE, overwrite=overwrite)
        return
    path = Path(to)
    if path.suffix.lower() not in {*_TEXT, ".parquet", ".xlsx"}:
        raise InputError(f"{option}: expected {_EXPECTED}, got {to!r}")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{option}: {path} cannot be written: there is no directory {path.parent}")
    if path.exists() and not (overwrite and path.is_file()):
        raise InputError(f"{option}: {path} exists; name another file, or replace it with --overwrite")


def write_table(frame: pl.DataFrame, to: str, table_format: TableFormat, *, overwrite: bool) -> None:
    """Write a table to where `check_target` allows it, whole or not at all.

    Raises:
        InputError: as `check_target`, and where it cannot be written.
    """
    if is_database(to):
        uri, _, table = to.partition("#")
        find_database(uri, "--to").write(frame, table or _DEFAULT_TABLE, overwrite=overwrite)
        return
    path = Path(to)
    kind = path.suffix.lower()
    if kind == ".parquet":
        write_output(path, frame.write_parquet)
    elif kind == ".xlsx":
        write_output(path, lambda file: _write_excel(frame, file))
    else:
        write_output(path, text_file(format_table(frame, table_format)))


def _write_excel(frame: pl.DataFrame, path: Path) -> None:
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
    except ImportError:
        raise InputError("--to: openpyxl is not installed; pip install throughtime[excel]") from None
    book = Workbook(write_only=True)
    sheet = book.create_sheet(_DEFAULT_TABLE)

    def cell(value: Any) -> Any:
        written = WriteOnlyCell(sheet, value=value)
        if isinstance(value, str):
            written.data_type = "s"  # a text that begins with = is not a formula
        elif isinstance(value, dt.date):
            written.number_format = "yyyy-mm-dd hh:mm:ss" if isinstance(value, dt.datetime) else "yyyy-mm-dd"
        return written

    for row in [frame.columns, *frame.iter_rows()]:
        sheet.append([cell(value) for value in row])
    with path.open("wb") as file:
        book.save(file)
