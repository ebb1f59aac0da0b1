"""The beginning of a table: lines before the header, the header, and a row of units after it.

It is found by the columns of values. Most cells of such a column are numbers or dates; the first line with values in
these columns is the first line of the data, and the header is the line before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from throughtime._core.errors import InputError
from throughtime.data.series.numbers import NA_VALUES

if TYPE_CHECKING:
    from collections.abc import Sequence

_MONTH = (
    r"(?:jan|fe[bv]|f[ée]v|mar|mär|mrz|apr|avr|abr|ene|ma[iyjg]|jun|jui|giu|jul|lug|aug|ao[uû]|ago|sep|set|o[kc]t|ott|"
    r"out|nov|de[czs]|déc|dic|gen)\w{0,7}\.?"
)
_NUMBER = (
    r"[<(]?\s*[-+−–]?\s*(?:[A-Z]{3}|[A-Z]{0,2}[^\w\s\-.,:/#]|kr\.?)?\s*[-(]?\s*[.,]?\d[\d.,\s'’]*(?:e[-+]?\d+)?\s*"
    r"(?:[A-Z]{3}|[^\w\s:/]|kr\.?|zł|Kč|Ft)?\s*[)\-]?"
)
_DATES = (
    r"\d{1,4}[-/. ]\s?\d{1,2}(?:[-/. ]\s?\d{1,4})?\.?(?:[T, ]+\d{1,2}:\d\d.*|[T ]\d\d)?",  # 31.12.2024 10:00
    r"\d{1,2}[-/.]\d{4}",  # 11/2024
    r"\d{1,2}[:h]\d\d(?::\d\d)?(?:\s?[ap]m)?",
    r"\d{4}[-/ ]?[QWM]-?\d{1,2}(?:-\d)?|[QW]\d{1,2}[-/ ]?\d{2,4}",  # 2024Q1
    rf"(?:\d{{1,2}}\.?[-/ ]+)?{_MONTH}[-/, ]+(?:\d{{1,2}},?[-/ ]+)?\d{{2,4}}(?:[, ].*)?",  # 5 Jan 2024
    rf"\d{{2,4}}[-/ ]{_MONTH}(?:[-/ ]\d{{1,2}})?",
)
_DATE = re.compile("|".join(_DATES), re.IGNORECASE)
_VALUE = re.compile("|".join([*_DATES, _NUMBER]), re.IGNORECASE)
_MAX_VALUE_CHARACTERS = 80  # of a number or a date; the time to match longer cells grows with their square
_YEAR = re.compile(r"(?:1[5-9]|2[01])\d\d")
_PERIOD = re.compile(rf"{_YEAR.pattern}|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])?")  # 2024, 202401
_UNIT = re.compile(
    r"[\[(].{0,20}[\])]|[%‰°$€£¥].{0,3}|[A-Z]{3}|.{0,4}(?:€|\$|°C|°F|²|³)|[kMGT]?W(?:h|att)?|[kmcµ]?[gmsl]|"
    r"(?:km|m|mi)/[hs]|[hk]?Pa|mbar|kWh|MWh|pcs|Stk\.?|units?|count|EUR|USD|index|days?|hours?|-|",
    re.IGNORECASE,
)
_MIN_VALUE_FRACTION = 0.8  # of the cells of a column of values


@dataclass(frozen=True)
class Row:
    """Cells of one row.

    Attributes:
        line: its first line or row.
        cells: without spaces around them.
        after_blank: whether a blank line precedes it.
    """

    line: int
    cells: Sequence[str]
    after_blank: bool = False

    @property
    def filled(self) -> int:
        """The number of cells that are not empty."""
        return sum(cell != "" for cell in self.cells)

    @property
    def is_comment(self) -> bool:
        """Whether the line begins with # followed by text."""
        return self.cells[0].startswith("#") and len(self.cells[0]) > 1 and not _is_empty(self.cells[0])


@dataclass(frozen=True)
class Header:
    """The header of a table.

    Attributes:
        names: of the columns; None if there is no header.
        first: index of the first row of the data.
        skipped: lines before the header that are not empty.
        units: line of a row of units after the header, None for none.
    """

    names: list[str] | None
    first: int
    skipped: list[int]
    units: int | None = None


def is_value(cell: str) -> bool:
    """Return whether a cell looks like a number or a date."""
    return len(cell) <= _MAX_VALUE_CHARACTERS and bool(_VALUE.fullmatch(cell))


