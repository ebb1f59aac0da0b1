"""Dates of frames: whole numbers come back as such, and later frames are read as the first one was."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import throughtime as tt
from throughtime import InputWarning
from throughtime.data.series.covariates import Covariates
from throughtime.data.series.frame_format import FrameFormat
from throughtime.data.series.frames import read_frame, read_later_frame

if TYPE_CHECKING:
    from pathlib import Path

MONTHS = [year * 100 + month for year in range(2015, 2021) for month in range(1, 13)]
WEEKS = [year * 100 + week for year in (2019, 2020) for week in range(1, 53 + (year == 2020))]


def frame(ds: Any) -> pd.DataFrame:
    return pd.DataFrame({"ds": ds, "y": 100 + 10 * np.sin(2 * np.pi * np.arange(len(ds)) / 12)})


@pytest.mark.parametrize(
    ("ds", "following"),
    [
        (MONTHS, [202101, 202102]),
        ([float(month) for month in MONTHS], [202101, 202102]),
        (WEEKS, [202101, 202102]),
        ([year * 10 + quarter for year in range(2010, 2021) for quarter in range(1, 5)], [20211, 20212]),
        (pd.date_range("2024-01-01", "2024-02-28").strftime("%Y%m%d").astype(int), [20240229, 20240301]),
        (pd.date_range("2023-10-01", "2023-12-31").strftime("%Y%j").astype(int), [2024001, 2024002]),
        ([1704067200 + 3600 * hour for hour in range(72)], [1704326400, 1704330000]),
        (range(1990, 2021), [2021, 2022]),
        (range(100), [100, 101]),
        ([1704067200 * 10**9 + 3600 * 10**9 * hour for hour in range(72)], [1704326400 * 10**9, 1704330000 * 10**9]),
    ],
    ids=[
        "months",
        "months as fractions",
        "weeks",
        "quarters",
        "days",
        "days of the year",
        "Unix",
        "years",
        "steps",
        "ns",
    ],
)
def test_whole_numbers_go_on_in_their_calendar(ds: Any, following: list[int]) -> None:
    panel, kind = read_frame(frame(ds))
    assert kind.frame({"ds": panel.future_timestamps(2)})["ds"].tolist() == following
    assert len(panel[0]) == len(ds)


@pytest.mark.parametrize("ds", [[np.inf, 1.0], [1e300, 2e300], [1.5, 2.5], [2**62, 2**62 + 1]])
def test_numbers_that_are_neither_dates_nor_steps_are_refused(ds: Any) -> None:
    with pytest.raises(tt.InputError, match=r"row 1: .* is neither a date nor a whole number"):
        read_frame(frame(ds))


@pytest.mark.parametrize("cells", [[Decimal("1.5"), None, 3, np.float32(4)], [1.5, pd.NA, Fraction(3), 4]])
def test_values_may_be_objects_that_are_numbers(cells: list[Any]) -> None:
    df = pd.DataFrame({"ds": range(4), "y": pd.Series(cells, dtype=object)})
    np.testing.assert_array_equal(read_frame(df)[0].values, [1.5, np.nan, 3, 4])


DAYS = pd.date_range("2024-01-01", periods=4)
Y = np.arange(4.0)


@pytest.mark.parametrize(
    ("df", "message"),
    [
        (pd.DataFrame({"ds": DAYS, "y": pd.Series([1.0, True, 2.0, 3.0], dtype=object)}), "y: expected numbers, got"),
        (pd.DataFrame({"ds": DAYS - DAYS[0], "y": Y}), "ds: expected dates or whole numbers, got Duration"),
        (pl.DataFrame({"ds": [dt.time(hour) for hour in range(4)], "y": Y}), "expected dates .*, got Time"),
        (pd.DataFrame(np.zeros((4, 3)), columns=["ds", "y", "y"]), "y once each, got columns of one name"),
        (pd.DataFrame({0: DAYS, 1: Y}), "expected columns unique_id, ds and y, got 0, 1; ds and y missing"),
        (pd.DataFrame({("a", "ds"): DAYS, ("a", "y"): Y}), r"got \('a', 'ds'\), .* missing"),
    ],
)
def test_frames_that_cannot_be_read_are_refused(df: Any, message: str) -> None:
    with pytest.raises(tt.InputError, match=message):
        read_frame(df)


def test_texts_of_whole_numbers_are_dates() -> None:
    panel, kind = read_frame(frame([str(month) for month in MONTHS]))
    assert kind.frame({"ds": panel.future_timestamps(1)})["ds"].tolist() == [pd.Timestamp("2021-01-01")]


def test_what_was_decided_is_saved_and_used_for_later_frames(tmp_path: Path) -> None:
    quick = {"preset": "fast", "hidden_size": 4, "budget": 0.1}
    days_first = pd.date_range("2024-01-01", periods=60).strftime("%d/%m/%Y")
    tt.Forecaster(2, **quick).fit(frame(days_first)).save(tmp_path / "model")
    forecaster = tt.load(tmp_path / "model")
    assert forecaster.kind_.date_format.order == "dmy"
    with pytest.warns(tt.InputWarning, match="Fewer rows than the"):
        assert forecaster.predict(frame(["05/04/2024"]))["ds"][0] == pd.Timestamp("2024-04-06")
    with pytest.raises(tt.InputError, match="'04/13/2024' is not a date in the order day/month/year"):
        forecaster.predict(frame(["04/13/2024"]))
    months = tt.Forecaster(2, covariates=tt.Covariates(future=["x"]), **quick).fit(frame(MONTHS).assign(x=1.0))
    future = pd.DataFrame({"ds": [202101, 202102], "x": 1.0})
    assert months.predict(future=future)["ds"].tolist() == [202101, 202102]
    with pytest.raises(tt.InputError, match="202113 is not a date of the calendar month"):
        months.predict(future=future.assign(ds=[202112, 202113]))


def test_whole_numbers_of_a_model_without_calendars_stay_steps() -> None:
    steps, _ = read_frame(frame(list(range(201400, 201472))))
    panel, kind = read_later_frame(frame(MONTHS[:1]), steps, FrameFormat(dates="integer"))
    assert panel.starts.tolist() == [201501]
    assert kind.frame({"ds": panel.future_timestamps(1)})["ds"].dtype == np.int64


def test_a_kind_without_a_format_is_read() -> None:
    saved: dict[str, Any] = {"backend": "pandas", "date_format": {"order": "mdy"}}
    assert FrameFormat(**saved).date_format.order == "mdy"
    assert FrameFormat("pandas").date_format.order == ""


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "+2", "../../etc/passwd", "UTC+02:00; x"])
def test_a_time_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="expected the name of a time zone"):
        FrameFormat(timezone=zone)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "+02:00", "UTC-03:30"])
def test_time_zones_of_frames_are_accepted(zone: str) -> None:
    assert FrameFormat(timezone=zone).timezone == zone


def test_a_word_that_only_rows_to_be_forecast_hold_is_not_known() -> None:
    ds = pd.date_range("2024-01-01", periods=12)
    offers = ["sale", "none"] * 5 + ["clearance", "none"]
    df = pd.DataFrame({"ds": ds, "y": [1.0, 2.0] * 5 + [np.nan] * 2, "offer": offers})
    with pytest.warns(InputWarning, match="clearance.* was not seen in training"):
        panel, _ = read_frame(df, covariates=Covariates(future=["offer"]))
    assert panel.exogenous.features[0].categories == ("none", "sale")
