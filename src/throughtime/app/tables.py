"""From a file to the long frame that the forecaster reads: unique_id, ds, y."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from throughtime._errors import InputError
from throughtime.app.cells import read_numbers, read_times
from throughtime.app.columns import Columns, choose, is_numeric
from throughtime.app.files import Rows, first_rows, read_rows
from throughtime.data.dates import is_in_utc
from throughtime.data.identifiers import read_identifiers
from throughtime.data.parquet import ParquetSeries

if TYPE_CHECKING:
    from pathlib import Path


_TIME = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Table:
    """Series that were read from a file.

    Attributes:
        path: the file.
        frame: unique_id, ds, y and covariates.
        columns: what they are called in the file.
        notes: what was guessed, in plain sentences.
        targets: the columns that are forecast.
        source: all series, where the frame is a sample of them.
    """

    path: Path
    frame: pl.DataFrame
    columns: Columns
    notes: list[str]
    targets: list[str] = field(default_factory=list)
    source: ParquetSeries | None = None

    @property
    def forecast(self) -> str:
        """What the file of its forecast is called."""
        return "forecast.csv" if self.source is None else "forecast.parquet"


def read_table(path: Path, wanted: Columns, *, sample: int = ParquetSeries.sample, seed: int = 0) -> Table:
    """Read the series of a CSV or Parquet file, or a sample of those of a folder of Parquet files.

    Args:
        path: of the file or folder.
        wanted: the columns that are known; the others are guessed.
        sample: series to read of a folder.
        seed: of the sample.

    Raises:
        InputError: for whatever cannot be used, with file, line and column.
    """
    if path.is_dir():
        return _sampled(path, wanted, sample, seed)
    rows = read_rows(path)
    columns, notes = choose(rows, wanted)
    targets = columns.targets(rows)
    frames = [_frame(rows, columns, target, targets) for target in targets]
    frame = pl.concat(
        each.insert_column(2, read_numbers(rows, target).alias("y"))
        for each, target in zip(frames, targets, strict=True)
    )
    if _is_shifted(rows, columns.time, frame):
        notes.append(
            f"Time: column {columns.time} has offsets from UTC; dates are read, and forecasts written, in UTC."
        )
    if frame.height < 2:
        raise InputError(f"{path}: expected 2 rows or more, got 1: there is no past to learn from")
    return Table(path, frame, columns, notes, targets)


def _sampled(path: Path, wanted: Columns, sample: int, seed: int) -> Table:
    """A sample of a folder, whose columns are found in its first rows."""
    rows = first_rows(path)
    columns, notes = choose(rows, wanted.with_series(rows))
    for option, name in (("--time", columns.time), ("--series", columns.series)):
        if name is None:
            raise InputError(f"{option}: name the column; the rows of a folder do not tell it ({rows.path})")
    targets = columns.targets(rows)
    if len(targets) != 1:
        raise InputError(f"--target: expected one column of a folder, got {', '.join(targets)}")
    source = ParquetSeries(path, columns.series or "", columns.time or "", targets[0], sample, seed)
    frame = pl.DataFrame(source.sampled(columns.beside))
    return Table(path, frame, columns, [*notes, source.note], targets, source)


def with_future(table: Table, path: Path) -> Table:
    """A table, and behind it what a second file knows in advance, whose columns are named as in the first.

    Raises:
        InputError: for whatever cannot be used, with file, line and column.
    """
    rows = read_rows(path)
    if table.columns.time is None:
        raise InputError(f"{path}: expected dates, since {table.path} has none that say which rows follow it")
    for name in (table.columns.time, table.columns.series):
        if name is not None and name not in rows.frame.columns:
            raise InputError(
                f"{path}: expected a column {name} as in {table.path}, got {', '.join(rows.frame.columns)}"
            )
    known = tuple(name for name in table.columns.beside if name in rows.frame.columns)
    columns = replace(table.columns, beside=known)
    future = pl.concat([_frame(rows, columns, target, table.targets) for target in table.targets])
    return replace(table, frame=pl.concat([table.frame, future], how="diagonal_relaxed"))


def write_csv(frame: pl.DataFrame, target: Path | IO[str]) -> None:
    """Write forecasts; dates as 2024-01-31, or 2024-01-31 12:00:00."""
    frame.write_csv(target, datetime_format=_TIME)


def as_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Forecasts as JSON can hold them, dates as in `write_csv`."""
    ds = frame["ds"]
    texts = ds.dt.strftime(_TIME) if isinstance(ds.dtype, pl.Datetime) else ds.cast(pl.String)
    return json.loads(frame.with_columns(texts.alias("ds")).write_json())


def _frame(rows: Rows, columns: Columns, target: str, targets: list[str]) -> pl.DataFrame:
    """unique_id, ds and covariates of a target: its series are named by their column, by the target, or by both."""
    ids = pl.Series([target]).new_from_index(0, rows.frame.height)
    if columns.series is not None:
        named = _ids(rows, columns.series)
        ids = named if len(targets) == 1 else named.cast(pl.String) + "/" + ids
    ds = pl.Series(range(len(ids))) if columns.time is None else read_times(rows, columns.time)
    frame = pl.DataFrame({"unique_id": ids, "ds": ds})
    if columns.time is not None:
        _refuse_duplicates(rows, frame, columns)
    elif columns.series is not None:
        frame = frame.with_columns(ds=pl.int_range(pl.len()).over("unique_id"))
    return frame.with_columns(_beside(rows, name) for name in columns.beside)


def _is_shifted(rows: Rows, time: str | None, frame: pl.DataFrame) -> bool:
    """Whether dates were written as the time of a place, and were read in UTC."""
    if time is None or rows.frame[time].dtype != pl.String or not frame["ds"].dtype.is_temporal():
        return False
    return is_in_utc(str(rows.frame[0, time]), frame["ds"].head(1).cast(pl.Datetime).to_numpy()[0])


def _beside(rows: Rows, name: str) -> pl.Series:
    """A covariate: numbers where most cells are such, else words."""
    values = read_numbers(rows, name) if is_numeric(rows, name) else rows.frame[name].cast(pl.String).str.strip_chars()
    return values.alias(name)


def _ids(rows: Rows, name: str) -> pl.Series:
    cells = rows.frame[name]
    for row in cells.is_null().arg_true().head(1):
        raise InputError(f"{rows.at(row, name)}: the cell is empty; name the series, or remove the {rows.unit}")
    try:
        return pl.Series(name, read_identifiers(nw.from_native(cells, series_only=True)))
    except InputError as error:
        raise InputError(f"{rows.path}: {error}") from error


def _refuse_duplicates(rows: Rows, frame: pl.DataFrame, columns: Columns) -> None:
    again = frame.select(~pl.struct("unique_id", "ds").is_first_distinct()).to_series().arg_true().head(1)
    for row in again:
        key = frame[row, "unique_id"], frame[row, "ds"]
        first = frame.select((pl.col("unique_id") == key[0]) & (pl.col("ds") == key[1])).to_series().arg_true()[0]
        known = f" of series {key[0]}" if columns.series else ""
        hint = "" if columns.series else ", or name the column that tells the series apart with --series"
        assert columns.time is not None
        raise InputError(
            f"{rows.at(row, columns.time)}: a second value for {key[1]}{known}, the first stands in {rows.unit} "
            f"{rows.lines[first]}; keep one of them{hint}"
        )
