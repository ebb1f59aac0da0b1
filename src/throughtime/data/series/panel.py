"""A panel of series: their values in one contiguous array on a regular grid, and their covariates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from throughtime._core.errors import InputError
from throughtime.data.series.covariates import Exogenous

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jaxtyping import Bool, Float, Int, Shaped

    from throughtime.data.series.frequency import Frequency


@dataclass(frozen=True)
class Panel:
    """Series on one grid.

    Attributes:
        ids: name of each series.
        values: values of all series, concatenated; NaN if missing.
        offsets: first step of each series in `values`, and the end.
        starts: date of the first value of each series: datetime64[us], or a whole number.
        frequency: frequency of the grid.
        notes: sentences about what was found and changed in the data.
        exogenous: covariates on the same grid; they may extend beyond the end of the values.
        irregular: whether the data had no frequency and was put on a grid.
    """

    ids: list[Any]
    values: Float[np.ndarray, "T"]
    offsets: Int[np.ndarray, "bounds"]
    starts: Shaped[np.ndarray, "N"]
    frequency: Frequency
    notes: list[str] = field(default_factory=list)
    exogenous: Exogenous = field(default_factory=Exogenous)
    irregular: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Float[np.ndarray, "_"]]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> Float[np.ndarray, "T"]:
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    @property
    def lengths(self) -> Int[np.ndarray, "N"]:
        """Number of steps of each series."""
        return np.diff(self.offsets)

    def stamps(self, i: int, first: int, count: int) -> Shaped[np.ndarray, "{count}"]:
        """Return the dates of `count` steps of a series from step `first` on, which may be after its end."""
        return self.frequency.stamps(self.starts[i], np.arange(first, first + count))

    def future_timestamps(self, count: int) -> Shaped[np.ndarray, "M"]:
        """Return the dates of the `count` steps after the end of each series, concatenated."""
        steps = self.lengths[:, None] + np.arange(count)
        return self.frequency.stamps(np.repeat(self.starts, count), steps.ravel())

    @cached_property
    def last_steps(self) -> Int[np.ndarray, "N"]:
        """Step of the last value of each series; -1 if it has none."""
        steps = np.where(np.isfinite(self.values), np.arange(len(self.values)), -1)
        return np.maximum(np.maximum.reduceat(steps, self.offsets[:-1]) - self.offsets[:-1], -1)

    @property
    def last_stamps(self) -> Shaped[np.ndarray, "N"]:
        """Date of the last value of each series; of its first row if it has none."""
        return self.frequency.stamps(self.starts, np.maximum(self.last_steps, 0))

    @property
    def last_stamp(self) -> Any:
        """Date of the last value of all series."""
        return self.last_stamps[self.last_steps >= 0].max()

    def ended(self, horizon: int) -> Bool[np.ndarray, "N"]:
        """Return which series have their last value `horizon` steps or more before the last value of all series."""
        if not (self.last_steps >= 0).any():
            return np.zeros(len(self), dtype=bool)
        ends = self.last_stamps
        return (self.frequency.steps(ends, np.full_like(ends, self.last_stamp)) >= horizon) & (self.last_steps >= 0)

    def steps_to_common_end(self, selected: Bool[np.ndarray, "N"]) -> Int[np.ndarray, "N"]:
        """Return the steps from the last row of each selected series to the last value of all series; 0 for others."""
        ends = self.frequency.stamps(self.starts, self.lengths - 1)
        return np.where(selected, np.maximum(self.frequency.steps(ends, np.full_like(ends, self.last_stamp)), 0), 0)

    def extend_to_common_end(self, selected: Bool[np.ndarray, "N"]) -> Self:
        """Extend the selected series by missing values to the last value of all series."""
        missing = self.steps_to_common_end(selected)
        arrays = [np.concatenate([values, np.full(steps, np.nan)]) for values, steps in zip(self, missing, strict=True)]
        return self._of(list(range(len(self))), arrays)

    def refit_features(self, steps: int | Int[np.ndarray, "N"], ahead: int) -> Self:
        """Fit the encodings of covariates without the last steps; `ahead` of these are known in advance."""
        if not self.exogenous.features:
            return self
        return replace(self, exogenous=self.exogenous.refit_features(np.maximum(self.lengths - steps, 0), ahead))

    def drop_last(self, steps: int | Int[np.ndarray, "N"]) -> Self:
        """Remove the last steps of each series; series without any other step are left out."""
        lengths = self.lengths - steps
        remaining = np.flatnonzero(lengths > 0).tolist()
        return self._of(remaining, [self[i][: lengths[i]] for i in remaining])

    def select(self, series: Sequence[int]) -> Self:
        """Return a panel of some of the series, by their indices."""
        return self._of(list(series), [self[i] for i in series])

    def steps_after(self, earlier: Panel) -> Int[np.ndarray, "N"]:
        """Return the steps of each series after its end in an earlier panel; all steps of a series not in it."""
        ends = np.zeros(len(self), dtype=np.int64)
        for i, name in enumerate(self.ids):
            index = earlier._index(name)
            if index is not None:
                ends[i] = self.frequency.steps(self.starts[i], earlier.starts[index]) + earlier.lengths[index]
        return self.lengths - ends

    def merge(self, newer: Panel) -> Self:
        """Merge with a panel of the same frequency and covariates, whose values take precedence.

        Raises:
            InputError: for dates off the grid of a series, and for a static column with another value.
        """
        indices = {name: i for i, name in enumerate(newer.ids)}
        ids = [*self.ids, *(name for name in newer.ids if name not in set(self.ids))]
        values, covariates, starts = [], [], []
        for name in ids:
            sources = [
                (panel, i) for panel, i in ((self, self._index(name)), (newer, indices.get(name))) if i is not None
            ]
            start = min(panel.starts[i] for panel, i in sources)
            starts.append(start)
            shifts = [int(self.frequency.steps(start, panel.starts[i])) for panel, i in sources]
            for (panel, i), shift in zip(sources, shifts, strict=True):
                self._check_date(name, start, shift, panel.starts[i])
            values.append(_overlay([panel[i][:, None] for panel, i in sources], shifts)[:, 0])
            if self.exogenous.features:
                self._check_static(name, [panel.exogenous[i] for panel, i in sources])
                covariates.append(_overlay([panel.exogenous[i] for panel, i in sources], shifts))
        exogenous = self.exogenous
        if exogenous.features:
            exogenous = exogenous.of(exogenous.features, covariates, exogenous.calendar)
        merged = replace(self, ids=ids, starts=np.array(starts), exogenous=exogenous, notes=[*newer.notes])
        return merged._of(list(range(len(ids))), values)  # noqa: SLF001 - a panel of this class

    def _check_static(self, name: Any, arrays: list[np.ndarray]) -> None:
        for c, feature in enumerate(self.exogenous.features):
            values = [array[np.isfinite(array[:, c]), c] for array in arrays if feature.role == "static"]
            distinct = np.unique(np.concatenate(values)) if values else ()
            if len(distinct) > 1:
                raise InputError(
                    f"df, series {name}: static column {feature.name} is {feature.decode(values[-1][0])}, but was "
                    f"{feature.decode(values[0][0])} in training"
                )

    def _check_date(self, name: Any, start: Any, shift: int, stamp: Any) -> None:
        if self.frequency.stamps(start, np.array([shift]))[0] != stamp:
            raise InputError(
                f"df, series {name}: {format_date(stamp)} is not one of its dates, which come "
                f"{self.frequency.description} from {format_date(start)} on"
            )

    def _index(self, name: Any) -> int | None:
        return self.ids.index(name) if name in self.ids else None

    def append(self, values: Float[np.ndarray, "N F"]) -> Self:
        """Append values to the end of each series."""
        return self._of(list(range(len(self))), [np.concatenate([a, b]) for a, b in zip(self, values, strict=True)])

    def append_missing(self, steps: Int[np.ndarray, "N"]) -> Self:
        """Append a number of missing values to the end of each series."""
        arrays = [np.append(values, np.full(count, np.nan)) for values, count in zip(self, steps, strict=True)]
        return self._of(list(range(len(self))), arrays)

    def _of(self, series: list[int], arrays: list[np.ndarray]) -> Self:
        offsets = np.concatenate([[0], np.cumsum([len(a) for a in arrays])]).astype(np.int64)
        values = np.concatenate(arrays) if arrays else np.zeros(0)
        fields = {"ids": [self.ids[i] for i in series], "starts": self.starts[series]}
        return replace(self, values=values, offsets=offsets, exogenous=self.exogenous.select(series), **fields)

    def covariates_at(self, i: int, count: int) -> Float[np.ndarray, "{count} C"]:
        """Return the covariates of the first `count` steps of a series, NaN if unknown."""
        return self.exogenous.covariates_at(i, self.stamps(i, 0, count))

    def with_future(
        self,
        ids: Shaped[np.ndarray, "R"],
        stamps: Shaped[np.ndarray, "R"],
        covariates: Float[np.ndarray, "R C"],
        *,
        supersedes: bool = False,
    ) -> Self:
        """Add rows of encoded covariates, NaN if unknown.

        With `supersedes` they replace the covariates of steps after the end of a series.

        Raises:
            InputError: for a series that is not in the panel, dates off its grid, duplicate dates, and values that
                contradict those of the panel.
        """
        indices = {name: i for i, name in enumerate(self.ids)}
        arrays = [self.exogenous[i] for i in range(len(self))]
        for name in np.unique(ids):
            i = indices.get(name.item())
            if i is None:
                raise InputError(f"future: series {name} has no past; its series are {join_names(self.ids)}")
            rows = ids == name
            steps = self.frequency.steps(self.starts[i], stamps[rows])
            off = np.flatnonzero((self.frequency.stamps(self.starts[i], steps) != stamps[rows]) | (steps < 0))
            if len(off):
                raise InputError(
                    f"future, series {name}: {format_date(stamps[rows][off[0]])} is not one of its dates, which come "
                    f"{self.frequency.description} from {format_date(self.starts[i])} on"
                )
            dates, counts = np.unique(stamps[rows], return_counts=True)
            if counts.max() > 1:
                raise InputError(
                    f"future, series {name}: duplicate date {format_date(dates[counts.argmax()])}; keep one row for "
                    "each date"
                )
            extended = np.full((max(len(arrays[i]), int(steps.max()) + 1), covariates.shape[1]), np.nan)
            extended[: len(arrays[i])] = arrays[i]
            previous = extended[steps]
            is_fixed = steps < len(self[i]) if supersedes else np.ones(len(steps), dtype=bool)
            self._check_contradictions(i, steps[is_fixed], previous[is_fixed], covariates[rows][is_fixed])
            extended[steps] = np.where(np.isnan(covariates[rows]), previous, covariates[rows])
            arrays[i] = extended
        return replace(self, exogenous=self.exogenous.of(self.exogenous.features, arrays, self.exogenous.calendar))

    def _check_contradictions(
        self,
        i: int,
        steps: Int[np.ndarray, "R"],
        previous: Float[np.ndarray, "R C"],
        new: Float[np.ndarray, "R C"],
    ) -> None:
        """Raise if a column has another value than series i for the same step."""
        both = np.isfinite(previous) & np.isfinite(new)
        for row, c in np.argwhere(both & ~np.isclose(previous, new, rtol=1e-9, atol=0.0))[:1]:
            feature = self.exogenous.features[c]
            old_cell, new_cell = (feature.decode(values[row, c]) for values in (previous, new))
            stamp, end = (format_date(self.stamps(i, step, 1)[0]) for step in (int(steps[row]), len(self[i]) - 1))
            source, hint = "rows of the series", "keep one"
            if steps[row] < len(self[i]):
                source, hint = "history", f"give rows after {end} alone"
            raise InputError(
                f"future, series {self.ids[i]}: column {feature.name} is {new_cell} for {stamp}, but {old_cell} in "
                f"the {source}; {hint}"
            )

    def check_known_future(self, horizon: int) -> None:
        """Check that columns known in advance have values for `horizon` steps of each series that has not ended.

        Raises:
            InputError: names the series, the column and the first date without a value.
        """
        active = np.flatnonzero(~self.ended(horizon)).tolist()
        for c, feature in enumerate(self.exogenous.features):
            if feature.role != "future":
                continue
            for i in active:
                name = self.ids[i]
                observed = np.isfinite(self.exogenous[i][len(self[i]) : len(self[i]) + horizon, c])
                missing = [*np.flatnonzero(~observed), *range(len(observed), horizon)]
                if missing:
                    first, last = (
                        self.stamps(i, len(self[i]) + int(missing[0]), 1)[0],
                        self.stamps(i, len(self[i]), horizon)[-1],
                    )
                    raise InputError(
                        f"series {name}: column {feature.name} has no value for {format_date(first)}, and must be "
                        f"known in advance up to {format_date(last)}; add rows with it and an empty y, or give them as "
                        "future"
                    )


def format_date(stamp: Any) -> str:
    """Format a date; midnight is left out."""
    text = str(stamp.astype("datetime64[s]")) if isinstance(stamp, np.datetime64) else str(stamp)
    return text.removesuffix("T00:00:00").replace("T", " ")


def _overlay(arrays: list[Float[np.ndarray, "_ C"]], shifts: list[int]) -> Float[np.ndarray, "T C"]:
    """Overlay arrays, each from its own step on; later arrays take precedence, except for NaN."""
    steps = max(shift + len(array) for array, shift in zip(arrays, shifts, strict=True))
    result = np.full((steps, arrays[0].shape[1]), np.nan)
    for array, shift in zip(arrays, shifts, strict=True):
        target = result[shift : shift + len(array)]
        target[:] = np.where(np.isnan(array), target, array)
    return result


def join_names(names: Sequence[Any]) -> str:
    """Return the first names, separated by commas."""
    return ", ".join(map(str, names[:5])) + (", …" if len(names) > 5 else "")
