"""Frames in and out: pandas, polars and pyarrow alike, through narwhals."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from throughtime._core.errors import InputError, requires, warn
from throughtime.data.series.calendar_features import is_time_zone
from throughtime.data.series.covariates import Covariates, Exogenous, Feature
from throughtime.data.series.date_codes import STEPS, encode
from throughtime.data.series.date_disambiguation import gap_ratio
from throughtime.data.series.dates import DateFormat, read_dates, read_whole_numbers
from throughtime.data.series.panel import join_names
from throughtime.data.series.panel_builder import Rows, panel
from throughtime.data.series.parquet import ParquetSeries
from throughtime.data.series.series_ids import read_series_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    import narwhals as nw
    from narwhals.typing import EagerAllowed, IntoDataFrame

    from throughtime.data.series.frequency import Frequency
    from throughtime.data.series.panel import Panel

    Data = IntoDataFrame | ParquetSeries
    """What is learned from: a frame, or files, of which a sample is."""


_BACKENDS = ("pandas", "polars", "pyarrow")
_DATES = ("date", "datetime", "integer")
_FIXED_OFFSET = r"(UTC)?[+-]\d\d:\d\d(:\d\d)?"  # the time zone of a pandas column


@dataclass(frozen=True)
class FrameFormat:
    """What a frame looked like, so that forecasts come back alike.

    Attributes:
        backend: 'pandas', 'polars' or 'pyarrow'.
        dates: 'date', 'datetime' or 'integer'.
        timezone: of the dates, '' for none.
        in_utc: whether dates with a time zone are read as instants, which shifts them to UTC; else as the days of the
            place, of 23 to 25 hours.
        date_format: by which dates of text and whole numbers are read.
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
        """The time zone of dates that are read in UTC, '' where they are not."""
        return self.timezone if self.in_utc else ""

    def frame(self, columns: dict[str, np.ndarray]) -> Any:
        """Columns as a frame of this kind."""
        import narwhals as nw

        columns = {name: self._dates(name, column) for name, column in columns.items()}
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

    def _dates(self, name: str, column: np.ndarray) -> np.ndarray:
        """A column, whose dates are whole numbers of a calendar where they came as such."""
        if name not in ("ds", "cutoff") or self.dates != "integer" or column.dtype.kind != "M":
            return column
        return encode(column, self.date_format.calendar)


def read_frame(
    df: Data,
    *,
    freq: str | None = None,
    missing: str = "mask",
    covariates: Covariates | None = None,
    known: Exogenous | None = None,
    grid: Frequency | None = None,
    ids: Sequence[Any] = (),
    like: FrameFormat | None = None,
    former: Frequency | None = None,
) -> tuple[Panel, FrameFormat]:
    """Read a long frame with columns unique_id (may be absent for a single series), ds and y.

    Args:
        df: the frame; or Parquet files, whose sample is read.
        freq: as for `panel`.
        missing: as for `panel`.
        covariates: more columns to read.
        known: columns to read and to encode as in training, in place of `covariates`.
        grid: as for `panel`.
        ids: what series are called that are known already: whole numbers and their texts are the same, and a frame
            without names is the only one of them.
        like: how the dates of an earlier frame were read.
        former: as for `panel`.

    Raises:
        InputError: for a frame that is none, or whose columns are not as expected.
    """
    with requires("forecast", "a frame"):
        import narwhals  # noqa: F401

    given: Any = df
    notes: list[str] = []
    if isinstance(df, ParquetSeries):
        names = (covariates or Covariates()).names if known is None else [feature.name for feature in known.features]
        notes, given = [df.note], df.read_sample(names)
    frame = _narwhals(given, ("ds", "y"), "columns unique_id, ds and y")
    values = _values(frame["y"])
    kind = _kind(frame, like)
    beside = _beside(frame, covariates or Covariates(), known, kind.zone)
    stamps, date_format = _stamps(frame["ds"], kind)
    kind = replace(kind, date_format=date_format)
    options = {"freq": freq, "missing": missing, "beside": beside, "grid": grid, "former": former}
    found = panel(_ids(frame, ids), stamps, values, **options)
    if known is not None:
        _warn_of_empty(found)
    return replace(found, notes=[*notes, *found.notes]), kind


def _warn_of_empty(panel: Panel) -> None:
    """Warn of series without a value of a static column."""
    for c, feature in enumerate(panel.exogenous.features):
        if feature.role != "static":
            continue
        empty = [name for i, name in enumerate(panel.ids) if np.isnan(panel.exogenous[i][:, c]).all()]
        if empty:
            warn(f"Column {feature.name}: empty for {join_names(empty)}, read as an average series.")


def read_future(df: IntoDataFrame, past: Panel, like: FrameFormat | None = None, *, supersedes: bool = False) -> Panel:
    """A panel, with what a frame of unique_id, ds and columns tells of its future.

    With `supersedes` it replaces what the panel knows of its future already, as a newer plan does.

    Raises:
        InputError: for a frame that is none, that lacks a column, or whose dates do not fit.
    """
    wanted = [feature.name for feature in past.exogenous.features if feature.role == "future"]
    if not wanted:
        raise InputError("future: the forecaster was trained without columns that are known in advance")
    frame = _narwhals(df, ("ds", *wanted), f"columns unique_id, ds and {', '.join(wanted)}")
    features = past.exogenous.features
    cells = np.full((len(frame), len(features)), np.nan)
    for c, feature in enumerate(features):
        if feature.role == "future":
            cells[:, c] = _encoded(feature, frame)
    stamps, _ = _stamps(frame["ds"], _kind(frame, like))
    return past.with_future(_ids(frame, past.ids), stamps, cells, supersedes=supersedes)


