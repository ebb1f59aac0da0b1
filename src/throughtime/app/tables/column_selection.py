"""The columns of the time, the target and the series: as the user named them, or guessed and reported."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import combinations
from typing import TYPE_CHECKING

import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.tables.composite_dates import TIME_NAMES, find_time_columns, has_time_name, split_columns
from throughtime.app.tables.grid import NO_NAME
from throughtime.app.tables.number_columns import is_numeric
from throughtime.data.series.date_parsing import is_month_name
from throughtime.data.series.dates import is_date

if TYPE_CHECKING:
    from throughtime.app.tables.files import FileRows
    from throughtime.data.series.covariates import Covariates

_COMPACT_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])?")  # 20240131 or 202401
_TARGET_NAMES = ("y", "value", "target")
_SERIES_NAMES = ("unique_id", "series_id", "series", "id", "item_id", "item", "sku", "store")
_SAMPLE = 50  # cells
_MONTHS = 12
_MAX_TRIED = 8  # columns that may name series together
_MAX_LISTED = 8  # columns in a note

ALL = "all"
"""The target that stands for all columns of numbers."""


@dataclass(frozen=True)
class Columns:
    """Names of columns; None for those that are guessed, or for none.

    Attributes:
        time: of the dates.
        target: of the values to forecast; several, comma-separated; 'all' for all columns of numbers.
        series: of the names of series; several that name them together, comma-separated.
        covariates: other columns that help to forecast.
    """

    time: str | None = None
    target: str | tuple[str, ...] | None = None
    series: str | tuple[str, ...] | None = None
    covariates: tuple[str, ...] = ()

    def targets(self, rows: FileRows) -> list[str]:
        """Return the columns that `target` names; a name may contain a comma."""
        assert self.target is not None
        if self.is_all and self.target not in rows.frame.columns:
            used = {*split_columns(rows, self.time or ""), *self.series_columns(rows), *self.covariates}
            return [name for name in _numeric_columns(rows) if name not in used]
        return _split_names(self.target, rows)

    @property
    def is_all(self) -> bool:
        """Whether all columns of numbers are forecast."""
        return isinstance(self.target, str) and self.target.lower() == ALL

    def series_columns(self, rows: FileRows) -> list[str]:
        """Return the columns that `series` names."""
        return [] if self.series is None else _split_names(self.series, rows)

    def with_named_series(self, rows: FileRows) -> Columns:
        """Return the columns with that of the series found by its name: the first rows may be of a single series."""
        used = {self.time, *(() if self.target is None else _split_names(self.target, rows)), *self.covariates}
        return replace(self, series=self.series or _find_by_name(rows, _SERIES_NAMES, used))


def parse_covariates(
    future: str | None, past: str | None, static: str | None, holidays: str | None, *, calendar: bool
) -> Covariates | None:
    """Return the covariates of comma-separated names of columns; None for none.

    Raises:
        InputError: for a column that is named twice, and for an unknown country.
    """
    from throughtime.data.series.covariates import Covariates

    if not (future or past or static or holidays or calendar):
        return None
    lists = [[name.strip() for name in (text or "").split(",") if name.strip()] for text in (future, past, static)]
    return Covariates(*lists, holidays=holidays or "", calendar=calendar)


def choose_columns(rows: FileRows, requested: Columns) -> tuple[Columns, list[str]]:
    """Guess the columns that a user did not name.

    Returns:
        The columns, and notes on those that were guessed.

    Raises:
        InputError: for the name of a missing column, and for a table without a column of numbers.
    """
    _check_names(rows, requested)
    notes: list[str] = []
    targets = requested.targets(rows) if requested.target and not requested.is_all else []
    values = {*requested.covariates, *targets}
    used: set[str | None] = {*values, *requested.series_columns(rows)}
    time = requested.time or _guess_time_columns(rows, used, notes) or _guess_time_column(rows, used, notes)
    times = split_columns(rows, time or "")
    series = requested.series or _find_by_name(rows, _SERIES_NAMES[:1], {*values, *times})
    if series is None and times:
        series = _guess_series(rows, times, values)
    columns = replace(requested, time=time, series=series)
    if requested.target is None:
        used = {*requested.covariates, *times, *columns.series_columns(rows)}
        columns = replace(columns, target=_guess_target(rows, used, notes))
    columns = replace(columns, target=tuple(columns.targets(rows))) if columns.is_all else columns
    if requested.is_all:
        notes.append(f"Target: columns {_join_names(columns.targets(rows))}, one series for each.")
    if not columns.targets(rows):
        raise InputError(f"--target: {rows.path} has no column of numbers next to {time or series or 'the others'}")
    if series is not None and requested.series is None:
        notes.append(f"Series: identified by column {series} (choose another one with --series).")
    return columns, notes


def note_unused_columns(rows: FileRows, columns: Columns) -> list[str]:
    """Return a note on the columns that are not read, none if all are."""
    read = {*split_columns(rows, columns.time or ""), *columns.targets(rows), *columns.series_columns(rows)}
    unused = [name for name in rows.frame.columns if name not in {*read, *columns.covariates, NO_NAME}]
    if not unused:
        return []
    noun = "column" if len(unused) == 1 else "columns"
    return [f"Not used: {noun} {_join_names(unused)} (add covariates with --future, --past or --static)."]


def suggest_series_columns(rows: FileRows, times: tuple[str, ...], used: set[str]) -> list[str]:
    """Return the fewest columns of text or whole numbers that distinguish the rows of a date, [] if none do."""
    free = [name for name in rows.frame.columns if name not in {*times, *used}]
    text = [name for name in free if not is_numeric(rows.frame[name]) or name.lower() in _SERIES_NAMES]
    whole = [name for name in free if name not in text and _holds_integers(rows.frame[name])]
    for count in (1, 2, 3):
        for names in combinations([*text, *whole][:_MAX_TRIED], count):
            keys = rows.frame.select(*times, *names).n_unique()
            if keys == rows.frame.height > rows.frame.select(names).n_unique():
                return [*names]
    return []


def _join_names(names: list[str]) -> str:
    return ", ".join(names[:_MAX_LISTED]) + (f" and {len(names) - _MAX_LISTED} more" * (len(names) > _MAX_LISTED))


def _split_names(names: str | tuple[str, ...], rows: FileRows) -> list[str]:
    """Return the names of a comma-separated list, or a single name that contains a comma."""
    if not isinstance(names, str):
        return [*names]
    if names in rows.frame.columns:
        return [names]
    return [*dict.fromkeys(name.strip() for name in names.split(",") if name.strip())]


def _check_names(rows: FileRows, requested: Columns) -> None:
    named = [("--target", name) for name in requested.targets(rows)] if requested.target else []
    named += [("--future, --past or --static", name) for name in requested.covariates]
    named += [("--series", name) for name in requested.series_columns(rows)]
    named += [("--time", name) for name in split_columns(rows, requested.time or "")]
    for option, name in named:
        if name not in rows.frame.columns:
            raise InputError(f"{option}: {rows.path} has no column {name}{_suggest_name(rows.frame.columns, name)}")


def _suggest_name(names: list[str], name: str) -> str:
    """Return the end of a message on a missing column: a similar name, or all names."""
    close = get_close_matches(name.lower(), [other.lower() for other in names], n=1, cutoff=0.5)
    for other in names:
        if close and other.lower() == close[0]:
            return f"; did you mean {other}?"
    return f"; its columns are {', '.join(names[:12])}{', …' if len(names) > 12 else ''}"


def _guess_time_columns(rows: FileRows, used: set[str | None], notes: list[str]) -> str | None:
    """Return several columns that together are the date, as `--time` names them."""
    names = find_time_columns(rows, used)
    if not names:
        return None
    notes.append(f"Time: columns {' and '.join(names)} together (choose other ones with --time).")
    return ",".join(names)


def _guess_time_column(rows: FileRows, used: set[str | None], notes: list[str]) -> str | None:
    free = [name for name in rows.frame.columns if name not in used]
    typed = next((name for name in free if isinstance(rows.frame[name].dtype, pl.Date | pl.Datetime)), None)
    time_named = [name for name in free if has_time_name(name)]
    dated = (name for name in [*time_named, *free] if _holds_dates(rows, name))
    name = typed or _find_by_name(rows, TIME_NAMES, used) or next(dated, None) or next(iter(time_named), None)
    if name is None:
        notes.append("Time: no column of dates was found; the rows are taken to be in order and are numbered.")
    else:
        notes.append(f"Time: column {name} (choose another one with --time).")
    return name


def _holds_dates(rows: FileRows, name: str) -> bool:
    """Return whether text looks like dates; of numbers only different dates of eight or six digits."""
    cells = rows.frame[name].drop_nulls().head(_SAMPLE)
    if len(cells) > 2 and cells.is_unique().all() and all(_COMPACT_DATE.fullmatch(str(cell)) for cell in cells):
        return True
    if cells.dtype != pl.String or not len(cells):
        return False
    return all(re.search(r"\D", text.strip()) and is_date(text) for text in cells) and not is_numeric(rows.frame[name])


def _numeric_columns(rows: FileRows) -> list[str]:
    """Return the columns of numbers, without one that numbers the rows and has no name."""
    names = [name for name in rows.frame.columns if is_numeric(rows.frame[name])]
    return [name for name in names if not (name == NO_NAME and _is_row_number(rows.frame[name]))]


def _is_row_number(cells: pl.Series) -> bool:
    numbers = cells.cast(pl.Int64, strict=False)
    return numbers.null_count() == 0 and bool((numbers.diff().drop_nulls() == 1).all()) and numbers[0] in {0, 1}


def _guess_target(rows: FileRows, used: set[str | None], notes: list[str]) -> str:
    """Return the only column of numbers, or the only one with a usual name.

    Raises:
        InputError: if there is none, and if there are several candidates.
    """
    numeric = [name for name in _numeric_columns(rows) if name not in used]
    if not numeric:
        firsts = ((name, rows.frame[name].drop_nulls().head(1).to_list()) for name in rows.frame.columns)
        columns = ", ".join(f"{name} ({', '.join(map(repr, first)) or 'empty'})" for name, first in firsts)
        raise InputError(f"{rows.path}: expected a column of numbers to forecast, got {columns}")
    named = [name for name in numeric if name.lower() in _TARGET_NAMES]
    if len(numeric) == _MONTHS and all(map(is_month_name, numeric)):
        raise InputError(
            f"{rows.path}: columns {numeric[0]} to {numeric[-1]} are the months of a year in each {rows.unit}; write "
            f"one {rows.unit} for each month instead, with its date and its value"
        )
    if len(numeric) > 1 and len(named) != 1:
        columns = ", ".join(numeric[:12]) + (", …" if len(numeric) > 12 else "")
        raise InputError(
            f"{rows.path}: {len(numeric)} columns hold numbers ({columns}); name the one to forecast with --target, "
            f"such as --target {shlex.quote((named or numeric)[-1])}, or forecast all of them with --target all"
        )
    target = (named or numeric)[0]
    reason = "" if len(numeric) == 1 else f", by its name, of {len(numeric)} columns of numbers"
    notes.append(f"Target: column {target}{reason} (choose another one with --target).")
    return target


def _guess_series(rows: FileRows, times: tuple[str, ...], used: set[str]) -> str | None:
    """Return the column that distinguishes the rows of a date, if dates occur more than once."""
    frame = rows.frame
    if frame.select(times).n_unique() == frame.height:
        return None
    free = [name for name in frame.columns if name not in {*times, *used} and name.lower() not in _TARGET_NAMES]
    text = [name for name in free if not is_numeric(frame[name])]
    named = [name for usual in _SERIES_NAMES for name in free if name.lower() == usual]
    for name in [*named, *text]:
        if frame[name].n_unique() < frame.height and frame.select(*times, name).n_unique() == frame.height:
            return name
    return None


def _holds_integers(cells: pl.Series) -> bool:
    return cells.cast(pl.Int64, strict=False).null_count() == 0


def _find_by_name(rows: FileRows, names: tuple[str, ...], used: set[str | None]) -> str | None:
    """Return the column with the first of these names, in upper or lower case."""
    return next((c for name in names for c in rows.frame.columns if c.lower() == name and c not in used), None)
