"""A panel of series: from a long frame to one contiguous array on a regular grid, with everything odd found and said.

Rows may come in any order; missing rows and missing values become NaN and are counted; what cannot be mended (two
values for one date, an infinite value, dates off the grid) is refused with the series and the date.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from throughtime._errors import InputError
from throughtime.data.calendar import Calendar
from throughtime.data.covariates import Exogenous, Feature
from throughtime.data.frequency import Frequency, infer, parse
from throughtime.data.irregular import on_grid, usual_grid

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = ("mask", "ffill", "error")
"""What may be done about missing values."""

_SPARSEST = 1000  # steps of the grid for each row, beyond which a date must be wrong


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

    def stamps_behind(self, count: int) -> np.ndarray:
        """Time stamps of the `count` steps behind the end of every series: (n * count,)."""
        steps = self.lengths[:, None] + np.arange(count)
        return self.frequency.stamps(np.repeat(self.starts, count), steps.ravel())

    def without_last(self, steps: int) -> Self:
        """The panel as it was `steps` steps ago; series that had not begun by then are left out."""
        kept = [i for i in range(len(self)) if len(self[i]) > steps]
        return self._of(kept, [self[i][: len(self[i]) - steps] for i in kept])

    def updated(self, newer: Panel) -> Self:
        """The panel with the rows of another one of the same frequency and columns, which count where both have one."""
        places = {name: i for i, name in enumerate(newer.ids)}
        ids = [*self.ids, *(name for name in newer.ids if name not in set(self.ids))]
        values, courses, starts = [], [], []
        for name in ids:
            parts = [(panel, i) for panel, i in ((self, self._place(name)), (newer, places.get(name))) if i is not None]
            start = min(panel.starts[i] for panel, i in parts)
            starts.append(start)
            shifts = [int(self.frequency.steps(start, panel.starts[i])) for panel, i in parts]
            values.append(_overlaid([panel[i][:, None] for panel, i in parts], shifts)[:, 0])
            if self.exogenous.features:
                courses.append(_overlaid([panel.exogenous[i] for panel, i in parts], shifts))
        exogenous = self.exogenous
        if exogenous.features:
            exogenous = exogenous.of(exogenous.features, courses, exogenous.calendar)
        merged = replace(self, ids=ids, starts=np.array(starts), exogenous=exogenous, notes=[*newer.notes])
        return merged._of(list(range(len(ids))), values)  # noqa: SLF001 - a panel of its own making

    def _place(self, name: Any) -> int | None:
        return self.ids.index(name) if name in self.ids else None

    def followed_by(self, values: np.ndarray) -> Self:
        """The panel with more values behind the end of every series: (n, steps)."""
        return self._of(list(range(len(self))), [np.concatenate([a, b]) for a, b in zip(self, values, strict=True)])

    def _of(self, kept: list[int], arrays: list[np.ndarray]) -> Self:
        offsets = np.concatenate([[0], np.cumsum([len(a) for a in arrays])]).astype(np.int64)
        values = np.concatenate(arrays) if arrays else np.zeros(0)
        chosen = {"ids": [self.ids[i] for i in kept], "starts": self.starts[kept]}
        return replace(self, values=values, offsets=offsets, exogenous=self.exogenous.kept(kept), **chosen)

    def course(self, i: int, count: int) -> np.ndarray:
        """What is known beside the first `count` steps of a series, NaN where nothing is: (count, C)."""
        return self.exogenous.course(i, self.stamps(i, 0, count))

    def with_future(self, ids: np.ndarray, stamps: np.ndarray, beside: np.ndarray) -> Self:
        """The panel with more known beside it: rows of encoded columns, NaN where a column says nothing.

        Raises:
            InputError: for a series that the panel does not have, and for dates off its grid.
        """
        places = {name: i for i, name in enumerate(self.ids)}
        arrays = [self.exogenous[i] for i in range(len(self))]
        for name in np.unique(ids):
            i = places.get(name.item())
            if i is None:
                raise InputError(f"future: series {name} has no past; its series are {_some(self.ids)}")
            rows = ids == name
            steps = self.frequency.steps(self.starts[i], stamps[rows])
            off = np.flatnonzero((self.frequency.stamps(self.starts[i], steps) != stamps[rows]) | (steps < 0))
            if len(off):
                raise InputError(
                    f"future, series {name}: {show(stamps[rows][off[0]])} is not one of its dates, which come "
                    f"{self.frequency.words} from {show(self.starts[i])} on"
                )
            grown = np.full((max(len(arrays[i]), int(steps.max()) + 1), beside.shape[1]), np.nan)
            grown[: len(arrays[i])] = arrays[i]
            grown[steps] = np.where(np.isnan(beside[rows]), grown[steps], beside[rows])
            arrays[i] = grown
        return replace(self, exogenous=self.exogenous.of(self.exogenous.features, arrays, self.exogenous.calendar))

    def check_ahead(self, horizon: int) -> None:
        """See that what must be known in advance is known for `horizon` steps.

        Raises:
            InputError: names the series, the column and the first date without a value.
        """
        for c, feature in enumerate(self.exogenous.features):
            if feature.role != "future":
                continue
            for i, name in enumerate(self.ids):
                known = np.isfinite(self.exogenous[i][len(self[i]) : len(self[i]) + horizon, c])
                missing = [*np.flatnonzero(~known), *range(len(known), horizon)]
                if missing:
                    first, last = (
                        self.stamps(i, len(self[i]) + int(missing[0]), 1)[0],
                        self.stamps(i, len(self[i]), horizon)[-1],
                    )
                    raise InputError(
                        f"series {name}: column {feature.name} has no value for {show(first)}, and must be known in "
                        f"advance up to {show(last)}; add rows with it and an empty y, or give them as future"
                    )


@dataclass(frozen=True)
class Rows:
    """Encoded columns of the rows of a long table.

    Attributes:
        features: of the C columns.
        cells: (rows, C), NaN where empty.
        calendar: what is known of every date.
    """

    features: list[Feature] = field(default_factory=list)
    cells: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    calendar: Calendar = field(default_factory=Calendar)

    def __bool__(self) -> bool:
        return bool(self.features or self.calendar)

    def kept(self, rows: np.ndarray | slice) -> Self:
        """Some of the rows, in a given order."""
        return replace(self, cells=self.cells[rows]) if self else self

    def on_grid(self, name: Any, steps: np.ndarray, part: slice, length: int, notes: list[str]) -> np.ndarray:
        """The columns of a series on its grid, gaps of its first `length` steps filled from before: (T, C)."""
        grid = np.full((int(steps[-1]) + 1, len(self.features)), np.nan)
        if not self.features:
            return grid
        grid[steps] = self.cells[part]
        for c, feature in enumerate(self.features):
            column = grid[:, c]
            known = column[np.isfinite(column)]
            if feature.role == "static":
                if len(np.unique(known)) > 1:
                    raise InputError(
                        f"series {name}: column {feature.name} changes, but static columns have one value for a "
                        "series; name it under future or past"
                    )
                column[:] = known[0] if len(known) else np.nan
                continue
            gaps = int(np.isnan(column[:length]).sum())
            if gaps and len(known):
                notes.append(f"Series {name}: column {feature.name} has {gaps} gaps, filled with the value before.")
                column[:length] = _filled(np.concatenate([known[:1], column[:length]]))[1:]
            elif gaps:
                notes.append(f"Series {name}: column {feature.name} is empty, and is taken as usual.")
        return grid


def panel(
    ids: np.ndarray,
    stamps: np.ndarray,
    values: np.ndarray,
    *,
    freq: str | None = None,
    missing: str = "mask",
    beside: Rows | None = None,
    grid: Frequency | None = None,
) -> Panel:
    """Arrange rows of a long table.

    Args:
        ids: the series of each row.
        stamps: its date, datetime64, or a whole number.
        values: its value, NaN where missing.
        freq: the frequency, if it is not to be inferred.
        missing: 'mask' leaves missing values to the network, 'ffill' repeats the last value, 'error' refuses.
        beside: what else is known in each row. With columns known in advance, the rows behind the last value of a
            series are its future.
        grid: on which rows are put at whatever dates they come; where they follow no frequency, one is found.

    Raises:
        InputError: for what cannot be mended.
    """
    if missing not in MISSING:
        raise InputError(f"missing: expected one of {', '.join(MISSING)}, got {missing!r}")
    if not len(values):
        raise InputError("data: expected at least one row, got none")
    names, codes = _coded(ids)
    notes: list[str] = []
    known = beside or Rows()
    order = _order(codes, stamps, notes)
    codes, stamps, values, known = codes[order], stamps[order], values[order], known.kept(order)
    values = values.astype(np.float64)
    _refuse_infinities(names, codes, stamps, values)
    _refuse_duplicates(names, codes, stamps)
    grid = grid or _usual_grid(codes, stamps, freq)
    if grid is not None:
        kept, stamps, said = on_grid(codes, stamps, values, grid)
        codes, values, known = codes[kept], values[kept], known.kept(kept)
        notes.append(said)
    bounds = np.searchsorted(codes, np.arange(len(names) + 1))
    parts = [slice(a, b) for a, b in pairwise(bounds)]
    frequency = grid or infer([stamps[part] for part in parts], freq)
    starts = stamps[bounds[:-1]]
    steps = frequency.steps(starts[codes], stamps)
    _refuse_dates_off_the_grid(names, codes, stamps, steps, frequency)
    lengths = steps[bounds[1:] - 1] + 1
    if any(feature.role == "future" for feature in known.features):
        last = np.maximum.reduceat(np.where(np.isfinite(values), steps, -1), bounds[:-1])
        lengths = np.where(last >= 0, last + 1, lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    past = steps < lengths[codes]
    filled = np.full(offsets[-1], np.nan)
    filled[offsets[codes][past] + steps[past]] = values[past]
    rows = lengths - np.bincount(codes[past], minlength=len(names))
    empty = np.bincount(codes[past & np.isnan(values)], minlength=len(names))
    for i in np.flatnonzero(empty if grid else rows + empty):
        _note_missing(notes, names[i], 0 if grid else rows[i], empty[i], missing)
    exogenous = Exogenous()
    if known:
        calendar = known.calendar.at(frequency)
        sizes = zip(names, parts, lengths, strict=True)
        courses = [known.on_grid(name, steps[part], part, int(length), notes) for name, part, length in sizes]
        exogenous = Exogenous.of(known.features, courses, calendar)
    if missing == "ffill":
        filled = np.concatenate([_filled(filled[a:b]) for a, b in pairwise(offsets)])
    notes = _shortened(notes)
    found = Panel(names.tolist(), filled, offsets, starts, frequency, notes, exogenous, irregular=grid is not None)
    if not np.isfinite(found.values).any():
        raise InputError("data: every value is missing")
    return found


def show(stamp: Any) -> str:
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


def _some(names: list[Any]) -> str:
    return ", ".join(map(str, names[:5])) + (", …" if len(names) > 5 else "")


def _usual_grid(codes: np.ndarray, stamps: np.ndarray, freq: str | None) -> Frequency | None:
    """The grid for stamps that follow no frequency: the one that was asked for, or a usual one."""
    bounds = np.flatnonzero(np.diff(codes, prepend=-1, append=-1))
    usual = usual_grid([stamps[a:b] for a, b in pairwise(bounds)])
    return usual if usual is None or freq is None else parse(freq)


def _coded(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The names in order, and which of them each row has; rows of a series that lie together cost one look."""
    heads = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    names, codes = np.unique(ids[heads], return_inverse=True)
    return names, np.repeat(codes, np.diff(heads, append=len(ids)))


