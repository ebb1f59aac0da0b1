"""From a file to the long frame that a forecaster reads: unique_id, ds, y."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.tables.column_selection import Columns, choose_columns, note_unused_columns
from throughtime.app.tables.composite_dates import split_columns
from throughtime.app.tables.files import read_first_rows, read_rows
from throughtime.app.tables.footer import drop_footer
from throughtime.app.tables.frame_reader import FrameReader
from throughtime.app.tables.read_options import ReadOptions
from throughtime.app.tables.table_format import TableFormat
from throughtime.app.tables.wide import melt_wide_table
from throughtime.data.series.parquet import ParquetSeries

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Table:
    """The series of a file.

    Attributes:
        path: the file.
        frame: unique_id, ds, y and covariates.
        columns: their names in the file.
        notes: on what was guessed.
        format: format of the file, for later ones.
        source: all series, if the frame is a sample of them.
    """

    path: Path
    frame: pl.DataFrame
    columns: Columns
    notes: list[str]
    format: TableFormat = field(default_factory=TableFormat)
    source: ParquetSeries | None = None

    @property
    def forecast(self) -> str:
        """Name of the file of the forecast."""
        return "forecast.csv" if self.source is None else "forecast.parquet"


def read_table(
    path: Path,
    columns: Columns,
    options: ReadOptions | None = None,
    *,
    stored: TableFormat | None = None,
    sample: int = ParquetSeries.sample,
    seed: int = 0,
) -> Table:
    """Read the series of a CSV, Excel or Parquet file, or a sample of those of a folder of Parquet files.

    Args:
        path: of the file or folder.
        columns: that the user named; the others are guessed.
        options: how the file is read.
        stored: format of the training table; the file is read the same way.
        sample: series to read of a folder.
        seed: of the sample.

    Raises:
        InputError: for a file that cannot be used, with its line and column.
    """
    options = options or ReadOptions()
    if path.is_dir():
        if options != ReadOptions():
            raise InputError(
                f"{path} is a folder of Parquet files, whose cells have types; leave out the options on how text "
                "is read"
            )
        return _read_folder(path, columns if stored is None else stored.columns(columns), sample, seed)
    if stored is not None:
        options, columns = stored.options(path, options), stored.columns(columns)
    rows, columns = melt_wide_table(drop_footer(read_rows(path, options)), columns)
    if options.layout == "columns":
        columns = replace(columns, target=columns.target or "all")
    columns, notes = choose_columns(rows, columns)
    reader = FrameReader(rows, columns, stored)
    frame = reader.frame()
    if reader.dates.offset == "utc":
        notes.append(
            f"Time: column {columns.time} has offsets from UTC; dates are read, and forecasts written, in UTC."
        )
    if frame.height < 2 and stored is None:
        raise InputError(f"{path}: expected 2 rows or more, got 1; a forecast needs a history")
    if stored is None:
        notes += note_unused_columns(rows, columns)
    return Table(path, frame, columns, [*rows.notes, *notes, *reader.notes], reader.format())


def _read_folder(path: Path, requested: Columns, sample: int, seed: int) -> Table:
    """Read a sample of a folder, whose columns are guessed from its first rows."""
    rows = read_first_rows(path)
    columns, notes = choose_columns(rows, requested.with_named_series(rows))
    for option, name in (("--time", columns.time), ("--series", columns.series)):
        if name is None:
            raise InputError(f"{option}: name the column; it cannot be guessed from the rows of a folder ({rows.path})")
    targets, series = columns.targets(rows), columns.series_columns(rows)
    for option, names in (("--target", targets), ("--series", series)):
        if len(names) != 1:
            raise InputError(f"{option}: expected one column of a folder, got {', '.join(names)}")
    source = ParquetSeries(path, series[0], columns.time or "", targets[0], sample, seed)
    frame = pl.DataFrame(source.read_sample(columns.covariates))
    table_format = TableFormat(columns.time, tuple(targets), tuple(series))
    return Table(path, frame, columns, [*notes, source.note], table_format, source)


def append_future(table: Table, path: Path, options: ReadOptions | None = None) -> Table:
    """Return a table followed by the known future of a second file, with the columns and formats of the first.

    Raises:
        InputError: for a file that cannot be used, with its line and column.
    """
    table_format = table.format
    rows = drop_footer(read_rows(path, table_format.options(path, options or ReadOptions())))
    if table_format.time is None:
        raise InputError(f"{path}: expected dates in {table.path}, to find the rows that follow it")
    for name in (*split_columns(rows, table_format.time), *table_format.series):
        if name not in rows.frame.columns:
            raise InputError(
                f"{path}: expected a column {name} as in {table.path}, got {', '.join(rows.frame.columns)}"
            )
    covariates = tuple(name for name in table.columns.covariates if name in rows.frame.columns)
    columns = replace(
        table.columns, target=table_format.targets, series=table_format.series or None, covariates=covariates
    )
    future = FrameReader(rows, columns, table_format).frame(values=False)
    return replace(table, frame=pl.concat([table.frame, future], how="diagonal_relaxed"))
