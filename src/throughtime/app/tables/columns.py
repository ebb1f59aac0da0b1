"""Which column is the time, which the target and which names the series: given, or guessed and said aloud."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import combinations
from typing import TYPE_CHECKING

import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.tables.grid import NO_NAME
from throughtime.app.tables.numbers import is_numeric
from throughtime.app.tables.time_columns import TIME_NAMES, find_time_columns, is_akin_to_time, named_columns
from throughtime.data.series.date_parsing import is_month_name
from throughtime.data.series.dates import is_date

if TYPE_CHECKING:
    from throughtime.app.tables.files import Rows
    from throughtime.data.series.covariates import Covariates

_COMPACT = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])?")  # 20240131 or 202401
_TARGET = ("y", "value", "target")
_SERIES = ("unique_id", "series_id", "series", "id", "item_id", "item", "sku", "store")
_SAMPLE = 50  # cells that a guess looks at
_MONTHS = 12
_MOST_NAMES = 8  # columns that are tried as parts of the names of series, or that a note lists

ALL = "all"
"""The target that stands for all columns of numbers."""


@dataclass(frozen=True)
class Columns:
    """Names of columns; None where they are to be guessed, or where there is none.

    Attributes:
        time: of the dates.
        target: of the values to forecast; several are separated by commas; 'all' for all columns of numbers.
        series: of the names of series; several that name them together are separated by commas.
        beside: covariates.
    """

    time: str | None = None
    target: str | tuple[str, ...] | None = None
    series: str | tuple[str, ...] | None = None
    beside: tuple[str, ...] = ()

    def targets(self, rows: Rows) -> list[str]:
        """The columns that `target` names; a comma may be part of a name."""
        assert self.target is not None
        if self.is_all and self.target not in rows.frame.columns:
            taken = {*named_columns(rows, self.time or ""), *self.series_columns(rows), *self.beside}
            return [name for name in _numeric(rows) if name not in taken]
        return _split(self.target, rows)

    @property
    def is_all(self) -> bool:
        """Whether all columns of numbers are to be forecast."""
        return isinstance(self.target, str) and self.target.lower() == ALL

    def series_columns(self, rows: Rows) -> list[str]:
        """The columns that `series` names."""
        return [] if self.series is None else _split(self.series, rows)

    def with_series(self, rows: Rows) -> Columns:
        """With the column that names series, found by its name alone: rows may begin with one long series."""
        taken = {self.time, *(() if self.target is None else _split(self.target, rows)), *self.beside}
        return replace(self, series=self.series or _named(rows, _SERIES, taken))


def named_covariates(
    future: str | None, past: str | None, static: str | None, holidays: str | None, *, calendar: bool
) -> Covariates | None:
    """The covariates of options with names of columns, separated by commas; None for none.

    Raises:
        InputError: for names that come twice, and for a country that is not known.
    """
    from throughtime.data.series.covariates import Covariates

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
    named += [("--series", name) for name in wanted.series_columns(rows)]
    named += [("--time", name) for name in named_columns(rows, wanted.time or "")]
    for option, name in named:
        _check(rows, option, name)
    notes: list[str] = []
    beside = {*wanted.beside, *(wanted.targets(rows) if wanted.target and not wanted.is_all else ())}
    taken: set[str | None] = {*beside, *wanted.series_columns(rows)}
    time = wanted.time or _times(rows, taken, notes) or _time(rows, taken, notes)
    times = named_columns(rows, time or "")
    series = wanted.series or _named(rows, _SERIES[:1], {*beside, *times})
    if series is None and times:
        series = _series(rows, times, beside)
    chosen = replace(wanted, time=time, series=series)
    if wanted.target is None:
        chosen = replace(chosen, target=_target(rows, {*wanted.beside, *times, *chosen.series_columns(rows)}, notes))
    chosen = replace(chosen, target=tuple(chosen.targets(rows))) if chosen.is_all else chosen
    if wanted.is_all:
        notes.append(f"Target: columns {_listed(chosen.targets(rows))}, each a series of its own.")
    if not chosen.targets(rows):
        raise InputError(f"--target: {rows.path} has no column of numbers next to {time or series or 'the others'}")
    if series is not None and wanted.series is None:
        notes.append(f"Series: told apart by column {series} (another one with --series).")
    return chosen, notes


def unused_columns(rows: Rows, columns: Columns) -> list[str]:
    """Return a note on the columns that are not read, none where all are."""
    read = {*named_columns(rows, columns.time or ""), *columns.targets(rows), *columns.series_columns(rows)}
    unused = [name for name in rows.frame.columns if name not in {*read, *columns.beside, NO_NAME}]
    if not unused:
        return []
    noun = "column" if len(unused) == 1 else "columns"
    return [f"Not used: {noun} {_listed(unused)} (use what helps to forecast with --future, --past or --static)."]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_MOST_NAMES]) + (f" and {len(names) - _MOST_NAMES} more" * (len(names) > _MOST_NAMES))


def _split(names: str | tuple[str, ...], rows: Rows) -> list[str]:
    """Names of columns, perhaps written with commas; a comma may be part of the only one."""
    if not isinstance(names, str):
        return [*names]
    if names in rows.frame.columns:
        return [names]
    return [*dict.fromkeys(name.strip() for name in names.split(",") if name.strip())]


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
    typed = next((name for name in free if isinstance(rows.frame[name].dtype, pl.Date | pl.Datetime)), None)
    akin = [name for name in free if is_akin_to_time(name)]
    dated = (name for name in [*akin, *free] if _dated(rows, name))
    found = typed or _named(rows, TIME_NAMES, taken) or next(dated, None) or next(iter(akin), None)
    if found is None:
        notes.append("No column of dates was found: the rows are taken to follow one another, and are numbered.")
    else:
        notes.append(f"Time: column {found} (another one with --time).")
    return found


def _dated(rows: Rows, name: str) -> bool:
    """Whether text looks like dates; of numbers only dates of eight or six digits, none of them twice."""
    cells = rows.frame[name].drop_nulls().head(_SAMPLE)
    if len(cells) > 2 and cells.is_unique().all() and all(_COMPACT.fullmatch(str(cell)) for cell in cells):
        return True
    if cells.dtype != pl.String or not len(cells):
        return False
    return all(re.search(r"\D", text.strip()) and is_date(text) for text in cells) and not is_numeric(rows.frame[name])


def _numeric(rows: Rows) -> list[str]:
    """The columns of numbers, without one that only counts the rows and has no name."""
    found = [name for name in rows.frame.columns if is_numeric(rows.frame[name])]
    return [name for name in found if not (name == NO_NAME and _counts_rows(rows.frame[name]))]


def _counts_rows(cells: pl.Series) -> bool:
    numbers = cells.cast(pl.Int64, strict=False)
    return numbers.null_count() == 0 and bool((numbers.diff().drop_nulls() == 1).all()) and numbers[0] in {0, 1}


def _target(rows: Rows, taken: set[str | None], notes: list[str]) -> str:
    """The only column of numbers, or the only one with a usual name.

    Raises:
        InputError: where there is none, and where several would do; names them.
    """
    found = [name for name in _numeric(rows) if name not in taken]
    if not found:
        firsts = ((name, rows.frame[name].drop_nulls().head(1).to_list()) for name in rows.frame.columns)
        shown = ", ".join(f"{name} ({', '.join(map(repr, first)) or 'empty'})" for name, first in firsts)
        raise InputError(f"{rows.path}: expected a column of numbers to forecast, got {shown}")
    named = [name for name in found if name.lower() in _TARGET]
    if len(found) == _MONTHS and all(map(is_month_name, found)):
        raise InputError(
            f"{rows.path}: columns {found[0]} to {found[-1]} are the months of the year that a {rows.unit} holds; "
            f"write a {rows.unit} for each month instead, with its date and its value"
        )
    if len(found) > 1 and len(named) != 1:
        shown = ", ".join(found[:12]) + (", …" if len(found) > 12 else "")
        raise InputError(
            f"{rows.path}: {len(found)} columns hold numbers ({shown}); name the one to forecast with --target, "
            f"such as --target {shlex.quote((named or found)[-1])}, or forecast all of them with --target all"
        )
    target = (named or found)[0]
    which = "" if len(found) == 1 else f", by its name, of {len(found)} columns of numbers"
    notes.append(f"Target: column {target}{which} (another one with --target).")
    return target


def _series(rows: Rows, times: tuple[str, ...], taken: set[str]) -> str | None:
    """Where dates come more than once, the column that tells the rows of a date apart."""
    frame = rows.frame
    if frame.select(times).n_unique() == frame.height:
        return None
    free = [name for name in frame.columns if name not in {*times, *taken} and name.lower() not in _TARGET]
    text = [name for name in free if not is_numeric(frame[name])]
    named = [name for usual in _SERIES for name in free if name.lower() == usual]
    for name in [*named, *text]:
        if frame[name].n_unique() < frame.height and frame.select(*times, name).n_unique() == frame.height:
            return name
    return None


def suggest_series(rows: Rows, times: tuple[str, ...], taken: set[str]) -> list[str]:
    """The fewest columns of text or whole numbers that together tell the rows of a date apart, [] where none do."""
    free = [name for name in rows.frame.columns if name not in {*times, *taken}]
    text = [name for name in free if not is_numeric(rows.frame[name]) or name.lower() in _SERIES]
    whole = [name for name in free if name not in text and _whole(rows.frame[name])]
    for count in (1, 2, 3):
        for names in combinations([*text, *whole][:_MOST_NAMES], count):
            keys = rows.frame.select(*times, *names).n_unique()
            if keys == rows.frame.height > rows.frame.select(names).n_unique():
                return [*names]
    return []


def _whole(cells: pl.Series) -> bool:
    return cells.cast(pl.Int64, strict=False).null_count() == 0


def _named(rows: Rows, names: tuple[str, ...], taken: set[str | None]) -> str | None:
    """The column with the first of these names, whatever its case."""
    return next((c for name in names for c in rows.frame.columns if c.lower() == name and c not in taken), None)