def _order(codes: np.ndarray, stamps: np.ndarray, notes: list[str]) -> np.ndarray | slice:
    """The rows by series and time."""
    if ((codes[1:] > codes[:-1]) | ((codes[1:] == codes[:-1]) & (stamps[1:] >= stamps[:-1]))).all():
        return slice(None)
    if _unsorted(codes, stamps):
        notes.append("The rows were not in the order of time; they were sorted.")
    return np.lexsort((stamps, codes))


def _unsorted(codes: np.ndarray, stamps: np.ndarray) -> bool:
    together = np.argsort(codes, kind="stable")
    c, s = codes[together], stamps[together]
    return bool(((c[1:] == c[:-1]) & (s[1:] < s[:-1])).any())


def _refuse_infinities(names: np.ndarray, codes: np.ndarray, stamps: np.ndarray, values: np.ndarray) -> None:
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        row = infinite[0]
        raise InputError(f"series {names[codes[row]]}: the value at {show(stamps[row])} is infinite; remove or mend it")


def _refuse_duplicates(names: np.ndarray, codes: np.ndarray, stamps: np.ndarray) -> None:
    same = np.flatnonzero((codes[1:] == codes[:-1]) & (stamps[1:] == stamps[:-1]))
    if len(same):
        raise InputError(
            f"series {names[codes[same[0]]]}: two values for {show(stamps[same[0]])}; keep one row for each date"
        )


