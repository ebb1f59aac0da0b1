"""Whole numbers that are periods of a calendar: 202401 is a month, 20240131 a day, 202452 a week.

A code is the fields of a number from left to right, each with its count of digits. Numbers of no calendar are steps,
which count themselves.
"""

from __future__ import annotations

import re

import numpy as np

from throughtime.data.series.date_disambiguation import DENSITY_RATIO, date_density, drop_yearly_readings, infer_century

STEPS = "steps"
CODES = {
    "month": "y4m2", "week": "y4w2", "quarter": "y4q1", "day": "y4m2d2", "day-of-year": "y4j3", "hour": "y4m2d2H2",
    "minute": "y4m2d2H2M2", "second": "y4m2d2H2M2S2", "ddmmyyyy": "d2m2y4", "mmddyyyy": "m2d2y4", "yymmdd": "y2m2d2",
    "ddmmyy": "d2m2y2", "mmddyy": "m2d2y2", "mmyyyy": "m2y4", "yymm": "y2m2", "mmyy": "m2y2", "yy": "y2",
}  # fmt: skip
"""The fields of each code, by its name: y(ear), q(uarter), m(onth), w(eek), d(ay), j (day of the year), H, M and S."""
UNIX = {"unix-s": "s", "unix-ms": "ms", "unix-us": "us", "unix-ns": "ns"}
EXCEL = "excel"
CALENDARS = (STEPS, *CODES, *UNIX, EXCEL)

_FIRST_YEAR, _LAST_YEAR = 1800, 2200  # of codes
_SECONDS = (946_684_800, 4_102_444_800)  # 2000 and 2100
_EXCEL_ZERO = np.datetime64("1899-12-30", "us")
_SERIALS = (20_000, 73_050)  # 1954 and 2099
_USUAL = {"month": 1950_01, "day": 1800_01_01}
_SHORT = ("yymm", "mmyy", "yy")
"""Codes that steps may be as well, unless they have wide gaps."""
_FEWEST = 6  # numbers of which gaps show that they are codes
_DAY = 86_400_000_000  # in microseconds
WEEK_NAME = re.compile(r"week|woche|\bkw|semaine|semana|settimana|uke|vecka|\bwk", re.IGNORECASE)
_DATE_NAME = re.compile(r"date|datum|data\b|fecha|day|tag\b|jour|time|zeit|month|monat|week|woche", re.IGNORECASE)


