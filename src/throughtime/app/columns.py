"""Which column is the time, which the target and which names the series: given, or guessed and said aloud."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

import polars as pl

from throughtime._errors import InputError
from throughtime.app.cells import numbers
from throughtime.app.time_columns import find_time_columns, named_columns
from throughtime.data.dates import is_date

if TYPE_CHECKING:
    from throughtime.app.files import Rows
    from throughtime.data.covariates import Covariates

_TIME = ("ds", "date", "datetime", "time", "timestamp", "month", "year", "day", "week", "quarter", "period", "hour")
_TARGET = ("y", "value", "target")
_SERIES = ("unique_id", "series_id", "series", "id", "item_id", "item", "sku", "store")
_SAMPLE = 50  # cells that a guess looks at


@dataclass(frozen=True)
class Columns:
    """Names of columns; None where they are to be guessed, or where there is none.

    Attributes:
        time: of the dates.
        target: of the values to forecast; several are separated by commas.
        series: of the names of series.
        beside: covariates.
    """

    time: str | None = None
    target: str | None = None
    series: str | None = None
    beside: tuple[str, ...] = ()

    def targets(self, rows: Rows) -> list[str]:
        """The columns that `target` names; a comma may be part of a name."""
        assert self.target is not None
        if self.target in rows.frame.columns:
            return [self.target]
        return [name.strip() for name in self.target.split(",") if name.strip()]

    def with_series(self, rows: Rows) -> Columns:
        """With the column that names series, found by its name alone: rows may begin with one long series."""
        taken = {self.time, self.target, *self.beside}
        return replace(self, series=self.series or _named(rows, _SERIES, taken))


def named_covariates(
    future: str | None, past: str | None, static: str | None, holidays: str | None, *, calendar: bool
) -> Covariates | None:
    """The covariates of options with names of columns, separated by commas; None for none.

    Raises:
        InputError: for names that come twice, and for a country that is not known.
    """
    from throughtime.data.covariates import Covariates

    if not (future or past or static or holidays or calendar):
        return None
    lists = [[name.strip() for name in (text or "").split(",") if name.strip()] for text in (future, past, static)]
    return Covariates(*lists, holidays=holidays or "", calendar=calendar)


def choose(rows: Rows, wanted: Columns) -> tuple[Columns, list[str]]:
    """Complete what a user named. Returns the columns, and what was guessed in plain sentences.

    Raises:
        InputError: for a name that no column has, and where there is no column of numbers.
    """
    named = [("--target", name) for name in wanted.targets(rows)] if wanted.target else []
    named += [("--future, --past or --static", name) for name in wanted.beside]
    named += [("--time", name) for name in named_columns(rows, wanted.time or "")]
    for option, name in (*named, ("--series", wanted.series)):
        if name is not None:
            _check(rows, option, name)
    notes: list[str] = []
    beside = {*wanted.beside, wanted.target}
    time = wanted.time or _times(rows, {*beside, wanted.series}, notes) or _time(rows, {*beside, wanted.series}, notes)
    times = named_columns(rows, time or "")
    series = wanted.series or _named(rows, _SERIES[:1], {*beside, *times})
    target = wanted.target or _target(rows, {*wanted.beside, *times, series}, notes)
    if series is None and times:
        series = _series(rows, times, {*wanted.beside, target})
    if series is not None and wanted.series is None:
        notes.append(f"Series: told apart by column {series} (another one with --series).")
    return Columns(time, target, series, wanted.beside), notes


def _check(rows: Rows, option: str, name: str) -> None:
    names = rows.frame.columns
    if name in names:
        return
    close = get_close_matches(name.lower(), [each.lower() for each in names], n=1, cutoff=0.5)
    hint = next((f"; did you mean {each}?" for each in names if close and each.lower() == close[0]), "")
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    raise InputError(f"{option}: {rows.path} has no column {name}{hint or f'; its columns are {shown}'}")


def _times(rows: Rows, taken: set[str | None], notes: list[str]) -> str | None:
    """Several columns that together are the date, as `--time` names them."""
    found = find_time_columns(rows, taken)
    if not found:
        return None
    notes.append(f"Time: columns {' and '.join(found)} together (other ones with --time).")
    return ",".join(found)


def _time(rows: Rows, taken: set[str | None], notes: list[str]) -> str | None:
    free = [name for name in rows.frame.columns if name not in taken]
    typed = next((name for name in free if rows.frame[name].dtype.is_temporal()), None)
    akin = next((name for name in free if re.search(r"date|time", name, re.IGNORECASE)), None)
    found = typed or _named(rows, _TIME, taken) or akin or next((name for name in free if _dated(rows, name)), None)
    if found is None:
        notes.append("No column of dates was found: the rows are taken to follow one another, and are numbered.")
    else:
        notes.append(f"Time: column {found} (another one with --time).")
    return found


def _dated(rows: Rows, name: str) -> bool:
    """Whether text looks like dates; numbers alone do not."""
    cells = rows.frame[name].drop_nulls().head(_SAMPLE)
    if cells.dtype != pl.String or not len(cells):
        return False
    return all(re.search(r"\D", text.strip()) and is_date(text) for text in cells) and not is_numeric(rows, name)


def _target(rows: Rows, taken: set[str | None], notes: list[str]) -> str:
    found = [name for name in rows.frame.columns if name not in taken and is_numeric(rows, name)]
    if not found:
        firsts = ((name, rows.frame[name].drop_nulls().head(1).to_list()) for name in rows.frame.columns)
        shown = ", ".join(f"{name} ({', '.join(map(repr, first)) or 'empty'})" for name, first in firsts)
        raise InputError(f"{rows.path}: expected a column of numbers to forecast, got {shown}")
    named = next((name for wanted in _TARGET for name in found if name.lower() == wanted), None)
    target = named or found[-1]
    which = "" if len(found) == 1 else f", {'by its name' if named else 'the last'} of {len(found)} columns of numbers"
    notes.append(f"Target: column {target}{which} (another one with --target).")
    return target


def is_numeric(rows: Rows, name: str) -> bool:
    """Whether most cells that hold anything are numbers; a few that are not are for the reader to mend."""
    cells = rows.frame[name].drop_nulls()
    values = numbers(cells, decimal_comma=rows.decimal_comma)
    return values is not None and values.is_not_null().sum() > 0.5 * len(cells)


def _series(rows: Rows, times: tuple[str, ...], taken: set[str | None]) -> str | None:
    """Where dates come more than once, the column that tells the rows of a date apart."""
    frame = rows.frame
    if frame.select(times).n_unique() == frame.height:
        return None
    text = [name for name in frame.columns if name not in {*times, *taken} and not is_numeric(rows, name)]
    named = _named(rows, _SERIES, {*times, *taken})
    for name in [named, *text] if named else text:
        if frame.select(*times, name).n_unique() == frame.height:
            return name
    return None


def _named(rows: Rows, names: tuple[str, ...], taken: set[str | None]) -> str | None:
    """The column with the first of these names, whatever its case."""
    return next((c for name in names for c in rows.frame.columns if c.lower() == name and c not in taken), None)
