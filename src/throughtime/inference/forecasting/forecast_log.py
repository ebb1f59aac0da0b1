"""The log of forecasts: what was forecast from where, as JSON lines of a bounded size.

A line is a forecast of all series from their ends, or an update of the model. Of very many series the log holds a
sample, the same in every line, so that it reaches back for a year. The oldest lines make room for new ones.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.io import bounded_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float, Int

MAX_LINES = 400
MAX_BYTES = 16 * 2**20
_MAX_LINE_BYTES = MAX_BYTES // 64  # 64 forecasts or more fit, a year of weeks
_NUMBER_BYTES = 12  # of a number in a line, about
_DIGITS = 7
_BOUNDS = ("point", "low", "high")


@dataclass(frozen=True)
class LoggedForecast:
    """A forecast of some series.

    Attributes:
        ids: names of the series.
        starts: dates of the first step, in microseconds since 1970 or as whole numbers: (n,).
        point: (n, F).
        low: lower bounds of the interval of 80 %.
        high: upper bounds.
        series: number of series that were forecast, of which the log may hold a sample.
    """

    ids: list[Any]
    starts: Int[np.ndarray, "n"]
    point: Float[np.ndarray, "n F"]
    low: Float[np.ndarray, "n F"]
    high: Float[np.ndarray, "n F"]
    series: int

    def to_line(self) -> bytes:
        """Return the line of the log, of a sample of the series where all would be too many."""
        fit = max(1, _MAX_LINE_BYTES // (_NUMBER_BYTES * (3 * self.point.shape[1] + 2)))
        order = sorted(range(len(self.ids)), key=lambda i: (zlib.crc32(repr(self.ids[i]).encode()), i))[:fit]
        kept = np.array(sorted(order), dtype=int)
        arrays = {name: _rounded(getattr(self, name)[kept]) for name in _BOUNDS}
        ids = [self.ids[i] for i in kept]
        return _line({"forecast": {"ids": ids, "starts": self.starts[kept].tolist(), **arrays, "series": self.series}})

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> LoggedForecast:
        """Return the forecast of a line.

        Raises:
            ValueError: for what does not fit together.
        """
        ids, series = list(value["ids"]), value["series"]
        starts = np.array(value["starts"])
        arrays = point, low, high = [np.array(value[name], dtype=np.float64) for name in _BOUNDS]
        if not {*map(type, ids)} <= {str, int, float} or len({*ids}) < len(ids) or type(series) is not int:
            raise ValueError("the names of its series are not all different")
        if starts.dtype.kind != "i" or starts.shape != (len(ids),):
            raise ValueError("its dates do not fit its series")
        if any(array.ndim != 2 or array.shape != (len(ids), arrays[0].shape[-1]) for array in arrays):
            raise ValueError("its forecasts do not fit its series")
        if any(np.isinf(array).any() for array in arrays):
            raise ValueError("its forecasts are not finite")
        return cls(ids, starts.astype(np.int64), point, low, high, series)


def update_line(last: Any) -> bytes:
    """Return the line of an update of the model with rows up to a date."""
    return _line({"update": {"last": int(np.asarray(last).astype(np.int64))}})


def append(log: bytes, *lines: bytes) -> bytes:
    """Return a log with more lines, without its oldest ones where it grows too long; equal neighbours count once."""
    kept = log.splitlines(keepends=True)
    for line in lines:
        kept += [] if kept and kept[-1] == line else [line]
    kept = kept[-MAX_LINES:]
    while len(kept) > 1 and sum(map(len, kept)) > MAX_BYTES:
        kept = kept[1:]
    return b"".join(kept)


def merge(former: bytes, ours: bytes) -> bytes:
    """Return a log followed by the lines of another one that it lacks."""
    present = set(former.splitlines(keepends=True))
    return append(former, *(line for line in ours.splitlines(keepends=True) if line not in present))


def read(log: bytes) -> list[LoggedForecast | int]:
    """Return the forecasts of a log, and for each update the last date that the model then knew, in order.

    Raises:
        InputError: for a damaged log.
    """
    return [_read_line(number, line) for number, line in enumerate(log.splitlines(), start=1)]


def _read_line(number: int, line: bytes) -> LoggedForecast | int:
    try:
        value = bounded_json.parse(line)
        if "update" in value:
            return _whole_number(value["update"]["last"])
        return LoggedForecast.from_json(value["forecast"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(
            f"forecasts.jsonl, line {number}: damaged: {error}; delete the file from the model directory, and the log "
            "begins again with the next forecast"
        ) from error


def _whole_number(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"expected a whole number, got {value!r}")
    return value


def _rounded(values: Float[np.ndarray, "n F"]) -> Sequence[Sequence[float | None]]:
    return [[float(f"{v:.{_DIGITS}g}") if np.isfinite(v) else None for v in row] for row in values.tolist()]


def _line(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n").encode()
