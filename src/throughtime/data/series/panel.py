"""A panel of series: one contiguous array on a regular grid, and what is known beside it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from throughtime._core.errors import InputError
from throughtime.data.series.covariates import Exogenous

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from throughtime.data.series.frequency import Frequency


@dataclass(frozen=True)
class Panel:
    """Series on one grid.

    Attributes:
        ids: what each series is called.
        values: all series one after the other, NaN where a value is missing.
        offsets: where each series begins, and the end: n+1 numbers.
        starts: stamp of each series' first value: datetime64[us], or a whole number.
        frequency: the grid.
        notes: what was found and mended, in plain sentences.
        exogenous: what is known beside the values, on the same grid and perhaps beyond their end.
        irregular: whether the rows came at dates that follow no frequency, and were put on a grid.
    """

    ids: list[Any]
    values: np.ndarray
    offsets: np.ndarray
    starts: np.ndarray
    frequency: Frequency
    notes: list[str] = field(default_factory=list)
    exogenous: Exogenous = field(default_factory=Exogenous)
    irregular: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> np.ndarray:
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """Steps of each series."""
        return np.diff(self.offsets)

    def stamps(self, i: int, first: int, count: int) -> np.ndarray:
        """Time stamps of `count` steps of a series from its step `first` on, which may lie behind its end."""
        return self.frequency.stamps(self.starts[i], np.arange(first, first + count))

    def future_timestamps(self, count: int) -> np.ndarray:
        """Time stamps of the `count` steps behind the end of every series: (n * count,)."""
        steps = self.lengths[:, None] + np.arange(count)
        return self.frequency.stamps(np.repeat(self.starts, count), steps.ravel())

    @cached_property
    def last_steps(self) -> np.ndarray:
        """The step of the last value of each series; -1 where it has none."""
        places = np.where(np.isfinite(self.values), np.arange(len(self.values)), -1)
        return np.maximum(np.maximum.reduceat(places, self.offsets[:-1]) - self.offsets[:-1], -1)

    @property
    def last_stamps(self) -> np.ndarray:
        """The date of the last value of each series; of its first row where it has none."""
        return self.frequency.stamps(self.starts, np.maximum(self.last_steps, 0))

    @property
    def last_stamp(self) -> Any:
        """The date of the last value of all series."""
        return self.last_stamps[self.last_steps >= 0].max()

    def ended(self, horizon: int) -> np.ndarray:
        """Which series have their last value `horizon` steps or more before the last value of all: (n,)."""
        if not (self.last_steps >= 0).any():
            return np.zeros(len(self), dtype=bool)
        ends = self.last_stamps
        return (self.frequency.steps(ends, np.full_like(ends, self.last_stamp)) >= horizon) & (self.last_steps >= 0)

    def steps_to_common_end(self, chosen: np.ndarray) -> np.ndarray:
        """Steps from the last row of each chosen series to the last value of all, 0 for others: (n,)."""
        ends = self.frequency.stamps(self.starts, self.lengths - 1)
        return np.where(chosen, np.maximum(self.frequency.steps(ends, np.full_like(ends, self.last_stamp)), 0), 0)

    def extend_to_common_end(self, chosen: np.ndarray) -> Self:
        """The panel with the chosen series extended by missing values to the last value of all."""
        missing = self.steps_to_common_end(chosen)
        arrays = [np.concatenate([values, np.full(steps, np.nan)]) for values, steps in zip(self, missing, strict=True)]
        return self._of(list(range(len(self))), arrays)

    def refit_features(self, steps: int | np.ndarray, ahead: int) -> Self:
        """The panel with its columns as they were learned `steps` steps ago, with those known `ahead` in advance."""
        if not self.exogenous.features:
            return self
        return replace(self, exogenous=self.exogenous.refit_features(np.maximum(self.lengths - steps, 0), ahead))

    def drop_last(self, steps: int | np.ndarray) -> Self:
        """The panel as it was `steps` steps ago, perhaps of each series; those that had not begun are left out."""
        lengths = self.lengths - steps
        kept = np.flatnonzero(lengths > 0).tolist()
        return self._of(kept, [self[i][: lengths[i]] for i in kept])

    def select(self, kept: Sequence[int]) -> Self:
        """The panel of some of its series, by their numbers."""
        return self._of(list(kept), [self[i] for i in kept])

    def steps_after(self, former: Panel) -> np.ndarray:
        """Steps of each series behind the end that it has in a former panel; all of a series that is not in it."""
        ends = np.zeros(len(self), dtype=np.int64)
        for i, name in enumerate(self.ids):
            place = former._place(name)
            if place is not None:
                ends[i] = self.frequency.steps(self.starts[i], former.starts[place]) + former.lengths[place]
        return self.lengths - ends

    def merge(self, newer: Panel) -> Self:
        """The panel with the rows of another one of the same frequency and columns, which count where both have one.

        Raises:
            InputError: for dates off the grid of a series, and for another value of a static column.
        """
        places = {name: i for i, name in enumerate(newer.ids)}
        ids = [*self.ids, *(name for name in newer.ids if name not in set(self.ids))]
        values, courses, starts = [], [], []
        for name in ids:
            parts = [(panel, i) for panel, i in ((self, self._place(name)), (newer, places.get(name))) if i is not None]
            start = min(panel.starts[i] for panel, i in parts)
            starts.append(start)
            shifts = [int(self.frequency.steps(start, panel.starts[i])) for panel, i in parts]
            for (panel, i), shift in zip(parts, shifts, strict=True):
                self._check_date(name, start, shift, panel.starts[i])
            values.append(_overlaid([panel[i][:, None] for panel, i in parts], shifts)[:, 0])
            if self.exogenous.features:
                self._check_static(name, [panel.exogenous[i] for panel, i in parts])
                courses.append(_overlaid([panel.exogenous[i] for panel, i in parts], shifts))
        exogenous = self.exogenous
        if exogenous.features:
            exogenous = exogenous.of(exogenous.features, courses, exogenous.calendar)
        merged = replace(self, ids=ids, starts=np.array(starts), exogenous=exogenous, notes=[*newer.notes])
        return merged._of(list(range(len(ids))), values)  # noqa: SLF001 - a panel of its own making

    def _check_static(self, name: Any, arrays: list[np.ndarray]) -> None:
        for c, feature in enumerate(self.exogenous.features):
            values = [array[np.isfinite(array[:, c]), c] for array in arrays if feature.role == "static"]
            known = np.unique(np.concatenate(values)) if values else ()
            if len(known) > 1:
                raise InputError(
                    f"df, series {name}: static column {feature.name} is {feature.decode(values[-1][0])}, but was "
                    f"{feature.decode(values[0][0])} in training"
                )

    def _check_date(self, name: Any, start: Any, shift: int, stamp: Any) -> None:
        if self.frequency.stamps(start, np.array([shift]))[0] != stamp:
            raise InputError(
                f"df, series {name}: {format_date(stamp)} is not one of its dates, which come {self.frequency.description} from "
                f"{format_date(start)} on"
            )

    def _place(self, name: Any) -> int | None:
        return self.ids.index(name) if name in self.ids else None

    def append(self, values: np.ndarray) -> Self:
        """The panel with more values behind the end of every series: (n, steps)."""
        return self._of(list(range(len(self))), [np.concatenate([a, b]) for a, b in zip(self, values, strict=True)])

    def _of(self, kept: list[int], arrays: list[np.ndarray]) -> Self:
        offsets = np.concatenate([[0], np.cumsum([len(a) for a in arrays])]).astype(np.int64)
        values = np.concatenate(arrays) if arrays else np.zeros(0)
        chosen = {"ids": [self.ids[i] for i in kept], "starts": self.starts[kept]}
        return replace(self, values=values, offsets=offsets, exogenous=self.exogenous.kept(kept), **chosen)

    def covariates_at(self, i: int, count: int) -> np.ndarray:
        """What is known beside the first `count` steps of a series, NaN where nothing is: (count, C)."""
        return self.exogenous.covariates_at(i, self.stamps(i, 0, count))

    def with_future(self, ids: np.ndarray, stamps: np.ndarray, beside: np.ndarray, *, supersedes: bool = False) -> Self:
        """The panel with more known beside it: rows of encoded columns, NaN where a column says nothing.

        With `supersedes` they replace what an earlier plan says of steps after the end of a series.

        Raises:
            InputError: for a series that the panel does not have, for dates off its grid, for two rows of a date, and
                for a value that contradicts the one that the panel has.
        """
        places = {name: i for i, name in enumerate(self.ids)}
        arrays = [self.exogenous[i] for i in range(len(self))]
        for name in np.unique(ids):
            i = places.get(name.item())
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
                    f"future, series {name}: two rows for {format_date(dates[counts.argmax()])}; keep one row for each date"
                )
            grown = np.full((max(len(arrays[i]), int(steps.max()) + 1), beside.shape[1]), np.nan)
            grown[: len(arrays[i])] = arrays[i]
            former = grown[steps]
            settled = steps < len(self[i]) if supersedes else np.ones(len(steps), dtype=bool)
            self._refuse_contradictions(i, steps[settled], former[settled], beside[rows][settled])
            grown[steps] = np.where(np.isnan(beside[rows]), former, beside[rows])
            arrays[i] = grown
        return replace(self, exogenous=self.exogenous.of(self.exogenous.features, arrays, self.exogenous.calendar))

    def _refuse_contradictions(self, i: int, steps: np.ndarray, former: np.ndarray, given: np.ndarray) -> None:
        """Refuse a value of a column where series i has another one for the same step."""
        both = np.isfinite(former) & np.isfinite(given)
        for row, c in np.argwhere(both & ~np.isclose(former, given, rtol=1e-9, atol=0.0))[:1]:
            feature = self.exogenous.features[c]
            old, new = (feature.decode(values[row, c]) for values in (former, given))
            stamp, end = (format_date(self.stamps(i, step, 1)[0]) for step in (int(steps[row]), len(self[i]) - 1))
            where, hint = "rows of the series", "keep one"
            if steps[row] < len(self[i]):
                where, hint = "history", f"give rows after {end} alone"
            raise InputError(
                f"future, series {self.ids[i]}: column {feature.name} is {new} for {stamp}, but {old} in the {where}; "
                f"{hint}"
            )

    def check_known_future(self, horizon: int) -> None:
        """See that what must be known in advance is known for `horizon` steps of each series that has not ended.

        Raises:
            InputError: names the series, the column and the first date without a value.
        """
        going_on = np.flatnonzero(~self.ended(horizon)).tolist()
        for c, feature in enumerate(self.exogenous.features):
            if feature.role != "future":
                continue
            for i in going_on:
                name = self.ids[i]
                known = np.isfinite(self.exogenous[i][len(self[i]) : len(self[i]) + horizon, c])
                missing = [*np.flatnonzero(~known), *range(len(known), horizon)]
                if missing:
                    first, last = (
                        self.stamps(i, len(self[i]) + int(missing[0]), 1)[0],
                        self.stamps(i, len(self[i]), horizon)[-1],
                    )
                    raise InputError(
                        f"series {name}: column {feature.name} has no value for {format_date(first)}, and must be known in "
                        f"advance up to {format_date(last)}; add rows with it and an empty y, or give them as future"
                    )


def format_date(stamp: Any) -> str:
    """A date without a time of midnight."""
    text = str(stamp.astype("datetime64[s]")) if isinstance(stamp, np.datetime64) else str(stamp)
    return text.removesuffix("T00:00:00").replace("T", " ")


def _overlaid(arrays: list[np.ndarray], shifts: list[int]) -> np.ndarray:
    """Arrays (T, C) laid over one another, each from its own step on; the later ones count, but for their NaNs."""
    steps = max(shift + len(array) for array, shift in zip(arrays, shifts, strict=True))
    found = np.full((steps, arrays[0].shape[1]), np.nan)
    for array, shift in zip(arrays, shifts, strict=True):
        part = found[shift : shift + len(array)]
        part[:] = np.where(np.isnan(array), part, array)
    return found


def join_names(names: Sequence[Any]) -> str:
    """Some of many names in words."""
    return ", ".join(map(str, names[:5])) + (", …" if len(names) > 5 else "")
