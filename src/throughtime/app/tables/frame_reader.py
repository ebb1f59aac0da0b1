"""The columns of a file as a long frame: the names of the series, the dates, the values and the covariates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.tables.column_selection import suggest_series_columns
from throughtime.app.tables.composite_dates import split_columns
from throughtime.app.tables.date_columns import note_date_format, read_times
from throughtime.app.tables.number_columns import is_numeric, read_numbers
from throughtime.app.tables.series_names import join_name
from throughtime.app.tables.table_format import TableFormat
from throughtime.data.series.dates import DateFormat
from throughtime.data.series.frames import FrameColumn
from throughtime.data.series.series_ids import read_series_ids

if TYPE_CHECKING:
    from throughtime.app.tables.column_selection import Columns
    from throughtime.app.tables.files import FileRows
    from throughtime.data.series.numbers import NumberFormat


class FrameReader:
    """Reads columns one after the other, and collects their formats and notes."""

    def __init__(self, rows: FileRows, columns: Columns, stored: TableFormat | None) -> None:
        self.rows, self.columns, self.stored = rows, columns, stored
        self.targets, self.series = columns.targets(rows), columns.series_columns(rows)
        self.times = split_columns(rows, columns.time or "")
        self.numbers: dict[str, NumberFormat] = {}
        self.dates = DateFormat() if stored is None else stored.dates
        self.notes: list[str] = []

    def format(self) -> TableFormat:
        """Return the format of what was read."""
        options, wide = self.rows.options, self.rows.origin is not None
        names = (self.columns.time, tuple(self.targets), tuple(self.series))
        return TableFormat(
            *names, self.numbers, self.dates, "rows" if wide else "long", options.encoding, options.sheet
        )

    def frame(self, *, values: bool = True) -> pl.DataFrame:
        """Return unique_id, ds, y and covariates; series are named by their columns, by the target, or by both.

        Args:
            values: whether there is y.

        Raises:
            InputError: for a cell that cannot be used.
        """
        ids = None if not self.series else _read_ids(self.rows, self.series)
        base = self._read_dated(ids)
        frames = []
        for target in self.targets:
            name = pl.lit(target)
            if ids is not None and len(self.targets) > 1:
                name = ids.cast(pl.String) + "/" + join_name([target])
            elif ids is not None:
                name = ids
            frame = base.with_columns(unique_id=name)
            frames.append(frame.insert_column(2, self._read_numbers(target).alias("y")) if values else frame)
        return pl.concat(frames)

    def _read_dated(self, ids: pl.Series | None) -> pl.DataFrame:
        """Return unique_id, ds and covariates of all rows."""
        rows, columns = self.rows, self.columns
        ds = pl.Series(range(rows.frame.height))
        if self.times:
            requested = rows.options.dates
            date_format = requested if requested is not None else self.stored and self.stored.dates
            ds, self.dates = read_times(rows, self.times, date_format)
            if not date_format:
                self.notes += note_date_format(rows, self.times, ds, self.dates)
        frame = pl.DataFrame(
            {"unique_id": pl.repeat("", rows.frame.height, eager=True) if ids is None else ids, "ds": ds}
        )
        if columns.time is not None:
            _check_duplicates(rows, frame, columns, self.times)
        elif ids is not None:
            frame = frame.with_columns(ds=pl.int_range(pl.len()).over("unique_id"))
        return frame.with_columns(self._read_covariate(name) for name in columns.covariates)

    def _read_numbers(self, name: str) -> pl.Series:
        stored = None if self.stored is None else self.stored.numbers.get(name)
        values, number_format, notes = read_numbers(self.rows, name, stored)
        self.notes += [note for note in notes if note not in self.notes]
        if number_format is not None:
            self.numbers[name] = number_format
        return values

    def _read_covariate(self, name: str) -> pl.Series:
        """Return numbers if most cells are numbers, else text."""
        cells = self.rows.frame[name]
        return (self._read_numbers(name) if is_numeric(cells) else cells.cast(pl.String).str.strip_chars()).alias(name)


def _read_ids(rows: FileRows, names: list[str]) -> pl.Series:
    """Return the series of each row; whole numbers of a single column stay whole numbers."""
    for name in names:
        for row in rows.frame[name].is_null().arg_true().head(1):
            raise InputError(f"{rows.at(row, name)}: the cell is empty; name the series, or remove the {rows.unit}")
    if len(names) == 1:
        return _normalize_ids(rows, rows.frame[names[0]])
    keys = rows.frame.select(_normalize_ids(rows, rows.frame[name]).cast(pl.String) for name in names)
    unique = keys.unique(maintain_order=True)
    return keys.join(unique.with_columns(id=pl.Series(map(join_name, unique.rows()))), on=names, how="left")["id"]


def _normalize_ids(rows: FileRows, cells: pl.Series) -> pl.Series:
    try:
        return pl.Series(cells.name, read_series_ids(FrameColumn(nw.from_native(cells, series_only=True))))
    except InputError as error:
        raise InputError(f"{rows.path}: {error}") from error


def _check_duplicates(rows: FileRows, frame: pl.DataFrame, columns: Columns, times: tuple[str, ...]) -> None:
    duplicates = frame.select(~pl.struct("unique_id", "ds").is_first_distinct()).to_series().arg_true().head(1)
    for row in duplicates:
        key = frame[row, "unique_id"], frame[row, "ds"]
        first = frame.select((pl.col("unique_id") == key[0]) & (pl.col("ds") == key[1])).to_series().arg_true()[0]
        series = f" of series {key[0]}" if columns.series else ""
        names = suggest_series_columns(rows, times, {*columns.targets(rows), *columns.covariates})
        example = f", such as --series {','.join(names)}" if names else ""
        hint = (
            f", or name the columns that identify the series with --series{example}"
            if names or not columns.series
            else ""
        )
        raise InputError(
            f"{rows.at(row, ' and '.join(times))}: duplicate date {key[1]}{series} (first seen on {rows.unit} "
            f"{rows.lines[first]}); keep one of them{hint}"
        )
