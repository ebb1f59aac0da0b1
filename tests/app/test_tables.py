"""Tables are read as people write them, and guesses are reported."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import polars as pl
import pytest
from tests.app.process import monthly, write

from throughtime import InputError
from throughtime.app.tables.column_selection import Columns
from throughtime.app.tables.table import Table, read_table

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, lines: list[str], **columns: str) -> Table:
    return read_table(write(path / "data.csv", lines), Columns(**columns))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(separator: str, tmp_path: Path) -> None:
    table = read(tmp_path, [line.replace(",", separator) for line in monthly([1.5, 2.5, 3.5])])
    assert table.frame["y"].to_list() == [1.5, 2.5, 3.5]


def test_a_decimal_comma_is_understood_where_commas_separate_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, ["day;y", "2024-01-01;1,5", "2024-01-02;-0,25"]).frame["y"].to_list() == [1.5, -0.25]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"1,234,567.5"', 1234567.5),
        ('"-1,234,000"', -1234000.0),
        ("1 234.5", 1234.5),
        ("1'234'567", 1234567.0),
        ("1.234.567,5;", 1234567.5),
        ("1.234,5;", 1234.5),
        ("1\u202f234,5;", 1234.5),
        ("1.234,50 €;", 1234.5),
    ],
)
def test_marks_between_thousands_are_understood(written: str, value: float, tmp_path: Path) -> None:
    separator = ";" if written.endswith(";") else ","
    lines = [f"day{separator}y", *(f"2024-01-0{day}{separator}{written.rstrip(';')}" for day in (1, 2))]
    assert read(tmp_path, lines).frame["y"].to_list() == [value] * 2


@pytest.mark.parametrize("missing", ["", "NA", "NaN", "null", "-", "$ -"])
def test_a_missing_value_is_null(missing: str, tmp_path: Path) -> None:
    assert read(tmp_path, monthly([1, missing, 3])).frame["y"].to_list() == [1, None, 3]


@pytest.mark.parametrize(
    ("written", "first"),
    [
        (["2024-01-30", "2024-01-31"], "2024-01-30 00:00:00"),
        (["30.01.2024", "31.01.2024"], "2024-01-30 00:00:00"),
        (["20240130", "20240131"], "2024-01-30 00:00:00"),
        (["2024-01", "2024-02"], "2024-01-01 00:00:00"),
        (["2024-01-30 10:00", "2024-01-30 11:00"], "2024-01-30 10:00:00"),
        (["1706608800", "1706612400"], "2024-01-30 10:00:00"),
        (["1706608800000", "1706612400000"], "2024-01-30 10:00:00"),
    ],
)
def test_dates_are_read_as_written(written: list[str], first: str, tmp_path: Path) -> None:
    ds = read(tmp_path, ["when,y", *(f"{date},1" for date in written)], time="when").frame["ds"]
    assert str(ds.cast(pl.Datetime)[0]) == first


def test_hours_that_are_read_in_utc_are_said_to_be(tmp_path: Path) -> None:
    lines = ["when,y", *(f"2024-03-31 {hour:02}:00+0{1 + (hour > 2)}:00,1" for hour in (0, 1, 3, 4))]
    table = read(tmp_path, lines)
    assert str(table.frame["ds"][0]) == "2024-03-30 23:00:00"
    assert any("in UTC" in note for note in table.notes)
    assert not any("in UTC" in note for note in read(tmp_path, lines[:3]).notes)


def test_years_stay_whole_numbers(tmp_path: Path) -> None:
    assert read(tmp_path, ["year,y", "1700.0,5", "1701.0,11"]).frame["ds"].to_list() == [1700, 1701]


def test_rows_without_dates_are_numbered(tmp_path: Path) -> None:
    table = read(tmp_path, ["5", "7", "6"])
    assert (table.frame["ds"].to_list(), table.frame["y"].to_list()) == ([0, 1, 2], [5, 7, 6])
    assert any("numbered" in note for note in table.notes)


def test_the_target_is_the_only_column_of_numbers_or_the_one_that_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"2 columns hold numbers \(a, b\); name the one to forecast with --target"):
        read(tmp_path, ["date,a,b", "2024-01-01,1,2", "2024-01-02,3,4"])
    with pytest.raises(InputError, match=r"2 columns hold numbers \(y, value\)"):
        read(tmp_path, ["date,y,value", "2024-01-01,1,2", "2024-01-02,3,4"])
    assert read(tmp_path, ["date,a", "2024-01-01,1", "2024-01-02,3"]).columns.target == "a"
    assert read(tmp_path, ["date,value,b", "2024-01-01,1,2", "2024-01-02,3,4"]).columns.target == "value"


def test_the_column_that_makes_dates_unique_tells_series_apart(tmp_path: Path) -> None:
    lines = ["date,unit,shop,sold", *(f"2024-01-0{day},kg,{shop},{day}" for shop in "ab" for day in (1, 2, 3))]
    table = read(tmp_path, lines)
    assert table.columns == Columns("date", "sold", "shop")
    assert table.frame["unique_id"].to_list() == ["a", "a", "a", "b", "b", "b"]


def test_series_without_dates_are_numbered_each_from_zero(tmp_path: Path) -> None:
    table = read(tmp_path, ["shop,sold", "a,5", "b,6", "a,7", "b,8"], series="shop")
    assert table.frame["ds"].to_list() == [0, 0, 1, 1]


def test_blank_lines_hold_no_row_but_are_counted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 6, column y: 'x'"):
        read(tmp_path, ["", "date,y", "2024-01-01,1", "2024-01-02,2", "", "2024-01-03,x"])


def test_gzip_and_parquet_say_the_same_as_csv(tmp_path: Path) -> None:
    csv = write(tmp_path / "data.csv", monthly([1.5, 2.5, 3.5]))
    packed = tmp_path / "data.csv.gz"
    packed.write_bytes(gzip.compress(csv.read_bytes()))
    parquet = tmp_path / "data.parquet"
    pl.read_csv(csv, try_parse_dates=True).write_parquet(parquet)
    expected = read_table(csv, Columns()).frame
    assert read_table(packed, Columns()).frame.equals(expected)
    assert read_table(parquet, Columns()).frame.equals(expected)


def test_columns_of_parquet_that_hold_neither_numbers_nor_names_do_not_count(tmp_path: Path) -> None:
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 4), eager=True)
    table = {"date": days, "y": range(4), "parts": [[1, 2]] * 4, "raw": [b"x"] * 4}
    frame = pl.DataFrame(table).with_columns(length=pl.duration(hours="y"))
    frame.write_parquet(tmp_path / "data.parquet")
    assert read_table(tmp_path / "data.parquet", Columns()).columns == Columns("date", "y")


def test_a_fault_in_parquet_is_named_by_its_row(tmp_path: Path) -> None:
    pl.DataFrame({"ds": [1, 2, 3], "y": [1.0, float("inf"), 2.0]}).write_parquet(tmp_path / "data.parquet")
    with pytest.raises(InputError, match="row 2, column y: the value is infinite"):
        read_table(tmp_path / "data.parquet", Columns())
