"""One date as text, taken apart into its numbers, whatever its language; which number is the day is decided elsewhere.

A text is an optional weekday, a date, an optional time of day and an optional offset from UTC. The numbers of the date
keep their order. `shape` names how they are written, so that a column of two shapes can be refused.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

_LONGEST = 100  # characters of a date
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
_MARKERS = {
    "q": "q qtr quarter quartal trimestre trim kwartaal t k",
    "w": "w wk week woche kw cw semaine semana settimana uke vecka",
    "m": "m",
    "h": "h half halbjahr semester semestre",
}
_FILLERS = frozenset(
    ("de", "del", "of", "do", "den", "der", "le", "el", "the", "st", "nd", "rd", "th", "er", "e", "o", "a")
)
_ZONES = {
    "z": 0, "utc": 0, "gmt": 0, "wet": 0, "west": 60, "bst": 60, "cet": 60, "mez": 60, "cest": 120, "mesz": 120,
    "eet": 120, "eest": 180, "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480,
    "pdt": -420,
}  # fmt: skip

_ZONE = rf"(?:\s*(?P<zone>{'|'.join(_ZONES)}|(?:utc|gmt)?[+-]\d\d?(?::?\d\d)?))?"
_CLOCK = r"""(?P<hour>\d\d?)(?:
    :(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?(?:\s*uhr)?(?:\s*(?P<half>[ap])\.?\s?m\.?)?
    |\s*(?P<half_only>[ap])\.?\s?m\.?
    |\s?(?:h|uhr)(?P<minute_h>\d\d)?)"""
_COMPACT = r"t\s?(?P<hour>\d\d)(?:(?P<minute>\d\d)(?:(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?"
_TIMES = [
    re.compile(rf"(?P<date>.*?\d.*?)(?:\s*[t,;]\s*|\s+|(?<=\d):(?=\d\d:\d\d)){_CLOCK}{_ZONE}", re.VERBOSE),
    re.compile(rf"(?P<date>.*\d\d){_COMPACT}{_ZONE}"),
    re.compile(rf"(?P<date>\d{{1,4}}(?P<sign>[-/.])\d\d?(?P=sign)\d{{1,4}})[t\s]\s*(?P<hour>\d\d?){_ZONE}"),
    re.compile(rf"(?P<date>\d{{8}})\s(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?{_ZONE}"),
]
_TIME_FIRST = re.compile(r"(\d{1,2}:\d{2}(?::\d{2})?(?:\s*[ap]\.?m\.?)?),?\s+(.*\d.*)")
_SPANS = [
    re.compile(r"(.*(?:\d:\d\d|\d{4}).*?)\s+(?:[-\u2013]|to|bis)\s+.*(?:\d:\d\d|\d{4}).*"),
    re.compile(r"(\d{4}-\d\d-\d\d.*)/\d{4}-\d\d-\d\d.*"),
]
_TOKEN = re.compile(r"\d+|[^\W\d_]+|[^\w\s]|_")
_SIGNS = str.maketrans(
    dict.fromkeys("\u00a0\u202f\u2009\u65e5\uc77c", " ")  # spaces; signs for a day
    | dict.fromkeys("\u2010\u2011\u2013\u2212\u5e74\ub144\u6708\uc6d4", "-")  # dashes; signs for a year, a month
    | {'"': ""}
)
ORDERS = {
    "nnY": ("dmy", "mdy"), "Ynn": ("ymd", "ydm"), "nnn": ("dmy", "mdy", "ymd"), "nbY": ("dmy",),
    "nbn": ("dmy", "ymd"), "bnY": ("mdy",), "bnn": ("mdy",), "Ybn": ("ymd",), "Yn": ("ym", "yw"),
    "nY": ("my", "wy"), "Yb": ("ym",), "bY": ("my",), "bn": ("my",), "Ymn": ("ym",), "YN": ("yj",), "Yqn": ("yq",),
    "qnY": ("qy",), "nqY": ("qy",), "qnn": ("qy",), "nqn": ("qy",), "Ynq": ("yq",), "Ywn": ("yw",), "wnY": ("wy",),
    "wnn": ("wy",), "Ywnn": ("ywu",), "Yhn": ("yh",), "hnY": ("hy",), "nhY": ("hy",),
}  # fmt: skip
"""What the numbers of each sequence may be: y(ear), h(alf of a year), q(uarter), m(onth), w(eek), d(ay), j (day
of the year) and u (day of the week)."""


class DateParts(NamedTuple):
    """The parts of one date.

    Attributes:
        fields: the kind of each part in order: 'Y' a year of four digits, 'n' a number, 'N' a day of the year, 'b' a
            month by name, and 'q', 'w', 'm', 'h' for the words quarter, week, month and half.
        numbers: of the parts but the words.
        shape: how the parts are written.
        time: microseconds since midnight; None where the text has no time of day.
        offset: minutes from UTC to the local time; None where the text has none.
        weekday: 0 for Monday; None where the text has none.
    """

    fields: str
    numbers: tuple[int, ...]
    shape: str
    time: int | None = None
    offset: int | None = None
    weekday: int | None = None


def _prefixes(rows: tuple[str, ...], shortest: int) -> dict[str, int]:
    """The words of each row, and their beginnings that no other row has."""
    rows_of: dict[str, set[int]] = {}
    for row, words in enumerate(rows):
        for word in words.split():
            for end in range(min(shortest, len(word)), len(word) + 1):
                rows_of.setdefault(word[:end], set()).add(row)
    return {word: row for word, (row, *others) in rows_of.items() if not others}


_MONTH_OF = _prefixes(_MONTHS, 3)
_WEEKDAY_OF = _prefixes(_WEEKDAYS, 2)
_WEEKDAY_WORDS = frozenset(word[:end] for row in _WEEKDAYS for word in row.split() for end in range(2, len(word) + 1))
_MARKER_OF = {word: letter for letter, words in _MARKERS.items() for word in words.split()}


@lru_cache(maxsize=1 << 14)
def split_date_text(text: str) -> DateParts | None:
    """Take a date apart; None for a text that is not one.

    >>> split_date_text("Mon 5 Jan. 2024, 9:05 pm")
    DateParts(fields='nbY', numbers=(5, 1, 2024), shape='n b Y', time=75900000000, offset=None, weekday=0)
    """
    if len(text) > _LONGEST:
        return None
    plain = _plain(text)
    for pattern in _SPANS:
        if span := pattern.fullmatch(plain):
            plain = span[1]
    if clock_first := _TIME_FIRST.fullmatch(plain):
        plain = f"{clock_first[2]} {clock_first[1]}"
    for pattern in _TIMES:
        if (match := pattern.fullmatch(plain)) and (parts := _split_day(match["date"].strip(" ,"))):
            time = _time(match.groupdict())
            return None if time is None else parts._replace(time=time, offset=_offset(match["zone"]))
    return _split_day(plain)


def is_month_name(text: str) -> bool:
    """Return whether a text is the name of a month or its beginning."""
    return _plain(text) in _MONTH_OF


def _plain(text: str) -> str:
    """Lower case without accents, quotes, and what stands in brackets at the end."""
    text = unicodedata.normalize("NFC", text).translate(_SIGNS).strip().strip("=").strip("'\u2018\u2019").casefold()
    letters = unicodedata.normalize("NFD", text)
    text = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(re.sub(r"\s*[\[(].*[\])]$", "", text).split()).rstrip("-.")


def _split_day(text: str) -> DateParts | None:
    """A date without its time of day: as it is, or without a weekday before or after it."""
    if parts := _parts(text):
        return parts
    for pattern in (r"(?P<word>[^\W\d_]+)\.?,?\s+(?P<rest>.*)", r"(?P<rest>.*\d),?\s+(?P<word>[^\W\d_]+)\.?"):
        match = re.fullmatch(pattern, text)
        if match and match["word"] in _WEEKDAY_WORDS and (parts := _parts(match["rest"])):
            return parts._replace(weekday=_WEEKDAY_OF.get(match["word"]))
    return None


def _parts(text: str) -> DateParts | None:
    fields, numbers, shape, gap, end = "", [], "", "", 0
    for match in _TOKEN.finditer(text):
        word, gap = match[0], gap or (" " if match.start() > end else "")
        end = match.end()
        if word in _FILLERS and fields:
            continue
        tokens = _tokens(word)
        if tokens is None:
            if word.isalnum() or (gap.strip() and gap.strip() != word):
                return None
            gap = word if word in "-/" else " " if word in ".,'" and "b" in fields else word
            continue
        for letter, number in tokens:
            fields += letter
            shape += (gap if shape else "") + letter
            gap = ""
            if number is not None:
                numbers.append(number)
    if fields not in ORDERS or gap.strip():
        return None
    return DateParts(fields, tuple(numbers), shape)


def _tokens(word: str) -> list[tuple[str, int | None]] | None:
    """A number or a word as letters of `fields` with their numbers; None for one that no date has."""
    if not word.isdecimal():
        if word in _MARKER_OF:
            return [(_MARKER_OF[word], None)]
        return [("b", _MONTH_OF[word] + 1)] if word in _MONTH_OF else None
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


def _time(clock: dict[str, str | None]) -> int | None:
    """Microseconds since midnight, up to 24:00, the end of the day; None where there is no such time."""
    hour, second = int(clock["hour"] or 0), int(clock.get("second") or 0)
    minute = int(clock.get("minute") or clock.get("minute_h") or 0)
    if half := clock.get("half") or clock.get("half_only"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    fraction = int((clock.get("fraction") or "").ljust(6, "0")[:6])
    time = (60 * hour + minute) * _MINUTE + second * 1_000_000 + fraction
    return time if minute < 60 and second < 60 and time <= 24 * 60 * _MINUTE else None


def _offset(zone: str | None) -> int | None:
    if zone is None or zone in _ZONES:
        return None if zone is None else _ZONES[zone]
    sign, digits = zone.removeprefix("utc").removeprefix("gmt")[0], re.sub(r"\D", "", zone)
    hours, minutes = (digits, "0") if len(digits) <= 2 else (digits[:-2], digits[-2:])
    return (60 * int(hours) + int(minutes)) * (-1 if sign == "-" else 1)
