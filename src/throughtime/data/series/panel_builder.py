"""From the rows of a long table to a panel on a regular grid, with everything odd found and said.

Rows may come in any order; missing rows and missing values become NaN and are counted; what cannot be mended (two
values for one date, an infinite value, dates off the grid) is refused with the series and the date.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np

from throughtime._core.errors import InputError
from throughtime.data.series.calendar_features import CalendarFeatures, may_be_ambiguous
from throughtime.data.series.covariates import Exogenous, Feature
from throughtime.data.series.frequency import Frequency, infer_frequency, parse_frequency, sparse_weekdays
from throughtime.data.series.panel import Panel, format_date
from throughtime.data.series.resampling import infer_grid, on_grid

MISSING_OPTIONS = ("mask", "ffill", "error")
"""What may be done about missing values."""

_SPARSEST = 1000  # steps of the grid for each row, beyond which a date must be wrong


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
    calendar: CalendarFeatures = field(default_factory=CalendarFeatures)

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
                if not len(known):
                    notes.append(f"Series {name}: column {feature.name} is empty, and is taken as usual.")
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
    former: Frequency | None = None,
) -> Panel:
    """Arrange rows of a long table.

    Args:
        ids: the series of each row.
        stamps: its date, datetime64, or a whole number.
        values: its value, NaN where missing.
        freq: the frequency, if it is not to be inferred.
        missing: 'mask' leaves missing values to the network, 'ffill' repeats the last value, 'error' refuses.
        beside: what else is known in each row. Rows after the last value of all series are to be forecast: they tell
            what is known in advance, and are no part of the past.
        grid: on which rows are put at whatever dates they come; where they follow no frequency, one is found.
        former: the frequency of earlier rows, which is taken where the dates agree with it.

    Raises:
        InputError: for what cannot be mended.
    """
    if missing not in MISSING_OPTIONS:
        raise InputError(f"missing: expected one of {', '.join(MISSING_OPTIONS)}, got {missing!r}")
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
    frequency = grid or infer_frequency([stamps[part] for part in parts], freq, former)
    starts = stamps[bounds[:-1]]
    steps = frequency.steps(starts[codes], stamps)
    _refuse_dates_off_the_grid(names, codes, stamps, steps, frequency)
    lengths = _up_to_last_value(stamps, values, steps, bounds, known, notes)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    past = steps < lengths[codes]
    filled = np.full(offsets[-1], np.nan)
    filled[offsets[codes][past] + steps[past]] = values[past]
    rows = lengths - np.bincount(codes[past], minlength=len(names))
    empty = np.bincount(codes[past & np.isnan(values)], minlength=len(names))
    for i in np.flatnonzero(empty if grid else rows + empty):
        _note_missing(notes, names[i], 0 if grid else rows[i], empty[i], missing)
    if frequency.unit == "D" and frequency.count == 1 and not grid:
        notes += _notes_of_weekdays(names, [stamps[part] for part in parts])
    exogenous = Exogenous()
    if known:
        calendar = known.calendar.restrict_to(frequency)
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


def _up_to_last_value(
    stamps: np.ndarray, values: np.ndarray, steps: np.ndarray, bounds: np.ndarray, known: Rows, notes: list[str]
) -> np.ndarray:
    """Steps of each series: rows after the last value of all series are to be forecast; others without one are missing.

    Series without any value keep all rows.
    """
    lengths = steps[bounds[1:] - 1] + 1
    filled = np.isfinite(values)
    if not filled.any():
        return lengths
    last = stamps[filled].max()
    kept = np.maximum.reduceat(np.where(stamps <= last, steps, -1), bounds[:-1]) + 1
    has_value = np.maximum.reduceat(filled, bounds[:-1])
    rows = int((stamps > last).sum())
    if rows and not any(feature.role == "future" for feature in known.features):
        notes.append(f"{rows} rows after {format_date(last)} have no value and are taken as rows to be forecast.")
    return np.where(has_value, kept, lengths)


def _usual_grid(codes: np.ndarray, stamps: np.ndarray, freq: str | None) -> Frequency | None:
    """The grid for stamps that follow no frequency: the one that was asked for, or a usual one."""
    bounds = np.flatnonzero(np.diff(codes, prepend=-1, append=-1))
    usual = infer_grid([stamps[a:b] for a, b in pairwise(bounds)])
    return usual if usual is None or freq is None else parse_frequency(freq)


def _notes_of_weekdays(names: np.ndarray, series: list[np.ndarray]) -> list[str]:
    """What is said of weekdays that mostly have no row, such as the Sundays of a shop."""
    return [
        f"Series {name}: {' and '.join(weekdays)} mostly have no row. They are missing values here, and are forecast "
        "like other days: write 0 in them where the series rests, or remove them all."
        for name, stamps in zip(names, series, strict=True)
        if (weekdays := sparse_weekdays(stamps))
    ]


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
        raise InputError(
            f"series {names[codes[row]]}: the value at {format_date(stamps[row])} is infinite; remove or mend it"
        )


def _refuse_duplicates(names: np.ndarray, codes: np.ndarray, stamps: np.ndarray) -> None:
    same = np.flatnonzero((codes[1:] == codes[:-1]) & (stamps[1:] == stamps[:-1]))
    if len(same):
        stamp = stamps[same[0]]
        hint = ", or write the offsets from UTC where clocks are put back" if may_be_ambiguous(stamp) else ""
        raise InputError(
            f"series {names[codes[same[0]]]}: two rows for {format_date(stamp)}; keep one row for each date{hint}"
        )


def _refuse_dates_off_the_grid(
    names: np.ndarray, codes: np.ndarray, stamps: np.ndarray, steps: np.ndarray, frequency: Frequency
) -> None:
    """Refuse dates between the steps of a frequency, and those so far from all others that they must be wrong."""
    firsts = np.searchsorted(codes, np.arange(len(names)))
    off = np.flatnonzero(frequency.stamps(stamps[firsts][codes], steps) != stamps)
    if len(off):
        raise InputError(
            f"series {names[codes[off[0]]]}: {format_date(stamps[off[0]])} does not fit the frequency {frequency.name} "
            f"({frequency.description}) that most dates have; mend the date, or give another frequency"
        )
    sparse = np.flatnonzero(np.maximum.reduceat(steps, firsts) > _SPARSEST * np.bincount(codes))
    if len(sparse):
        part = np.flatnonzero(codes == sparse[0])
        widest = int(np.diff(steps[part]).argmax())
        raise InputError(
            f"series {names[sparse[0]]}: {steps[part][widest + 1] - steps[part][widest] - 1} steps are missing behind "
            f"{format_date(stamps[part][widest])}; is a date wrong? Steps are {frequency.description}"
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
