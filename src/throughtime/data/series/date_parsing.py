"""Split the text of one date, in any supported language, into its numbers; `dates.py` decides which number is the day.

A text is an optional weekday, a date, an optional time of day and an optional offset from UTC. The numbers of the date
keep their order. `shape` describes how they are written, so that a column with two shapes can be refused.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

_MAX_LENGTH = 100  # characters
_MINUTE = 60_000_000  # in microseconds
_MONTHS = (
    "january januar janvier enero gennaio januari janeiro",
    "february februar fevrier febrero febbraio februari fevereiro feber",
    "march marz maerz mars marzo maart marco marts mrz mrt",
    "april avril abril aprile",
    "may mai mayo maggio mei maio maj",
    "june juni juin junio giugno junho",
    "july juli juillet julio luglio julho",
    "august aout agosto augustus augusti",
    "september septembre septiembre settembre setembro setiembre",
    "october oktober octobre octubre ottobre outubro",
    "november novembre noviembre novembro",
    "december dezember decembre diciembre dicembre dezembro desember",
)
_WEEKDAYS = (
    "monday montag lundi lunes lunedi maandag segunda mandag",
    "tuesday dienstag mardi martes martedi dinsdag terca tirsdag tisdag",
    "wednesday mittwoch mercredi miercoles mercoledi woensdag quarta onsdag",
    "thursday donnerstag jeudi jueves giovedi donderdag quinta torsdag",
    "friday freitag vendredi viernes venerdi vrijdag sexta fredag",
    "saturday samstag sonnabend samedi sabado sabato zaterdag lordag",
    "sunday sonntag dimanche domingo domenica zondag sondag",
)
_PERIOD_WORDS = {
    "q": "q qtr quarter quartal trimestre trim kwartaal t k",
    "w": "w wk week woche kw cw semaine semana settimana uke vecka",
    "m": "m",
    "h": "h half halbjahr semester semestre",
}
_FILLER_WORDS = frozenset(
    ("de", "del", "of", "do", "den", "der", "le", "el", "the", "st", "nd", "rd", "th", "er", "e", "o", "a")
)
_ZONE_OFFSETS = {
    "z": 0, "utc": 0, "gmt": 0, "wet": 0, "west": 60, "bst": 60, "cet": 60, "mez": 60, "cest": 120, "mesz": 120,
    "eet": 120, "eest": 180, "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480,
    "pdt": -420,
}  # fmt: skip

_ZONE_PATTERN = rf"(?:\s*(?P<zone>{'|'.join(_ZONE_OFFSETS)}|(?:utc|gmt)?[+-]\d\d?(?::?\d\d)?))?"
_CLOCK_PATTERN = r"""(?P<hour>\d\d?)(?:
    :(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?(?:\s*uhr)?(?:\s*(?P<half>[ap])\.?\s?m\.?)?
    |\s*(?P<half_only>[ap])\.?\s?m\.?
    |\s?(?:h|uhr)(?P<minute_h>\d\d)?)"""
_COMPACT_CLOCK_PATTERN = r"t\s?(?P<hour>\d\d)(?:(?P<minute>\d\d)(?:(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?"
_DATE_TIME_PATTERNS = [
    re.compile(
        rf"(?P<date>.*?\d.*?)(?:\s*[t,;]\s*|\s+|(?<=\d):(?=\d\d:\d\d)){_CLOCK_PATTERN}{_ZONE_PATTERN}", re.VERBOSE
    ),
    re.compile(rf"(?P<date>.*\d\d){_COMPACT_CLOCK_PATTERN}{_ZONE_PATTERN}"),
    re.compile(rf"(?P<date>\d{{1,4}}(?P<sign>[-/.])\d\d?(?P=sign)\d{{1,4}})[t\s]\s*(?P<hour>\d\d?){_ZONE_PATTERN}"),
    re.compile(rf"(?P<date>\d{{8}})\s(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?{_ZONE_PATTERN}"),
]
_TIME_FIRST_PATTERN = re.compile(r"(\d{1,2}:\d{2}(?::\d{2})?(?:\s*[ap]\.?m\.?)?),?\s+(.*\d.*)")
_SPAN_PATTERNS = [
    re.compile(r"(.*(?:\d:\d\d|\d{4}).*?)\s+(?:[-\u2013]|to|bis)\s+.*(?:\d:\d\d|\d{4}).*"),
    re.compile(r"(\d{4}-\d\d-\d\d.*)/\d{4}-\d\d-\d\d.*"),
]
_TOKEN_PATTERN = re.compile(r"\d+|[^\W\d_]+|[^\w\s]|_")
_CHARACTERS = str.maketrans(
    dict.fromkeys("\u00a0\u202f\u2009\u65e5\uc77c", " ")  # spaces; characters for day
    | dict.fromkeys("\u2010\u2011\u2013\u2212\u5e74\ub144\u6708\uc6d4", "-")  # dashes; characters for year and month
    | {'"': ""}
)
ORDERS = {
    "nnY": ("dmy", "mdy"), "Ynn": ("ymd", "ydm"), "nnn": ("dmy", "mdy", "ymd"), "nbY": ("dmy",),
    "nbn": ("dmy", "ymd"), "bnY": ("mdy",), "bnn": ("mdy",), "Ybn": ("ymd",), "Yn": ("ym", "yw", "yz"), "YY": ("yz",),
    "nY": ("my", "wy"), "Yb": ("ym",), "bY": ("my",), "bn": ("my",), "Ymn": ("ym",), "YN": ("yj",), "Yqn": ("yq",),
    "qnY": ("qy",), "nqY": ("qy",), "qnn": ("qy",), "nqn": ("qy",), "Ynq": ("yq",), "Ywn": ("yw",), "wnY": ("wy",),
    "wnn": ("wy",), "Ywnn": ("ywu",), "Yhn": ("yh",), "hnY": ("hy",), "nhY": ("hy",),
}  # fmt: skip
"""Possible meanings of each sequence of fields: y(ear), h(alf of a year), q(uarter), m(onth), w(eek), d(ay), j (day
of the year), u (day of the week) and z (the year after y, as in 2019/20)."""


class DateParts(NamedTuple):
    """The parts of one date.

    Attributes:
        fields: a letter for each part in order: 'Y' for a year of four digits, 'n' a number, 'N' a day of the year,
            'b' the name of a month, and 'q', 'w', 'm', 'h' the words quarter, week, month and half.
        numbers: numbers of all parts except words.
        shape: fields with the separators between them.
        time: microseconds since midnight; None if the text has no time of day.
        offset: minutes from UTC to local time; None if the text has no offset.
        weekday: 0 for Monday; None if the text has no weekday.
    """

    fields: str
    numbers: tuple[int, ...]
    shape: str
    time: int | None = None
    offset: int | None = None
    weekday: int | None = None


def _unique_prefixes(word_lists: tuple[str, ...], shortest: int) -> dict[str, int]:
    """Map words and their unique prefixes to the index of their list."""
    rows_of: dict[str, set[int]] = {}
    for index, words in enumerate(word_lists):
        for word in words.split():
            for end in range(min(shortest, len(word)), len(word) + 1):
                rows_of.setdefault(word[:end], set()).add(index)
    return {word: index for word, (index, *others) in rows_of.items() if not others}


_MONTH_BY_PREFIX = _unique_prefixes(_MONTHS, 3)
_WEEKDAY_BY_PREFIX = _unique_prefixes(_WEEKDAYS, 2)
_WEEKDAY_PREFIXES = frozenset(
    word[:end] for row in _WEEKDAYS for word in row.split() for end in range(2, len(word) + 1)
)
_PERIOD_LETTER = {word: letter for letter, words in _PERIOD_WORDS.items() for word in words.split()}


@lru_cache(maxsize=1 << 14)
def split_date_text(text: str) -> DateParts | None:
    """Split the text of a date into its parts; None if it is not a date.

    >>> split_date_text("Mon 5 Jan. 2024, 9:05 pm")
    DateParts(fields='nbY', numbers=(5, 1, 2024), shape='n b Y', time=75900000000, offset=None, weekday=0)
    """
    if len(text) > _MAX_LENGTH:
        return None
    normalized = _normalize(text)
    for pattern in _SPAN_PATTERNS:
        if span := pattern.fullmatch(normalized):
            normalized = span[1]
    if clock_first := _TIME_FIRST_PATTERN.fullmatch(normalized):
        normalized = f"{clock_first[2]} {clock_first[1]}"
    for pattern in _DATE_TIME_PATTERNS:
        if (match := pattern.fullmatch(normalized)) and (parts := _split_weekday(match["date"].strip(" ,"))):
            time = _parse_time(match.groupdict())
            return None if time is None else parts._replace(time=time, offset=_parse_offset(match["zone"]))
    return _split_weekday(normalized)


def is_month_name(text: str) -> bool:
    """Return whether a text is the name of a month or an abbreviation of it."""
    return _normalize(text) in _MONTH_BY_PREFIX


def _normalize(text: str) -> str:
    """Convert to lower case; remove accents, quotes and a remark in brackets at the end."""
    text = (
        unicodedata.normalize("NFC", text).translate(_CHARACTERS).strip().strip("=").strip("'\u2018\u2019").casefold()
    )
    letters = unicodedata.normalize("NFD", text)
    text = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(re.sub(r"\s*[\[(].*[\])]$", "", text).split()).rstrip("-.")


def _split_weekday(text: str) -> DateParts | None:
    """Parse a date without time of day, with or without a weekday before or after it."""
    if parts := _parse_fields(text):
        return parts
    for pattern in (r"(?P<word>[^\W\d_]+)\.?,?\s+(?P<rest>.*)", r"(?P<rest>.*\d),?\s+(?P<word>[^\W\d_]+)\.?"):
        match = re.fullmatch(pattern, text)
        if match and match["word"] in _WEEKDAY_PREFIXES and (parts := _parse_fields(match["rest"])):
            return parts._replace(weekday=_WEEKDAY_BY_PREFIX.get(match["word"]))
    return None


def _parse_fields(text: str) -> DateParts | None:
    fields, numbers, shape, separator, end = "", [], "", "", 0
    for match in _TOKEN_PATTERN.finditer(text):
        word, separator = match[0], separator or (" " if match.start() > end else "")
        end = match.end()
        if word in _FILLER_WORDS and fields:
            continue
        tokens = _tokenize(word)
        if tokens is None:
            if word.isalnum() or (separator.strip() and separator.strip() != word):
                return None
            separator = word if word in "-/" else " " if word in ".,'" and "b" in fields else word
            continue
        for letter, number in tokens:
            fields += letter
            shape += (separator if shape else "") + letter
            separator = ""
            if number is not None:
                numbers.append(number)
    if fields not in ORDERS or separator.strip():
        return None
    return DateParts(fields, tuple(numbers), shape)


def _tokenize(word: str) -> list[tuple[str, int | None]] | None:
    """Return the letters and numbers of a word; None if it cannot be part of a date."""
    if not word.isdecimal():
        if word in _PERIOD_LETTER:
            return [(_PERIOD_LETTER[word], None)]
        return [("b", _MONTH_BY_PREFIX[word] + 1)] if word in _MONTH_BY_PREFIX else None
    if len(word) > 8:
        return None
    number = int(word)
    match len(word):
        case 1 | 2:
            return [("n", number)]
        case 3:
            return [("N", number)]
        case 4:
            return [("Y", number)]
        case 6:
            return [("n", int(word[at : at + 2])) for at in (0, 2, 4)]
        case 8:
            return [("Y", int(word[:4])), ("n", int(word[4:6])), ("n", int(word[6:]))]
    return None


def _parse_time(clock: dict[str, str | None]) -> int | None:
    """Return the microseconds since midnight, up to 24:00; None if the time does not exist."""
    hour, second = int(clock["hour"] or 0), int(clock.get("second") or 0)
    minute = int(clock.get("minute") or clock.get("minute_h") or 0)
    if half := clock.get("half") or clock.get("half_only"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    fraction = int((clock.get("fraction") or "").ljust(6, "0")[:6])
    time = (60 * hour + minute) * _MINUTE + second * 1_000_000 + fraction
    return time if minute < 60 and second < 60 and time <= 24 * 60 * _MINUTE else None


def _parse_offset(zone: str | None) -> int | None:
    if zone is None or zone in _ZONE_OFFSETS:
        return None if zone is None else _ZONE_OFFSETS[zone]
    sign, digits = zone.removeprefix("utc").removeprefix("gmt")[0], re.sub(r"\D", "", zone)
    hours, minutes = (digits, "0") if len(digits) <= 2 else (digits[:-2], digits[-2:])
    return (60 * int(hours) + int(minutes)) * (-1 if sign == "-" else 1)
