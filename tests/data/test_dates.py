"""Dates in the forms that tables hold them: what the cells settle is used, and what they leave open is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from throughtime import InputError
from throughtime.data.series.dates import DateColumn, DateFormat, is_date, read_dates

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

THIS_YEAR = datetime.now(UTC).year
DAYS = pd.date_range("2024-01-01", periods=400)


def parse(texts: Sequence[object], date_format: DateFormat | None = None) -> np.ndarray:
    return read_dates(texts, date_format)[0]


def infer(texts: Sequence[object]) -> DateFormat:
    return read_dates(texts)[1]


def written(start: str, periods: int, freq: str, form: str) -> list[str]:
    return pd.date_range(start, periods=periods, freq=freq).strftime(form).tolist()


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["1949-01", "1949-02"], "1949-01-01"),
        (["2024-01-31", "2024-02-01"], "2024-01-31"),
        (["2016-07-01 00:00:00", "2016-07-01 01:00:00"], "2016-07-01"),
        (["31.01.2024", "01.02.2024"], "2024-01-31"),
        (["01/31/2024", "02/01/2024"], "2024-01-31"),
        (["31/01/2024", "01/02/2024"], "2024-01-31"),
        (["01/31/24 1:30 PM", "02/01/24 1:30 PM"], "2024-01-31T13:30"),
        (["Jan 2024", "Feb 2024"], "2024-01-01"),
        (["January 2024", "February 2024"], "2024-01-01"),
        (["Jan-24", "Feb-24"], "2024-01-01"),
        (["31-Jan-2024", "01-Feb-2024"], "2024-01-31"),
        (["Jan 31, 2024", "Feb 1, 2024"], "2024-01-31"),
        (["2024Q3", "2024Q4"], "2024-07-01"),
        (["Q3 2024", "Q4 2024"], "2024-07-01"),
        (["2024-W05", "2024-W06"], "2024-01-29"),
        (["2024-01-01 9:00", "2024-01-01 10:00"], "2024-01-01T09:00"),
        (["2024-1-5", "2024-1-6"], "2024-01-05"),
        (["1/13/2024 9:05", "1/13/2024 10:05"], "2024-01-13T09:05"),
        (["9.1.2024", "10.1.2024"], "2024-01-09"),
        (["5. 4. 2024", "6. 4. 2024"], "2024-04-05"),
        (["2024-01-01 12:30 AM", "2024-01-01 1:30 am"], "2024-01-01T00:30"),
        (["2024-01-01 24:00"], "2024-01-02"),
        (["2024-01-01T09:00:00.25", "2024-01-01T09:00:01.25"], "2024-01-01T09:00:00.25"),
        (["20240131T093000", "20240131T094500"], "2024-01-31T09:30"),
        (["14/01/2024 14h30", "15/01/2024 14h30"], "2024-01-14T14:30"),
        (["01.01.2024 00:00 - 01.01.2024 01:00", "01.01.2024 01:00 - 01.01.2024 02:00"], "2024-01-01"),
        (["2024-01-01/2024-01-07", "2024-01-08/2024-01-14"], "2024-01-01"),
        (["09:00 14/01/2024", "10:00 14/01/2024"], "2024-01-14T09:00"),
        (["Mon 01 Jan 2024", "Tue 02 Jan 2024"], "2024-01-01"),
        (["lun. 1 janv. 2024", "mar. 2 janv. 2024"], "2024-01-01"),
        (["January 31st, 2024", "February 1st, 2024"], "2024-01-31"),
        (["M\u00e4r 2024", "Apr. 2024"], "2024-03-01"),
        (["1 de enero de 2024", "1 de febrero de 2024"], "2024-01-01"),
        (["gen 2024", "mag 2024"], "2024-01-01"),
        (["mrt-2024", "mei-2024"], "2024-03-01"),
        (["out/2024", "dez/2024"], "2024-10-01"),
        (["1 F\u00c9VRIER 2024", "2 F\u00c9VRIER 2024"], "2024-02-01"),
        (["2024M01", "2024M02"], "2024-01-01"),
        (["1Q24", "2Q24"], "2024-01-01"),
        (["2024 3. Quartal", "2024 4. Quartal"], "2024-07-01"),
        (["KW 5/2024", "KW 6/2024"], "2024-01-29"),
        (["2020-W53", "2021-W01"], "2020-12-28"),
        (["2024-032", "2024-033"], "2024-02-01"),
        (["2024.01", "2024.1"], "2024-01-01"),
        (["09.2024", "10.2024"], "2024-09-01"),
        (["9.2024", "10.2024"], "2024-09-01"),
        (["2024K3", "2024K4"], "2024-07-01"),
        (["52/2019", "01/2020"], "2019-12-23"),
        (["2020-53", "2021-01"], "2020-12-28"),
        (["2000/01", "2001/02", "2002/03"], "2000-01-01"),
        (["1998-99", "1999-00"], "1998-01-01"),
        (["2019/2020", "2020/2021"], "2019-01-01"),
        (["'2024-01-31'", "'2024-02-01'"], "2024-01-31"),
        (["2024-01-01 00:00 CET", "2024-01-01 01:00 CET"], "2024-01-01"),
    ],
)
def test_dates_are_read_from_text(texts: list[str], first: str) -> None:
    assert parse(texts)[0] == np.datetime64(first)


def test_text_that_is_no_date_is_named() -> None:
    with pytest.raises(InputError, match="row 2: 'soon' is not a date"):
        parse(["2024-01-01", "soon"])


@pytest.mark.parametrize(
    ("texts", "first", "last", "order"),
    [
        (written("2023-01-01", 12, "MS", "%m/%d/%Y"), "2023-01-01", "2023-12-01", "mdy"),
        (written("2023-01-01", 24, "MS", "%d/%m/%Y"), "2023-01-01", "2024-12-01", "dmy"),
        (written("2023-01-01", 24, "MS", "%d-%m-%Y"), "2023-01-01", "2024-12-01", "dmy"),
        (written("2022-01-01", 8, "QS", "%m/%d/%Y"), "2022-01-01", "2023-10-01", "mdy"),
        (written("2000-02-01", 20, "12MS", "%m/%d/%Y"), "2000-02-01", "2019-02-01", "mdy"),
        (written("2000-01-01", 20, "12MS", "%m/%d/%Y"), "2000-01-01", "2019-01-01", ""),
        (written("2024-04-05", 72, "h", "%d/%m/%Y %H:%M"), "2024-04-05", "2024-04-07T23", "dmy"),
        (written("2024-01-01", 31, "D", "%d/%m/%Y"), "2024-01-01", "2024-01-31", "dmy"),
        (written("2024-01-01", 60, "D", "%d/%m/%y"), "2024-01-01", "2024-02-29", "dmy"),
        (written("2024-01-01", 60, "D", "%y/%m/%d"), "2024-01-01", "2024-02-29", "ymd"),
        (written("2024-01-05", 30, "D", "%d/%m/%y"), "2024-01-05", "2024-02-03", "dmy"),
        (written("2024-01-05", 30, "D", "%y-%m-%d"), "2024-01-05", "2024-02-03", "ymd"),
        (["Fri 05/04/2024", "Sat 06/04/2024"], "2024-04-05", "2024-04-06", "dmy"),
        (["05.04.2024", "06.04.2024"], "2024-04-05", "2024-04-06", "dmy"),
        (["2024-31-01", "2024-01-02"], "2024-01-31", "2024-02-01", "ydm"),
    ],
)
def test_the_order_is_that_in_which_dates_follow_one_another(
    texts: list[str], first: str, last: str, order: str
) -> None:
    stamps, date_format = read_dates(texts)
    assert (stamps[0], stamps[-1], date_format.order) == (np.datetime64(first), np.datetime64(last), order)


def test_a_column_of_weeks_holds_weeks_and_one_of_months_months() -> None:
    weeks = [f"2024-{week:02}" for week in range(1, 13)]
    stamps, date_format = read_dates(weeks, column=DateColumn("week"))
    assert (stamps[-1], date_format.order) == (np.datetime64("2024-03-18"), "yw")
    assert read_dates(["2024-05"], date_format)[0][0] == np.datetime64("2024-01-29")
    stamps, date_format = read_dates(weeks)
    assert (stamps[-1], date_format.order) == (np.datetime64("2024-12-01"), "ym")
    with pytest.raises(InputError, match="'2025-14' is not a date in the order year/month"):
        read_dates(["2025-14"], date_format)


def test_gaps_duplicates_and_shuffled_rows_do_not_change_the_order() -> None:
    months = pd.date_range("2021-01-01", periods=36, freq="MS").delete([3, 7, 8, 20])
    texts = np.random.default_rng(0).permutation([*months.strftime("%d/%m/%Y")] * 2).tolist()
    assert (np.sort(parse(texts))[::2] == months.to_numpy()).all()


@pytest.mark.parametrize(
    "texts",
    [
        ["05/04/2024"],
        written("2024-03-01", 10, "D", "%d/%m/%Y"),
        written("2024-01-01", 6, "MS", "%m/%d/%Y"),
        written("2024-01-01", 4, "QS", "%d/%m/%Y"),
        written("2024-04-05", 24, "h", "%d/%m/%Y %H:%M"),
        ["01/02/2024", "03/05/2024", "07/08/2024", "12/11/2024"],
    ],
)
def test_an_order_that_all_cells_leave_open_is_refused_with_both_readings(texts: list[str]) -> None:
    column = DateColumn(remedy="name one with --date-format, such as {}")
    pattern = r"may be \d{4}-\d\d-\d\d \(day/month/year\) or .*\(month/day/year\); .* day-first or month-first"
    with pytest.raises(InputError, match=pattern):
        read_dates(texts, column=column)
    for option, reading in (("day-first", "%d/%m/%Y"), ("%m/%d/%Y", "%m/%d/%Y")):
        stamps = parse(texts, DateFormat.of(option))
        assert stamps[0].astype("M8[D]").astype(object) == pd.to_datetime(texts[0][:10], format=reading).date()


def test_the_name_of_a_column_settles_its_dates() -> None:
    half_a_year = written("2024-01-01", 6, "MS", "%m/%d/%Y")
    assert read_dates(half_a_year, column=DateColumn("Monat"))[0][-1] == np.datetime64("2024-06-01")
    assert read_dates(half_a_year, column=DateColumn("Date (dd/mm/yyyy)"))[0][-1] == np.datetime64("2024-01-06")
    weeks = [f"2024{week:02}" for week in range(1, 9)]
    assert read_dates(weeks, column=DateColumn("KW"))[1].calendar == "week"
    assert read_dates(["45292", "45293"], column=DateColumn("Date"))[0][1] == np.datetime64("2024-01-02")


def test_years_that_end_in_the_next_one_are_years() -> None:
    years = [f"{year}/{(year + 1) % 100:02}" for year in range(2000, 2012)]
    dates, date_format = read_dates(years)
    assert (dates == np.arange("2000", "2012", dtype="M8[Y]")).all()
    assert read_dates(["2020/21"], date_format)[0][0] == np.datetime64("2020")
    with pytest.raises(InputError, match="'2020/12' is not a date in the order year/next year"):
        read_dates(["2020/12"], date_format)
    months = read_dates(["2019/12", "2020/01"])[1]
    assert read_dates(["2011/12"], months)[0][0] == np.datetime64("2011-12")
    assert read_dates(["2010/11", "2011/12"], DateFormat.of("yyyy/mm"))[0][0] == np.datetime64("2010-11")


def test_later_dates_are_read_as_the_first_ones_were() -> None:
    days_first = infer(DAYS.strftime("%d/%m/%Y").tolist())
    assert parse(["05/04/2024"], days_first)[0] == np.datetime64("2024-04-05")
    assert parse(["2024-04-05"], days_first)[0] == np.datetime64("2024-04-05")
    with pytest.raises(InputError, match="'04/13/2024' is not a date in the order day/month/year, which training"):
        parse(["04/13/2024"], days_first)
    month_first = infer(DAYS.strftime("%m/%d/%Y").tolist())
    with pytest.raises(InputError, match="'13/04/2024' is not a date in the order month/day/year"):
        parse(["13/04/2024"], month_first)
    months = infer(["202311", "202312", "202401"])
    with pytest.raises(InputError, match="202413 is not a date of the calendar month"):
        parse(["202413"], months)
    assert parse(["202401"], infer([str(n) for n in range(100)]))[0] == 202401
    in_utc = infer(["2024-10-27T02:00+0200", "2024-10-27T02:00+0100"])
    assert parse(["2024-12-01T02:00+0100"], in_utc)[0] == np.datetime64("2024-12-01T01:00")
    with pytest.raises(InputError, match="have offsets from UTC"):
        parse(["2024-12-01T02:00"], in_utc)


@pytest.mark.parametrize(
    ("texts", "first", "last"),
    [
        (written("1960-01-01", 192, "MS", "%b-%y"), "1960-01-01", "1975-12-01"),
        (written("1998-01-01", 48, "MS", "%b %y"), "1998-01-01", "2001-12-01"),
        (written("1998-01-01", 1400, "D", "%d/%m/%y"), "1998-01-01", "2001-10-31"),
        (written("1950-01-01", 300, "QS", "%d.%m.%y"), "1950-01-01", "2024-10-01"),
    ],
)
def test_years_of_two_digits_follow_one_another(texts: list[str], first: str, last: str) -> None:
    stamps, date_format = read_dates(texts)
    assert (stamps[0], stamps[-1]) == (np.datetime64(first), np.datetime64(last))
    assert (np.diff(stamps) > np.timedelta64(0)).all()
    later = pd.Timestamp(last) + pd.DateOffset(years=3)
    assert parse([later.strftime("%d-%b-%y")], date_format)[0] == later.to_numpy()


@pytest.mark.parametrize(
    "texts",
    [
        [f"Jan-{year % 100:02}" for year in (THIS_YEAR, THIS_YEAR + 9)],
        written("1920-01-01", 56, "YS", "%d.%m.%y"),
        written("2024-01-01", 31, "D", "%b %d"),
    ],
)
def test_a_century_that_is_open_is_refused(texts: list[str]) -> None:
    with pytest.raises(InputError, match=r"the century of '.*' is ambiguous; write years with four digits"):
        parse(texts)


def test_a_century_may_be_named() -> None:
    assert parse(["01.01.20"], DateFormat.of("dd.mm.19yy"))[0] == np.datetime64("1920-01-01")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (
            ["2024-01-01", "02/01/2024"],
            "row 2: '02/01/2024' is written in another form than '2024-01-01' (column ds, row 1)",
        ),
        (["13/04/2024", "14-04-2024"], "row 2: '14-04-2024' is written in another form"),
        (
            ["04/13/2024", "13/04/2024"],
            "row 2: '13/04/2024' is not a date in the order month/day/year, in which others",
        ),
        (["2024-01-01 00:00", "2024-01-01 01:00+01:00"], "row 2: '2024-01-01 01:00+01:00' is written in another form"),
        (["2024-02-29", "2023-02-29"], "row 2: '2023-02-29' is not a date"),
        (["2024-01-01 23:00", "2024-01-01 24:30"], "row 2: '2024-01-01 24:30' is not a date"),
        (["2024-W53"], "row 1: '2024-W53' is not a date"),
        (["9" * 5000], f"row 1: '{'9' * 79}…' is not a date"),
        (["99999999999999999999"], "is not a date"),
        (["1e30"], "row 1: 1e+30 is neither a date nor a whole number"),
        (["today"], "row 1: 'today' is not a date"),
        (["24-Jan"], "row 1: '24-Jan' is not a date"),
        (["2020-1", "2020-2", "2020-3", "2020-4", "2021-1"], "'2020-1' may be a month or a quarter"),
        (["20241", "20242", "20243", "20244"], "20241 may be of the calendar quarter or steps"),
        ([f"2001{day:02}" for day in range(1, 32)], "200101 may be of the calendar week or yymmdd"),
        (["0.5", "1.5"], "row 1: 0.5 is neither a date nor a whole number"),
    ],
)
def test_what_is_open_or_wrong_is_refused_with_its_row(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        parse(texts)


@pytest.mark.parametrize(
    ("texts", "calendar", "last"),
    [
        ([f"{year}{month:02}" for year in (2019, 2020) for month in range(1, 13)], "month", "2020-12-01"),
        (["202011.0", "202012.0"], "month", "2020-12-01"),
        ([f"{year}{week:02}" for year in (2019, 2020) for week in range(1, 53)], "week", "2020-12-21"),
        ([f"{year}{quarter}" for year in (2019, 2020) for quarter in range(1, 5)], "quarter", "2020-10-01"),
        (DAYS.strftime("%Y%m%d").tolist(), "day", "2025-02-03"),
        (DAYS.strftime("%Y%j").tolist(), "day-of-year", "2025-02-03"),
        (DAYS.strftime("%d%m%Y").tolist(), "ddmmyyyy", "2025-02-03"),
        (written("1998-01-01", 4000, "D", "%y%m%d"), "yymmdd", "2008-12-13"),
        (written("2024-01-05", 30, "D", "%y%m%d"), "yymmdd", "2024-02-03"),
        (written("2019-01-01", 30, "MS", "%m%Y"), "mmyyyy", "2021-06-01"),
        (written("2019-01-01", 30, "MS", "%y%m"), "yymm", "2021-06-01"),
        (written("1999-01-01", 30, "MS", "%m%y"), "mmyy", "2001-06-01"),
        (written("1995-01-01", 12, "YS", "%y"), "yy", "2006-01-01"),
        (written("2024-01-01", 60, "h", "%Y%m%d%H"), "hour", "2024-01-03T11:00"),
        (written("2024-01-01", 60, "min", "%Y%m%d%H%M"), "minute", "2024-01-01T00:59"),
        ([str(1704067200 + 3600 * hour) for hour in range(50)], "unix-s", "2024-01-03T01:00"),
        ([str(1000 * (1704067200 + 3600 * hour)) for hour in range(50)], "unix-ms", "2024-01-03T01:00"),
        (["45292", "45323", "45352", "45383"], "excel", "2024-04-01"),
    ],
)
def test_whole_numbers_are_periods_of_their_calendar(texts: list[str], calendar: str, last: str) -> None:
    stamps, date_format = read_dates(texts)
    assert (date_format.calendar, stamps[-1]) == (calendar, np.datetime64(last))


@pytest.mark.parametrize(
    "numbers",
    [
        range(100),
        [*range(50), 98, 99],
        [101, 112, 201],
        range(2001, 2013),
        range(121990, 122010),
        range(1000, 2500),
        range(-3, 4),
        range(1990, 2025),
        range(45292, 45330),
        range(18000, 18100),
    ],
)
def test_whole_numbers_of_no_calendar_are_steps(numbers: Iterable[int]) -> None:
    stamps, date_format = read_dates([str(number) for number in numbers])
    assert (stamps.tolist(), date_format.calendar) == (list(numbers), "steps")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("day-first", DateFormat("dmy")),
        ("%m/%d/%Y %I:%M %p", DateFormat("mdy")),
        ("DD.MM.YYYY hh:mm", DateFormat("dmy")),
        ("yyyymm", DateFormat(calendar="month")),
        ("excel", DateFormat(calendar="excel")),
        ("mm/dd/19yy", DateFormat("mdy", 1900)),
    ],
)
def test_a_format_may_be_named(text: str, expected: DateFormat) -> None:
    assert DateFormat.of(text) == expected


def test_a_format_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="--date-format: expected a format such as day-first"):
        DateFormat.of("American")
    invalid: list[dict[str, Any]] = [{"order": "md"}, {"century": 19}, {"calendar": "lunar"}, {"offset": "CET"}]
    for fields in invalid:
        with pytest.raises(ValueError, match="date format: invalid"):
            DateFormat(**fields)


def test_hours_keep_their_length_where_the_clock_is_put_forward() -> None:
    utc = np.arange("2024-03-30T22", "2024-03-31T05", dtype="datetime64[h]")
    hours = [2 if t >= np.datetime64("2024-03-31T01") else 1 for t in utc]
    written = [f"{t + np.timedelta64(h, 'h')}:00+0{h}:00" for t, h in zip(utc, hours, strict=True)]
    assert (parse(written) == utc).all()
    assert all(map(is_date, written))


def test_days_keep_their_length_where_the_clock_is_put_forward() -> None:
    days = ["2024-03-30 00:00+01:00", "2024-03-31 00:00+01:00", "2024-04-01 00:00+02:00", "2024-04-02 00:00+02:00"]
    assert parse(days).tolist() == parse([day[:10] for day in days]).tolist()


def test_hours_that_come_twice_where_the_clock_is_put_back_stay_two() -> None:
    written = ["2024-10-27T02:00+0200", "2024-10-27T02:00+0100", "2024-10-27T03:00+0100"]
    assert (np.diff(parse(written)) == np.timedelta64(1, "h")).all()
    assert parse(["2024-01-01 00:00-03:30"])[0] == np.datetime64("2024-01-01T00:00")
