"""How the dates of a column are written, learned from its cells, so that later dates can be written the same way.

A pattern is a sequence of fields and of text between them: ['%d', '.', '%m', '.', '%Y'] writes 31.01.2024. It is one
that writes every cell of the column as it stands there; where there is none, dates are written as 2024-01-31.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

Pattern = tuple[str, ...]

FIELDS: dict[str, Callable[[dt.datetime], str]] = {
    "%Y": lambda t: f"{t.year:04}",
    "%m": lambda t: f"{t.month:02}",
    "%d": lambda t: f"{t.day:02}",
    "%B": lambda t: _MONTHS[t.month - 1],
    "%b": lambda t: _MONTHS[t.month - 1][:3],
    "month in lower case": lambda t: _MONTHS[t.month - 1].lower(),
    "mon in lower case": lambda t: _MONTHS[t.month - 1][:3].lower(),
    "month in upper case": lambda t: _MONTHS[t.month - 1].upper(),
    "mon in upper case": lambda t: _MONTHS[t.month - 1][:3].upper(),
    "%A": lambda t: _WEEKDAYS[t.weekday()],
    "%a": lambda t: _WEEKDAYS[t.weekday()][:3],
    "%G": lambda t: f"{t.isocalendar().year:04}",
    "%V": lambda t: f"{t.isocalendar().week:02}",
    "%H": lambda t: f"{t.hour:02}",
    "%M": lambda t: f"{t.minute:02}",
    "%S": lambda t: f"{t.second:02}",
    "%I": lambda t: f"{(t.hour - 1) % 12 + 1:02}",
    "%p": lambda t: "PM" if t.hour > 11 else "AM",
    "am or pm": lambda t: "pm" if t.hour > 11 else "am",
    "month": lambda t: str(t.month),
    "day": lambda t: str(t.day),
    "week": lambda t: str(t.isocalendar().week),
    "hour": lambda t: str(t.hour),
    "hour of 12": lambda t: str((t.hour - 1) % 12 + 1),
    "quarter": lambda t: str((t.month + 2) // 3),
    "half": lambda t: str((t.month + 5) // 6),
    "%y": lambda t: f"{t.year % 100:02}",
    "%j": lambda t: f"{t.timetuple().tm_yday:03}",
    "next year": lambda t: f"{t.year + 1:04}",
    "next year of two digits": lambda t: f"{(t.year + 1) % 100:02}",
    "%f": lambda t: f"{t.microsecond:06}",
    "milliseconds": lambda t: f"{t.microsecond // 1000:03}",
}
"""Fields of dates by name, with how they are written; of several that fit, the first is taken."""

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WEEKS = {"%V", "week"}
_MAX_TRIED = 2_000  # patterns of a cell
_MAX_LENGTH = 40  # characters of a cell
_MAX_CELLS = 400


def infer_pattern(cells: Sequence[str], stamps: Sequence[dt.datetime], stored: Pattern | None = None) -> Pattern | None:
    """Return the first pattern that writes the dates of some cells as these are; None if there is none.

    Args:
        cells: of the column.
        stamps: their dates.
        stored: pattern to try before all others.
    """
    every = max(1, len(cells) // _MAX_CELLS)
    written = dict(zip([*cells[::every], *cells[-1:]], [*stamps[::every], *stamps[-1:]], strict=True))
    example = max(written, key=lambda cell: _distinct_fields(written[cell]), default="")
    if not 0 < len(example) <= _MAX_LENGTH:
        return None
    candidates = islice(_patterns(example, written[example], ()), _MAX_TRIED)
    return next(
        (
            p
            for p in (*filter(None, [stored]), *candidates)
            if all(write_date(p, stamp) == cell for cell, stamp in written.items())
        ),
        None,
    )


def write_date(pattern: Pattern, stamp: dt.datetime) -> str:
    """Return a date as the pattern writes it."""
    return "".join(FIELDS[name](stamp) if name in FIELDS else name for name in pattern)


def _distinct_fields(stamp: dt.datetime) -> int:
    """Return how many different numbers are in a date: the more, the fewer patterns write it."""
    parts = stamp.month, stamp.day, stamp.year % 100, stamp.hour, stamp.minute, stamp.isocalendar().week
    return len(set(parts)) + (stamp.day > 12)


def _patterns(text: str, stamp: dt.datetime, before: Pattern) -> Iterator[Pattern]:
    """Yield the patterns that write a date as a text, after the fields `before`."""
    if not text:
        # The year of a week is that of its Thursday.
        if _WEEKS.isdisjoint(before) == ("%G" not in before):
            yield before
        return
    for name, write in FIELDS.items():
        field = write(stamp)
        if name not in before and text.startswith(field):
            yield from _patterns(text[len(field) :], stamp, (*before, name))
    if not text[0].isdigit() or text[0] == "0":
        yield from _patterns(text[1:], stamp, (*before, text[0]))
