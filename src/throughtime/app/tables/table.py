"""From a file to the long frame that the forecaster reads: unique_id, ds, y."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.tables.columns import Columns, choose, suggest_series, unused_columns
from throughtime.app.tables.dates import date_note, read_times
from throughtime.app.tables.files import Rows, first_rows, read_rows
from throughtime.app.tables.footer import without_footer
from throughtime.app.tables.numbers import is_numeric, read_numbers
from throughtime.app.tables.read_options import ReadOptions
from throughtime.app.tables.table_format import TableFormat
from throughtime.app.tables.time_columns import named_columns
from throughtime.app.tables.wide import melt_wide_table
from throughtime.data.series.dates import DateFormat
from throughtime.data.series.parquet import ParquetSeries
from throughtime.data.series.series_ids import read_series_ids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughtime.data.series.numbers import NumberFormat


_TIME = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Table:
    """Series that were read from a file.

    Attributes:
        path: the file.
        frame: unique_id, ds, y and covariates.
        columns: what they are called in the file.
        notes: what was guessed, in plain sentences.
        format: what was decided about the file, for later ones.
        source: all series, where the frame is a sample of them.
    """

    path: Path
    frame: pl.DataFrame
    columns: Columns
    notes: list[str]
    format: TableFormat = field(default_factory=TableFormat)
    source: ParquetSeries | None = None

    @property
    def forecast(self) -> str:
        """What the file of its forecast is called."""
        return "forecast.csv" if self.source is None else "forecast.parquet"


def read_table(
    path: Path,
    wanted: Columns,
    options: ReadOptions | None = None,
    *,
    known: TableFormat | None = None,
    sample: int = ParquetSeries.sample,
    seed: int = 0,
) -> Table:
    """Read the series of a CSV, Excel or Parquet file, or a sample of those of a folder of Parquet files.

    Args:
        path: of the file or folder.
        wanted: the columns that are known; the others are guessed.
        options: what a user said of the file.
        known: how the training data were read; the file is read alike.
        sample: series to read of a folder.
        seed: of the sample.

    Raises:
        InputError: for whatever cannot be used, with file, line and column.
    """
    options = options or ReadOptions()
    if path.is_dir():
        if options != ReadOptions():
            raise InputError(
                f"{path} is a folder of Parquet files, whose cells have types; leave out the options that say how "
                "cells of text are read"
            )
        return _sampled(path, wanted if known is None else known.columns(wanted), sample, seed)
    if known is not None:
        options, wanted = known.options(path, options), known.columns(wanted)
    rows, wanted = melt_wide_table(without_footer(read_rows(path, options)), wanted)
    if options.layout == "columns":
        wanted = replace(wanted, target=wanted.target or "all")
    columns, notes = choose(rows, wanted)
    reader = _TableReader(rows, columns, known)
    frame = reader.frame()
    if reader.dates.offset == "utc":
        notes.append(
            f"Time: column {columns.time} has offsets from UTC; dates are read, and forecasts written, in UTC."
        )
    if frame.height < 2 and known is None:
        raise InputError(f"{path}: expected 2 rows or more, got 1: there is no past to learn from")
    if known is None:
        notes += unused_columns(rows, columns)
    return Table(path, frame, columns, [*rows.notes, *notes, *reader.notes], reader.format())


def _sampled(path: Path, wanted: Columns, sample: int, seed: int) -> Table:
    """A sample of a folder, whose columns are found in its first rows."""
    rows = first_rows(path)
    columns, notes = choose(rows, wanted.with_series(rows))
    for option, name in (("--time", columns.time), ("--series", columns.series)):
        if name is None:
            raise InputError(f"{option}: name the column; the rows of a folder do not tell it ({rows.path})")
    targets, series = columns.targets(rows), columns.series_columns(rows)
    for option, names in (("--target", targets), ("--series", series)):
        if len(names) != 1:
            raise InputError(f"{option}: expected one column of a folder, got {', '.join(names)}")
    source = ParquetSeries(path, series[0], columns.time or "", targets[0], sample, seed)
    frame = pl.DataFrame(source.read_sample(columns.beside))
    form = TableFormat(columns.time, tuple(targets), tuple(series))
    return Table(path, frame, columns, [*notes, source.note], form, source)


def with_future(table: Table, path: Path, options: ReadOptions | None = None) -> Table:
    """A table, followed by what a second file knows in advance, whose columns are named and written as in the first.

    Raises:
        InputError: for whatever cannot be used, with file, line and column.
    """
    form = table.format
    rows = without_footer(read_rows(path, form.options(path, options or ReadOptions())))
    if form.time is None:
        raise InputError(f"{path}: expected dates, since {table.path} has none that say which rows follow it")
    for name in (*named_columns(rows, form.time), *form.series):
        if name not in rows.frame.columns:
            raise InputError(
                f"{path}: expected a column {name} as in {table.path}, got {', '.join(rows.frame.columns)}"
            )
    known = tuple(name for name in table.columns.beside if name in rows.frame.columns)
    columns = replace(table.columns, target=form.targets, series=form.series or None, beside=known)
    future = _TableReader(rows, columns, form).frame(values=False)
    return replace(table, frame=pl.concat([table.frame, future], how="diagonal_relaxed"))


def write_csv(frame: pl.DataFrame, target: Path | IO[str]) -> None:
    """Write forecasts; dates as 2024-01-31, or 2024-01-31 12:00:00."""
    frame.write_csv(target, datetime_format=_TIME)


def with_series_columns(frame: pl.DataFrame, form: TableFormat) -> pl.DataFrame:
    """Forecasts with the columns that together name their series, where several do."""
    names = [name for name in form.series if name not in frame.columns]
    if len(form.series) < 2 or not names:
        return frame
    ids = frame["unique_id"].unique(maintain_order=True)
    parts = [split_name(str(name))[: len(form.series)] for name in ids]
    columns = {name: [part[i] for part in parts] for i, name in enumerate(form.series) if name in names}
    return frame.join(pl.DataFrame({"unique_id": ids, **columns}), on="unique_id", how="left").select(
        "unique_id", *names, pl.all().exclude("unique_id", *names)
    )


def to_records(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Forecasts as JSON can hold them, dates as in `write_csv`."""
    ds = frame["ds"]
    texts = ds.dt.strftime(_TIME) if isinstance(ds.dtype, pl.Datetime) else ds.cast(pl.String)
    return json.loads(frame.with_columns(texts.alias("ds")).write_json())


