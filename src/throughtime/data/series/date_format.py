"""The format of a column of dates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from throughtime._core.errors import InputError
from throughtime.data.series import date_codes

if TYPE_CHECKING:
    from collections.abc import Callable

DAY_ORDERS = {"dmy": "day-first", "mdy": "month-first", "ymd": "year-first", "ydm": "year-day-month"}
"""Orders of day, month and year, and the options that name them."""
PERIOD_ORDERS = ("ym", "my", "yw", "wy", "yz")
"""Orders of a year and a month, a week or the next year."""
OFFSETS = ("", "zero", "utc", "local")


@dataclass(frozen=True)
class DateFormat:
    """What the cells of a column of dates leave open.

    Attributes:
        order: order of day, month and year if it is not clear from the texts: 'dmy', 'mdy', 'ymd' or 'ydm', or one of
            `PERIOD_ORDERS`; else ''.
        century: first of the hundred years that contain two-digit years; 0 for years of four digits.
        calendar: calendar of whole numbers, one of `date_codes.CALENDARS`; '' for texts.
        offset: treatment of offsets from UTC: '' if there are none, 'zero' if all are zero, 'utc' if dates are
            converted to UTC, 'local' if they stay in local time.
    """

    order: str = ""
    century: int = 0
    calendar: str = ""
    offset: str = ""

    def __post_init__(self) -> None:
        orders = ("", *DAY_ORDERS, *PERIOD_ORDERS)
        is_valid = self.order in orders and self.calendar in ("", *date_codes.CALENDARS) and self.offset in OFFSETS
        if not is_valid or type(self.century) is not int or not (self.century == 0 or 1000 <= self.century <= 2900):
            raise ValueError(f"date format: invalid: {self}")

    @classmethod
    def of(cls, text: str) -> Self:
        """Parse the name of a format: day-first, dd/mm/yyyy, %d/%m/%Y, yyyymm, unix-s, excel, steps.

        Raises:
            InputError: if the name is unknown.
        """
        name = text.strip().lower()
        order = {option: order for order, option in DAY_ORDERS.items()}.get(name)
        if order is not None:
            return cls(order=order)
        if name in date_codes.CALENDARS:
            return cls(calendar=name)
        pattern = re.sub(r"[ t]?(%h|hh?\b|%i).*", "", text.strip().replace("%Y", "yyyy").lower())
        century = re.search(r"(19|20)(?:%y|yy)(?!y)", pattern)
        letters = "".join(dict.fromkeys(re.sub(r"[^dmywj]", "", pattern.replace("%b", "m").replace("%v", "w"))))
        digits = re.sub(r"[^a-z]", "", pattern) if "%" not in pattern else ""
        codes = {"yyyymm": "month", "yyyyww": "week", "yyyyq": "quarter", "yyyymmdd": "day"}
        codes |= {code: code for code in date_codes.CODES}
        if pattern.isalnum() and digits in codes and digits == pattern:
            return cls(calendar=codes[digits])
        if letters in ("dmy", "mdy", "ymd", "ydm", "ym", "my"):
            return cls(order=letters, century=100 * int(century[1]) if century else 0)
        raise InputError(
            f"--date-format: expected a format such as day-first, month-first, dd/mm/yyyy, %d/%m/%Y, yyyymm or excel, "
            f"got {text!r}"
        )


@dataclass(frozen=True)
class DateColumn:
    """The place of a column of dates, for messages.

    Attributes:
        name: name of the column, which may indicate its content.
        locate: function from a row to its place, in words.
        description: the place of the column, in words.
        remedy: what to do about an ambiguous order; the options replace {}.
    """

    name: str = "ds"
    locate: Callable[[int], str] = lambda row: f"column ds, row {row + 1}"
    description: str = "column ds"
    remedy: str = "convert the column before, as pandas.to_datetime(ds, format=...) does"
