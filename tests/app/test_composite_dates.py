"""Dates in several columns: taken together where that makes them dates, and never where a column names the series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from throughtime import InputError
from throughtime.app.tables.composite_dates import find_time_columns, split_columns
from throughtime.app.tables.date_columns import read_times
from throughtime.app.tables.files import read_rows
from throughtime.data.series.dates import DateFormat

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.app.tables.files import FileRows

HOURS = pd.date_range("2023-01-01", periods=240, freq="h")
MONTHS = pd.date_range("2018-01-01", periods=48, freq="MS")
QUARTERS = pd.date_range("2010-01-01", periods=48, freq="QS")
WEEKS = pd.date_range("2020-01-06", periods=120, freq="W-MON")
DAYS = pd.date_range("2020-01-06", periods=400)
DATE = HOURS.strftime("%d/%m/%Y")


def rows(directory: Path, columns: dict[str, Any]) -> FileRows:
    frame = pd.DataFrame(columns)
    frame.assign(v=np.arange(len(frame))).to_csv(directory / "data.csv", index=False)
    return read_rows(directory / "data.csv")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"Date": DATE, "Time": HOURS.strftime("%H:%M")}, HOURS),
        ({"Datum": HOURS.strftime("%d.%m.%Y"), "Uhrzeit": HOURS.strftime("%H:%M:%S")}, HOURS),
        ({"date": DATE, "time": HOURS.strftime("%I:%M %p")}, HOURS),
        ({"date": DATE, "time": [f"{hour:02}:00-{hour + 1:02}:00" for hour in HOURS.hour]}, HOURS),
        ({"date": DATE, "time": HOURS.hour * 100}, HOURS),
        ({"date": DATE, "hour": HOURS.hour}, HOURS),
        ({"date": DATE, "Hour": HOURS.hour + 1}, HOURS + pd.Timedelta("1h")),
        ({"year": HOURS.year, "month": HOURS.month, "day": HOURS.day, "hour": HOURS.hour}, HOURS),
        ({"year": DAYS.year, "month": DAYS.month, "day": DAYS.day}, DAYS),
        ({"year": DAYS.year, "day_of_year": DAYS.day_of_year}, DAYS),
        ({"Jahr": MONTHS.year, "Monat": MONTHS.month}, MONTHS),
        ({"yr": MONTHS.year, "mo": MONTHS.month}, MONTHS),
        ({"año": MONTHS.year, "mes": MONTHS.month}, MONTHS),
        ({"Month": MONTHS.strftime("%B"), "Year": MONTHS.year}, MONTHS),
        ({"Month": MONTHS.month, "Year": MONTHS.strftime("%y")}, MONTHS),
        ({"Year": MONTHS.year, "Period": MONTHS.strftime("M%m")}, MONTHS),
        ({"year": QUARTERS.year, "quarter": QUARTERS.quarter}, QUARTERS),
        ({"year": QUARTERS.year, "qtr": [f"Q{quarter}" for quarter in QUARTERS.quarter]}, QUARTERS),
        ({"year": WEEKS.isocalendar().year.values, "week": WEEKS.isocalendar().week.values}, WEEKS),
    ],
)
def test_parts_of_dates_are_taken_together(columns: dict[str, Any], expected: pd.DatetimeIndex, tmp_path: Path) -> None:
    table = rows(tmp_path, columns)
    actual = find_time_columns(table, set())
    assert set(actual) == {*columns}
    assert (read_times(table, actual)[0].to_numpy().astype("M8[us]") == expected.to_numpy().astype("M8[us]")).all()


def test_parts_of_several_series_and_with_gaps_are_taken_together(tmp_path: Path) -> None:
    columns = {"store": ["A"] * 48 + ["B"] * 48, "year": [*MONTHS.year] * 2, "month": [*MONTHS.month] * 2}
    assert find_time_columns(rows(tmp_path, columns), {"store"}) == ("year", "month")
    hourly = (
        pd.DataFrame({"Date": DATE, "Time": HOURS.strftime("%H:%M")})
        .drop(index=[5, 6, 77])
        .sample(frac=1, random_state=0)
    )
    assert find_time_columns(rows(tmp_path, hourly.to_dict("list")), set()) == ("Date", "Time")


@pytest.mark.parametrize(
    ("columns", "used"),
    [
        ({"date": DAYS.strftime("%Y-%m-%d"), "time": ["09:13", "09:20"] * 200}, set()),
        ({"date": DAYS.strftime("%Y-%m-%d"), "year": DAYS.year, "month": DAYS.month}, set()),
        (
            {"store": ["A"] * 400 + ["B"] * 400, "date": [*DAYS.strftime("%Y-%m-%d")] * 2, "year": [*DAYS.year] * 2},
            set(),
        ),
        (
            {"store": ["A", "B"] * 400, "date": DAYS.repeat(2).strftime("%Y-%m-%d"), "time": ["06:00", "18:00"] * 400},
            set(),
        ),
        ({"Date": DATE, "Time": HOURS.strftime("%H:%M")}, {"Time"}),
        ({"year": range(1960, 2008)}, set()),
        ({"month": range(1, 13)}, set()),
    ],
)
def test_what_is_a_date_alone_stays_alone(columns: dict[str, Any], used: set[str | None], tmp_path: Path) -> None:
    assert find_time_columns(rows(tmp_path, columns), used) == ()


def test_columns_may_be_named_whatever_they_are_called(tmp_path: Path) -> None:
    table = rows(tmp_path, {"a": MONTHS.year, "b": MONTHS.month})
    assert (read_times(table, split_columns(table, "a, b"))[0].to_numpy() == MONTHS.to_numpy().astype("M8[D]")).all()
    with pytest.raises(InputError, match=r"--time: .*expected a date and a time of day, or a year with a month"):
        read_times(table, ("b", "v"))


def test_a_cell_that_contradicts_is_named_by_its_line(tmp_path: Path) -> None:
    table = rows(tmp_path, {"day": ["04/13/2024"]})
    with pytest.raises(InputError, match=r"data\.csv, line 2, column day: '04/13/2024' is not a date in the order day"):
        read_times(table, ("day",), DateFormat("dmy"))
    table = rows(tmp_path, {"day": ["05/04/2024"]})
    with pytest.raises(InputError, match="name one with --date-format, such as day-first or month-first"):
        read_times(table, ("day",))
    assert str(read_times(table, ("day",), DateFormat.of("day-first"))[0][0]) == "2024-04-05"