def _narwhals(df: IntoDataFrame, wanted: tuple[str, ...], words: str) -> nw.DataFrame:
    import narwhals as nw

    try:
        frame = nw.from_native(df, eager_only=True)
    except nw.exceptions.DuplicateError as error:
        raise InputError(f"df: expected {words} once each, got columns of one name; rename or drop one") from error
    except TypeError as error:
        raise InputError(
            f"df: expected a pandas, polars or pyarrow frame with {words}, got {type(df).__name__}"
        ) from error
    absent = [name for name in wanted if name not in frame.columns]
    if absent:
        raise InputError(
            f"df: expected {words}, got {', '.join(map(str, frame.columns))}; {' and '.join(absent)} missing"
        )
    return frame


def _values(y: nw.Series) -> np.ndarray:
    """The numbers of a column, NaN for missing ones; also of one of objects, such as decimals of a database."""
    import narwhals as nw

    if y.dtype.is_numeric() or y.null_count() == len(y):
        return y.cast(nw.Float64).to_numpy().astype(np.float64)
    if y.dtype == nw.Object:
        missing, cells = y.is_null().to_list(), y.to_list()
        cells = [math.nan if empty else cell for cell, empty in zip(cells, missing, strict=True)]
        if all(isinstance(cell, Real | Decimal) and not isinstance(cell, bool) for cell in cells):
            return np.array([float(cell) for cell in cells])
    raise InputError(f"column y: expected numbers, got {y.dtype}")


def _beside(frame: nw.DataFrame, covariates: Covariates, known: Exogenous | None, zone: str) -> Rows:
    """The columns that were asked for, encoded; learned from these rows where nothing is known yet."""
    names = covariates.names if known is None else [feature.name for feature in known.features]
    for name in names:
        if name not in frame.columns or name in ("unique_id", "ds", "y"):
            raise InputError(
                f"covariates: expected columns of the data beside unique_id, ds and y, got {name!r}; "
                f"its columns are {', '.join(map(str, frame.columns))}"
            )
    if known is None:
        cells = {name: _cells(frame, name) for name in names}
        features = [Feature.of(name, covariates.role(name), cells[name]) for name in names]
        encoded = [feature.encode(cells[feature.name]) for feature in features]
        calendar = replace(covariates.dates, zone=zone)
    else:
        features, calendar = known.features, known.calendar
        encoded = [_encoded(feature, frame) for feature in features]
    return Rows(features, np.stack(encoded, 1) if encoded else np.zeros((len(frame), 0)), calendar)


def _encoded(feature: Feature, frame: nw.DataFrame) -> np.ndarray:
    """A column of later rows as in training, with a warning about what is odd in it."""
    cells = _cells(frame, feature.name)
    codes = feature.encode(cells)
    for sentence in feature.warnings_for(cells, codes):
        warn(sentence)
    return codes


def _cells(frame: nw.DataFrame, name: str) -> list[Any]:
    """The cells of a column, None where one is empty, whatever its type calls that."""
    column = frame[name]
    if not column.null_count():
        return column.to_list()
    return [None if empty else cell for cell, empty in zip(column.to_list(), column.is_null().to_list(), strict=True)]


def _kind(frame: nw.DataFrame, like: FrameFormat | None = None) -> FrameFormat:
    """What a frame looks like; its dates are read as those of an earlier one were.

    Raises:
        InputError: where they have no time zone, and those had one.
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
        date_format = replace(date_format, calendar=STEPS)  # of a model that was saved before there were calendars
    return FrameFormat(frame.implementation.value, dates, zone, in_utc, date_format)


def _are_instants(ds: nw.Series, zone: str) -> bool:
    """Whether dates of a place are hours that follow one another, rather than times of its days.

    They come at more than one time of day, and no less evenly in UTC than by the clocks of the place.
    """
    if not is_time_zone(zone):
        return False
    utc, local = (
        each.dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
        for each in (ds.dt.convert_time_zone("UTC"), ds)
    )
    if len(np.unique(local - local.astype("datetime64[D]"))) < 2:
        return False
    return len(np.unique(utc)) > len(np.unique(local)) or gap_ratio(utc) <= gap_ratio(local)


def _ids(frame: nw.DataFrame, known: Sequence[Any] = ()) -> np.ndarray:
    """The series of each row; a frame without names is the only series that is known.

    Raises:
        InputError: as `read_series_ids`, and for a frame without names where one of several may be meant.
    """
    if "unique_id" in frame.columns:
        return read_series_ids(frame["unique_id"], known)
    if len(known) > 1 and {0, "0"} & {*known}:
        raise InputError(f"df: expected a column unique_id, since {len(known)} series are known; name the series in it")
    return np.repeat(np.array(known[:1] if len(known) == 1 else [0]), len(frame))


def _stamps(ds: nw.Series, kind: FrameFormat) -> tuple[np.ndarray, DateFormat]:
    """The dates of a frame, datetime64[us] or steps, and the format that they were read by."""
    import narwhals as nw

    if ds.null_count():
        raise InputError(f"column ds: row {int(ds.is_null().arg_true()[0]) + 1} has no date")
    if ds.dtype.is_numeric():
        return read_whole_numbers(ds.to_numpy(), kind.date_format)
    if not ds.dtype.is_temporal():
        return read_dates(ds.to_list(), kind.date_format)
    if not isinstance(ds.dtype, nw.Date | nw.Datetime):
        raise InputError(f"column ds: expected dates or whole numbers, got {ds.dtype}")
    if isinstance(ds.dtype, nw.Datetime) and ds.dtype.time_zone is not None:
        ds = ds.dt.convert_time_zone("UTC") if kind.in_utc else ds
        ds = ds.dt.replace_time_zone(None)
    return ds.to_numpy().astype("datetime64[us]"), kind.date_format
