"""Dates in the forms that tables hold them."""

from __future__ import annotations

import numpy as np
import pytest

from throughtime import InputError
from throughtime.data.dates import is_date, parse_dates


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
    ],
)
def test_dates_are_read_from_text(texts: list[str], first: str) -> None:
    assert parse_dates(texts)[0] == np.datetime64(first)


def test_text_that_is_no_date_is_named() -> None:
    with pytest.raises(InputError, match="row 2: 'soon' is not a date"):
        parse_dates(["2024-01-01", "soon"])


def test_of_two_readings_the_more_even_is_taken() -> None:
    months = [f"01/{month:02}/{year}" for year in (2022, 2023) for month in range(1, 13)]
    assert (np.diff(parse_dates(months)) >= np.timedelta64(28, "D")).all()
    days = [f"{day:02}/01/2024" for day in range(1, 32)]
    assert (np.diff(parse_dates(days)) == np.timedelta64(1, "D")).all()


def test_hours_keep_their_length_where_the_clock_is_put_forward() -> None:
    utc = np.arange("2024-03-30T22", "2024-03-31T05", dtype="datetime64[h]")
    hours = [2 if t >= np.datetime64("2024-03-31T01") else 1 for t in utc]
    written = [f"{t + np.timedelta64(h, 'h')}:00+0{h}:00" for t, h in zip(utc, hours, strict=True)]
    assert (parse_dates(written) == utc).all()
    assert all(map(is_date, written))


def test_days_keep_their_length_where_the_clock_is_put_forward() -> None:
    days = ["2024-03-30 00:00+01:00", "2024-03-31 00:00+01:00", "2024-04-01 00:00+02:00", "2024-04-02 00:00+02:00"]
    assert parse_dates(days).tolist() == parse_dates([day[:10] for day in days]).tolist()


def test_hours_that_come_twice_where_the_clock_is_put_back_stay_two() -> None:
    written = ["2024-10-27T02:00+0200", "2024-10-27T02:00+0100", "2024-10-27T03:00+0100"]
    assert (np.diff(parse_dates(written)) == np.timedelta64(1, "h")).all()
    assert parse_dates(["2024-01-01 00:00-03:30"])[0] == np.datetime64("2024-01-01T00:00")
