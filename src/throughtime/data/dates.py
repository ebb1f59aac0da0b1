"""Dates that were written as text, in the forms that tables of the world hold."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from throughtime._errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

_DAYS = ("%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m/%d/%y", "%d/%m/%y", "%d.%m.%y",
         "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%Y%m%d")  # fmt: skip
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_MONTHS = ("%b %Y", "%B %Y", "%b-%Y", "%Y-%b", "%b-%y", "%m/%Y", "%Y/%m")
_FORMS = ("%Y-%m-%d %H:%M:%S", *(day + time for time in _TIMES for day in _DAYS), *_MONTHS, "%G-W%V-%u")
_QUARTER = re.compile(r"(\d{4})[-/ ]?Q([1-4])|Q([1-4])[-/ ]?(\d{4})", re.IGNORECASE)
_OFFSET = re.compile(r"(.*\d:\d\d(?:[:.]\d+)*) ?([+-]\d\d)(?::?(\d\d))?")
_WEEK = re.compile(r"(\d{4})[-/ ]?W(\d{1,2})", re.IGNORECASE)


def parse_dates(texts: Sequence[object]) -> np.ndarray:
    """Dates as datetime64[us]: ISO 8601 (also 1949-01), quarters (2024Q1), weeks (2024-W05), and other common forms.

    Of several forms that fit all texts, as of 01/02/2024, the one is taken in which the dates are most evenly spaced.
    So hours with offsets from UTC, as of 2024-03-31T03:00+02:00, are read as UTC where the offset changes between them,
    and days, which then are no longer of 24 hours, as the time of the place.

    Raises:
        InputError: names the first that fits none.
    """
    written = [_without_periods(str(text).strip()) for text in texts]
    offsets = [_OFFSET.fullmatch(text) for text in written]
    if written and all(offsets):
        local = parse_dates([found[1] for found in offsets if found])
        utc = local - np.array([_minutes(found) for found in offsets if found], dtype="timedelta64[m]")
        return min(local, utc, key=lambda stamps: (-len(np.unique(stamps)), unevenness(stamps)))
    try:
        return np.array([text.removesuffix("Z") for text in written], dtype="datetime64[us]")
    except ValueError:
        pass
    fitting = [stamps for form in _FORMS if (stamps := _read(written, form)) is not None]
    if fitting:
        return min(fitting, key=unevenness)
    for row, text in enumerate(texts):
        if not is_date(str(text)):
            raise InputError(f"column ds: row {row + 1} is no date: {text!r}; write dates as 2024-01-31")
    raise InputError(f"column ds: dates are written in different forms, such as {texts[0]!r}; write them as 2024-01-31")


def is_in_utc(text: str, stamp: np.datetime64) -> bool:
    """Whether `parse_dates` took the offset of a text away, rather than keep the time of the place."""
    offset = _OFFSET.fullmatch(text.strip())
    return offset is not None and parse_dates([offset[1]])[0] - np.timedelta64(_minutes(offset), "m") == stamp


def is_date(text: str) -> bool:
    """Whether a text is a date in one of the forms that are understood."""
    written = _without_periods(text.strip())
    written = found[1] if (found := _OFFSET.fullmatch(written)) else written
    try:
        np.datetime64(written.removesuffix("Z"))
    except ValueError:
        return any(_read([written], form) is not None for form in _FORMS)
    return True


def _without_periods(text: str) -> str:
    """A quarter as its first month, a week as its Monday; other texts as they are."""
    if found := _QUARTER.fullmatch(text):
        year, quarter = found[1] or found[4], int(found[2] or found[3])
        return f"{year}-{3 * quarter - 2:02}"
    if found := _WEEK.fullmatch(text):
        return f"{found[1]}-W{int(found[2]):02}-1"
    return text


def _minutes(offset: re.Match[str]) -> int:
    """From UTC to the time of the place."""
    hours, minutes = int(offset[2]), int(offset[3] or 0)
    return 60 * hours + (-minutes if offset[2].startswith("-") else minutes)


def _read(texts: list[str], form: str) -> np.ndarray | None:
    try:
        return np.array([datetime.strptime(text, form) for text in texts], dtype="datetime64[us]")  # noqa: DTZ007
    except ValueError:
        return None


def unevenness(stamps: np.ndarray) -> float:
    """The widest gap between neighbouring dates over the narrowest."""
    gaps = np.diff(np.unique(stamps)).astype(np.int64)
    return float(gaps.max() / gaps.min()) if len(gaps) else 1.0
