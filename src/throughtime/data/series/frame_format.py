"""The format of a table, in which forecasts are returned."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from throughtime.data.series.calendar_features import is_time_zone
from throughtime.data.series.date_codes import encode
from throughtime.data.series.date_format import DateFormat

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Shaped
    from narwhals.typing import EagerAllowed

_BACKENDS = ("pandas", "polars", "pyarrow", "arrays")
_DATES = ("date", "datetime", "integer")
_DATE_COLUMNS = ("ds", "cutoff", "start", "end")
_FIXED_OFFSET = r"(UTC)?[+-]\d\d:\d\d(:\d\d)?"  # as time zone of a pandas column


@dataclass(frozen=True)
class FrameFormat:
    """The format of a frame, in which forecasts are returned.

    Attributes:
        backend: 'pandas', 'polars', 'pyarrow', or 'arrays' for columns as numpy arrays.
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
        columns = {name: self._encode_dates(name, column) for name, column in columns.items()}
        if self.backend == "arrays":
            return columns
        import narwhals as nw

        frame = nw.from_dict(columns, backend=cast("EagerAllowed", self.backend))
        for name in _DATE_COLUMNS:
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
        if name not in _DATE_COLUMNS or self.dates != "integer" or column.dtype.kind != "M":
            return column
        return encode(column, self.date_format.calendar)