def find_header(rows: Sequence[Row], source: str, unit: str, layout: str | None = None) -> Header:
    """Find the header among the first rows of a table.

    Args:
        rows: rows that are not empty.
        source: the file, for messages.
        unit: 'line' or 'row'.
        layout: 'rows' if the header holds dates, even a single one.

    Raises:
        InputError: if two rows can be the header.
    """
    width = table_width(rows)
    values = _value_columns(rows, width)
    first = _first_data(rows, values)
    above = _last_block([i for i in range(first) if not rows[i].is_comment], rows, values)
    max_filled = max((rows[i].filled for i in above), default=0)
    dated = layout == "rows" and first < len(rows) and any(map(parse_date_name, rows[first].cells))
    if first < len(rows) and rows[first].filled > max_filled and (dated or _is_sequence(rows[first].cells)):
        return Header([*rows[first].cells], first + 1, [row.line for row in rows[:first]])
    if not above:
        skipped = [row.line for row in rows[:first]]
        if first and len(rows[first - 1].cells) == width:  # a commented header
            return Header([rows[first - 1].cells[0].lstrip("# "), *rows[first - 1].cells[1:]], first, skipped[:-1])
        return Header(None, first, skipped)
    header = _fullest_row(rows, above, max_filled)
    skipped = [row.line for row in rows[:header]]
    names, start, units = [*rows[header].cells], header + 1, None
    if start < first and _is_rule(rows[start]):
        start += 1
    if start < first and _is_units(rows[start], values):
        start, units = start + 1, rows[start].line
    rest = [i for i in above if i >= start]
    if not rest or _is_data(rows[rest[0]], values):
        return Header(names, min(rest, default=first), skipped, units)
    one, other = rows[header].line, rows[rest[0]].line
    raise InputError(f"{source}: {unit}s {one} and {other} can both be the header; remove one of them")


def table_width(rows: Sequence[Row]) -> int:
    """Return the number of cells of most rows."""
    widths = [len(row.cells) for row in rows]
    return max(sorted(set(widths), reverse=True), key=widths.count)


def _is_empty(cell: str) -> bool:
    return cell.lower() in NA_VALUES


def _value_columns(rows: Sequence[Row], width: int) -> list[int]:
    """Return the columns whose cells are numbers and dates in the second half of the rows."""
    later = [row.cells for row in rows[len(rows) // 2 :] if len(row.cells) == width]
    columns = []
    for column in range(width):
        cells = [cells[column] for cells in later if not _is_empty(cells[column])]
        if cells and sum(map(is_value, cells)) >= _MIN_VALUE_FRACTION * len(cells):
            columns.append(column)
    return columns


def _value_cells(row: Row, values: list[int]) -> list[str]:
    """Return the cells of a row in the columns of values."""
    return [cell for c, cell in enumerate(row.cells) if c in values and cell]


def _first_data(rows: Sequence[Row], values: list[int]) -> int:
    """Return the first row with only values in the columns of values; 1 if there are no such columns."""
    for i, row in enumerate(rows):
        cells = _value_cells(row, values)
        if any(map(is_value, cells)) and all(is_value(cell) or _is_empty(cell) for cell in cells):
            return i
    return 1


def _is_data(row: Row, values: list[int]) -> bool:
    """Return whether a row after the header is data, perhaps with an error or with only missing values."""
    cells = _value_cells(row, values)
    return 2 * sum(is_value(cell) or _is_empty(cell) for cell in cells) >= len(cells)


def _last_block(above: list[int], rows: Sequence[Row], values: list[int]) -> list[int]:
    """Return the rows before the data without values between them and the data; all if the last one has a value."""
    valued = [i for i in above if any(map(is_value, _value_cells(rows[i], values)))]
    return [i for i in above if not valued or i > valued[-1]] or above


def _is_rule(row: Row) -> bool:
    """Return whether a row is a line of dashes under the header."""
    return all(re.fullmatch(r"\|?[-=+:]{2,}\|?|", cell) for cell in row.cells)


def _is_units(row: Row, values: list[int]) -> bool:
    """Return whether a row holds only units, one of them in a column of values."""
    return all(_UNIT.fullmatch(cell) for cell in row.cells) and not all(map(_is_empty, _value_cells(row, values)))


def _is_sequence(cells: Sequence[str]) -> bool:
    """Return whether the cells of a row are consecutive numbers, years or dates, as in a header."""
    if len(cells) > 1 and [*cells] in ([str(i) for i in range(start, start + len(cells))] for start in (0, 1)):
        return True
    names = [cell for cell in cells if is_value(cell)]
    if not 2 <= len(names) < len(cells):
        return False
    if all(map(_PERIOD.fullmatch, names)):
        steps = [int(b) - int(a) for a, b in pairwise(names)]
        return set(steps) == {1} or (len(steps) > 1 and (min(steps) > 0 or max(steps) < 0))
    return len(names) == len(set(names)) >= 3 and all(_DATE.fullmatch(name) for name in names)


def _fullest_row(rows: Sequence[Row], above: list[int], max_filled: int) -> int:
    """Return the row before the data that is the header: the fullest one after the last blank line."""
    full = [i for i in above if rows[i].filled == max_filled]
    if max_filled == 1:
        return next((i for i in reversed(full) if not any(map(_is_empty, filter(None, rows[i].cells)))), full[-1])
    separate = [i for i in full if rows[i].after_blank]
    return next(i for i in full if i >= (separate or full)[-1 if separate else 0])


def parse_date_name(name: str) -> str | None:
    """Return the date or year in the name of a column, None for another name.

    R writes 2019 as X2019, and the World Bank as 2019 [YR2019].
    """
    text = re.sub(r"^X(?=\d)| \[YR\d{4}\]$", "", name[: _MAX_VALUE_CHARACTERS + 1])
    dated = _PERIOD.fullmatch(text) or _DATE.fullmatch(text)
    return text if dated and len(text) <= _MAX_VALUE_CHARACTERS else None
