"""Read long tables: columns unique_id (optional for a single series), ds, y and covariates, whatever holds them."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from itertools import compress
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError, warn
from throughtime.data.series.calendar_features import is_time_zone
from throughtime.data.series.covariates import Covariates, Feature
from throughtime.data.series.date_codes import STEPS
from throughtime.data.series.date_disambiguation import gap_ratio
from throughtime.data.series.date_format import DateFormat
from throughtime.data.series.dates import read_dates, read_whole_numbers
from throughtime.data.series.frame_format import FrameFormat
from throughtime.data.series.panel import join_names
from throughtime.data.series.panel_builder import EncodedRows, build_panel
from throughtime.data.series.series_ids import read_series_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Float, Shaped

    from throughtime.data.series.column_table import Column, ColumnTable
    from throughtime.data.series.panel import Panel


def read_table(
    table: ColumnTable,
    notes: Sequence[str] = (),
    *,
    freq: str | None = None,
    missing: str = "mask",
    covariates: Covariates | None = None,
) -> tuple[Panel, FrameFormat]:
    """Read a long table as `frames.read_frame` does.

    Args:
        table: has columns ds and y.
        notes: about the table.
        freq: as for `build_panel`.
        missing: as for `build_panel`.
        covariates: additional columns to read.

    Raises:
        InputError: if its columns are not as expected.
    """
    covariates = covariates or Covariates()
    values, frame_format = _read_values(table["y"]), _infer_format(table)
    encoded = _fit_covariates(table, covariates, np.isfinite(values), frame_format.zone)
    stamps, date_format = _read_dates(table["ds"], frame_format)
    panel = build_panel(_read_ids(table), stamps, values, freq=freq, missing=missing, covariates=encoded)
    return replace(panel, notes=[*notes, *panel.notes]), replace(frame_format, date_format=date_format)


def read_later_table(
    table: ColumnTable,
    trained: Panel,
    trained_format: FrameFormat,
    notes: Sequence[str] = (),
    *,
    freq: str | None = None,
    missing: str = "mask",
) -> tuple[Panel, FrameFormat]:
    """Read a long table as the table of the training was read, as `frames.read_later_frame` does.

    Args:
        table: has columns ds and y.
        trained: panel of the training.
        trained_format: format of the table of the training.
        notes: about the table.
        freq: as for `build_panel`.
        missing: as for `build_panel`.

    Raises:
        InputError: if its columns, dates or frequency are not as in training.
    """
    features = trained.exogenous.features
    values, frame_format = _read_values(table["y"]), _infer_format(table, trained_format)
    _check_covariates(table, [feature.name for feature in features])
    columns = [_encode(feature, table) for feature in features]
    encoded = EncodedRows(features, _stack(columns, table), trained.exogenous.calendar)
    stamps, date_format = _read_dates(table["ds"], frame_format)
    grid = trained.frequency if trained.irregular else None
    options = {"freq": freq, "missing": missing, "covariates": encoded, "grid": grid, "previous": trained.frequency}
    panel = build_panel(_read_ids(table, trained.ids), stamps, values, **options)
    _warn_of_empty_columns(panel)
    if panel.frequency != trained.frequency and panel.lengths.max() > 1:
        raise InputError(
            f"df: expected the frequency that the forecaster was trained on, {trained.frequency.description}, got "
            f"{panel.frequency.description}"
        )
    return replace(panel, notes=[*notes, *panel.notes]), replace(frame_format, date_format=date_format)


def _warn_of_empty_columns(panel: Panel) -> None:
    """Warn of series without a value of a static column."""
    for c, feature in enumerate(panel.exogenous.features):
        if feature.role != "static":
            continue
        empty = [name for i, name in enumerate(panel.ids) if np.isnan(panel.exogenous[i][:, c]).all()]
        if empty:
            warn(f"Column {feature.name}: empty for {join_names(empty)}, read as an average series.")


def read_future_table(
    table: ColumnTable, past: Panel, like: FrameFormat | None = None, *, supersedes: bool = False
) -> Panel:
    """Add the covariates of a table, of rows to forecast, to a panel, as `frames.read_future` does.

    Raises:
        InputError: if its dates do not fit.
    """
    features = past.exogenous.features
    codes = np.full((len(table), len(features)), np.nan)
    for c, feature in enumerate(features):
        if feature.role == "future":
            codes[:, c] = _encode(feature, table)
    stamps, _ = _read_dates(table["ds"], _infer_format(table, like))
    return past.with_future(_read_ids(table, past.ids), stamps, codes, supersedes=supersedes)


def future_columns(past: Panel) -> list[str]:
    """Return the names of the columns that are known in advance.

    Raises:
        InputError: where there are none.
    """
    names = [feature.name for feature in past.exogenous.features if feature.role == "future"]
    if not names:
        raise InputError("future: the forecaster was trained without columns that are known in advance")
    return names


def check_columns(names: Sequence[str], required: Sequence[str], expected: str, *, title: str = "df") -> None:
    """Refuse a table that lacks a column.

    Raises:
        InputError: names it, and what is expected in words.
    """
    absent = [name for name in required if name not in names]
    if absent:
        raise InputError(
            f"{title}: expected {expected}, got {', '.join(map(str, names))}; {' and '.join(absent)} missing"
        )


def _read_values(y: Column) -> Float[np.ndarray, "T"]:
    """Return the numbers of a column, NaN if missing; objects may be numbers too, such as decimals of a database."""
    missing = y.is_missing()
    if y.kind in ("number", "integer"):
        return y.array().astype(np.float64)
    if missing.all():
        return np.full(len(y), np.nan)
    if y.kind == "object":
        cells = [math.nan if empty else cell for cell, empty in zip(y.cells(), missing, strict=True)]
        if all(isinstance(cell, Real | Decimal) and not isinstance(cell, bool) for cell in cells):
            return np.array([float(cell) for cell in cells])
    raise InputError(f"column y: expected numbers, got {y.type_name}")


def _fit_covariates(
    table: ColumnTable, covariates: Covariates, is_past: Bool[np.ndarray, "T"], zone: str
) -> EncodedRows:
    """Fit the encodings of covariates to the rows of the past, and encode all rows."""
    _check_covariates(table, covariates.names)
    features = [Feature.of(name, covariates.role(name), _past_cells(table, name, is_past)) for name in covariates.names]
    columns = [_encode(feature, table) for feature in features]
    return EncodedRows(features, _stack(columns, table), replace(covariates.dates, zone=zone))


def _past_cells(table: ColumnTable, name: str, is_past: Bool[np.ndarray, "T"]) -> list[Any]:
    """Return the cells of past rows, or all cells if those are empty.

    No effect can be learned for a word that occurs in rows to forecast only: it is not a known word.
    """
    cells = _cells(table, name)
    past = list(compress(cells, is_past))
    return past if any(cell is not None for cell in past) else cells


def _check_covariates(table: ColumnTable, names: Sequence[str]) -> None:
    """Raise if a covariate is not a column of the table."""
    for name in names:
        if name not in table.columns or name in ("unique_id", "ds", "y"):
            raise InputError(
                f"covariates: expected columns of the data other than unique_id, ds and y, got {name!r}; "
                f"its columns are {', '.join(map(str, table.columns))}"
            )


def _stack(columns: list[Float[np.ndarray, "T"]], table: ColumnTable) -> Float[np.ndarray, "T C"]:
    return np.stack(columns, 1) if columns else np.zeros((len(table), 0))


def _encode(feature: Feature, table: ColumnTable) -> Float[np.ndarray, "T"]:
    """Encode a column as in training, with warnings about unusual values."""
    cells = _cells(table, feature.name)
    codes = feature.encode(cells)
    for sentence in feature.warnings_for(cells, codes):
        warn(sentence)
    return codes


def _cells(table: ColumnTable, name: str) -> list[Any]:
    """Return the cells of a column, None for empty ones of any type."""
    column = table[name]
    missing = column.is_missing()
    if not missing.any():
        return column.cells()
    return [None if empty else cell for cell, empty in zip(column.cells(), missing, strict=True)]


def _infer_format(table: ColumnTable, like: FrameFormat | None = None) -> FrameFormat:
    """Return the format of a table; its dates are read as those of an earlier table.

    Raises:
        InputError: if its dates have no time zone, and those of the earlier table had one.
    """
    ds = table["ds"]
    dates = "integer" if ds.kind in ("number", "integer") else "date" if ds.kind == "date" else "datetime"
    zone = ds.zone
    if like is not None and like.in_utc and not zone:
        raise InputError(f"df: expected dates with a time zone, as in training ({like.timezone}), got {ds.type_name}")
    in_utc = bool(zone) and (like.in_utc if like is not None else _are_instants(ds))
    date_format = DateFormat() if like is None else like.date_format
    if like is not None and like.dates == "integer" and not date_format.calendar:
        date_format = replace(date_format, calendar=STEPS)  # a model saved by a version without calendars
    return FrameFormat(table.backend, dates, zone, in_utc, date_format)


def _are_instants(ds: Column) -> bool:
    """Return whether dates with a time zone are consecutive hours rather than times of local days.

    Hours have more than one time of day, and are at least as regular in UTC as in local time.
    """
    if not is_time_zone(ds.zone):
        return False
    utc, local = (stamps[~np.isnat(stamps)] for stamps in (ds.stamps(in_utc=True), ds.stamps(in_utc=False)))
    if len(np.unique(local - local.astype("datetime64[D]"))) < 2:
        return False
    return len(np.unique(utc)) > len(np.unique(local)) or gap_ratio(utc) <= gap_ratio(local)


def _read_ids(table: ColumnTable, training_ids: Sequence[Any] = ()) -> Shaped[np.ndarray, "T"]:
    """Return the series of each row; a table without names holds the only series of training.

    Raises:
        InputError: as `read_series_ids`, and if a table without names may hold one of several series.
    """
    if "unique_id" in table.columns:
        return read_series_ids(table["unique_id"], training_ids)
    if len(training_ids) > 1 and {0, "0"} & {*training_ids}:
        raise InputError(
            f"df: expected a column unique_id, since {len(training_ids)} series are known; name the series in it"
        )
    return np.repeat(np.array(training_ids[:1] if len(training_ids) == 1 else [0]), len(table))


def _read_dates(ds: Column, frame_format: FrameFormat) -> tuple[Shaped[np.ndarray, "T"], DateFormat]:
    """Return the dates of a table, datetime64[us] or steps, and their format."""
    missing = ds.is_missing()
    if missing.any():
        raise InputError(f"column ds: row {int(missing.argmax()) + 1} has no date")
    if ds.kind in ("number", "integer"):
        return read_whole_numbers(ds.array(), frame_format.date_format)
    if ds.kind in ("date", "datetime"):
        return ds.stamps(in_utc=frame_format.in_utc), frame_format.date_format
    if ds.kind == "duration":
        raise InputError(f"column ds: expected dates or whole numbers, got {ds.type_name}")
    return read_dates(ds.cells(), frame_format.date_format)
