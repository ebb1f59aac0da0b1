"""Read and write frames of pandas, polars and pyarrow, through narwhals."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import compress
from numbers import Real
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from throughtime._core.errors import InputError, requires, warn
from throughtime.data.series.calendar_features import is_time_zone
from throughtime.data.series.covariates import Covariates, Feature
from throughtime.data.series.date_codes import STEPS, encode
from throughtime.data.series.date_disambiguation import gap_ratio
from throughtime.data.series.dates import DateFormat, read_dates, read_whole_numbers
from throughtime.data.series.panel import join_names
from throughtime.data.series.panel_builder import EncodedRows, build_panel
from throughtime.data.series.parquet import ParquetSeries
from throughtime.data.series.series_ids import read_series_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    import narwhals as nw
    from jaxtyping import Bool, Float, Shaped
    from narwhals.typing import EagerAllowed, IntoDataFrame

    from throughtime.data.series.panel import Panel

    Data = IntoDataFrame | ParquetSeries
    """Training data: a frame, or Parquet files, which are sampled."""


_BACKENDS = ("pandas", "polars", "pyarrow")
_DATES = ("date", "datetime", "integer")
_FIXED_OFFSET = r"(UTC)?[+-]\d\d:\d\d(:\d\d)?"  # as time zone of a pandas column


@dataclass(frozen=True)
class FrameFormat:
    """The format of a frame, in which forecasts are returned.

    Attributes:
        backend: 'pandas', 'polars' or 'pyarrow'.
        dates: 'date', 'datetime' or 'integer'.
        timezone: time zone of the dates, '' for none.
        in_utc: whether dates with a time zone are converted to UTC; else they are read in local time, where days have
            23 to 25 hours.
        date_format: format of dates that are texts or whole numbers.
    """

    backend: str = "pandas"
    dates: str = "datetime"
    timezone: str = ""
    in_utc: bool = False
    date_format: DateFormat = field(default_factory=DateFormat)

    def __post_init__(self) -> None:
        if isinstance(self.date_format, dict):  # of a saved model
            object.__setattr__(self, "date_format", DateFormat(**self.date_format))
        if self.backend not in _BACKENDS or self.dates not in _DATES or not isinstance(self.timezone, str):
            raise ValueError(f"frame: expected one of {', '.join(_BACKENDS)} and of {', '.join(_DATES)}, got {self}")
        if self.timezone and not (is_time_zone(self.timezone) or re.fullmatch(_FIXED_OFFSET, self.timezone)):
            raise ValueError(f"frame: expected the name of a time zone, got {self.timezone!r}")

    @property
    def zone(self) -> str:
        """Time zone of dates that are converted to UTC; '' if they are not."""
        return self.timezone if self.in_utc else ""

    def frame(self, columns: dict[str, np.ndarray]) -> Any:
        """Return columns as a frame of this format."""
        import narwhals as nw

        columns = {name: self._encode_dates(name, column) for name, column in columns.items()}
        frame = nw.from_dict(columns, backend=cast("EagerAllowed", self.backend))
        for name in ("ds", "cutoff"):
            if name not in columns:
                continue
            if self.dates == "date" and self.backend != "pandas":
                frame = frame.with_columns(nw.col(name).cast(nw.Date))
            if self.timezone and self.in_utc:
                utc = nw.col(name).dt.replace_time_zone("UTC")
                frame = frame.with_columns(utc.dt.convert_time_zone(self.timezone))
            elif self.timezone:
                frame = frame.with_columns(nw.col(name).dt.replace_time_zone(self.timezone))
        return frame.to_native()

    def _encode_dates(self, name: str, column: Shaped[np.ndarray, "T"]) -> Shaped[np.ndarray, "T"]:
        """Return a column; its dates are encoded as whole numbers if the frame had those."""
        if name not in ("ds", "cutoff") or self.dates != "integer" or column.dtype.kind != "M":
            return column
        return encode(column, self.date_format.calendar)


def read_frame(
    df: Data, *, freq: str | None = None, missing: str = "mask", covariates: Covariates | None = None
) -> tuple[Panel, FrameFormat]:
    """Read a long frame with columns unique_id (optional for a single series), ds and y.

    Args:
        df: frame; or Parquet files, whose sample is read.
        freq: as for `build_panel`.
        missing: as for `build_panel`.
        covariates: additional columns to read.

    Raises:
        InputError: if `df` is not a frame, or its columns are not as expected.
    """
    covariates = covariates or Covariates()
    frame, notes = _open(df, covariates.names)
    values, frame_format = _read_values(frame["y"]), _infer_format(frame)
    encoded = _fit_covariates(frame, covariates, np.isfinite(values), frame_format.zone)
    stamps, date_format = _read_dates(frame["ds"], frame_format)
    panel = build_panel(_read_ids(frame), stamps, values, freq=freq, missing=missing, covariates=encoded)
    return replace(panel, notes=[*notes, *panel.notes]), replace(frame_format, date_format=date_format)


def read_later_frame(
    df: Data, trained: Panel, trained_format: FrameFormat, *, freq: str | None = None, missing: str = "mask"
) -> tuple[Panel, FrameFormat]:
    """Read a long frame as the frame of the training was read.

    Its covariates are encoded as in training, whole numbers and their texts are the same name of a series, and a frame
    without names holds the only series of the training.

    Args:
        df: frame; or Parquet files, whose sample is read.
        trained: panel of the training.
        trained_format: format of the frame of the training.
        freq: as for `build_panel`.
        missing: as for `build_panel`.

    Raises:
        InputError: if `df` is not a frame, or its columns, dates or frequency are not as in training.
    """
    features = trained.exogenous.features
    frame, notes = _open(df, [feature.name for feature in features])
    values, frame_format = _read_values(frame["y"]), _infer_format(frame, trained_format)
    _check_covariates(frame, [feature.name for feature in features])
    columns = [_encode(feature, frame) for feature in features]
    encoded = EncodedRows(features, _stack(columns, frame), trained.exogenous.calendar)
    stamps, date_format = _read_dates(frame["ds"], frame_format)
    grid = trained.frequency if trained.irregular else None
    options = {"freq": freq, "missing": missing, "covariates": encoded, "grid": grid, "previous": trained.frequency}
    panel = build_panel(_read_ids(frame, trained.ids), stamps, values, **options)
    _warn_of_empty_columns(panel)
    if panel.frequency != trained.frequency and panel.lengths.max() > 1:
        raise InputError(
            f"df: expected the frequency that the forecaster was trained on, {trained.frequency.description}, got "
            f"{panel.frequency.description}"
        )
    return replace(panel, notes=[*notes, *panel.notes]), replace(frame_format, date_format=date_format)


def _open(df: Data, names: Sequence[str]) -> tuple[nw.DataFrame, list[str]]:
    """Return a frame, or a sample of files with some columns, and notes about the sample."""
    with requires("forecast", "a frame"):
        import narwhals  # noqa: F401

    expected = "columns unique_id, ds and y"
    if isinstance(df, ParquetSeries):
        return _to_narwhals(df.read_sample(names), ("ds", "y"), expected), [df.note]
    return _to_narwhals(df, ("ds", "y"), expected), []


def _warn_of_empty_columns(panel: Panel) -> None:
    """Warn of series without a value of a static column."""
    for c, feature in enumerate(panel.exogenous.features):
        if feature.role != "static":
            continue
        empty = [name for i, name in enumerate(panel.ids) if np.isnan(panel.exogenous[i][:, c]).all()]
        if empty:
            warn(f"Column {feature.name}: empty for {join_names(empty)}, read as an average series.")


def read_future(df: IntoDataFrame, past: Panel, like: FrameFormat | None = None, *, supersedes: bool = False) -> Panel:
    """Add future covariates, from a frame of unique_id, ds and columns, to a panel.

    With `supersedes` they replace the values that the panel already has for the future.

    Raises:
        InputError: if `df` is not a frame, lacks a column, or its dates do not fit.
    """
    required = [feature.name for feature in past.exogenous.features if feature.role == "future"]
    if not required:
        raise InputError("future: the forecaster was trained without columns that are known in advance")
    frame = _to_narwhals(df, ("ds", *required), f"columns unique_id, ds and {', '.join(required)}")
    features = past.exogenous.features
    codes = np.full((len(frame), len(features)), np.nan)
    for c, feature in enumerate(features):
        if feature.role == "future":
            codes[:, c] = _encode(feature, frame)
    stamps, _ = _read_dates(frame["ds"], _infer_format(frame, like))
    return past.with_future(_read_ids(frame, past.ids), stamps, codes, supersedes=supersedes)


def _to_narwhals(df: IntoDataFrame, required: tuple[str, ...], expected: str) -> nw.DataFrame:
    import narwhals as nw

    try:
        frame = nw.from_native(df, eager_only=True)
    except nw.exceptions.DuplicateError as error:
        raise InputError(f"df: expected {expected} once each, got columns of one name; rename or drop one") from error
    except TypeError as error:
        raise InputError(
            f"df: expected a pandas, polars or pyarrow frame with {expected}, got {type(df).__name__}"
        ) from error
    absent = [name for name in required if name not in frame.columns]
    if absent:
        raise InputError(
            f"df: expected {expected}, got {', '.join(map(str, frame.columns))}; {' and '.join(absent)} missing"
        )
    return frame


def _read_values(y: nw.Series) -> Float[np.ndarray, "T"]:
    """Return the numbers of a column, NaN if missing; objects may be numbers too, such as decimals of a database."""
    import narwhals as nw

    if y.dtype.is_numeric() or y.null_count() == len(y):
        return y.cast(nw.Float64).to_numpy().astype(np.float64)
    if y.dtype == nw.Object:
        missing, cells = y.is_null().to_list(), y.to_list()
        cells = [math.nan if empty else cell for cell, empty in zip(cells, missing, strict=True)]
        if all(isinstance(cell, Real | Decimal) and not isinstance(cell, bool) for cell in cells):
            return np.array([float(cell) for cell in cells])
    raise InputError(f"column y: expected numbers, got {y.dtype}")


def _fit_covariates(
    frame: nw.DataFrame, covariates: Covariates, is_past: Bool[np.ndarray, "T"], zone: str
) -> EncodedRows:
    """Fit the encodings of covariates to the rows of the past, and encode all rows."""
    _check_covariates(frame, covariates.names)
    features = [Feature.of(name, covariates.role(name), _past_cells(frame, name, is_past)) for name in covariates.names]
    columns = [_encode(feature, frame) for feature in features]
    return EncodedRows(features, _stack(columns, frame), replace(covariates.dates, zone=zone))


def _past_cells(frame: nw.DataFrame, name: str, is_past: Bool[np.ndarray, "T"]) -> list[Any]:
    """Return the cells of past rows, or all cells if those are empty.

    No effect can be learned for a word that occurs in rows to forecast only: it is not a known word.
    """
    cells = _cells(frame, name)
    past = list(compress(cells, is_past))
    return past if any(cell is not None for cell in past) else cells


def _check_covariates(frame: nw.DataFrame, names: Sequence[str]) -> None:
    """Raise if a covariate is not a column of the frame."""
    for name in names:
        if name not in frame.columns or name in ("unique_id", "ds", "y"):
            raise InputError(
                f"covariates: expected columns of the data other than unique_id, ds and y, got {name!r}; "
                f"its columns are {', '.join(map(str, frame.columns))}"
            )


def _stack(columns: list[Float[np.ndarray, "T"]], frame: nw.DataFrame) -> Float[np.ndarray, "T C"]:
    return np.stack(columns, 1) if columns else np.zeros((len(frame), 0))


def _encode(feature: Feature, frame: nw.DataFrame) -> Float[np.ndarray, "T"]:
    """Encode a column as in training, with warnings about unusual values."""
    cells = _cells(frame, feature.name)
    codes = feature.encode(cells)
    for sentence in feature.warnings_for(cells, codes):
        warn(sentence)
    return codes


def _cells(frame: nw.DataFrame, name: str) -> list[Any]:
    """Return the cells of a column, None for empty ones of any type."""
    column = frame[name]
    if not column.null_count():
        return column.to_list()
    return [None if empty else cell for cell, empty in zip(column.to_list(), column.is_null().to_list(), strict=True)]


def _infer_format(frame: nw.DataFrame, like: FrameFormat | None = None) -> FrameFormat:
    """Return the format of a frame; its dates are read as those of an earlier frame.

    Raises:
        InputError: if its dates have no time zone, and those of the earlier frame had one.
    """
    import narwhals as nw

    ds = frame["ds"].dtype
    dates = "integer" if ds.is_numeric() else "date" if ds == nw.Date else "datetime"
    zone = (ds.time_zone if isinstance(ds, nw.Datetime) else None) or ""
    if like is not None and like.in_utc and not zone:
        raise InputError(f"df: expected dates with a time zone, as in training ({like.timezone}), got {ds}")
    in_utc = bool(zone) and (like.in_utc if like is not None else _are_instants(frame["ds"].drop_nulls(), zone))
    date_format = DateFormat() if like is None else like.date_format
    if like is not None and like.dates == "integer" and not date_format.calendar:
        date_format = replace(date_format, calendar=STEPS)  # a model saved by a version without calendars
    return FrameFormat(frame.implementation.value, dates, zone, in_utc, date_format)


def _are_instants(ds: nw.Series, zone: str) -> bool:
    """Return whether dates with a time zone are consecutive hours rather than times of local days.

    Hours have more than one time of day, and are at least as regular in UTC as in local time.
    """
    if not is_time_zone(zone):
        return False
    utc, local = (
        dates.dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
        for dates in (ds.dt.convert_time_zone("UTC"), ds)
    )
    if len(np.unique(local - local.astype("datetime64[D]"))) < 2:
        return False
    return len(np.unique(utc)) > len(np.unique(local)) or gap_ratio(utc) <= gap_ratio(local)


def _read_ids(frame: nw.DataFrame, training_ids: Sequence[Any] = ()) -> Shaped[np.ndarray, "T"]:
    """Return the series of each row; a frame without names holds the only series of training.

    Raises:
        InputError: as `read_series_ids`, and if a frame without names may hold one of several series.
    """
    if "unique_id" in frame.columns:
        return read_series_ids(frame["unique_id"], training_ids)
    if len(training_ids) > 1 and {0, "0"} & {*training_ids}:
        raise InputError(
            f"df: expected a column unique_id, since {len(training_ids)} series are known; name the series in it"
        )
    return np.repeat(np.array(training_ids[:1] if len(training_ids) == 1 else [0]), len(frame))


def _read_dates(ds: nw.Series, frame_format: FrameFormat) -> tuple[Shaped[np.ndarray, "T"], DateFormat]:
    """Return the dates of a frame, datetime64[us] or steps, and their format."""
    import narwhals as nw

    if ds.null_count():
        raise InputError(f"column ds: row {int(ds.is_null().arg_true()[0]) + 1} has no date")
    if ds.dtype.is_numeric():
        return read_whole_numbers(ds.to_numpy(), frame_format.date_format)
    if not ds.dtype.is_temporal():
        return read_dates(ds.to_list(), frame_format.date_format)
    if not isinstance(ds.dtype, nw.Date | nw.Datetime):
        raise InputError(f"column ds: expected dates or whole numbers, got {ds.dtype}")
    if isinstance(ds.dtype, nw.Datetime) and ds.dtype.time_zone is not None:
        ds = ds.dt.convert_time_zone("UTC") if frame_format.in_utc else ds
        ds = ds.dt.replace_time_zone(None)
    return ds.to_numpy().astype("datetime64[us]"), frame_format.date_format
