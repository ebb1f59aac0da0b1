"""Whole numbers that encode dates: 202401 is a month, 20240131 a day, 202452 a week.

A code lists the fields of a number from left to right, each with its number of digits. Numbers that encode no date are
step numbers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from throughtime.data.series.date_disambiguation import DENSITY_RATIO, date_density, drop_yearly_readings, infer_century

if TYPE_CHECKING:
    from jaxtyping import Bool, Int, Shaped

STEPS = "steps"
CODES = {
    "month": "y4m2", "week": "y4w2", "quarter": "y4q1", "day": "y4m2d2", "day-of-year": "y4j3", "hour": "y4m2d2H2",
    "minute": "y4m2d2H2M2", "second": "y4m2d2H2M2S2", "ddmmyyyy": "d2m2y4", "mmddyyyy": "m2d2y4", "yymmdd": "y2m2d2",
    "ddmmyy": "d2m2y2", "mmddyy": "m2d2y2", "mmyyyy": "m2y4", "yymm": "y2m2", "mmyy": "m2y2", "yy": "y2",
}  # fmt: skip
"""Codes by name, with the fields y(ear), q(uarter), m(onth), w(eek), d(ay), j (day of the year), H, M and S."""
UNIX = {"unix-s": "s", "unix-ms": "ms", "unix-us": "us", "unix-ns": "ns"}
EXCEL = "excel"
CALENDARS = (STEPS, *CODES, *UNIX, EXCEL)

_FIRST_YEAR, _LAST_YEAR = 1800, 2200  # of codes
_UNIX_RANGE = (946_684_800, 4_102_444_800)  # 2000 and 2100
_EXCEL_EPOCH = np.datetime64("1899-12-30", "us")
_EXCEL_RANGE = (20_000, 73_050)  # 1954 and 2099
_MIN_USUAL = {"month": 1950_01, "day": 1800_01_01}
_SHORT_CODES = ("yymm", "mmyy", "yy")
"""Codes that are step numbers unless they have wide gaps."""
_MIN_COUNT = 6  # numbers whose gaps show that they are codes
_DAY = 86_400_000_000  # in microseconds
WEEK_COLUMN = re.compile(r"week|woche|\bkw|semaine|semana|settimana|uke|vecka|\bwk", re.IGNORECASE)
_DATE_COLUMN = re.compile(r"date|datum|data\b|fecha|day|tag\b|jour|time|zeit|month|monat|week|woche", re.IGNORECASE)


def combine_fields(
    fields: dict[str, Int[np.ndarray, "T"]],
) -> tuple[Shaped[np.ndarray, "T"], Bool[np.ndarray, "T"]]:
    """Combine the fields y, q, h, m, w, u, j, d, z, H, M and S to dates, and return which of these exist."""
    year = fields["y"]
    first = (year - 1970).astype("M8[Y]")
    valid = np.ones(len(year), dtype=bool)
    ranges = {"q": (1, 4), "h": (1, 2), "m": (1, 12), "w": (1, 53), "u": (1, 7), "j": (1, 366), "d": (1, 31),
              "H": (0, 23), "M": (0, 59), "S": (0, 59)}  # fmt: skip
    for name, (low, high) in ranges.items():
        if name in fields:
            valid &= (fields[name] >= low) & (fields[name] <= high)
    if "z" in fields:
        valid &= (fields["z"] == year + 1) | (fields["z"] == (year + 1) % 100)
    months = (
        3 * (fields["q"] - 1) if "q" in fields else 6 * (fields["h"] - 1) if "h" in fields else fields.get("m", 1) - 1
    )
    days = (first.astype("M8[M]") + months).astype("M8[D]")
    if "w" in fields:
        fourth_of_january = first.astype("M8[D]") + 3  # always in the first week
        thursday = fourth_of_january - (fourth_of_january.astype(np.int64) + 3) % 7 + 7 * (fields["w"] - 1) + 3
        valid &= thursday.astype("M8[Y]") == first
        days = thursday - 3 + (fields["u"] - 1 if "u" in fields else 0)
    elif "j" in fields:
        days = days + (fields["j"] - 1)
        valid &= days.astype("M8[Y]") == first
    elif "d" in fields:
        month = days.astype("M8[M]")
        days = days + (fields["d"] - 1)
        valid &= days.astype("M8[M]") == month
    seconds = 3600 * fields.get("H", 0) + 60 * fields.get("M", 0) + fields.get("S", 0)
    return days.astype("M8[us]") + np.asarray(seconds * 1_000_000).astype("m8[us]"), valid


def expand_years(years: Int[np.ndarray, "T"], century: int) -> Int[np.ndarray, "T"]:
    """Expand years of two digits to those of the hundred years from `century` on."""
    return century + (years - century) % 100


def decode(
    numbers: Shaped[np.ndarray, "T"], calendar: str, century: int = 0
) -> tuple[Shaped[np.ndarray, "T"], Bool[np.ndarray, "T"]]:
    """Decode numbers of a calendar to datetime64[us], and return which of these dates exist."""
    if calendar in UNIX:
        return numbers.astype(np.int64).astype(f"M8[{UNIX[calendar]}]").astype("M8[us]"), np.ones(len(numbers), bool)
    if calendar == EXCEL:
        seconds = np.round(numbers * 86_400).astype(np.int64)
        return _EXCEL_EPOCH + seconds.astype("m8[s]"), (numbers >= 1) & (numbers <= 2_958_465)
    remainder, fields = numbers.astype(np.int64), {}
    for field, width in reversed(_split_code(calendar)):
        remainder, fields[field] = np.divmod(remainder, 10**width)
    valid = remainder == 0
    if dict(_split_code(calendar))["y"] == 2:
        fields["y"] = expand_years(fields["y"], century)
    else:
        valid &= (fields["y"] >= _FIRST_YEAR) & (fields["y"] <= _LAST_YEAR)
    stamps, is_valid = combine_fields({name: np.where(valid, value, 1) for name, value in fields.items()})
    return stamps, valid & is_valid


def encode(stamps: Shaped[np.ndarray, "T"], calendar: str) -> Shaped[np.ndarray, "T"]:
    """Encode dates as numbers of a calendar, the inverse of `decode`; times of Excel are fractions of days."""
    if calendar in UNIX:
        return stamps.astype(f"M8[{UNIX[calendar]}]").astype(np.int64)
    if calendar == EXCEL:
        days = (stamps.astype("M8[us]") - _EXCEL_EPOCH).astype(np.int64) / _DAY
        return days.astype(np.int64) if (days == np.floor(days)).all() else days
    day = stamps.astype("M8[D]")
    thursday = day + 3 - (day.astype(np.int64) + 3) % 7
    year = (thursday if calendar == "week" else day).astype("M8[Y]")
    month, seconds = day.astype("M8[M]"), (stamps - day).astype("m8[s]").astype(np.int64)
    fields = {
        "y": year.astype(np.int64) + 1970,
        "q": month.astype(np.int64) % 12 // 3 + 1,
        "m": month.astype(np.int64) % 12 + 1,
        "w": (thursday - year.astype("M8[D]")).astype(np.int64) // 7 + 1,
        "d": (day - month.astype("M8[D]")).astype(np.int64) + 1,
        "j": (day - year.astype("M8[D]")).astype(np.int64) + 1,
        "H": seconds // 3600,
        "M": seconds // 60 % 60,
        "S": seconds % 60,
    }
    number = np.zeros(len(stamps), dtype=np.int64)
    for field, digits in _split_code(calendar):
        number = number * 10**digits + fields[field] % 10**digits
    return number


def possible_calendars(numbers: Shaped[np.ndarray, "T"], column: str, digits: int = 0) -> list[str]:
    """Return the calendars that numbers may belong to, the most likely first; more than one if it is ambiguous.

    Years, and all numbers that match no code, are steps.

    Args:
        numbers: numbers of a column.
        column: name of the column.
        digits: number of digits of all numbers as written, leading zeros included; 0 if not known.
    """
    if len(numbers) and (numbers == np.round(numbers)).all():
        for unit, scale in zip(UNIX, (1, 10**3, 10**6, 10**9), strict=True):
            low, high = (scale * bound for bound in _UNIX_RANGE)
            if ((numbers >= low) & (numbers <= high)).all() and not decode(numbers, "hour")[1].all():
                return [unit]
        codes = [code for code in CODES if _matches_code(numbers, code, digits)]
        if codes:
            return _select_codes(numbers, codes, column)
    low, high = _EXCEL_RANGE
    if len(numbers) and ((numbers >= low) & (numbers <= high)).all():
        stamps = decode(numbers, EXCEL)[0]
        if _DATE_COLUMN.search(column) or (len(np.unique(stamps)) > 3 and (stamps == stamps.astype("M8[M]")).all()):
            return [EXCEL]
    return [STEPS]


def _select_codes(numbers: np.ndarray, codes: list[str], column: str) -> list[str]:
    if "week" in codes and WEEK_COLUMN.search(column):
        return ["week"]
    if codes == ["quarter"]:
        are_consecutive = len(np.unique(numbers)) > 1 and (np.diff(np.unique(numbers)) == 1).all()
        is_named = re.search(r"quart|qtr|trimest|kwart|period", column, re.IGNORECASE)
        return ["quarter", STEPS] if are_consecutive and not is_named else ["quarter"]
    stamps = {code: decode(numbers, code, infer_code_century(numbers, code) or 2000)[0] for code in codes}
    densities = {code: date_density(dates) for code, dates in drop_yearly_readings(stamps).items()}
    best = max(densities, key=lambda code: densities[code])
    candidates = [code for code in densities if code == best or DENSITY_RATIO * densities[code] > densities[best]]
    if "yymmdd" in codes and len(np.unique(numbers // 100)) > 1:
        candidates = [code for code in candidates if code != "week"]  # weeks would exceed 31
    preferred = [code for code in ("month", "day") if code in candidates and numbers.min() >= _MIN_USUAL[code]]
    if "mmyyyy" in candidates and (numbers % 10_000).min() >= _MIN_USUAL["month"] // 100:
        preferred.append("mmyyyy")
    return preferred[:1] or candidates  # years of four digits first, unless they are long ago


def infer_code_century(numbers: np.ndarray, calendar: str) -> int | None:
    """Return the century of the two-digit years of a code; 0 if years have four digits, None if it is ambiguous."""
    if calendar not in CODES or "y2" not in CODES[calendar]:
        return 0
    remainder = numbers.astype(np.int64)
    for field, digits in reversed(_split_code(calendar)):
        remainder, value = np.divmod(remainder, 10**digits)
        if field == "y":
            return infer_century(value)
    return None


def _matches_code(numbers: np.ndarray, code: str, digits: int) -> bool:
    """Return whether all numbers match a code and have its number of digits, except for leading zeros."""
    length = sum(count for _, count in _split_code(code))
    leading_zeros = {"y2": 3, "d2": 1, "m2": 1}.get(CODES[code][:2], 0)  # 000101 is 101
    if digits not in (0, length) and not leading_zeros:
        return False
    has_length = length in (digits, 8) or numbers.max() >= 10 ** (length - 1)
    minimum = 10 ** (length - 1 - leading_zeros) if leading_zeros < length else 0
    if not has_length or not (numbers >= minimum).all() or numbers.max() >= 10**length:
        return False
    stamps, is_valid = decode(numbers, code, infer_code_century(numbers, code) or 2000)
    return bool(is_valid.all()) and not _are_not_codes(numbers, code, stamps)


def _are_not_codes(numbers: np.ndarray, code: str, stamps: np.ndarray) -> bool:
    """Return whether numbers that match a code are more likely steps, months or weeks."""
    distinct = np.unique(numbers)
    if code in _SHORT_CODES:
        return len(distinct) < _MIN_COUNT or date_density(stamps) < DENSITY_RATIO * date_density(distinct)
    if code not in ("ddmmyy", "mmddyy", "mmyyyy") or len(distinct) < 2 or distinct[0] < 10_00_00:
        return False
    is_one_day = code != "mmyyyy" and len(np.unique(distinct // 100)) == 1
    return is_one_day or bool((np.diff(distinct) == 1).all())


def _split_code(calendar: str) -> list[tuple[str, int]]:
    code = CODES[calendar]
    return [(code[position], int(code[position + 1])) for position in range(0, len(code), 2)]
