"""Frames in and out: pandas, polars and pyarrow alike, through narwhals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from throughtime._errors import InputError
from throughtime.data.series import Panel, panel

if TYPE_CHECKING:
    import narwhals as nw
    from narwhals.typing import EagerAllowed, IntoDataFrame


_BACKENDS = ("pandas", "polars", "pyarrow")
_DATES = ("date", "datetime", "integer")


@dataclass(frozen=True)
class FrameKind:
    """What a frame looked like, so that forecasts come back alike.

    Attributes:
        backend: 'pandas', 'polars' or 'pyarrow'.
        dates: 'date', 'datetime' or 'integer'.
        timezone: of the dates, '' for none.
    """

    backend: str = "pandas"
    dates: str = "datetime"
    timezone: str = ""

    def __post_init__(self) -> None:
        if self.backend not in _BACKENDS or self.dates not in _DATES or not isinstance(self.timezone, str):
            raise ValueError(f"frame: expected one of {', '.join(_BACKENDS)} and of {', '.join(_DATES)}, got {self}")

    def frame(self, columns: dict[str, np.ndarray]) -> Any:
        """Columns as a frame of this kind."""
        import narwhals as nw

        frame = nw.from_dict(dict(columns), backend=cast("EagerAllowed", self.backend))
        for name in ("ds", "cutoff"):
            if name not in columns:
                continue
            if self.dates == "date" and self.backend != "pandas":
                frame = frame.with_columns(nw.col(name).cast(nw.Date))
            if self.timezone:
                frame = frame.with_columns(nw.col(name).dt.replace_time_zone(self.timezone))
        return frame.to_native()


def read_frame(df: IntoDataFrame, *, freq: str | None = None, missing: str = "mask") -> tuple[Panel, FrameKind]:
    """Read a long frame with columns unique_id (may be absent for a single series), ds and y.

    Raises:
        InputError: for a frame that is none, or whose columns are not as expected.
    """
    import narwhals as nw

    try:
        frame = nw.from_native(df, eager_only=True)
    except TypeError as error:
        raise InputError(
            f"df: expected a pandas, polars or pyarrow frame with columns unique_id, ds, y, got {type(df).__name__}"
        ) from error
    absent = [name for name in ("ds", "y") if name not in frame.columns]
    if absent:
        raise InputError(
            f"df: expected columns unique_id, ds and y, got {', '.join(frame.columns)}; {' and '.join(absent)} missing"
        )
    y = frame["y"]
    if not y.dtype.is_numeric():
        raise InputError(f"column y: expected numbers, got {y.dtype}")
    values = y.cast(nw.Float64).to_numpy().astype(np.float64)
    found = panel(_ids(frame), _stamps(frame["ds"]), values, freq=freq, missing=missing)
    return found, _kind(frame)


def _kind(frame: nw.DataFrame) -> FrameKind:
    import narwhals as nw

    ds = frame["ds"].dtype
    dates = "integer" if ds.is_numeric() else "date" if ds == nw.Date else "datetime"
    timezone = ds.time_zone if isinstance(ds, nw.Datetime) else None
    return FrameKind(frame.implementation.value, dates, timezone or "")


def _ids(frame: nw.DataFrame) -> np.ndarray:
    """The series of each row: whole numbers stay such, all else is text."""
    if "unique_id" not in frame.columns:
        return np.zeros(len(frame), dtype=np.int64)
    column = frame["unique_id"]
    if column.null_count():
        raise InputError(f"column unique_id: row {int(column.is_null().arg_true()[0]) + 1} is empty")
    return column.to_numpy() if column.dtype.is_integer() else np.array([str(v) for v in column.to_list()])


def _stamps(ds: nw.Series) -> np.ndarray:
    import narwhals as nw

    if ds.null_count():
        raise InputError(f"column ds: row {int(ds.is_null().arg_true()[0]) + 1} has no date")
    if ds.dtype.is_numeric():
        numbers = ds.to_numpy()
        odd = np.flatnonzero(numbers != np.round(numbers))
        if len(odd):
            raise InputError(f"column ds: expected dates or whole numbers, got {numbers[odd[0]]} in row {odd[0] + 1}")
        return numbers.astype(np.int64)
    if not ds.dtype.is_temporal():
        return parse_dates(ds.to_list())
    if isinstance(ds.dtype, nw.Datetime) and ds.dtype.time_zone is not None:
        ds = ds.dt.replace_time_zone(None)
    return ds.to_numpy().astype("datetime64[us]")


_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%Y%m%d", "%b %Y", "%Y-%b",
            "%m/%d/%Y", "%m/%d/%Y %H:%M", "%d/%m/%Y", "%d/%m/%Y %H:%M")  # fmt: skip


def parse_dates(texts: list[Any]) -> np.ndarray:
    """Dates that were written as text: ISO 8601 (also 1949-01), else the first of some common forms that fits all.

    Raises:
        InputError: names the first that fits none.
    """
    from datetime import datetime

    try:
        return np.array([str(text).strip().removesuffix("Z") for text in texts], dtype="datetime64[us]")
    except ValueError:
        pass
    for form in _FORMATS:
        try:
            return np.array([datetime.strptime(str(t).strip(), form) for t in texts], dtype="datetime64[us]")  # noqa: DTZ007
        except ValueError:
            continue
    for row, text in enumerate(texts):
        if not _is_date(str(text)):
            raise InputError(f"column ds: row {row + 1} is no date: {text!r}; write dates as 2024-01-31")
    raise InputError(f"column ds: dates are written in different forms, such as {texts[0]!r}; write them as 2024-01-31")


def _is_date(text: str) -> bool:
    from datetime import datetime

    try:
        np.datetime64(text.strip())
    except ValueError:
        for form in _FORMATS:
            try:
                datetime.strptime(text.strip(), form)  # noqa: DTZ007
            except ValueError:
                continue
            return True
        return False
    return True
