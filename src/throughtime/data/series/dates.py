"""Dates that were written as text or as whole numbers, in the forms that tables of the world hold them.

A column has one form. What its cells leave open (which of two numbers is the day, the century of two digits, what whole
numbers count, whether an offset from UTC is taken off) is decided once, from all cells and how evenly the dates then
follow one another, and is kept as a `DateFormat`, by which later columns are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from throughtime._core.errors import InputError
from throughtime.data.series import date_codes
from throughtime.data.series.date_disambiguation import (
    DENSITY_RATIO,
    date_density,
    gap_ratio,
    infer_century,
    select_reading,
)
from throughtime.data.series.date_parsing import ORDERS, DateParts, split_date_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

DAY_ORDERS = {"dmy": "day-first", "mdy": "month-first", "ymd": "year-first", "ydm": "year-day-month"}
"""Orders of day, month and year, and the options that name them."""
PERIOD_ORDERS = ("ym", "my", "yw", "wy")
"""Orders of a year and a month or week."""
OFFSETS = ("", "zero", "utc", "local")

_NUMBER = re.compile(r"[-+]?\d{1,19}(\.\d{0,18})?(e[-+]?\d\d?)?", re.IGNORECASE)
_LARGEST = 42 * 10**17  # whole number; 2100 in nanoseconds of Unix time is below it
_WORDS = {"d": "day", "m": "month", "y": "year", "w": "week"}
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?")
_UNPADDED = re.compile(r"(\d{4})\.(\d)")


@dataclass(frozen=True)
class DateFormat:
    """What a column of dates leaves open, decided.

    Attributes:
        order: of day, month and year where their texts do not show it: 'dmy', 'mdy', 'ymd' or 'ydm', or one of
            `PERIOD_ORDERS`; '' where they do.
        century: first of the hundred years that years of two digits lie in; 0 where years have four.
        calendar: of whole numbers, one of `date_codes.CALENDARS`; '' where dates are text.
        offset: how offsets from UTC are read: '' where there are none, 'zero' where all are zero, 'utc' where they
            are taken off, 'local' where the dates stay those of the place.
    """

    order: str = ""
    century: int = 0
    calendar: str = ""
    offset: str = ""

    def __post_init__(self) -> None:
        orders = ("", *DAY_ORDERS, *PERIOD_ORDERS)
        known = self.order in orders and self.calendar in ("", *date_codes.CALENDARS) and self.offset in OFFSETS
        if not known or type(self.century) is not int or not (self.century == 0 or 1000 <= self.century <= 2900):
            raise ValueError(f"date format: impossible: {self}")

    @classmethod
    def of(cls, text: str) -> Self:
        """The format that a user names: day-first, dd/mm/yyyy, %d/%m/%Y, yyyymm, unix-s, excel, steps.

        Raises:
            InputError: for a name that is none.
        """
        name = text.strip().lower()
        order = {option: order for order, option in DAY_ORDERS.items()}.get(name)
        if order is not None:
            return cls(order=order)
        if name in date_codes.CALENDARS:
            return cls(calendar=name)
        plain = re.sub(r"[ t]?(%h|hh?\b|%i).*", "", text.strip().replace("%Y", "yyyy").lower())
        century = re.search(r"(19|20)(?:%y|yy)(?!y)", plain)
        letters = "".join(dict.fromkeys(re.sub(r"[^dmywj]", "", plain.replace("%b", "m").replace("%v", "w"))))
        digits = re.sub(r"[^a-z]", "", plain) if "%" not in plain else ""
        code = {
            "yyyymm": "month",
            "yyyyww": "week",
            "yyyyq": "quarter",
            "yyyymmdd": "day",
            **{c: c for c in date_codes.CODES},
        }
        if plain.isalnum() and digits in code and digits == plain:
            return cls(calendar=code[digits])
        if letters in ("dmy", "mdy", "ymd", "ydm", "ym", "my"):
            return cls(order=letters if letters in DAY_ORDERS else "", century=100 * int(century[1]) if century else 0)
        raise InputError(
            f"--date-format: expected a format such as day-first, month-first, dd/mm/yyyy, %d/%m/%Y, yyyymm or excel, "
            f"got {text!r}"
        )

    def parse(self, texts: Sequence[object]) -> np.ndarray:
        """Dates as datetime64[us], or steps as int64.

        Raises:
            InputError: names the first that this format does not fit.
        """
        return read_dates(texts, self)[0]


@dataclass(frozen=True)
class DateColumn:
    """Where dates stand, for messages about them.

    Attributes:
        name: of the column, which may settle what it holds.
        at: where a row stands, in words.
        description: where the column stands, in words.
        remedy: what a user can do about an order that is open; the readings take the place of {}.
    """

    name: str = "ds"
    at: Callable[[int], str] = lambda row: f"column ds, row {row + 1}"
    description: str = "column ds"
    remedy: str = "convert the column before, as pandas.to_datetime(ds, format=...) does"


def parse_dates(texts: Sequence[object]) -> np.ndarray:
    """Dates of texts as `read_dates` reads them, where nothing is known of their format."""
    return read_dates(texts)[0]


def infer_date_format(texts: Sequence[object], known: DateFormat | None = None) -> DateFormat:
    """The format of a column of dates; `known` is what was decided before.

    Raises:
        InputError: for texts that are not dates, or whose format is open.
    """
    return read_dates(texts, known)[1]


def is_date(text: str) -> bool:
    """Whether a text is a date in one of the forms that are understood, in some order of its numbers."""
    parts = split_date_text(text)
    if parts is None:
        return bool(re.fullmatch(r"\d{4}|\d{6}|\d{8}", text.strip()))
    return bool(_readings([parts], DateFormat(century=1970)))


def read_dates(
    texts: Sequence[object], known: DateFormat | None = None, column: DateColumn | None = None
) -> tuple[np.ndarray, DateFormat]:
    """Read a column of dates: datetime64[us], or int64 where whole numbers are steps; and its format.

    Args:
        texts: the cells, none of them empty.
        known: what was decided before: in training, or by a user.
        column: where the cells stand.

    Raises:
        InputError: for the first cell that is not a date or that contradicts the others or what is known, and where the
            cells leave their format open.
    """
    known, column = known or DateFormat(), column or DateColumn()
    rows: dict[str, int] = {}
    codes = np.array([rows.setdefault(str(text).strip(), len(rows)) for text in texts], dtype=np.int64)
    distinct = list(rows)
    _, first = np.unique(codes, return_index=True)
    if distinct and all(map(_NUMBER.fullmatch, distinct)) and not _are_months_with_point(distinct):
        numbers = np.array([float(text) if re.search(r"[.e]", text, re.IGNORECASE) else int(text) for text in distinct])
        widths = {len(text) if text.isdecimal() else 0 for text in distinct}
        digits = widths.pop() if len(widths) == 1 else 0
        stamps, date_format = _numbers(numbers, known, column, first, digits)
        return stamps[codes], date_format
    stamps = _iso(distinct) if known.order != "ydm" and known.offset != "utc" else None
    if stamps is not None:
        return stamps[codes], known
    parts = _split(_months_with_point(distinct), column, first)
    _refuse_mixed(parts, distinct, column, first)
    stamps, date_format = _dates(parts, distinct, known, column, first)
    return _with_offsets(stamps, parts, codes, known, column, date_format)


def _iso(texts: list[str]) -> np.ndarray | None:
    """Dates that are all written as 2024-01-31 or 2024-01-31 12:00:00, as most are; None where one is not."""
    if not all(map(_ISO.fullmatch, texts)):
        return None
    try:
        return np.array(texts, dtype="M8[us]")
    except ValueError:
        return None


def read_whole_numbers(
    numbers: np.ndarray, known: DateFormat | None = None, column: DateColumn | None = None
) -> tuple[np.ndarray, DateFormat]:
    """Read a column of whole numbers as `read_dates` reads their texts."""
    distinct, first, codes = np.unique(numbers, return_index=True, return_inverse=True)
    stamps, date_format = _numbers(distinct, known or DateFormat(), column or DateColumn(), first)
    return stamps[codes], date_format


def _numbers(
    numbers: np.ndarray, known: DateFormat, column: DateColumn, first: np.ndarray, digits: int = 0
) -> tuple[np.ndarray, DateFormat]:
    for row in np.flatnonzero(~(np.abs(numbers.astype(float)) < _LARGEST))[:1]:
        raise InputError(f"{column.at(int(first[row]))}: {numbers[row]} is neither a date nor a whole number")
    calendars = [known.calendar] if known.calendar else date_codes.possible_calendars(numbers, column.name, digits)
    calendar = calendars[0]
    if len(calendars) > 1:
        raise InputError(
            f"{column.at(int(first[0]))}: {_number(numbers[0])} may be of the calendar {' or '.join(calendars)}; "
            f"{column.remedy.format(' or '.join(calendars))}"
        )
    if calendar != date_codes.EXCEL:
        for row in np.flatnonzero(numbers != np.round(numbers))[:1]:
            raise InputError(f"{column.at(int(first[row]))}: {numbers[row]} is neither a date nor a whole number")
        numbers = numbers.astype(np.int64)
    if calendar == date_codes.STEPS:
        return numbers, replace(known, calendar=calendar)
    century = known.century or date_codes.infer_code_century(numbers, calendar)
    if century is None:
        raise InputError(
            f"{column.at(int(first[0]))}: the century of {_number(numbers[0])} is open; write years with four digits"
        )
    stamps, exist = date_codes.decode(numbers, calendar, century)
    for row in np.flatnonzero(~exist)[:1]:
        raise InputError(
            f"{column.at(int(first[row]))}: {_number(numbers[row])} is not a date of the calendar {calendar}, such as "
            f"{date_codes.encode(np.array(['2024-01-15'], dtype='M8[us]'), calendar)[0]}, of which the others are"
        )
    return stamps, replace(known, calendar=calendar, century=century)


def _number(number: Any) -> str:
    return f"{number:.15g}"


def _are_months_with_point(texts: list[str]) -> bool:
    """Whether all are a month or week and a year, as 01.2024, or as 2024.01: a number has no zero at its end."""
    if all(re.fullmatch(r"(?:0?[1-9]|[1-4]\d|5[0-3])\.(?:1[89]|2[01])\d\d", text) for text in texts):
        return True
    return all(re.fullmatch(r"\d{4}\.\d\d?", text) for text in texts) and any(text[-2] == "0" for text in texts)


def _months_with_point(texts: list[str]) -> list[str]:
    """Years and months whose October has lost its zero, as numbers do, with it."""
    if not _are_months_with_point(texts):
        return texts
    return [text + "0" if _UNPADDED.fullmatch(text) else text for text in texts]


def _split(texts: list[str], column: DateColumn, first: np.ndarray) -> list[DateParts]:
    found = []
    for row, text in enumerate(texts):
        parts = split_date_text(text)
        if parts is None:
            cell = repr(text if len(text) <= 80 else f"{text[:79]}…")
            raise InputError(f"{column.at(int(first[row]))}: {cell} is not a date; write dates as 2024-01-31")
        found.append(parts)
    return found


def _refuse_mixed(parts: list[DateParts], texts: list[str], column: DateColumn, first: np.ndarray) -> None:
    """Refuse dates of two forms, or of which some have an offset from UTC."""
    for row, each in enumerate(parts):
        same_offset = (each.offset is None) == (parts[0].offset is None) or each.time is None or parts[0].time is None
        if each.shape != parts[0].shape or not same_offset:
            raise InputError(
                f"{column.at(int(first[row]))}: {texts[row]!r} is written in another form than {texts[0]!r} "
                f"({column.at(int(first[0]))}); write all dates in one form, such as 2024-01-31"
            )


def _readings(parts: list[DateParts], known: DateFormat) -> dict[str, tuple[np.ndarray, int]]:
    """The dates of each order of fields that fits all parts, and their century; -1 for one that is open."""
    numbers = np.array([each.numbers for each in parts], dtype=np.int64)
    times = np.array([each.time or 0 for each in parts], dtype="m8[us]")
    weekdays = np.array([-1 if each.weekday is None else each.weekday for each in parts])
    fields, found = parts[0].fields, {}
    letters = [letter for letter in fields if letter in "nYNb"]
    for order in ORDERS[fields]:
        named = {name: numbers[:, at] for at, name in enumerate(order)}
        century = 0
        if letters[order.index("y")] == "n":
            open_century = infer_century(named["y"])
            century = known.century or (-1 if open_century is None else open_century)
            named["y"] = date_codes.expand_years(named["y"], century if century > 0 else 1970)
        stamps, exist = date_codes.combine_fields(named)
        days = stamps.astype("M8[D]").astype(np.int64)
        if exist.all() and ((weekdays < 0) | (weekdays == (days + 3) % 7)).all():
            found[order] = stamps + times, century
    return found


def _dates(
    parts: list[DateParts], texts: list[str], known: DateFormat, column: DateColumn, first: np.ndarray
) -> tuple[np.ndarray, DateFormat]:
    readings = _readings(parts, known)
    if not readings:
        _refuse_impossible(parts, texts, known, column, first)
    orders = ORDERS[parts[0].fields]
    order = _order(readings, parts, texts, known, column, first)
    stamps, century = readings[order]
    if parts[0].fields in ("Yn", "nY") and _are_quarters(parts, texts, stamps):
        raise InputError(
            f"{column.at(int(first[0]))}: {texts[0]!r} may be a month or a quarter; write 2024-01 or 2024Q1, or "
            "2024 and 1 in columns called year and month"
        )
    if century < 0 or (parts[0].fields == "bn" and not known.century and _has_no_year(stamps)):
        raise InputError(
            f"{column.at(int(first[0]))}: the century of {texts[0]!r} is open; write years with four digits, or "
            f"{column.remedy.format('dd/mm/19yy')}"
        )
    decided = order if len(orders) > 1 and order != ("ymd" if parts[0].fields == "Ynn" else "") else known.order
    if len({reading.tobytes() for reading, _ in readings.values()}) == 1 and len(readings) > 1:
        decided = known.order  # both are the same: later dates may show which it is
    return stamps, replace(known, order=decided, century=century or known.century)


def _order(
    readings: dict[str, tuple[np.ndarray, int]],
    parts: list[DateParts],
    texts: list[str],
    known: DateFormat,
    column: DateColumn,
    first: np.ndarray,
) -> str:
    """The order of the fields: what is known, or what the dates settle."""
    usual = next(iter(readings))
    if known.order in ORDERS[parts[0].fields] and (known.order != "ymd" or parts[0].fields != "nbn"):
        if known.order not in readings:
            _refuse_impossible(parts, texts, known, column, first)
        return known.order
    if parts[0].fields in ("Yn", "nY") and date_codes.WEEK_NAME.search(column.name):
        return [*readings][-1]
    conventional = parts[0].fields in ("Ynn", "nbn", "Yn", "nY") or parts[0].shape.startswith("n.n.")
    stamps = {order: reading for order, (reading, _) in readings.items()}
    if conventional or len({reading.tobytes() for reading in stamps.values()}) == 1:
        return usual
    order = _order_of_name(column.name, stamps) or select_reading(stamps, column.name)
    if order is not None:
        return order
    row = next(row for row in range(len(texts)) if len({reading[row] for reading in stamps.values()}) > 1)
    meanings = " or ".join(
        f"{np.datetime_as_string(reading[row], 'D')} ({'/'.join(_WORDS[letter] for letter in order)})"
        for order, reading in stamps.items()
    )
    options = " or ".join(DAY_ORDERS[order] for order in stamps)
    raise InputError(f"{column.at(int(first[row]))}: {texts[row]!r} may be {meanings}; {column.remedy.format(options)}")


def _order_of_name(name: str, orders: Collection[str]) -> str | None:
    """The order that the name of a column gives, as 'Date (dd/mm/yyyy)' does."""
    letters = re.search(r"\b([dmy])\1*[-/. ]?([dmy])\2*[-/. ]?([dmy])\3*\b", name.lower().replace("_", " "))
    return order if letters and (order := "".join(letters.groups())) in orders else None


def _refuse_impossible(
    parts: list[DateParts], texts: list[str], known: DateFormat, column: DateColumn, first: np.ndarray
) -> None:
    """Name the first date that does not exist, or else the first that contradicts the order of the others."""
    row = next((row for row, each in enumerate(parts) if not _readings([each], replace(known, century=1970))), None)
    if row is not None:
        raise InputError(f"{column.at(int(first[row]))}: {texts[row]!r} is not a date; write dates as 2024-01-31")
    orders = [known.order] if known.order in ORDERS[parts[0].fields] else list(ORDERS[parts[0].fields])
    for end in range(1, len(parts) + 1):
        left = [order for order in orders if order in _readings([parts[end - 1]], replace(known, century=1970))]
        if not left:
            order = "/".join(_WORDS[letter] for letter in orders[0])
            why = "which training or --date-format decided" if known.order else "in which others are written"
            raise InputError(
                f"{column.at(int(first[end - 1]))}: {texts[end - 1]!r} is not a date in the order {order}, {why}"
            )
        orders = left
    raise InputError(f"{column.description}: the dates fit no order of day, month and year; write them as 2024-01-31")


def _are_quarters(parts: list[DateParts], texts: list[str], stamps: np.ndarray) -> bool:
    """Whether years with a number of one digit follow one another as quarters, and not as months."""
    numbers = np.array([[*each.numbers] for each in parts])
    quarter = numbers.min(1)
    if quarter.max() > 4 or any(re.search(r"(?<!\d)0\d(?!\d)", text) for text in texts) or len(parts) < 3:
        return False
    quarters = date_codes.combine_fields({"y": numbers.max(1), "q": quarter})[0]
    return date_density(quarters) >= DENSITY_RATIO * date_density(stamps)


def _has_no_year(stamps: np.ndarray) -> bool:
    """Whether months with a number are days of a month rather than months of years."""
    months = stamps.astype("M8[M]").astype(np.int64) % 12
    return len(np.unique(stamps)) > 1 and len(np.unique(months)) == 1


def _with_offsets(
    stamps: np.ndarray,
    parts: list[DateParts],
    codes: np.ndarray,
    known: DateFormat,
    column: DateColumn,
    date_format: DateFormat,
) -> tuple[np.ndarray, DateFormat]:
    """Dates with their offsets from UTC taken off, or as those of the place.

    Hours are read in UTC where the offset changes between them, and days, which then are not of 24 hours, as those of
    the place.
    """
    offsets = np.array([each.offset or 0 for each in parts], dtype="m8[m]")
    local, utc = stamps[codes], (stamps - offsets)[codes]
    if all(each.offset is None for each in parts):
        if known.offset == "utc":
            raise InputError(
                f"{column.description}: the dates of the training have offsets from UTC, as 2024-03-31T03:00+02:00, and "
                "these have none; write them too"
            )
        return local, date_format
    if known.offset:
        treatment = "local" if known.offset == "local" else "utc"
    elif not offsets.any():
        treatment = "zero"
    else:
        both = {"local": local, "utc": utc}
        treatment = min(both, key=lambda name: (-len(np.unique(both[name])), gap_ratio(both[name])))
    return (local if treatment == "local" else utc), replace(date_format, offset=known.offset or treatment)
