"""Forecasts in the words of the table they were made from: its columns, the form of its dates, its precision."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from throughtime.app.tables.date_patterns import infer_pattern, write_date
from throughtime.app.tables.series_names import join_name, split_name
from throughtime.data.series.date_codes import CODES, UNIX, encode

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from throughtime.app.tables.table_format import TableFormat

OURS = "throughtime"

_MAX_DECIMALS = 9
_MIN_UNITS = 2.0  # typical forecast, in units of the last decimal, below which it gets two decimals more
_ORDER = "(row)"
_ISO = {pl.Date: "%Y-%m-%d", pl.Datetime: "%Y-%m-%d %H:%M:%S"}


def infer_time_patterns(
    cells: pl.DataFrame, stamps: pl.Series, stored: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Return how the columns of the time are written, by name; without columns of dates and those of no pattern.

    Args:
        cells: columns of dates or of their parts.
        stamps: the date of each row; whole numbers have no patterns.
        stored: patterns of the training table, which come first: few cells may fit several patterns.
    """
    if not stamps.dtype.is_temporal():
        return {}
    dates = stamps.cast(pl.Datetime("us")).to_list()
    patterns = {}
    for column in cells:
        if column.dtype.is_temporal():
            continue
        pattern = infer_pattern(column.cast(pl.String).str.strip_chars().to_list(), dates, stored.get(column.name))
        if pattern is not None:
            patterns[column.name] = pattern
    return patterns


def count_decimals(values: pl.Series) -> int | None:
    """Return the decimals of the values of a column; None where they have no fixed precision."""
    observed = values.drop_nulls().drop_nans().to_numpy()
    for decimals in range(_MAX_DECIMALS + 1):
        if (np.abs(observed - np.round(observed, decimals)) <= 1e-12 * np.maximum(np.abs(observed), 1)).all():
            return decimals
    return None


def to_table_words(frame: pl.DataFrame, table_format: TableFormat) -> pl.DataFrame:
    """Return forecasts with the columns of the table: those of the series, of the time, and the target.

    Bounds of intervals are called target-lo-80 and target-hi-80. Several targets have columns next to each other.

    Args:
        frame: unique_id, ds, throughtime and bounds.
        table_format: format of the table.
    """
    targets = list(table_format.targets) or ["y"]
    values = [name for name in frame.columns if name.startswith(OURS)]
    names, owners = _split_series(frame["unique_id"], table_format)
    times = write_times(frame["ds"], table_format)
    keys = pl.DataFrame([*(pl.Series(*column) for column in names.items()), *times.drop(names, strict=False)])
    blocks = []
    for target in targets:
        is_owner = pl.Series([owner == target for owner in owners], dtype=pl.Boolean)
        block = round_values(frame.filter(is_owner).select(values), table_format.decimals.get(target), *values)
        blocks.append(keys.filter(is_owner).hstack(block.rename(lambda name, t=target: name.replace(OURS, t, 1))))
    result = blocks[0]
    if len(blocks) > 1:
        result = result.with_row_index(_ORDER)
        for block in blocks[1:]:
            result = result.join(block, on=keys.columns, how="full", coalesce=True, nulls_equal=True)
        result = result.sort(_ORDER, nulls_last=True, maintain_order=True).drop(_ORDER)
    return result


def write_times(stamps: pl.Series, table_format: TableFormat) -> pl.DataFrame:
    """Return the columns of the time as the table writes them: dates as 2024-01-31 where it has no pattern."""
    patterns = table_format.time_patterns
    names = table_format.time_columns
    if stamps.dtype.is_temporal() and names and all(name in patterns for name in names):
        dates = stamps.cast(pl.Datetime("us")).dt.replace_time_zone(None).to_list()
        columns = {name: [write_date(patterns[name], date) for date in dates] for name in names}
        return pl.DataFrame([_as_numbers(pl.Series(n, c), n in table_format.whole_times) for n, c in columns.items()])
    name, calendar = ", ".join(names) or "step", table_format.dates.calendar
    if stamps.dtype.is_temporal() and (calendar in CODES or calendar in UNIX or calendar == "excel"):
        return pl.DataFrame({name: encode(stamps.to_numpy().astype("M8[us]"), calendar)})
    return pl.DataFrame({name: stamps})


def format_time(stamp: dt.date | int, table_format: TableFormat) -> str:
    """Return a date as the table writes it, in one text."""
    row = write_times(pl.Series([stamp]), table_format).row(0)
    return " ".join(map(str, row))


def round_values(frame: pl.DataFrame, decimals: int | None, *names: str) -> pl.DataFrame:
    """Return some columns with the decimals of the table: whole numbers where it has those.

    Forecasts that are below two units of the last decimal, such as those of rare sales, get two decimals more: rounded
    to whole numbers they would all be 0 or 1.

    Args:
        frame: with the columns.
        decimals: of the table; None to round nothing.
        names: of the columns, the forecast first.
    """
    observed = frame[names[0]].drop_nulls().drop_nans().abs()
    if decimals is None or not len(observed):
        return frame
    if 0 < observed.mean() * 10**decimals < _MIN_UNITS:
        decimals += 2
    values = pl.col(names)
    if decimals == 0:
        return frame.with_columns(values.round(0).fill_nan(None).cast(pl.Int64))
    return frame.with_columns(values.round(decimals) + 0.0)  # no minus before a zero


def format_table(frame: pl.DataFrame, table_format: TableFormat) -> str:
    """Return a table as CSV with the separator and the decimal mark of the table."""
    separator = table_format.separator if len(table_format.separator) == 1 else ","
    marks = {number_format.decimal for number_format in table_format.numbers.values()}
    comma = "," in marks and separator != ","
    dates = [pl.col(kind).dt.strftime(form) for kind, form in _ISO.items()]
    return frame.with_columns(dates).write_csv(separator=separator, decimal_comma=comma)


def series_targets(ids: pl.Series, table_format: TableFormat) -> dict[Any, str]:
    """Return the target that each series is of."""
    return dict(zip(ids, _split_series(ids, table_format)[1], strict=True))


def _split_series(ids: pl.Series, table_format: TableFormat) -> tuple[dict[str, list[Any]], list[str]]:
    """Return the cells of the columns that name each series, and its target."""
    targets, series = list(table_format.targets) or ["y"], list(table_format.series)
    if not series:
        return {}, ids.cast(pl.String).to_list() if len(targets) > 1 else [targets[0]] * len(ids)
    parts: dict[Any, tuple[list[Any], str]] = {}
    for name in ids.unique(maintain_order=True):
        target, rest = targets[0], name
        if len(targets) > 1:
            target = max((t for t in targets if str(name).endswith("/" + join_name([t]))), key=len, default=targets[0])
            rest = str(name).removesuffix("/" + join_name([target]))
        parts[name] = ([rest] if len(series) == 1 else split_name(str(rest))[: len(series)], target)
    columns: dict[str, list[Any]] = {column: [parts[name][0][i] for name in ids] for i, column in enumerate(series)}
    return columns, [parts[name][1] for name in ids]


def _as_numbers(column: pl.Series, is_whole: bool) -> pl.Series:
    digits = is_whole and all(re.fullmatch(r"\d+", text) for text in column)
    return column.cast(pl.Int64) if digits else column
