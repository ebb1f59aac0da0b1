"""A forecast is written in the words of its table: columns, dates, precision, separator."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import polars as pl
import pytest

from throughtime.app.tables.column_selection import Columns
from throughtime.app.tables.date_patterns import infer_pattern
from throughtime.app.tables.table import read_table
from throughtime.app.tables.table_format import TableFormat
from throughtime.app.tables.table_words import count_decimals, format_table, round_values, to_table_words

if TYPE_CHECKING:
    from pathlib import Path

DAYS = [dt.date(2024, 1, 1) + dt.timedelta(i) for i in range(60)]
MONTHS = [dt.date(2020 + i // 12, i % 12 + 1, 1) for i in range(30)]
WEEKS = [dt.date(2020, 11, 2) + dt.timedelta(7 * i) for i in range(30)]
HOURS = [dt.datetime.fromisoformat("2024-01-01") + dt.timedelta(hours=i) for i in range(60)]


def week(day: dt.date, form: str) -> str:
    return form.format(*day.isocalendar())


TABLES = {
    "German": ["Filiale;Tag;Absatz", *(f"{s};{d:%d.%m.%Y};1{i},5" for s in "AB" for i, d in enumerate(DAYS))],
    "American": ["date,sales", *(f"{d.month}/{d.day}/{d.year},{i + 10}" for i, d in enumerate(DAYS))],
    "months as numbers": ["period,sales", *(f"{d:%Y%m},{i + 10}" for i, d in enumerate(MONTHS))],
    "names of months": ["month,sales", *(f"{d:%b %Y},{i + 10}" for i, d in enumerate(MONTHS))],
    "quarters": ["quarter,sales", *(f"{2015 + i // 4}Q{i % 4 + 1},{i + 10}" for i in range(30))],
    "weeks": ["week,sales", *(f"{week(d, '{}-W{:02}')},{i + 10}" for i, d in enumerate(WEEKS))],
    "weeks as numbers": ["week,sales", *(f"{week(d, '{}{:02}')},{i + 10}" for i, d in enumerate(WEEKS))],
    "hours": ["time,sales", *(f"{d:%Y-%m-%dT%H:%M:%SZ},{i + 10}.25" for i, d in enumerate(HOURS))],
    "half days": ["time,sales", *(f"{d:%m/%d/%Y %I:%M %p},{i + 10}" for i, d in enumerate(HOURS))],
    "parts": ["year,month,sales", *(f"{d.year},{d.month},{i + 10}" for i, d in enumerate(MONTHS))],
    "years": ["year,sales", *(f"{1990 + i},{i + 10}" for i in range(20))],
    "columns": ["day,north,south", *(f"{d},{i + 10},{i + 20}.5" for i, d in enumerate(DAYS))],
    "two names": ["shop,item,day,sales", *(f"{s},{t},{d},{i}" for s in "ab" for t in "xy" for i, d in enumerate(DAYS))],
    "unix": ["stamp,sales", *(f"{1_700_006_400 + 86_400 * i},{i + 10}" for i in range(30))],
}
OPTIONS = {
    "parts": {"time": "year,month"},
    "columns": {"target": "all"},
    "two names": {"series": "shop,item"},
    "unix": {"time": "stamp"},
}


def forecast_of(path: Path, lines: list[str], **columns: str) -> tuple[pl.DataFrame, TableFormat]:
    """Return the values of a table in the place of forecasts, and its format as a model stores it."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = read_table(path, Columns(**columns))
    table_format = TableFormat.from_json(json.loads(json.dumps(table.format.to_json())))
    return table.frame.select("unique_id", "ds", pl.col("y").alias("throughtime")), table_format


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_written_in_its_own_words_is_the_table(name: str, tmp_path: Path) -> None:
    lines = TABLES[name]
    frame, table_format = forecast_of(tmp_path / "data.csv", lines, **OPTIONS.get(name, {}))
    assert format_table(to_table_words(frame, table_format), table_format).splitlines() == lines


def test_bounds_are_named_after_the_target_and_rounded_like_it(tmp_path: Path) -> None:
    frame, table_format = forecast_of(tmp_path / "data.csv", TABLES["German"])
    bound = (pl.col("throughtime") + 0.123).alias("throughtime-lo-97.5")
    words = to_table_words(frame.with_columns(bound), table_format)
    assert words.columns == ["Filiale", "Tag", "Absatz", "Absatz-lo-97.5"]
    assert words["Absatz-lo-97.5"][0] == 10.6


def test_dates_without_a_pattern_are_written_as_iso(tmp_path: Path) -> None:
    months = ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August"]
    lines = ["Monat,sales", *(f"{name} 2024,{i + 10}" for i, name in enumerate(months))]
    frame, table_format = forecast_of(tmp_path / "data.csv", lines)
    assert str(to_table_words(frame, table_format)["Monat"][2]) == "2024-03-01"


def test_the_year_of_a_week_is_that_of_its_thursday() -> None:
    stamps = [dt.datetime.fromisoformat("2024-12-23"), dt.datetime.fromisoformat("2024-12-30")]
    assert infer_pattern(["2024-52", "2025-01"], stamps) == ("%G", "-", "%V")
    assert infer_pattern(["2024-52", "2024-01"], stamps) is None


def test_of_two_patterns_that_fit_the_stored_one_is_taken() -> None:
    cells, stamps = ["05/05/2024"], [dt.datetime.fromisoformat("2024-05-05")]
    assert infer_pattern(cells, stamps) == ("%m", "/", "%d", "/", "%Y")
    stored = ("%d", "/", "%m", "/", "%Y")
    assert infer_pattern(cells, stamps, stored) == stored


@pytest.mark.parametrize(("values", "decimals"), [([1.0, 20.0], 0), ([0.1 + 0.2, 4.25], 2), ([1 / 3], None)])
def test_the_precision_is_that_of_the_values(values: list[float], decimals: int | None) -> None:
    assert count_decimals(pl.Series(values)) == decimals


def test_rare_sales_keep_decimals_that_a_whole_number_would_lose() -> None:
    often, rare = pl.DataFrame({"y": [12.34, 8.51]}), pl.DataFrame({"y": [0.34, 0.51]})
    assert round_values(often, 0, "y")["y"].to_list() == [12, 9]
    assert round_values(rare, 0, "y")["y"].to_list() == [0.34, 0.51]