def join_name(parts: Sequence[str]) -> str:
    """The name of a series of several parts; a backslash precedes slashes within them."""
    return "/".join(part.replace("\\", "\\\\").replace("/", "\\/") for part in parts)


def split_name(name: str) -> list[str]:
    """Undo `join_name`."""
    return [re.sub(r"\\(.)", r"\1", part) for part in re.findall(r"(?:\\.|[^\\/])+", name)]


class _TableReader:
    """Columns of rows, read one after the other, with what was decided on the way."""

    def __init__(self, rows: Rows, columns: Columns, known: TableFormat | None) -> None:
        self.rows, self.columns, self.known = rows, columns, known
        self.targets, self.series = columns.targets(rows), columns.series_columns(rows)
        self.times = named_columns(rows, columns.time or "")
        self.numbers: dict[str, NumberFormat] = {}
        self.dates = DateFormat() if known is None else known.dates
        self.notes: list[str] = []

    def format(self) -> TableFormat:
        """What was decided."""
        options, wide = self.rows.options, self.rows.origin is not None
        names = (self.columns.time, tuple(self.targets), tuple(self.series))
        return TableFormat(
            *names, self.numbers, self.dates, "rows" if wide else "long", options.encoding, options.sheet
        )

    def frame(self, *, values: bool = True) -> pl.DataFrame:
        """unique_id, ds, y and covariates: the series are named by their column, by the target, or by both."""
        rows = self.rows
        ids = None if not self.series else _ids(rows, self.series)
        base = self._dated(ids)
        parts = []
        for target in self.targets:
            name = pl.lit(target)
            if ids is not None and len(self.targets) > 1:
                name = ids.cast(pl.String) + "/" + join_name([target])
            elif ids is not None:
                name = ids
            part = base.with_columns(unique_id=name)
            parts.append(part.insert_column(2, self._numbers(target).alias("y")) if values else part)
        return pl.concat(parts)

    def _dated(self, ids: pl.Series | None) -> pl.DataFrame:
        """unique_id, ds and covariates of all rows."""
        rows, columns = self.rows, self.columns
        ds = pl.Series(range(rows.frame.height))
        if self.times:
            given = rows.options.dates
            known = given if given is not None else self.known and self.known.dates
            ds, self.dates = read_times(rows, self.times, known)
            if not known:
                self.notes += date_note(rows, self.times, ds, self.dates)
        frame = pl.DataFrame(
            {"unique_id": pl.repeat("", rows.frame.height, eager=True) if ids is None else ids, "ds": ds}
        )
        if columns.time is not None:
            _refuse_duplicates(rows, frame, columns, self.times)
        elif ids is not None:
            frame = frame.with_columns(ds=pl.int_range(pl.len()).over("unique_id"))
        return frame.with_columns(self._covariate(name) for name in columns.beside)

    def _numbers(self, name: str) -> pl.Series:
        known = None if self.known is None else self.known.numbers.get(name)
        values, form, notes = read_numbers(self.rows, name, known)
        self.notes += [note for note in notes if note not in self.notes]
        if form is not None:
            self.numbers[name] = form
        return values

    def _covariate(self, name: str) -> pl.Series:
        """Numbers where most cells are such, else words."""
        cells = self.rows.frame[name]
        return (self._numbers(name) if is_numeric(cells) else cells.cast(pl.String).str.strip_chars()).alias(name)