def _refuse_dates_off_the_grid(
    names: np.ndarray, codes: np.ndarray, stamps: np.ndarray, steps: np.ndarray, frequency: Frequency
) -> None:
    """Refuse dates between the steps of a frequency, and those so far from all others that they must be wrong."""
    firsts = np.searchsorted(codes, np.arange(len(names)))
    off = np.flatnonzero(frequency.stamps(stamps[firsts][codes], steps) != stamps)
    if len(off):
        raise InputError(
            f"series {names[codes[off[0]]]}: {show(stamps[off[0]])} does not fit the frequency {frequency.name} "
            f"({frequency.words}) that most dates have; mend the date, or give another frequency"
        )
    sparse = np.flatnonzero(np.maximum.reduceat(steps, firsts) > _SPARSEST * np.bincount(codes))
    if len(sparse):
        part = np.flatnonzero(codes == sparse[0])
        widest = int(np.diff(steps[part]).argmax())
        raise InputError(
            f"series {names[sparse[0]]}: {steps[part][widest + 1] - steps[part][widest] - 1} steps are missing behind "
            f"{show(stamps[part][widest])}; is a date wrong? Steps are {frequency.words}"
        )


def _note_missing(notes: list[str], name: Any, rows: int, values: int, missing: str) -> None:
    if not rows + values:
        return
    found = " and ".join(
        f"{count} {word}{'s' if count != 1 else ''}"
        for count, word in ((rows, "missing row"), (values, "missing value"))
        if count
    )
    if missing == "error":
        raise InputError(f"series {name}: {found}; fill them, or let them be masked (missing='mask')")
    notes.append(f"Series {name}: {found}, {'masked' if missing == 'mask' else 'filled with the value before'}.")


def _shortened(notes: list[str], most: int = 12) -> list[str]:
    return notes if len(notes) <= most else [*notes[:most], f"… and {len(notes) - most} more notes of this kind."]


def _filled(values: np.ndarray) -> np.ndarray:
    """Repeat the last value where one is missing; leading ones stay."""
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))
    return np.where(last >= 0, values[last], np.nan)
