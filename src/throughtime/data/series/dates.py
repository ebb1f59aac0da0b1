"""Dates written as text or as whole numbers, in the forms that occur in tables.

All cells of a column have one form. What a single cell leaves open (which of two numbers is the day, the century of
two-digit years, what whole numbers count, how offsets from UTC are treated) is decided once, from all cells and the
regularity of the resulting dates, and stored as a `DateFormat`, by which later columns are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

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
from throughtime.data.series.date_format import DAY_ORDERS, DateColumn, DateFormat
from throughtime.data.series.date_parsing import ORDERS, DateParts, split_date_text

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from jaxtyping import Int, Shaped

    Dates = Shaped[np.ndarray, "T"]  # datetime64[us], or int64 for steps

_NUMBER_PATTERN = re.compile(r"[-+]?\d{1,19}(\.\d{0,18})?(e[-+]?\d\d?)?", re.IGNORECASE)
_MAX_NUMBER = 42 * 10**17  # above the year 2100 in nanoseconds of Unix time
_FIELD_NAMES = {"d": "day", "m": "month", "y": "year", "w": "week", "z": "next year"}
_ISO_PATTERN = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?")
_UNPADDED_MONTH = re.compile(r"(\d{4})\.(\d)")
_ANY_CENTURY = 1970  # of years whose century is ambiguous


@dataclass(frozen=True)
class _Cells:
    """Distinct cells of a column of dates.

    Attributes:
        texts: the cells.
        parts: parts of each cell.
        column: place of the column.
        rows: row in which each cell occurs first.
    """

    texts: list[str]
    parts: list[DateParts]
    column: DateColumn
    rows: Int[np.ndarray, "N"]

    @property
    def orders(self) -> tuple[str, ...]:
        """Possible orders of the fields."""
        return ORDERS[self.parts[0].fields]

    def locate(self, index: int) -> str:
        """Return the place of a cell, in words."""
        return self.column.locate(int(self.rows[index]))


def is_date(text: str) -> bool:
    """Return whether a text is a date in one of the supported forms, in some order of its numbers."""
    parts = split_date_text(text)
    if parts is None:
        return bool(re.fullmatch(r"\d{4}|\d{6}|\d{8}", text.strip()))
    return bool(_find_readings([parts], DateFormat(century=_ANY_CENTURY)))


def read_dates(
    texts: Sequence[object], prior: DateFormat | None = None, column: DateColumn | None = None
) -> tuple[Dates, DateFormat]:
    """Read a column of dates: datetime64[us], or int64 for steps; and its format.

    Args:
        texts: cells, none of them empty.
        prior: format that is already decided, in training or by the user.
        column: place of the cells.

    Raises:
        InputError: for the first cell that is not a date or that contradicts the other cells or the prior format, and
            if the format is ambiguous.
    """
    prior, column = prior or DateFormat(), column or DateColumn()
    indices: dict[str, int] = {}
    codes = np.array([indices.setdefault(str(text).strip(), len(indices)) for text in texts], dtype=np.int64)
    distinct = list(indices)
    _, rows = np.unique(codes, return_index=True)
    if distinct and all(map(_NUMBER_PATTERN.fullmatch, distinct)) and not _are_dotted_months(distinct):
        numbers = np.array([float(text) if re.search(r"[.e]", text, re.IGNORECASE) else int(text) for text in distinct])
        widths = {len(text) if text.isdecimal() else 0 for text in distinct}
        digits = widths.pop() if len(widths) == 1 else 0
        stamps, date_format = _decode_numbers(numbers, prior, column, rows, digits)
        return stamps[codes], date_format
    stamps = _parse_iso(distinct) if prior.order != "ydm" and prior.offset != "utc" else None
    if stamps is not None:
        return stamps[codes], prior
    cells = _split_cells(_pad_dotted_months(distinct), column, rows)
    _check_uniform(cells)
    stamps, date_format = _combine_parts(cells, prior)
    return _apply_offsets(stamps, cells, codes, prior, date_format)


def read_whole_numbers(
    numbers: Shaped[np.ndarray, "T"], prior: DateFormat | None = None, column: DateColumn | None = None
) -> tuple[Dates, DateFormat]:
    """Read a column of whole numbers as `read_dates` reads their texts."""
    distinct, rows, codes = np.unique(numbers, return_index=True, return_inverse=True)
    stamps, date_format = _decode_numbers(distinct, prior or DateFormat(), column or DateColumn(), rows)
    return stamps[codes], date_format


def _parse_iso(texts: list[str]) -> Dates | None:
    """Parse dates written as 2024-01-31 or 2024-01-31 12:00:00; None if one of them is not."""
    if not all(map(_ISO_PATTERN.fullmatch, texts)):
        return None
    try:
        return np.array(texts, dtype="M8[us]")
    except ValueError:
        return None


def _decode_numbers(
    numbers: np.ndarray, prior: DateFormat, column: DateColumn, rows: np.ndarray, digits: int = 0
) -> tuple[Dates, DateFormat]:
    def location(index: int) -> str:
        return column.locate(int(rows[index]))

    for index in np.flatnonzero(~(np.abs(numbers.astype(float)) < _MAX_NUMBER))[:1]:
        raise InputError(f"{location(index)}: {numbers[index]} is neither a date nor a whole number")
    calendars = [prior.calendar] if prior.calendar else date_codes.possible_calendars(numbers, column.name, digits)
    calendar = calendars[0]
    if len(calendars) > 1:
        options, number = " or ".join(calendars), _format_number(numbers[0])
        remedy = column.remedy.format(options)
        raise InputError(f"{location(0)}: {number} may be of the calendar {options}; {remedy}")
    if calendar != date_codes.EXCEL:
        for index in np.flatnonzero(numbers != np.round(numbers))[:1]:
            raise InputError(f"{location(index)}: {numbers[index]} is neither a date nor a whole number")
        numbers = numbers.astype(np.int64)
    if calendar == date_codes.STEPS:
        return numbers, replace(prior, calendar=calendar)
    century = prior.century or date_codes.infer_code_century(numbers, calendar)
    if century is None:
        raise InputError(
            f"{location(0)}: the century of {_format_number(numbers[0])} is ambiguous; write years with four digits"
        )
    stamps, exists = date_codes.decode(numbers, calendar, century)
    for index in np.flatnonzero(~exists)[:1]:
        example = date_codes.encode(np.array(["2024-01-15"], dtype="M8[us]"), calendar)[0]
        raise InputError(
            f"{location(index)}: {_format_number(numbers[index])} is not a date of the calendar {calendar}, such as "
            f"{example}, unlike the other rows"
        )
    return stamps, replace(prior, calendar=calendar, century=century)


def _format_number(number: Any) -> str:
    return f"{number:.15g}"


def _are_dotted_months(texts: list[str]) -> bool:
    """Return whether all are a month or week and a year, as 01.2024, or 2024.01: no number ends in a decimal zero."""
    if all(re.fullmatch(r"(?:0?[1-9]|[1-4]\d|5[0-3])\.(?:1[89]|2[01])\d\d", text) for text in texts):
        return True
    return all(re.fullmatch(r"\d{4}\.\d\d?", text) for text in texts) and any(text[-2] == "0" for text in texts)


def _pad_dotted_months(texts: list[str]) -> list[str]:
    """Restore the zero of October, as 2024.10, which is lost where texts are written as numbers."""
    if not _are_dotted_months(texts):
        return texts
    return [text + "0" if _UNPADDED_MONTH.fullmatch(text) else text for text in texts]


def _split_cells(texts: list[str], column: DateColumn, rows: np.ndarray) -> _Cells:
    cells = _Cells(texts, [], column, rows)
    for index, text in enumerate(texts):
        parts = split_date_text(text)
        if parts is None:
            cell = repr(text if len(text) <= 80 else f"{text[:79]}…")
            raise InputError(f"{cells.locate(index)}: {cell} is not a date; write dates as 2024-01-31")
        cells.parts.append(parts)
    return cells


def _check_uniform(cells: _Cells) -> None:
    """Raise if dates have two forms, or if only some have an offset from UTC."""
    first = cells.parts[0]
    for index, parts in enumerate(cells.parts):
        same_offset = (parts.offset is None) == (first.offset is None) or parts.time is None or first.time is None
        if parts.shape != first.shape or not same_offset:
            raise InputError(
                f"{cells.locate(index)}: {cells.texts[index]!r} is written in another form than {cells.texts[0]!r} "
                f"({cells.locate(0)}); write all dates in one form, such as 2024-01-31"
            )


def _find_readings(parts: list[DateParts], prior: DateFormat) -> dict[str, tuple[Dates, int]]:
    """Return the dates and the century for each order of fields that fits all parts; -1 for an ambiguous century."""
    numbers = np.array([date.numbers for date in parts], dtype=np.int64)
    times = np.array([date.time or 0 for date in parts], dtype="m8[us]")
    weekdays = np.array([-1 if date.weekday is None else date.weekday for date in parts])
    fields, readings = parts[0].fields, {}
    letters = [letter for letter in fields if letter in "nYNb"]
    for order in ORDERS[fields]:
        values = {name: numbers[:, position] for position, name in enumerate(order)}
        century = 0
        if letters[order.index("y")] == "n":
            inferred = infer_century(values["y"])
            century = prior.century or (-1 if inferred is None else inferred)
            values["y"] = date_codes.expand_years(values["y"], century if century > 0 else _ANY_CENTURY)
        stamps, exists = date_codes.combine_fields(values)
        days = stamps.astype("M8[D]").astype(np.int64)
        if exists.all() and ((weekdays < 0) | (weekdays == (days + 3) % 7)).all():
            readings[order] = stamps + times, century
    return readings


def _combine_parts(cells: _Cells, prior: DateFormat) -> tuple[Dates, DateFormat]:
    readings = _find_readings(cells.parts, prior)
    if not readings:
        _raise_no_reading(cells, prior)
    fields, text = cells.parts[0].fields, cells.texts[0]
    order = _choose_order(readings, cells, prior)
    stamps, century = readings[order]
    if order in ("ym", "my", "yw", "wy") and _look_like_quarters(cells, stamps):
        raise InputError(
            f"{cells.locate(0)}: {text!r} may be a month or a quarter; write 2024-01 or 2024Q1, or "
            "2024 and 1 in columns called year and month"
        )
    if century < 0 or (fields == "bn" and not prior.century and _are_days_of_month(stamps)):
        raise InputError(
            f"{cells.locate(0)}: the century of {text!r} is ambiguous; write years with four digits, or "
            f"{cells.column.remedy.format('dd/mm/19yy')}"
        )
    is_open = len(cells.orders) > 1 and order != ("ymd" if fields == "Ynn" else "")
    if len({dates.tobytes() for dates, _ in readings.values()}) == 1 and len(readings) > 1:
        is_open = False  # all readings agree: later dates may show the order
    return stamps, replace(prior, order=order if is_open else prior.order, century=century or prior.century)


def _choose_order(readings: dict[str, tuple[Dates, int]], cells: _Cells, prior: DateFormat) -> str:
    """Return the order of the fields: the prior one, or the one that the dates determine."""
    fields, shape = cells.parts[0].fields, cells.parts[0].shape
    default = next(iter(readings))
    if prior.order in cells.orders and (prior.order != "ymd" or fields != "nbn"):
        if prior.order not in readings:
            _raise_no_reading(cells, prior)
        return prior.order
    if "yz" in readings and len(cells.texts) > 1:  # 2019/20 and 2020/21: as months they would be 13 months apart
        return "yz"
    if fields in ("Yn", "nY") and date_codes.WEEK_COLUMN.search(cells.column.name):
        return [*readings][-1]
    is_conventional = fields in ("Ynn", "nbn", "Yn", "nY") or shape.startswith("n.n.")
    stamps = {order: dates for order, (dates, _) in readings.items()}
    if is_conventional or len({dates.tobytes() for dates in stamps.values()}) == 1:
        return default
    order = _order_in_name(cells.column.name, stamps) or select_reading(stamps, cells.column.name)
    if order is not None:
        return order
    index = next(index for index in range(len(cells.texts)) if len({dates[index] for dates in stamps.values()}) > 1)
    meanings = " or ".join(
        f"{np.datetime_as_string(dates[index], 'D')} ({_name_order(order)})" for order, dates in stamps.items()
    )
    options = " or ".join(DAY_ORDERS[order] for order in stamps)
    remedy = cells.column.remedy.format(options)
    raise InputError(f"{cells.locate(index)}: {cells.texts[index]!r} may be {meanings}; {remedy}")


def _name_order(order: str) -> str:
    return "/".join(_FIELD_NAMES[letter] for letter in order)


def _order_in_name(name: str, orders: Collection[str]) -> str | None:
    """Return the order in the name of a column, as in 'Date (dd/mm/yyyy)'."""
    letters = re.search(r"\b([dmy])\1*[-/. ]?([dmy])\2*[-/. ]?([dmy])\3*\b", name.lower().replace("_", " "))
    return order if letters and (order := "".join(letters.groups())) in orders else None


def _raise_no_reading(cells: _Cells, prior: DateFormat) -> NoReturn:
    """Name the first date that does not exist, or else the first that contradicts the order of the others."""
    expanded = replace(prior, century=_ANY_CENTURY)
    readings = [_find_readings([parts], expanded) for parts in cells.parts]
    for index, possible in enumerate(readings):
        if not possible:
            text = cells.texts[index]
            raise InputError(f"{cells.locate(index)}: {text!r} is not a date; write dates as 2024-01-31")
    orders = [prior.order] if prior.order in cells.orders else list(cells.orders)
    for index, possible in enumerate(readings):
        remaining = [order for order in orders if order in possible]
        if not remaining:
            source = "which training or --date-format decided" if prior.order else "in which others are written"
            raise InputError(
                f"{cells.locate(index)}: {cells.texts[index]!r} is not a date in the order {_name_order(orders[0])}, "
                f"{source}"
            )
        orders = remaining
    raise InputError(
        f"{cells.column.description}: the dates fit no order of day, month and year; write them as 2024-01-31"
    )


def _look_like_quarters(cells: _Cells, stamps: Dates) -> bool:
    """Return whether years with a one-digit number are more regular as quarters than as months."""
    numbers = np.array([[*parts.numbers] for parts in cells.parts])
    quarter = numbers.min(1)
    has_padding = any(re.search(r"(?<!\d)0\d(?!\d)", text) for text in cells.texts)
    if quarter.max() > 4 or has_padding or len(cells.parts) < 3:
        return False
    quarters = date_codes.combine_fields({"y": numbers.max(1), "q": quarter})[0]
    return date_density(quarters) >= DENSITY_RATIO * date_density(stamps)


def _are_days_of_month(stamps: Dates) -> bool:
    """Return whether month names with a number are days of one month rather than months of years."""
    months = stamps.astype("M8[M]").astype(np.int64) % 12
    return len(np.unique(stamps)) > 1 and len(np.unique(months)) == 1


def _apply_offsets(
    stamps: Dates, cells: _Cells, codes: np.ndarray, prior: DateFormat, date_format: DateFormat
) -> tuple[Dates, DateFormat]:
    """Return the dates of all rows, in UTC or in local time.

    Hours are converted to UTC if their offsets change. Days stay in local time, since they do not all have 24 hours.
    """
    offsets = np.array([parts.offset or 0 for parts in cells.parts], dtype="m8[m]")
    local, utc = stamps[codes], (stamps - offsets)[codes]
    if all(parts.offset is None for parts in cells.parts):
        if prior.offset == "utc":
            raise InputError(
                f"{cells.column.description}: the dates of the training have offsets from UTC, as "
                "2024-03-31T03:00+02:00, and these have none; write them too"
            )
        return local, date_format
    if prior.offset:
        treatment = "local" if prior.offset == "local" else "utc"
    elif not offsets.any():
        treatment = "zero"
    else:
        candidates = {"local": local, "utc": utc}
        treatment = min(candidates, key=lambda name: (-len(np.unique(candidates[name])), gap_ratio(candidates[name])))
    return (local if treatment == "local" else utc), replace(date_format, offset=prior.offset or treatment)