def combine_fields(fields: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Dates of the fields y, q, h, m, w, u, j, d, H, M and S, as datetime64[us], and which of them exist."""
    year = fields["y"]
    first = (year - 1970).astype("M8[Y]")
    valid = np.ones(len(year), dtype=bool)
    ranges = {"q": (1, 4), "h": (1, 2), "m": (1, 12), "w": (1, 53), "u": (1, 7), "j": (1, 366), "d": (1, 31),
              "H": (0, 23), "M": (0, 59), "S": (0, 59)}  # fmt: skip
    for name, (low, high) in ranges.items():
        if name in fields:
            valid &= (fields[name] >= low) & (fields[name] <= high)
    months = (
        3 * (fields["q"] - 1) if "q" in fields else 6 * (fields["h"] - 1) if "h" in fields else fields.get("m", 1) - 1
    )
    days = (first.astype("M8[M]") + months).astype("M8[D]")
    if "w" in fields:
        fourth = first.astype("M8[D]") + 3  # the fourth of January lies in the first week
        thursday = fourth - (fourth.astype(np.int64) + 3) % 7 + 7 * (fields["w"] - 1) + 3
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


def expand_years(years: np.ndarray, century: int) -> np.ndarray:
    """Years of two digits as those of the hundred years that begin with `century`."""
    return century + (years - century) % 100


def decode(numbers: np.ndarray, calendar: str, century: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The dates of numbers of a calendar as datetime64[us], and which of them exist."""
    if calendar in UNIX:
        return numbers.astype(np.int64).astype(f"M8[{UNIX[calendar]}]").astype("M8[us]"), np.ones(len(numbers), bool)
    if calendar == EXCEL:
        seconds = np.round(numbers * 86_400).astype(np.int64)
        return _EXCEL_ZERO + seconds.astype("m8[s]"), (numbers >= 1) & (numbers <= 2_958_465)
    left, fields = numbers.astype(np.int64), {}
    for field, digits in reversed(_fields(calendar)):
        left, fields[field] = np.divmod(left, 10**digits)
    valid = left == 0
    if dict(_fields(calendar))["y"] == 2:
        fields["y"] = expand_years(fields["y"], century)
    else:
        valid &= (fields["y"] >= _FIRST_YEAR) & (fields["y"] <= _LAST_YEAR)
    stamps, exist = combine_fields({name: np.where(valid, value, 1) for name, value in fields.items()})
    return stamps, valid & exist


def encode(stamps: np.ndarray, calendar: str) -> np.ndarray:
    """Undo `decode`: whole numbers, but for the hours of Excel, which are parts of days."""
    if calendar in UNIX:
        return stamps.astype(f"M8[{UNIX[calendar]}]").astype(np.int64)
    if calendar == EXCEL:
        days = (stamps.astype("M8[us]") - _EXCEL_ZERO).astype(np.int64) / _DAY
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
    for field, digits in _fields(calendar):
        number = number * 10**digits + fields[field] % 10**digits
    return number


def possible_calendars(numbers: np.ndarray, column: str, digits: int = 0) -> list[str]:
    """The calendars that numbers may be of, the likeliest first; several where the numbers leave it open.

    Years and all numbers that are codes of nothing are steps.

    Args:
        numbers: the numbers.
        column: its name.
        digits: that all numbers are written with, zeros before them among these; 0 where that is not known.
    """
    if len(numbers) and (numbers == np.round(numbers)).all():
        for unit, scale in zip(UNIX, (1, 10**3, 10**6, 10**9), strict=True):
            low, high = (scale * bound for bound in _SECONDS)
            if ((numbers >= low) & (numbers <= high)).all() and not decode(numbers, "hour")[1].all():
                return [unit]
        codes = [code for code in CODES if _fits(numbers, code, digits)]
        if codes:
            return _settled(numbers, codes, column)
    low, high = _SERIALS
    if len(numbers) and ((numbers >= low) & (numbers <= high)).all():
        stamps = decode(numbers, EXCEL)[0]
        if _DATE_NAME.search(column) or (len(np.unique(stamps)) > 3 and (stamps == stamps.astype("M8[M]")).all()):
            return [EXCEL]
    return [STEPS]


def _settled(numbers: np.ndarray, codes: list[str], column: str) -> list[str]:
    if "week" in codes and WEEK_NAME.search(column):
        return ["week"]
    if codes == ["quarter"]:
        consecutive = len(np.unique(numbers)) > 1 and (np.diff(np.unique(numbers)) == 1).all()
        named = re.search(r"quart|qtr|trimest|kwart|period", column, re.IGNORECASE)
        return ["quarter", STEPS] if consecutive and not named else ["quarter"]
    stamps = {code: decode(numbers, code, infer_code_century(numbers, code) or 2000)[0] for code in codes}
    dense = {code: date_density(dates) for code, dates in drop_yearly_readings(stamps).items()}
    best = max(dense, key=lambda code: dense[code])
    rivals = [code for code in dense if code == best or DENSITY_RATIO * dense[code] > dense[best]]
    if "yymmdd" in codes and len(np.unique(numbers // 100)) > 1:
        rivals = [code for code in rivals if code != "week"]  # weeks of two years go beyond the 31st
    usual = [code for code in ("month", "day") if code in rivals and numbers.min() >= _USUAL[code]]
    if "mmyyyy" in rivals and (numbers % 10_000).min() >= _USUAL["month"] // 100:
        usual.append("mmyyyy")
    return usual[:1] or rivals  # years of four digits come first, where they are not of long ago


def infer_code_century(numbers: np.ndarray, calendar: str) -> int | None:
    """The century of the two digits for the year of a code: 0 where it has four, None where it is open."""
    if calendar not in CODES or "y2" not in CODES[calendar]:
        return 0
    left = numbers.astype(np.int64)
    for field, digits in reversed(_fields(calendar)):
        left, value = np.divmod(left, 10**digits)
        if field == "y":
            return infer_century(value)
    return None


def _fits(numbers: np.ndarray, code: str, digits: int) -> bool:
    """Whether all numbers are of a code and have its digits, but for zeros before them."""
    wanted = sum(count for _, count in _fields(code))
    lost = {"y2": 3, "d2": 1, "m2": 1}.get(CODES[code][:2], 0)  # 000101 is 101
    if digits not in (0, wanted) and not lost:
        return False
    full = wanted in (digits, 8) or numbers.max() >= 10 ** (wanted - 1)
    least = 10 ** (wanted - 1 - lost) if lost < wanted else 0
    if not full or not (numbers >= least).all() or numbers.max() >= 10**wanted:
        return False
    stamps, exist = decode(numbers, code, infer_code_century(numbers, code) or 2000)
    return bool(exist.all()) and not _are_others(numbers, code, stamps)


def _are_others(numbers: np.ndarray, code: str, stamps: np.ndarray) -> bool:
    """Whether numbers are rather steps, months or weeks, although they are of a code as well."""
    distinct = np.unique(numbers)
    if code in _SHORT:
        return len(distinct) < _FEWEST or date_density(stamps) < DENSITY_RATIO * date_density(distinct)
    if code not in ("ddmmyy", "mmddyy", "mmyyyy") or len(distinct) < 2 or distinct[0] < 10_00_00:
        return False
    one_day = code != "mmyyyy" and len(np.unique(distinct // 100)) == 1
    return one_day or bool((np.diff(distinct) == 1).all())


def _fields(calendar: str) -> list[tuple[str, int]]:
    code = CODES[calendar]
    return [(code[at], int(code[at + 1])) for at in range(0, len(code), 2)]
