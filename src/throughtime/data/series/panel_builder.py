"""Build a panel on a regular grid from the rows of a long table.

Rows may come in any order. Missing rows and missing values become NaN and are counted in notes. Duplicate dates,
infinite values and dates off the grid raise an error that names the series and the date.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from throughtime._core.errors import InputError
from throughtime.data.series.calendar_features import CalendarFeatures, may_be_ambiguous
from throughtime.data.series.covariates import Exogenous, Feature
from throughtime.data.series.frequency import Frequency, infer_frequency, parse_frequency, sparse_weekdays
from throughtime.data.series.panel import Panel, format_date
from throughtime.data.series.resampling import infer_grid, resample

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped

MISSING_OPTIONS = ("mask", "ffill", "error")
"""Treatments of missing values."""

_MAX_STEPS_PER_ROW = 1000  # steps of the grid per row, above which a date must be wrong
_MAX_NOTES = 12


@dataclass(frozen=True)
class EncodedRows:
    """Encoded covariates of the rows of a long table.

    Attributes:
        features: encodings of the C columns.
        cells: encoded cells, NaN if empty.
        calendar: features of the dates.
    """

    features: list[Feature] = field(default_factory=list)
    cells: Float[np.ndarray, "R C"] = field(default_factory=lambda: np.zeros((0, 0)))
    calendar: CalendarFeatures = field(default_factory=CalendarFeatures)

    def __bool__(self) -> bool:
        return bool(self.features or self.calendar)

    def select(self, rows: np.ndarray | slice) -> Self:
        """Return some of the rows, in the given order."""
        return replace(self, cells=self.cells[rows]) if self else self

    def to_grid(
        self, name: Any, steps: Int[np.ndarray, "_"], rows: slice, length: int, notes: list[str]
    ) -> Float[np.ndarray, "T C"]:
        """Put the rows of a series on its grid, and fill gaps in the first `length` steps with the previous value."""
        grid = np.full((int(steps[-1]) + 1, len(self.features)), np.nan)
        if not self.features:
            return grid
        grid[steps] = self.cells[rows]
        for c, feature in enumerate(self.features):
            column = grid[:, c]
            observed = column[np.isfinite(column)]
            gaps = int(np.isnan(column[:length]).sum())
            if feature.role == "static" and len(np.unique(observed)) > 1:
                raise InputError(
                    f"series {name}: column {feature.name} changes, but static columns have one value for a "
                    "series; name it under future or past"
                )
            if not len(observed) and (gaps or feature.role == "static"):
                notes.append(f"Series {name}: column {feature.name} is empty, and is treated as average.")
            elif feature.role == "static":
                column[:] = observed[0]
            elif gaps:
                notes.append(f"Series {name}: column {feature.name} has {gaps} gaps, filled with the previous value.")
                column[:length] = _forward_fill(np.concatenate([observed[:1], column[:length]]))[1:]
        return grid


@dataclass(frozen=True)
class _LongRows:
    """Rows of a long table.

    Attributes:
        names: sorted names of the series.
        codes: index into `names` of each row.
        stamps: date of each row, datetime64 or a whole number.
        values: value of each row, NaN if missing.
        covariates: covariates of each row.
    """

    names: Shaped[np.ndarray, "N"]
    codes: Int[np.ndarray, "R"]
    stamps: Shaped[np.ndarray, "R"]
    values: Float[np.ndarray, "R"]
    covariates: EncodedRows

    def select(self, rows: np.ndarray | slice) -> Self:
        """Return some of the rows, in the given order."""
        columns = {"codes": self.codes[rows], "stamps": self.stamps[rows], "values": self.values[rows]}
        return replace(self, **columns, covariates=self.covariates.select(rows))

    def sort(self, notes: list[str]) -> Self:
        """Sort the rows by series and date."""
        codes, stamps = self.codes, self.stamps
        if ((codes[1:] > codes[:-1]) | ((codes[1:] == codes[:-1]) & (stamps[1:] >= stamps[:-1]))).all():
            return self
        by_series = np.argsort(codes, kind="stable")
        c, s = codes[by_series], stamps[by_series]
        if ((c[1:] == c[:-1]) & (s[1:] < s[:-1])).any():
            notes.append("The rows were not sorted by time; they have been sorted.")
        return self.select(np.lexsort((stamps, codes)))

    @property
    def bounds(self) -> Int[np.ndarray, "bounds"]:
        """First row of each series, and the end."""
        return np.searchsorted(self.codes, np.arange(len(self.names) + 1))

    @property
    def slices(self) -> list[slice]:
        """Rows of each series."""
        return [slice(start, end) for start, end in pairwise(self.bounds)]

    @property
    def starts(self) -> Shaped[np.ndarray, "N"]:
        """First date of each series."""
        return self.stamps[self.bounds[:-1]]

    def check(self) -> None:
        """Raise if a value is infinite or a date occurs twice."""
        for row in np.flatnonzero(np.isinf(self.values))[:1]:
            name = self.names[self.codes[row]]
            raise InputError(f"series {name}: the value at {format_date(self.stamps[row])} is infinite; fix it")
        same = (self.codes[1:] == self.codes[:-1]) & (self.stamps[1:] == self.stamps[:-1])
        for row in np.flatnonzero(same)[:1]:
            name, stamp = self.names[self.codes[row]], self.stamps[row]
            hint = ", or write the offsets from UTC where clocks are put back" if may_be_ambiguous(stamp) else ""
            raise InputError(f"series {name}: duplicate date {format_date(stamp)}; keep one row for each date{hint}")

    def check_steps(self, steps: Int[np.ndarray, "R"], frequency: Frequency) -> None:
        """Raise if a date is between two steps of the frequency, or so far from the others that it must be wrong."""
        off_grid = np.flatnonzero(frequency.stamps(self.starts[self.codes], steps) != self.stamps)
        for row in off_grid[:1]:
            raise InputError(
                f"series {self.names[self.codes[row]]}: {format_date(self.stamps[row])} does not fit the frequency "
                f"{frequency.name} ({frequency.description}) that most dates have; fix the date, or give another "
                "frequency"
            )
        sparse = np.maximum.reduceat(steps, self.bounds[:-1]) > _MAX_STEPS_PER_ROW * np.bincount(self.codes)
        for i in np.flatnonzero(sparse)[:1]:
            rows = self.slices[i]
            gaps = np.diff(steps[rows])
            widest = int(gaps.argmax())
            raise InputError(
                f"series {self.names[i]}: {gaps[widest] - 1} steps are missing after "
                f"{format_date(self.stamps[rows][widest])}; is a date wrong? Steps are {frequency.description}"
            )

    def infer_grid(self, freq: str | None) -> Frequency | None:
        """Return the grid for dates that follow no frequency: the requested one, or an inferred one."""
        grid = infer_grid([self.stamps[rows] for rows in self.slices])
        return grid if grid is None or freq is None else parse_frequency(freq)

    def resample(self, grid: Frequency, notes: list[str]) -> Self:
        """Put the rows on a grid."""
        rows, stamps, note = resample(self.codes, self.stamps, self.values, grid)
        notes.append(note)
        return replace(self.select(rows), stamps=stamps)

    def lengths(self, steps: Int[np.ndarray, "R"], notes: list[str]) -> Int[np.ndarray, "N"]:
        """Return the length of each series: rows after the last value of all series are to be forecast.

        Series without any value keep all rows.
        """
        lengths = steps[self.bounds[1:] - 1] + 1
        filled = np.isfinite(self.values)
        if not filled.any():
            return lengths
        last = self.stamps[filled].max()
        past = np.maximum.reduceat(np.where(self.stamps <= last, steps, -1), self.bounds[:-1]) + 1
        has_value = np.maximum.reduceat(filled, self.bounds[:-1])
        count = int((self.stamps > last).sum())
        if count and not any(feature.role == "future" for feature in self.covariates.features):
            notes.append(f"{count} rows after {format_date(last)} have no value and are taken as rows to be forecast.")
        return np.where(has_value, past, lengths)


def build_panel(
    ids: Shaped[np.ndarray, "R"],
    stamps: Shaped[np.ndarray, "R"],
    values: Shaped[np.ndarray, "R"],
    *,
    freq: str | None = None,
    missing: str = "mask",
    covariates: EncodedRows | None = None,
    grid: Frequency | None = None,
    previous: Frequency | None = None,
) -> Panel:
    """Build a panel from the rows of a long table.

    Args:
        ids: series of each row.
        stamps: date of each row, datetime64, or a whole number.
        values: value of each row, NaN if missing.
        freq: name of the frequency; inferred if None.
        missing: 'mask' leaves missing values to the network, 'ffill' repeats the last value, 'error' raises.
        covariates: covariates of each row. Rows after the last value of all series are to be forecast: they hold
            covariates that are known in advance, and are not part of the past.
        grid: grid on which rows are put, whatever their dates; inferred for dates that follow no frequency.
        previous: frequency of earlier rows, which is used if the dates match it.

    Raises:
        InputError: if the rows cannot be put on a regular grid.
    """
    if missing not in MISSING_OPTIONS:
        raise InputError(f"missing: expected one of {', '.join(MISSING_OPTIONS)}, got {missing!r}")
    if not len(values):
        raise InputError("data: expected at least one row, got none")
    notes: list[str] = []
    names, codes = _encode_names(ids)
    rows = _LongRows(names, codes, stamps, values.astype(np.float64), covariates or EncodedRows()).sort(notes)
    rows.check()
    grid = grid or rows.infer_grid(freq)
    if grid is not None:
        rows = rows.resample(grid, notes)
    frequency = grid or infer_frequency([rows.stamps[span] for span in rows.slices], freq, previous)
    steps = frequency.steps(rows.starts[rows.codes], rows.stamps)
    rows.check_steps(steps, frequency)
    lengths = rows.lengths(steps, notes)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    filled = _to_grid(rows, steps, lengths, offsets)
    _note_missing(notes, rows, steps, lengths, missing, count_rows=grid is None)
    if frequency.unit == "D" and frequency.count == 1 and not grid:
        notes += _weekday_notes(rows)
    exogenous = _exogenous(rows, steps, lengths, frequency, notes) if rows.covariates else Exogenous()
    if missing == "ffill":
        filled = np.concatenate([_forward_fill(filled[a:b]) for a, b in pairwise(offsets)])
    if not np.isfinite(filled).any():
        raise InputError("data: every value is missing")
    if len(notes) > _MAX_NOTES:
        notes = [*notes[:_MAX_NOTES], f"… and {len(notes) - _MAX_NOTES} more notes of this kind."]
    return Panel(names.tolist(), filled, offsets, rows.starts, frequency, notes, exogenous, irregular=grid is not None)


def _encode_names(ids: Shaped[np.ndarray, "R"]) -> tuple[Shaped[np.ndarray, "N"], Int[np.ndarray, "R"]]:
    """Return the sorted names and the index of each row; consecutive rows of a series are compared once."""
    heads = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    names, codes = np.unique(ids[heads], return_inverse=True)
    return names, np.repeat(codes, np.diff(heads, append=len(ids)))


def _to_grid(
    rows: _LongRows, steps: Int[np.ndarray, "R"], lengths: Int[np.ndarray, "N"], offsets: Int[np.ndarray, "bounds"]
) -> Float[np.ndarray, "T"]:
    """Return the values of all series on their grids, concatenated."""
    past = steps < lengths[rows.codes]
    values = np.full(offsets[-1], np.nan)
    values[offsets[rows.codes][past] + steps[past]] = rows.values[past]
    return values


def _exogenous(
    rows: _LongRows, steps: Int[np.ndarray, "R"], lengths: Int[np.ndarray, "N"], frequency: Frequency, notes: list[str]
) -> Exogenous:
    calendar = rows.covariates.calendar.restrict_to(frequency)
    columns = [
        rows.covariates.to_grid(name, steps[span], span, int(length), notes)
        for name, span, length in zip(rows.names, rows.slices, lengths, strict=True)
    ]
    return Exogenous.of(rows.covariates.features, columns, calendar)


def _note_missing(
    notes: list[str],
    rows: _LongRows,
    steps: Int[np.ndarray, "R"],
    lengths: Int[np.ndarray, "N"],
    missing: str,
    *,
    count_rows: bool,
) -> None:
    """Note the missing rows and values of each series; with `missing='error'` raise."""
    past = steps < lengths[rows.codes]
    absent = lengths - np.bincount(rows.codes[past], minlength=len(rows.names)) if count_rows else 0 * lengths
    empty = np.bincount(rows.codes[past & np.isnan(rows.values)], minlength=len(rows.names))
    for i in np.flatnonzero(absent + empty):
        counts = " and ".join(
            f"{count} {noun}{'s' if count != 1 else ''}"
            for count, noun in ((absent[i], "missing row"), (empty[i], "missing value"))
            if count
        )
        if missing == "error":
            raise InputError(f"series {rows.names[i]}: {counts}; fill them, or let them be masked (missing='mask')")
        treatment = "masked" if missing == "mask" else "filled with the previous value"
        notes.append(f"Series {rows.names[i]}: {counts}, {treatment}.")


def _weekday_notes(rows: _LongRows) -> list[str]:
    """Return notes about weekdays that mostly have no row, such as the Sundays of a shop."""
    return [
        f"Series {name}: {' and '.join(weekdays)} mostly have no row. They are missing values, and are forecast like "
        "other days: write 0 for days that are closed, or remove all rows of these weekdays."
        for name, span in zip(rows.names, rows.slices, strict=True)
        if (weekdays := sparse_weekdays(rows.stamps[span]))
    ]


def _forward_fill(values: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    """Replace missing values by the last value before them; leading ones stay missing."""
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))
    return np.where(last >= 0, values[last], np.nan)
