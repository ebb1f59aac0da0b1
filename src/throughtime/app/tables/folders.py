"""Folders of tables with the same columns, read as one table."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.tables.files import read_rows
from throughtime.app.tables.footer import drop_footer

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.app.tables.files import FileRows
    from throughtime.app.tables.read_options import ReadOptions

_TABLE_NAME = re.compile(r"^[^.~].*\.(csv|tsv|tab|txt|xlsx|xlsm)(\.gz)?$", re.IGNORECASE)


def read_source(path: Path, options: ReadOptions) -> FileRows:
    """Read the rows of a file, of the tables of a folder, of the standard input or of a query, without totals.

    Raises:
        InputError: for what cannot be read.
    """
    if options.sql is None and path.is_dir():
        return _read_tables(path, options)
    return drop_footer(read_rows(path, options))


def is_parquet_folder(path: Path) -> bool:
    """Return whether a folder or a folder in it has Parquet files, which are read in parts."""
    return path.is_dir() and any(True for _ in path.rglob("*.parquet"))


def _read_tables(folder: Path, options: ReadOptions) -> FileRows:
    """Read all tables of a folder, which have the same columns, one after the other in the order of their names.

    Raises:
        InputError: for a table that cannot be read, and for one with other columns than the first.
    """
    tables = [drop_footer(read_rows(path, options)) for path in find_tables(folder)]
    first = tables[0]
    for table in tables[1:]:
        if {*table.frame.columns} != {*first.frame.columns}:
            raise InputError(
                f"{table.path}: expected the columns of {first.path.name}, {', '.join(first.frame.columns)}, got "
                f"{', '.join(table.frame.columns)}; the tables of a folder have the same columns"
            )
    try:
        frame = pl.concat([table.frame.select(first.frame.columns) for table in tables], how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{folder}: the tables have columns of different types: {error}") from error
    notes = [f"Folder: {len(tables)} tables, {first.path.name} to {tables[-1].path.name}."] if len(tables) > 1 else []
    notes += list(dict.fromkeys(note for table in tables for note in table.notes))
    lines = pl.Series([f"{line} of {table.path.name}" for table in tables for line in table.lines])
    return replace(first, path=folder, frame=frame, lines=lines, notes=notes)


def find_tables(folder: Path) -> list[Path]:
    """Return the text and Excel files of a folder, in the order of their names.

    Raises:
        InputError: where there are none.
    """
    paths = sorted(path for path in folder.iterdir() if _TABLE_NAME.search(path.name) and path.is_file())
    if not paths:
        raise InputError(
            f"{folder}: expected tables in the folder, such as .csv, .xlsx or .parquet files; there are none"
        )
    return paths
