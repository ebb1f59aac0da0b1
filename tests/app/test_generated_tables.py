"""Tables as people and programs write them, generated: what is read is what was meant, or is refused."""

from __future__ import annotations

import datetime as dt
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from throughtime import InputError
from throughtime.app.tables.column_selection import Columns
from throughtime.app.tables.read_options import ReadOptions
from throughtime.app.tables.table import Table, read_table

if TYPE_CHECKING:
    from collections.abc import Callable

MARKS = [
    (".", ""),
    (".", ","),
    (",", ""),
    (",", "."),
    (".", " "),
    (",", " "),
    (",", "\u00a0"),
    (",", "\u202f"),
    (".", "'"),
]
DAYS: dict[str, Callable[[dt.date], str]] = {
    "iso": lambda day: f"{day}",
    "iso with time": lambda day: f"{day} 00:00:00",
    "points": lambda day: f"{day:%d.%m.%Y}",
    "points, unpadded": lambda day: f"{day.day}.{day.month}.{day.year}",
    "day first": lambda day: f"{day:%d/%m/%Y}",
    "month first": lambda day: f"{day:%m/%d/%Y}",
    "month first, unpadded": lambda day: f"{day.month}/{day.day}/{day.year}",
    "slashes": lambda day: f"{day:%Y/%m/%d}",
    "compact": lambda day: f"{day:%Y%m%d}",
    "named": lambda day: f"{day:%d %b %Y}",
    "american": lambda day: f"{day:%b %d, %Y}",
    "short year": lambda day: f"{day:%d.%m.%y}",
}
MONTHS: dict[str, Callable[[dt.date], str]] = {
    "iso month": lambda day: f"{day:%Y-%m}",
    "compact month": lambda day: f"{day:%Y%m}",
    "named month": lambda day: f"{day:%b %Y}",
    "slashed month": lambda day: f"{day:%m/%Y}",
}
OPEN_FORMS = ("day first", "month first", "month first, unpadded", "short year")
MISSING = ["", "", "NA", "n.a.", "-", "#N/A", "…"]
TOTALS = ["Total", "Summe", "Grand total", "Gesamt:"]
NAMES_OF_COLUMNS = ("iso", "slashes", "points", "iso month")
HEADERS = [["date", "y"], ["Datum", "Umsätze"], ['the "day"', "value\nin units"], ["ds", "Größe (m²)"]]
PREAMBLES = [["Report of sales"], ["Report of sales", ""], ["# exported"], ["Firm: x", "Period: 2024", ""]]
ENCODINGS = ["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]


if TYPE_CHECKING:
    Row = tuple[str, dt.date, float | None]


@dataclass(frozen=True)
class Case:
    """A file, and what its writer meant.

    Attributes:
        content: of the file.
        rows: series, date and value of each row.
        later: content of a file with the next date alone, and its rows.
        layout: as for `ReadOptions`.
        is_open: whether the numbers or the dates fit two readings.
        words: how it was written.
    """

    content: bytes
    rows: list[Row]
    later: tuple[bytes, list[Row]]
    layout: str
    is_open: bool
    words: str


@dataclass(frozen=True)
class Numbers:
    """How numbers are written."""

    decimal: str
    thousands: str
    decimals: int
    negative: str
    money: str
    percent: bool

    def text(self, value: float) -> str:
        digits = f"{abs(value):,.{self.decimals}f}"
        digits = digits.replace(",", "\0").replace(".", self.decimal).replace("\0", self.thousands)
        digits = {"": digits, "€": f"{digits} €", "$": f"${digits}", "USD": f"USD {digits}"}[self.money]
        digits += "%" if self.percent else ""
        if value >= 0 or float(f"{value:.{self.decimals}f}") == 0:
            return digits
        return {"-": f"-{digits}", "()": f"({digits})", "−": f"−{digits}", "trailing": f"{digits}-"}[self.negative]

    def is_open(self, values: list[float]) -> bool:
        """Whether each number with a mark has one before three digits, and nothing else decides."""
        texts = [self.text(abs(value)) for value in values]
        digits = ["".join(c for c in text if c.isdigit() or c in ".,") for text in texts]
        marked = [text for text in digits if "." in text or "," in text]
        if any(
            len(text.split(mark)) != 2 or len(text.split(mark)[1]) != 3
            for text in marked
            for mark in ".,"
            if mark in text
        ):
            return False
        return bool(marked)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    chance = random.Random(draw(st.integers(0, 2**32)))
    monthly = draw(st.booleans())
    count = draw(st.integers(8, 40))
    start = dt.date(chance.randint(1995, 2025), chance.randint(1, 12), 1 if monthly else chance.randint(1, 28))
    days = [_step(start, i, monthly=monthly) for i in range(count)]
    if draw(st.booleans()):
        days = [day for day in days if chance.random() > 0.1 or day in (days[0], days[-1])]
    series = draw(st.sampled_from([["y"], ["y"], ["north", "south"], ["a, b", 'the "new" one', "x;y"]]))
    numbers = _numbers(draw)
    scale = draw(st.sampled_from([1, 30, 2000, 5_000_000]))
    shift = draw(st.sampled_from([0.0, 0.5, 2.0]))
    rows = []
    for name in series:
        for day in days:
            value = round(scale * (chance.random() - 0.2 + shift), numbers.decimals)
            rows.append((name, day, None if chance.random() < 0.05 else value + 0.0))
    values = [value for _, _, value in rows if value is not None]
    if len(values) < 4:
        rows, values = [(name, day, 7.0) for name, day, _ in rows], [7.0]
    end = _step(start, count, monthly=monthly)
    later = [(name, end, round(scale * chance.random(), numbers.decimals) + 0.0) for name in series]
    return _written(draw, chance, rows, later, numbers, monthly=monthly)


def _step(start: dt.date, i: int, *, monthly: bool) -> dt.date:
    months = start.month - 1 + i
    return dt.date(start.year + months // 12, months % 12 + 1, 1) if monthly else start + dt.timedelta(days=i)


def _numbers(draw: st.DrawFn) -> Numbers:
    decimal, thousands = draw(st.sampled_from(MARKS))
    money = draw(st.sampled_from(["", "", "", "€", "$", "USD"]))
    percent = not money and draw(st.integers(0, 9)) == 0
    return Numbers(
        decimal, thousands, draw(st.integers(0, 4)), draw(st.sampled_from(["-", "()", "−", "trailing"])), money, percent
    )


def _written(
    draw: st.DrawFn,
    chance: random.Random,
    rows: list[Row],
    later: list[Row],
    numbers: Numbers,
    *,
    monthly: bool,
) -> Case:
    names = [*dict.fromkeys(name for name, _, _ in rows)]
    layout = draw(st.sampled_from(["long", "long", "columns", "rows"])) if len(names) > 1 else "long"
    separator = draw(st.sampled_from([",", ";", "\t", "|"]))
    date_form = draw(
        st.sampled_from(
            [*DAYS, *(MONTHS if monthly else ())]
            if layout != "rows"
            else [name for name in NAMES_OF_COLUMNS if monthly or "month" not in name]
        )
    )
    order = draw(st.sampled_from(["written", "written", "reversed", "shuffled"]))
    missing = draw(st.sampled_from(MISSING))
    header = draw(st.sampled_from(HEADERS))
    date = {**DAYS, **MONTHS}[date_form]

    def grid(data: list[Row]) -> list[list[str]]:
        cells = {(name, day): missing if value is None else numbers.text(value) for name, day, value in data}
        days = [*dict.fromkeys(day for _, day, _ in data)]
        if layout == "rows":
            return [["shop", *map(date, days)], *([name, *(cells[name, day] for day in days)] for name in names)]
        if layout == "columns":
            return [[header[0], *names], *([date(day), *(cells[name, day] for name in names)] for day in days)]
        shop = len(names) > 1
        lines = [[date(day), *([name] if shop else []), cells[name, day]] for name, day, _ in data]
        return [[header[0], *(["shop"] if shop else []), header[1]], *lines]

    shown = list(rows)
    if order == "reversed" and layout != "rows":
        shown.reverse()
    elif order == "shuffled" and layout != "rows":
        chance.shuffle(shown)
    table = grid(shown)
    values = [value for _, _, value in rows if value is not None]
    if draw(st.integers(0, 3)) == 0 and layout == "long":
        total = numbers.text(round(sum(values), numbers.decimals))
        table.append([draw(st.sampled_from(TOTALS)), *[""] * (len(table[0]) - 2), total])
    quoted, ending = draw(st.booleans()), draw(st.sampled_from(["\n", "\r\n"]))
    lines = [separator.join(_quoted(cell, separator, always=quoted) for cell in row) for row in table]
    ahead = [separator.join(_quoted(cell, separator, always=quoted) for cell in row) for row in grid(later)]
    if draw(st.integers(0, 4)) == 0:
        lines = [line + separator for line in lines]
    if draw(st.integers(0, 4)) == 0:
        lines.insert(chance.randint(2, len(lines)), separator * (len(table[0]) - 1))
    lines = [*draw(st.sampled_from([[], [], *PREAMBLES, [f"sep={separator}"]])), *lines]
    texts = [ending.join([*text, ""]) for text in (lines, ahead)]
    encoding = draw(st.sampled_from(ENCODINGS))
    encoding = "utf-8" if encoding == "cp1252" and not all(map(_fits, texts)) else encoding
    named = [
        [(name if len(names) > 1 else header[1].replace("\n", " "), day, value) for name, day, value in data]
        for data in (rows, later)
    ]
    if layout == "rows":
        named[0] = [
            row for row in named[0] if any(v is not None for n, day, v in rows if n == row[0] and day <= row[1])
        ]
    both_orders = date_form in OPEN_FORMS and all(day.day <= 12 for _, day, _ in rows)
    by_column = (
        [[v for n, _, v in rows if n == name and v is not None] for name in names] if layout == "columns" else [values]
    )
    is_open = both_orders or any(map(numbers.is_open, by_column)) or not all(by_column)
    words = f"{layout}, {encoding}, {separator!r}, {numbers}, {date_form}, {order}, monthly={monthly}"
    content = [text.encode(encoding) for text in texts]
    return Case(content[0], named[0], (content[1], named[1]), layout, is_open, words)


def _fits(text: str) -> bool:
    try:
        return bool(text.encode("cp1252"))
    except UnicodeEncodeError:
        return False


def _quoted(cell: str, separator: str, *, always: bool) -> str:
    needed = any(c in cell for c in (separator, '"', "\n"))
    return f'"{cell.replace(chr(34), 2 * chr(34))}"' if needed or (always and cell) else cell


def differs(case: Case) -> str:
    """Say how a table is read otherwise than it was meant: '' where it is not, 'refused: …' where it is refused."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "table.csv"
        path.write_bytes(case.content)
        columns = Columns(target="all") if case.layout == "columns" else Columns()
        try:
            table = read_table(path, columns, ReadOptions(layout="rows" if case.layout == "rows" else None))
            path.write_bytes(case.later[0])
            later = read_table(path, Columns(), stored=table.format) if len(case.later[1]) > 1 else None
        except InputError as error:
            return f"refused: {str(error).replace(directory, '')}"
    if any("no cell of the column decides" in note for note in table.notes):
        return "refused: both readings are reported" if case.is_open else "an open column, although it is not"
    return _difference(table, case.rows) or (_difference(later, case.later[1]) if later else "")


def _difference(table: Table, rows: list[Row]) -> str:
    frame = table.frame.with_columns(pl.col("ds").cast(pl.Date))
    result = sorted(frame.select(pl.col("unique_id").cast(pl.String), "ds", "y").rows(), key=str)
    if len(result) != len(rows):
        return f"{len(result)} rows are not {len(rows)}"
    for (*key, value), (*meant, written) in zip(result, sorted(rows, key=str), strict=True):
        same = (value is None) == (written is None) and abs((value or 0) - (written or 0)) <= 1e-9 * abs(written or 1)
        if key != meant or not same:
            return f"{key}, {value} is not {meant}, {written}"
    return ""


def check(examples: int) -> None:
    refusals: list[str] = []
    clear = 0

    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=[*HealthCheck]
    )
    @given(cases())
    def check(case: Case) -> None:
        nonlocal clear
        difference = differs(case)
        clear += not case.is_open
        if difference.startswith("refused"):
            if not case.is_open:
                refusals.append(f"{difference} [{case.words}]")
        else:
            assert not difference, (
                difference,
                case.words,
                case.content.decode("utf-16" if "utf-16" in case.words else "latin-1")[:600],
            )

    check()
    assert len(refusals) <= 0.05 * clear, "\n".join(refusals)


def test_generated_tables_are_read_as_they_were_meant() -> None:
    check(200)


@pytest.mark.slow
def test_many_generated_tables_are_read_as_they_were_meant() -> None:
    check(2000)
