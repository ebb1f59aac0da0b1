"""Frequencies as pandas has them: inferred with gaps, by name, and continued as pandas continues them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from throughtime import InputError
from throughtime.data.series.frames import read_frame
from throughtime.data.series.frequency import Frequency, parse_frequency
from throughtime.data.series.panel_builder import build_panel

if TYPE_CHECKING:
    from throughtime.data.series.panel import Panel

UNITS = ("QS", "QE", "BQS", "BQE", "YS", "YE", "BYS", "BYE")
ANCHORED = [f"{unit}-{month}" for unit in UNITS for month in ("JAN", "NOV")]
FREQUENCIES = [
    "s", "30s", "min", "5min", "15min", "30min", "h", "6h", "D", "2D", "3D", "10D", "B", "W-SUN", "W-MON", "W-THU",
    "2W", "4W", "MS", "ME", "2MS", "6ME", "BMS", "BME", "QS", "QE", "BQE", "YS", "YE", "BYE", "SMS", "SME", *ANCHORED,
]  # fmt: skip
WEEKS = ["Mon Tue Wed Thu Fri Sat", "Tue Wed Thu Fri Sat", "Sun Mon Tue Wed Thu", "Mon Wed Fri", "Sat Sun"]
STARTS = ["2019-12-31", "2020-02-29", "2023-01-31", "2024-03-17"]
STEPS = 60


def dates(freq: str, start: str, periods: int) -> pd.DatetimeIndex:
    offset: Any = pd.offsets.CustomBusinessDay(weekmask=freq) if " " in freq else freq
    return pd.date_range(start, periods=periods, freq=offset)


def panel(ds: Any, **options: Any) -> Panel:
    return read_frame(pd.DataFrame({"ds": ds, "y": np.arange(float(len(ds)))}), **options)[0]


@pytest.mark.parametrize("freq", [*FREQUENCIES, *WEEKS])
def test_dates_go_on_as_those_of_pandas_with_and_without_gaps(freq: str) -> None:
    for start in STARTS:
        expected = dates(freq, start, STEPS + 5)
        missing = np.random.default_rng(0).choice(np.arange(1, STEPS - 1), STEPS // 16, replace=False)
        for ds in (expected[:STEPS], expected[:STEPS].delete(missing)):
            inferred = panel(ds)
            named = [inferred.frequency.name, *([] if " " in freq else [freq])]
            for variant in (inferred, *(panel(ds, freq=name) for name in named)):
                assert variant.frequency == inferred.frequency
                assert len(variant[0]) == STEPS
                np.testing.assert_array_equal(
                    variant.future_timestamps(5), expected[STEPS:].to_numpy().astype("M8[us]")
                )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("M", "ME"), ("Q", "QE"), ("QE-DEC", "QE"), ("A", "YE"), ("A-JUN", "YE"), ("AS", "YS"), ("H", "h"),
        ("T", "min"),
        ("15T", "15min"), ("S", "s"), ("BM", "BME"), ("BQ", "BQE"), ("BA", "BYE"), ("SM", "SME"), ("w", "W"),
        ("Mon-Fri", "B"), ("Mon-Sat", "Mon-Sat"), ("Sun-Thu", "Sun-Thu"), ("Mon,Wed,Fri", "Mon,Wed,Fri"),
    ],
)  # fmt: skip
def test_old_and_new_names_are_understood(name: str, expected: str) -> None:
    assert parse_frequency(name).name == expected


@pytest.mark.parametrize(
    ("freq", "season"), [("BME", 12), ("BQE", 4), ("SME", 24), ("B", 5), (WEEKS[0], 6), (WEEKS[3], 3)]
)
def test_seasons_count_the_steps_that_there_are(freq: str, season: int) -> None:
    assert panel(dates(freq, "2018-01-01", STEPS)).frequency.seasons == (season,)


@pytest.mark.parametrize("requested", ["ME", "MS", "monthly", "BME"])
def test_a_month_that_is_asked_for_is_the_month_of_the_dates(requested: str) -> None:
    assert panel(dates("BME", "2018-01-01", STEPS), freq=requested).frequency.name == "BME"


@pytest.mark.parametrize(
    ("freq", "requested", "message"),
    [
        ("BME", "W", "'W' was asked for, but the dates come every month, on the last business day: .* give BME"),
        ("W-SUN", "W-MON", "'W-MON' was asked for, but the dates, such as 2018-01-07, are those of W-SUN"),
        ("QE-NOV", "QE-DEC", "'QE-DEC' was asked for, but .* are those of QE-NOV"),
        ("YE-JUN", "YE-DEC", "'YE-DEC' was asked for, but .* are those of YE-JUN"),
        (WEEKS[0], "B", "'B' was asked for, but the dates come every Monday to Saturday: .* give Mon-Sat"),
        ("D", "Mon-Sat", "'Mon-Sat' was asked for, but the dates come every day"),
        ("D", "C", "freq: expected a frequency such as"),
    ],
)
def test_a_frequency_that_the_dates_do_not_have_is_refused(freq: str, requested: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        panel(dates(freq, "2018-01-01", STEPS), freq=requested)


def test_a_quarter_may_be_named_by_its_end_where_dates_are_its_first_days() -> None:
    assert panel(dates("QS", "2018-01-01", STEPS), freq="QE-DEC").frequency.name == "QS"


def test_days_that_are_missing_by_chance_are_not_taken_for_days_off() -> None:
    random = np.random.default_rng(0)
    for share in (0.6, 0.8, 0.95):
        for days in (20, 60, 200):
            every = pd.date_range("2024-01-01", periods=days)
            names = {panel(every[random.random(days) < share]).frequency.name for _ in range(10)}
            assert names <= {"D", "B"} if days == 20 else names == {"D"}


def test_holidays_do_not_hide_that_a_shop_rests_on_sundays() -> None:
    ds = dates(WEEKS[0], "2023-01-02", 300)
    holidays = ds.strftime("%m-%d").isin(["04-07", "04-10", "05-01", "05-18", "12-25", "12-26"])
    assert panel(ds[~holidays]).frequency.name == "Mon-Sat"


def test_weekdays_that_mostly_have_no_row_are_named() -> None:
    ds = dates(WEEKS[0], "2023-01-02", 300)
    one_sunday = ds.append(pd.DatetimeIndex(["2023-06-04"])).sort_values()
    assert any("Series 0: Sundays mostly have no row." in note for note in panel(one_sunday).notes)
    assert not any("no row" in note for note in panel(pd.date_range("2023-01-02", periods=300)).notes)


def test_the_last_trading_days_of_months_are_months() -> None:
    ds = dates("BME", "2018-01-01", 75).to_series()
    ds = ds.replace(
        {pd.Timestamp("2024-03-29"): pd.Timestamp("2024-03-28"), pd.Timestamp("2021-05-31"): pd.Timestamp("2021-05-28")}
    )
    result = panel(ds.to_numpy())
    assert (result.frequency.name, result.irregular, len(result[0])) == ("BME", True, 75)
    assert result.future_timestamps(1)[0] == np.datetime64("2024-04-30")
    assert "The dates lie on different days of their months: 75 observations were put on a grid" in result.notes[0]


def test_readings_on_any_day_of_the_month_are_months() -> None:
    random = np.random.default_rng(0)
    ds = pd.date_range("2018-01-01", periods=STEPS, freq="MS") + pd.to_timedelta(
        random.integers(0, 27, STEPS), unit="D"
    )
    assert panel(ds).frequency.name == "ME"


def test_fresh_rows_have_the_frequency_of_the_former_ones_where_they_agree() -> None:
    def later(ds: pd.DatetimeIndex, previous: Frequency) -> Panel:
        return build_panel(np.zeros(len(ds)), ds.to_numpy().astype("M8[us]"), np.ones(len(ds)), previous=previous)

    weekdays = Frequency("C", 1, "1111110")
    assert later(pd.date_range("2024-01-01", periods=3), weekdays).frequency == weekdays
    assert later(pd.date_range("2024-01-01", periods=14), weekdays).frequency.name == "D"
    assert later(dates("MS", "2024-01-01", 14), Frequency("D")).frequency.name == "MS"
    month_end = later(pd.DatetimeIndex(["2024-05-31"]), Frequency("BME"))
    assert month_end.future_timestamps(1)[0] == np.datetime64("2024-06-28")


def test_two_values_in_the_hour_that_comes_twice_are_refused_with_the_way_out() -> None:
    hours = pd.date_range("2024-10-26", periods=30, freq="h")
    with pytest.raises(
        InputError, match=r"duplicate date 2024-10-27 02:00:00; .* write the offsets from UTC where clocks"
    ):
        panel(hours.insert(27, hours[26]))


@pytest.mark.parametrize(
    "fields", [{"unit": "C"}, {"unit": "C", "weekdays": "0000000"}, {"unit": "D", "weekdays": "1111100"}]
)
def test_an_impossible_frequency_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="as weekdays, for 'C' only"):
        Frequency(**fields)


@pytest.mark.parametrize(
    "fields", [{"unit": "int", "count": 10**30}, {"unit": "D", "count": 10**9}, {"unit": "s", "count": 10**15}]
)
def test_a_step_whose_dates_do_not_fit_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a step of at most 285 years"):
        Frequency(**fields)
