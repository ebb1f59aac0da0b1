"""Several columns that together are a date: a year and a month, a date and a time of day.

They are combined if each row then has a different date and the dates are regular, but not if another column, which
names the series, already distinguishes the rows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from throughtime._core.errors import InputError
from throughtime.data.series.date_disambiguation import date_density
from throughtime.data.series.date_parsing import split_date_text
from throughtime.data.series.dates import read_dates

if TYPE_CHECKING:
    from throughtime.app.tables.files import FileRows

TIME_NAMES = (
    "ds", "date", "datetime", "time", "timestamp", "ts", "epoch", "month", "year", "day", "week", "quarter", "period",
    "hour", "datum", "tag", "zeit", "zeitstempel", "monat", "jahr", "woche", "jour", "mois", "fecha", "mes",
    "data", "mese",
)  # fmt: skip
"""Usual names of columns of dates."""
_TIME_NAME = re.compile(r"date|time|datum|zeitpunkt|zeitstempel|fecha", re.IGNORECASE)
_ROLE_NAMES = {
    "year": "year yr yyyy jahr ano año annee année anno jaar year_id",
    "month": "month mnth mon mo mm monat mois mes mês mese maand month_id month_name",
    "day": "day dd dom day_of_month dayofmonth tag jour dia giorno dag mday",
    "hour": "hour hr hh stunde heure hora ora uur hour_of_day he hour_ending",
    "minute": "minute min minuten",
    "week": "week weeknum week_of_year isoweek iso_week wk woche kw kalenderwoche semaine semana settimana week_id",
    "quarter": "quarter qtr quartal trimestre trimester kwartaal quarter_id",
    "day-of-year": "day_of_year dayofyear doy yday julian_day",
}
_ROLE_OF = {name: role for role, names in _ROLE_NAMES.items() for name in names.split()}
_RANGES = {"year": (1000, 2999), "month": (1, 12), "day": (1, 31), "hour": (0, 24), "minute": (0, 59), "week": (1, 53),
           "quarter": (1, 4), "day-of-year": (1, 366)}  # fmt: skip
_CLOCK = re.compile(
    r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(\s*[ap]\.?m\.?)?(\s*[-\u2013]\s*\d{1,2}:\d{2}.*)?", re.IGNORECASE
)
_ROLE_SETS = (
    ("date", "time"), ("date", "hour", "minute"), ("date", "hour"), ("year", "month", "day", "time"),
    ("year", "month", "day", "hour", "minute"), ("year", "month", "day", "hour"), ("year", "month", "day"),
    ("year", "day-of-year", "hour"), ("year", "day-of-year"), ("year", "week"), ("year", "month"), ("year", "quarter"),
)  # fmt: skip
_PREFIXED = {"month": r"[Mm]\d{1,2}", "quarter": r"[Qq][1-4]", "week": r"(?:KW|[Ww])\s?\d{1,2}"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SERIES_NAMES = frozenset(
    (
        "unique_id",
        "series_id",
        "series",
        "id",
        "item_id",
        "item",
        "sku",
        "product",
        "store",
        "shop",
        "site",
        "station",
        "sensor",
    )
)  # usual names of columns that name series
_MIN_DENSITY = 0.5  # of the steps have a row, if the user named no columns
_SAMPLE = 50  # cells, to find a role


def has_time_name(name: str) -> bool:
    """Return whether a name contains a usual name of columns of dates."""
    return bool(_TIME_NAME.search(name))


def split_columns(rows: FileRows, option: str) -> tuple[str, ...]:
    """Return the columns that an option names; a name may contain a comma."""
    if option in rows.frame.columns:
        return (option,)
    return tuple(name.strip() for name in option.split(",") if name.strip())


def find_time_columns(rows: FileRows, used: set[str | None]) -> tuple[str, ...]:
    """Return columns that only together are dates; none if one column is, or if that is ambiguous.

    Args:
        rows: the table.
        used: columns with another meaning, such as the names of series.
    """
    frame = rows.frame
    roles: dict[str, str] = {}
    for name in frame.columns:
        role = None if name in used else _role(frame[name], name)
        if role is not None:
            roles.setdefault(role, name)
    if "date" in roles and frame[roles["date"]].n_unique() == frame.height:
        return ()
    for combination in _ROLE_SETS:
        if not all(role in roles for role in combination) or ("date" in roles and combination[0] != "date"):
            continue
        columns = tuple(roles[role] for role in combination)
        if _is_needed(rows, columns) and _has_regular_dates(rows, columns):
            return columns
    return ()


def join_date_columns(rows: FileRows, columns: tuple[str, ...]) -> list[str]:
    """Return the dates of columns that hold their parts, as texts.

    Raises:
        InputError: if the columns are not the parts of a date.
    """
    cells: dict[str, list[str]] = {}
    for name in columns:
        texts = _texts(rows.frame[name])
        cells[_role(rows.frame[name], name) or _infer_role(texts, first=not cells)] = texts
    if not any(set(cells) == set(combination) for combination in _ROLE_SETS):
        shown = ", ".join(f"{name} ({role})" for name, role in zip(columns, cells, strict=False))
        raise InputError(
            f"--time: {rows.path}: expected a date and a time of day, or a year with a month, quarter, week or day, "
            f"got {shown}"
        )
    return [_join_date(dict(zip(cells, row, strict=True))) for row in zip(*cells.values(), strict=True)]


def _infer_role(texts: list[str], *, first: bool) -> str:
    """Return the part of a date in a column that the user named, whose own name does not determine it."""
    numbers = [int(text) for text in texts if re.fullmatch(r"\d{1,4}", text)]
    if len(numbers) < len(texts):
        return "date" if first else "time"
    if min(numbers) >= _RANGES["year"][0]:
        return "year"
    return "month" if 5 <= max(numbers) <= 12 else "week" if 12 < max(numbers) <= 53 else "time"


def _join_date(values: dict[str, str]) -> str:
    """Return a date from its parts, as text."""
    if "date" in values:
        day = values["date"]
    elif "month" in values:
        month, last = (
            values["month"].lstrip("Mm") if values["month"][1:].isdecimal() else values["month"],
            values.get("day"),
        )
        if len(values["year"]) == 2 and month.isdecimal():
            month = _MONTHS[int(month) - 1]  # 24-01 alone can be a day
        if month.isdecimal():
            day = "-".join([values["year"], month.zfill(2), *([] if last is None else [last.zfill(2)])])
        else:
            day = f"{last or ''} {month} {values['year']}".strip()
    elif "quarter" in values:
        day = f"{values['year']}Q{values['quarter'].lstrip('Qq')}"
    elif "week" in values:
        day = f"{values['year']}-W{values['week'].lstrip('KWkw ').zfill(2)}"
    else:
        day = f"{values['year']}-{values['day-of-year'].zfill(3)}"
    if "time" in values:
        return f"{day} {_parse_clock(values['time'])}"
    return f"{day} {values['hour']}:{values.get('minute', '0').zfill(2)}" if "hour" in values else day


def _parse_clock(text: str) -> str:
    """Return a time of day: the start of a span, and the hours and minutes of a number such as 930."""
    start = re.split(r"\s*[-\u2013]\s*", text)[0]
    if not start.isdecimal():
        return start
    return f"{start}:00" if len(start) <= 2 else f"{start[:-2]}:{start[-2:]}"


def _texts(cells: pl.Series) -> list[str]:
    """Return cells as text, whole numbers without a point."""
    if cells.dtype.is_float():
        whole = cells.cast(pl.Int64, strict=False)
        cells = whole if whole.cast(pl.Float64).eq_missing(cells).all() else cells
    return cells.cast(pl.String).str.strip_chars().str.replace(r"^(\d+)\.0*$", "$1").to_list()


def _role(cells: pl.Series, name: str) -> str | None:
    """Return the part of a date in a column, by its name and its cells; None for none."""
    if cells.dtype == pl.Date:
        return "date"
    if cells.dtype == pl.Time:
        return "time"
    if (
        cells.null_count()
        or not len(cells)
        or cells.dtype.is_nested()
        or isinstance(cells.dtype, pl.Duration | pl.Binary)
    ):
        return None
    sample = [text or "" for text in _texts(cells.unique(maintain_order=True).head(_SAMPLE))]
    role = _ROLE_OF.get(re.sub(r"[\s-]+", "_", name.strip().lower()))
    if role is not None and _fits_role(sample, role):
        return role
    for prefixed, pattern in _PREFIXED.items():
        if all(re.fullmatch(pattern, text) for text in sample) and _fits_role(sample, prefixed):
            return prefixed
    if all(_CLOCK.fullmatch(text) for text in sample):
        return "time"
    if re.fullmatch(r"time|uhrzeit|zeit|heure|hora|ora|tijd", name.strip().lower()):
        if all(re.fullmatch(r"\d{1,2}", text) and int(text) <= 24 for text in sample):
            return "hour"
        if all(re.fullmatch(r"\d{1,4}", text) and int(text) <= 2400 and int(text) % 100 < 60 for text in sample):
            return "time"
    dates = [split_date_text(text) for text in sample]
    return "date" if all(date is not None and date.time is None and len(date.numbers) == 3 for date in dates) else None


def _fits_role(sample: list[str], role: str) -> bool:
    low, high = _RANGES[role]
    if role == "month" and all(
        re.fullmatch(r"[^\W\d]+\.?", text) and split_date_text(f"{text} 2024") for text in sample
    ):
        return True
    if role == "year" and all(re.fullmatch(r"\d\d", text) for text in sample):
        return True
    texts = [text.lstrip({"month": "Mm", "quarter": "Qq", "week": "KWkw "}.get(role, "")) for text in sample]
    return all(re.fullmatch(r"\d{1,4}", text) and low <= int(text) <= high for text in texts)


def _is_needed(rows: FileRows, columns: tuple[str, ...]) -> bool:
    """Return whether the last column adds dates, and no other column distinguishes the rows of the others."""
    frame, fewer = rows.frame, list(columns[:-1])
    if frame.select(fewer).n_unique() == frame.select(columns).n_unique():
        return False
    unique = frame.select(columns).n_unique() == frame.height
    others = [name for name in frame.columns if name not in columns and 1 < frame[name].n_unique() <= frame.height / 2]
    candidates = [name for name in others if not unique or name.strip().lower() in _SERIES_NAMES]
    return not any(frame.select(*fewer, name).n_unique() == frame.height for name in candidates)


def _has_regular_dates(rows: FileRows, columns: tuple[str, ...]) -> bool:
    try:
        stamps, _ = read_dates(join_date_columns(rows, columns))
    except InputError:
        return False
    return stamps.dtype.kind == "M" and date_density(stamps) >= _MIN_DENSITY
