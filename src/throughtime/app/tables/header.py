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
class Record:
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
        first: index of the first record of the data.
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


def find_header(records: Sequence[Record], source: str, unit: str, layout: str | None = None) -> Header:
    """Find the header among the first records of a table.

    Args:
        records: rows that are not empty.
        source: the file, for messages.
        unit: 'line' or 'row'.
        layout: 'rows' if the header holds dates, even a single one.

    Raises:
        InputError: if two rows can be the header.
    """
    width = table_width(records)
    values = _value_columns(records, width)
    first = _first_data(records, values)
    above = _last_block([i for i in range(first) if not records[i].is_comment], records, values)
    max_filled = max((records[i].filled for i in above), default=0)
    dated = layout == "rows" and first < len(records) and any(map(parse_date_name, records[first].cells))
    if first < len(records) and records[first].filled > max_filled and (dated or _is_sequence(records[first].cells)):
        return Header([*records[first].cells], first + 1, [record.line for record in records[:first]])
    if not above:
        skipped = [record.line for record in records[:first]]
        if first and len(records[first - 1].cells) == width:  # a commented header
            return Header(
                [records[first - 1].cells[0].lstrip("# "), *records[first - 1].cells[1:]], first, skipped[:-1]
            )
        return Header(None, first, skipped)
    header = _fullest_record(records, above, max_filled)
    skipped = [record.line for record in records[:header]]
    names, start, units = [*records[header].cells], header + 1, None
    if start < first and _is_rule(records[start]):
        start += 1
    if start < first and _is_units(records[start], values):
        start, units = start + 1, records[start].line
    rest = [i for i in above if i >= start]
    if not rest or _is_data(records[rest[0]], values):
        return Header(names, min(rest, default=first), skipped, units)
    one, other = records[header].line, records[rest[0]].line
    raise InputError(f"{source}: {unit}s {one} and {other} can both be the header; remove one of them")


def table_width(records: Sequence[Record]) -> int:
    """Return the number of cells of most rows."""
    widths = [len(record.cells) for record in records]
    return max(sorted(set(widths), reverse=True), key=widths.count)


def _is_empty(cell: str) -> bool:
    return cell.lower() in NA_VALUES


def _value_columns(records: Sequence[Record], width: int) -> list[int]:
    """Return the columns whose cells are numbers and dates in the second half of the records."""
    later = [record.cells for record in records[len(records) // 2 :] if len(record.cells) == width]
    columns = []
    for column in range(width):
        cells = [cells[column] for cells in later if not _is_empty(cells[column])]
        if cells and sum(map(is_value, cells)) >= _MIN_VALUE_FRACTION * len(cells):
            columns.append(column)
    return columns


def _value_cells(record: Record, values: list[int]) -> list[str]:
    """Return the cells of a record in the columns of values."""
    return [cell for c, cell in enumerate(record.cells) if c in values and cell]


def _first_data(records: Sequence[Record], values: list[int]) -> int:
    """Return the first record with only values in the columns of values; 1 if there are no such columns."""
    for i, record in enumerate(records):
        cells = _value_cells(record, values)
        if any(map(is_value, cells)) and all(is_value(cell) or _is_empty(cell) for cell in cells):
            return i
    return 1


def _is_data(record: Record, values: list[int]) -> bool:
    """Return whether a record after the header is data, perhaps with an error or with only missing values."""
    cells = _value_cells(record, values)
    return 2 * sum(is_value(cell) or _is_empty(cell) for cell in cells) >= len(cells)


def _last_block(above: list[int], records: Sequence[Record], values: list[int]) -> list[int]:
    """Return the records before the data without values between them and the data; all if the last one has a value."""
    valued = [i for i in above if any(map(is_value, _value_cells(records[i], values)))]
    return [i for i in above if not valued or i > valued[-1]] or above


def _is_rule(record: Record) -> bool:
    """Return whether a row is a line of dashes under the header."""
    return all(re.fullmatch(r"\|?[-=+:]{2,}\|?|", cell) for cell in record.cells)


def _is_units(record: Record, values: list[int]) -> bool:
    """Return whether a row holds only units, one of them in a column of values."""
    return all(_UNIT.fullmatch(cell) for cell in record.cells) and not all(map(_is_empty, _value_cells(record, values)))


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


def _fullest_record(records: Sequence[Record], above: list[int], max_filled: int) -> int:
    """Return the record before the data that is the header: the fullest one after the last blank line."""
    full = [i for i in above if records[i].filled == max_filled]
    if max_filled == 1:
        return next((i for i in reversed(full) if not any(map(_is_empty, filter(None, records[i].cells)))), full[-1])
    separate = [i for i in full if records[i].after_blank]
    return next(i for i in full if i >= (separate or full)[-1 if separate else 0])


def parse_date_name(name: str) -> str | None:
    """Return the date or year in the name of a column, None for another name.

    R writes 2019 as X2019, and the World Bank as 2019 [YR2019].
    """
    text = re.sub(r"^X(?=\d)| \[YR\d{4}\]$", "", name[: _MAX_VALUE_CHARACTERS + 1])
    dated = _PERIOD.fullmatch(text) or _DATE.fullmatch(text)
    return text if dated and len(text) <= _MAX_VALUE_CHARACTERS else None
