"""From a long frame to a panel: faults are fixed and reported, or refused with the series and the date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl
import pytest

from throughtime import InputError
from throughtime.data.series.frames import read_frame

if TYPE_CHECKING:
    from throughtime.data.series.panel import Panel


def frame(freq: str = "D", steps: int = 30, name: str = "a") -> pd.DataFrame:
    ds = pd.date_range("2024-01-01", periods=steps, freq=freq)
    return pd.DataFrame({"unique_id": name, "ds": ds, "y": np.arange(steps, dtype=float) + 1})


def read(df: pd.DataFrame, **options: str) -> Panel:
    return read_frame(df, **options)[0]


@pytest.mark.parametrize(
    "freq", ["s", "5min", "15min", "h", "6h", "D", "2D", "B", "W", "MS", "ME", "2MS", "QS", "QE", "YS", "YE"]
)
def test_the_frequency_is_inferred_and_continues_the_dates(freq: str) -> None:
    df = frame(freq, steps=40)
    panel = read(df.iloc[:30])
    expected = df["ds"].to_numpy().astype("M8[us]")
    assert len(panel[0]) == 30
    np.testing.assert_array_equal(panel.stamps(0, 0, 40), expected)


@pytest.mark.parametrize("freq", ["min", "h", "D", "W", "MS", "QS", "YS"])
def test_a_gap_does_not_change_the_frequency(freq: str) -> None:
    df = frame(freq).drop(index=[7, 8, 20])
    panel = read(df)
    assert len(panel[0]) == 30
    assert np.flatnonzero(np.isnan(panel[0])).tolist() == [7, 8, 20]
    assert any("3 missing rows" in note for note in panel.notes)


def test_series_may_start_on_different_days_of_the_week() -> None:
    first, second = frame("W-SUN"), frame("W-WED", name="b")
    panel = read(pd.concat([first, second]))
    assert panel.frequency.name == "W"
    np.testing.assert_array_equal(panel.stamps(1, 0, 30), second["ds"].to_numpy().astype("M8[us]"))


def test_whole_numbers_are_steps() -> None:
    panel = read(pd.DataFrame({"ds": [0, 2, 4, 8], "y": [1.0, 2, 3, 4]}))
    assert panel.frequency.count == 2
    assert panel.stamps(0, 5, 2).tolist() == [10, 12]
    np.testing.assert_array_equal(panel[0], [1, 2, 3, np.nan, 4])


def test_rows_may_come_in_any_order_and_it_is_said() -> None:
    df = frame()
    shuffled = read(df.sample(frac=1, random_state=0))
    np.testing.assert_array_equal(shuffled[0], read(df)[0])
    assert any("sorted" in note for note in shuffled.notes)
    assert read(df).notes == []


def test_missing_values_are_masked_and_counted() -> None:
    df = frame()
    df.loc[[3, 4], "y"] = np.nan
    panel = read(df)
    assert panel.notes == ["Series a: 2 missing values, masked."]
    assert np.isnan(panel[0][3:5]).all()
    np.testing.assert_array_equal(read(df, missing="ffill")[0][2:6], [3, 3, 3, 6])
    with pytest.raises(InputError, match="series a: 2 missing values; fill them"):
        read(df, missing="error")


def test_nulls_of_polars_are_missing_values() -> None:
    df = pl.from_pandas(frame()).with_columns(pl.when(pl.col("y") == 29).then(None).otherwise(pl.col("y")).alias("y"))
    assert np.flatnonzero(np.isnan(read_frame(df)[0][0])).tolist() == [28]


def altered(row: int, column: str, value: object) -> pd.DataFrame:
    df = frame()
    df.loc[row, column] = value
    return df


@pytest.mark.parametrize(
    ("df", "message"),
    [
        (altered(5, "y", np.inf), "series a: the value at 2024-01-06 is infinite"),
        (altered(5, "ds", pd.Timestamp("2024-01-05")), "series a: duplicate date 2024-01-05"),
        (altered(5, "ds", pd.Timestamp("2024-01-06 05:00")), "series a: 2024-01-06 05:00:00 does not fit"),
        (altered(29, "ds", pd.Timestamp("2999-01-01")), "steps are missing after 2024-01-29; is a date wrong"),
        (altered(5, "ds", pd.NaT), "column ds: row 6 has no date"),
        (altered(5, "unique_id", None), "column unique_id: row 6 is empty"),
        (frame().rename(columns={"y": "sales"}), "expected columns unique_id, ds and y, got unique_id, ds, sales"),
        (frame().assign(y="x"), "column y: expected numbers"),
        (frame().iloc[:0], "at least one row"),
        (frame().assign(y=np.nan), "every value is missing"),
        ([1, 2, 3], "expected a pandas, polars or pyarrow frame"),
    ],
)
def test_what_cannot_be_mended_is_refused(df: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(df)


@pytest.mark.parametrize(
    ("freq", "requested"), [("MS", "monthly"), ("ME", "M"), ("h", "H"), ("15min", "15min"), ("W", "weekly")]
)
def test_a_frequency_may_be_given_in_words(freq: str, requested: str) -> None:
    assert read(frame(freq), freq=requested).frequency == read(frame(freq)).frequency


@pytest.mark.parametrize(("freq", "requested"), [("MS", "D"), ("D", "h"), ("h", "D"), ("W", "MS")])
def test_a_frequency_that_contradicts_the_dates_is_refused(freq: str, requested: str) -> None:
    with pytest.raises(InputError, match=f"freq: '{requested}' was asked for, but the dates come every"):
        read(frame(freq), freq=requested)


def test_a_frequency_may_be_finer_than_the_calendar_shows() -> None:
    assert read(frame("B"), freq="D").frequency.name == "D"


def test_an_unknown_frequency_is_refused() -> None:
    with pytest.raises(InputError, match="freq: expected a frequency such as"):
        read(frame(), freq="fortnightly")


def test_dates_of_a_time_zone_come_back_in_it() -> None:
    df = pl.from_pandas(frame("h")).with_columns(pl.col("ds").dt.replace_time_zone("Asia/Tokyo"))
    panel, kind = read_frame(df)
    result = kind.frame({"ds": panel.stamps(0, 0, 30), "y": panel[0]})
    assert result["ds"].equals(df["ds"])