def _ids(rows: Rows, names: list[str]) -> pl.Series:
    """The series of each row; whole numbers stay such where one column names them."""
    for name in names:
        for row in rows.frame[name].is_null().arg_true().head(1):
            raise InputError(f"{rows.at(row, name)}: the cell is empty; name the series, or remove the {rows.unit}")
    if len(names) == 1:
        return _identifiers(rows, rows.frame[names[0]])
    keys = rows.frame.select(_identifiers(rows, rows.frame[name]).cast(pl.String) for name in names)
    unique = keys.unique(maintain_order=True)
    return keys.join(unique.with_columns(id=pl.Series(map(join_name, unique.rows()))), on=names, how="left")["id"]


def _identifiers(rows: Rows, cells: pl.Series) -> pl.Series:
    """Names of series in their one form."""
    try:
        return pl.Series(cells.name, read_series_ids(nw.from_native(cells, series_only=True)))
    except InputError as error:
        raise InputError(f"{rows.path}: {error}") from error


def _refuse_duplicates(rows: Rows, frame: pl.DataFrame, columns: Columns, times: tuple[str, ...]) -> None:
    again = frame.select(~pl.struct("unique_id", "ds").is_first_distinct()).to_series().arg_true().head(1)
    for row in again:
        key = frame[row, "unique_id"], frame[row, "ds"]
        first = frame.select((pl.col("unique_id") == key[0]) & (pl.col("ds") == key[1])).to_series().arg_true()[0]
        known = f" of series {key[0]}" if columns.series else ""
        names = suggest_series(rows, times, {*columns.targets(rows), *columns.beside})
        example = f", such as --series {','.join(names)}" if names else ""
        hint = (
            f", or name the columns that tell series apart with --series{example}"
            if names or not columns.series
            else ""
        )
        raise InputError(
            f"{rows.at(row, ' and '.join(times))}: a second value for {key[1]}{known}, the first stands in {rows.unit} "
            f"{rows.lines[first]}; keep one of them{hint}"
        )
