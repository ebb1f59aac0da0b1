"""Read frames of pandas, polars and pyarrow, through narwhals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError, requires
from throughtime.data.series.covariates import Covariates
from throughtime.data.series.long_tables import (
    check_columns,
    future_columns,
    read_future_table,
    read_later_table,
    read_table,
)
from throughtime.data.series.parquet import ParquetSeries

if TYPE_CHECKING:
    from collections.abc import Sequence

    import narwhals as nw
    from jaxtyping import Bool, Int, Shaped
    from narwhals.typing import IntoDataFrame

    from throughtime.data.series.frame_format import FrameFormat
    from throughtime.data.series.panel import Panel

    Data = IntoDataFrame | ParquetSeries
    """Training data: a frame, or Parquet files, which are sampled."""


@dataclass(frozen=True)
class FrameColumn:
    """A column of a frame.

    Attributes:
        series: of narwhals.
    """

    series: nw.Series

    @property
    def name(self) -> str:
        """Name of the column."""
        return self.series.name

    @property
    def type_name(self) -> str:
        """Its type, for messages."""
        return str(self.series.dtype)

    @property
    def kind(self) -> str:
        """Kind of its cells, as `Column` says."""
        import narwhals as nw

        dtype = self.series.dtype
        if dtype.is_numeric():
            return "integer" if dtype.is_integer() else "number"
        if dtype.is_temporal():
            return {nw.Date: "date", nw.Datetime: "datetime"}.get(dtype.base_type(), "duration")
        return "object" if dtype == nw.Object else "other"

    @property
    def zone(self) -> str:
        """Time zone of its dates; '' for none."""
        return getattr(self.series.dtype, "time_zone", None) or ""

    def __len__(self) -> int:
        return len(self.series)

    def is_missing(self) -> Bool[np.ndarray, "T"]:
        """Return which cells are empty."""
        return self.series.is_null().to_numpy() if self.series.null_count() else np.zeros(len(self), dtype=bool)

    def array(self) -> Shaped[np.ndarray, "T"]:
        """Return numbers."""
        import narwhals as nw

        return (self.series.cast(nw.Float64) if self.series.null_count() else self.series).to_numpy()

    def cells(self, rows: Int[np.ndarray, "M"] | None = None) -> list[Any]:
        """Return cells as Python values."""
        return (self.series if rows is None else self.series[rows.tolist()]).to_list()

    def heads(self) -> Int[np.ndarray, "M"]:
        """Return the rows whose cell differs from that of the row before; all rows of objects, where True equals 1."""
        if self.kind == "object":
            return np.arange(len(self))
        return np.flatnonzero((self.series != self.series.shift(1)).fill_null(True).to_numpy())  # noqa: FBT003

    def stamps(self, *, in_utc: bool) -> Shaped[np.ndarray, "T"]:
        """Return dates, in UTC or in local time."""
        dates = self.series
        if self.zone:
            dates = (dates.dt.convert_time_zone("UTC") if in_utc else dates).dt.replace_time_zone(None)
        return dates.to_numpy().astype("datetime64[us]")


@dataclass(frozen=True)
class FrameTable:
    """A frame as a table.

    Attributes:
        frame: of narwhals.
    """

    frame: nw.DataFrame

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return self.frame.columns

    @property
    def backend(self) -> str:
        """Library of the frame."""
        return self.frame.implementation.value

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, name: str) -> FrameColumn:
        return FrameColumn(self.frame[name])


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
    table, notes = _open(df, covariates.names)
    return read_table(table, notes, freq=freq, missing=missing, covariates=covariates)


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
    table, notes = _open(df, [feature.name for feature in trained.exogenous.features])
    return read_later_table(table, trained, trained_format, notes, freq=freq, missing=missing)


def read_future(df: IntoDataFrame, past: Panel, like: FrameFormat | None = None, *, supersedes: bool = False) -> Panel:
    """Add future covariates, from a frame of unique_id, ds and columns, to a panel.

    With `supersedes` they replace the values that the panel already has for the future.

    Raises:
        InputError: if `df` is not a frame, lacks a column, or its dates do not fit.
    """
    required = future_columns(past)
    table = _to_table(df, ("ds", *required), f"columns unique_id, ds and {', '.join(required)}")
    return read_future_table(table, past, like, supersedes=supersedes)


def _open(df: Data, names: Sequence[str]) -> tuple[FrameTable, list[str]]:
    """Return a frame, or a sample of files with some columns, and notes about the sample."""
    with requires("forecast", "a frame"):
        import narwhals  # noqa: F401

    expected = "columns unique_id, ds and y"
    if isinstance(df, ParquetSeries):
        return _to_table(df.read_sample(names), ("ds", "y"), expected), [df.note]
    return _to_table(df, ("ds", "y"), expected), []


def _to_table(df: IntoDataFrame, required: tuple[str, ...], expected: str) -> FrameTable:
    import narwhals as nw

    try:
        frame = nw.from_native(df, eager_only=True)
    except nw.exceptions.DuplicateError as error:
        raise InputError(f"df: expected {expected} once each, got columns of one name; rename or drop one") from error
    except TypeError as error:
        raise InputError(
            f"df: expected a pandas, polars or pyarrow frame with {expected}, got {type(df).__name__}"
        ) from error
    check_columns(frame.columns, required, expected)
    return FrameTable(frame)
