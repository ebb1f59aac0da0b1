"""What rows add to those that a forecaster has learned from: new rows, new series, revisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.data.series.panel import format_date, join_names

if TYPE_CHECKING:
    from throughtime.data.series.panel import Panel

_MAX_REVISED = 0.5  # of the rows that overlap: more are those of another table
_MIN_OVERLAP = 10  # rows
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class RowChanges:
    """What later rows change.

    Attributes:
        rows: number of new values.
        series: names of new series.
        silent: names of series without a new value.
        first: date of the first new value; None without any.
        last: date of the last new value.
        overlap: number of values on dates of the training.
        revised: number of these that differ.
        revised_series: their series.
        covariates: whether other columns have changed or reach further.
        largest: series, date, former and new value of the largest revision; empty without any.
    """

    rows: int
    series: list[Any]
    silent: list[Any]
    first: Any
    last: Any
    overlap: int
    revised: int
    revised_series: list[Any]
    covariates: bool
    largest: tuple[Any, ...]

    def __bool__(self) -> bool:
        return bool(self.rows or self.revised or self.covariates)

    @classmethod
    def of(cls, former: Panel, newer: Panel, merged: Panel) -> RowChanges:
        """Compare the rows of a former panel with the merged one.

        Args:
            former: series of the training.
            newer: later rows.
            merged: both.
        """
        later_ids = set(newer.ids)
        added: dict[Any, np.ndarray] = {}
        overlap, revisions = 0, []
        for i, name in enumerate(merged.ids):
            before = np.full(len(merged[i]), np.nan)
            if name in former.ids:
                k = former.ids.index(name)
                shift = int(merged.frequency.steps(merged.starts[i], former.starts[k]))
                before[shift : shift + len(former[k])] = former[k]
            after = merged[i]
            fresh = np.isfinite(after) & ~np.isfinite(before)
            if fresh.any():
                added[name] = merged.frequency.stamps(merged.starts[i], np.flatnonzero(fresh))
            if name in later_ids:
                k = newer.ids.index(name)
                stamps = newer.stamps(k, 0, len(newer[k]))[np.isfinite(newer[k])]
                steps = merged.frequency.steps(np.repeat(merged.starts[i], len(stamps)), stamps)
                overlap += int(np.isfinite(before[steps]).sum())
            both = np.isfinite(after) & np.isfinite(before)
            differs = np.flatnonzero(both & (np.abs(after - before) > _TOLERANCE * np.maximum(np.abs(before), 1)))
            revisions += [
                (abs(after[t] - before[t]), name, merged.stamps(i, int(t), 1)[0], before[t], after[t]) for t in differs
            ]
        dates = np.concatenate(list(added.values())) if added else np.array([])
        worst = max(revisions, key=lambda revision: revision[0])[1:] if revisions else ()
        return cls(
            rows=len(dates),
            series=[name for name in merged.ids if name not in set(former.ids)],
            silent=[name for name in former.ids if name not in added],
            first=dates.min() if len(dates) else None,
            last=dates.max() if len(dates) else None,
            overlap=overlap,
            revised=len(revisions),
            revised_series=list(dict.fromkeys(revision[1] for revision in revisions)),
            covariates=not np.array_equal(former.exogenous.values, merged.exogenous.values, equal_nan=True),
            largest=worst,
        )

    def check(self) -> None:
        """Refuse rows of which most contradict those of the training.

        Raises:
            InputError: names the largest difference.
        """
        if self.overlap < _MIN_OVERLAP or self.revised <= _MAX_REVISED * self.overlap:
            return
        name, stamp, before, after = self.largest
        raise InputError(
            f"df: {self.revised} of {self.overlap} values on dates of the training differ from it, such as {after:g} "
            f"instead of {before:g} in series {name} on {format_date(stamp)}: these are not later rows of the same "
            "table; train a new model on it, or give the rows after the training alone"
        )

    def sentences(self) -> list[str]:
        """Return what is new in sentences."""
        if not self:
            return ["Nothing new: the model knows these rows, and stays as it is."]
        notes = []
        if self.rows:
            days = f"{format_date(self.first)} to {format_date(self.last)}"
            notes.append(f"New: {self.rows:,} values, {days}.")
        if self.series:
            notes.append(f"New series: {join_names(self.series)}.")
        if self.silent and self.rows:
            notes.append(f"Series without a new value: {join_names(self.silent)}.")
        if self.revised:
            name, stamp, before, after = self.largest
            revised = join_names(self.revised_series)
            notes.append(
                f"Revised: {self.revised:,} of {self.overlap:,} values that were known, in {revised}; "
                f"most in {name} on {format_date(stamp)}, {before:g} to {after:g}."
            )
        if self.covariates and not (self.rows or self.revised):
            notes.append("New: values of columns that help to forecast.")
        return notes
