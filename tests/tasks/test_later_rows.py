"""A forecaster is evaluated as it is, on rows after those of its training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import throughtime as tt
from throughtime import InputError
from throughtime.data.datasets import seasonal

if TYPE_CHECKING:
    from pathlib import Path

HORIZON = 6
END = pd.Timestamp("2018-01-01")  # the last training date; the series continue for two years


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    return seasonal(3)


@pytest.fixture(scope="module")
def fitted(df: pd.DataFrame) -> tt.Forecaster:
    return tt.Forecaster(HORIZON, preset="fast", hidden_size=8, budget=2).fit(df[df["ds"] <= END])


def test_windows_fill_the_later_rows_and_no_row_that_was_learned_from_is_scored(
    fitted: tt.Forecaster, df: pd.DataFrame
) -> None:
    evaluation = fitted.evaluate(df)
    assert evaluation.windows == 3  # of 23 later rows
    assert evaluation.forecasts["cutoff"].min() >= END
    assert evaluation.forecasts["ds"].max() == df["ds"].max()
    assert {"throughtime", "naive", "seasonal_naive"} <= set(evaluation.scores)
    assert "held-out windows" in evaluation.verdict


def test_forecasts_are_those_of_predict_before_each_window(fitted: tt.Forecaster, df: pd.DataFrame) -> None:
    forecasts = fitted.evaluate(df).forecasts
    for cutoff, window in forecasts.groupby("cutoff"):
        expected = fitted.predict(df[df["ds"] <= cutoff])
        np.testing.assert_array_equal(window["throughtime"], expected["throughtime"])
        np.testing.assert_array_equal(window["throughtime-lo-80"], expected["throughtime-lo-80"])
        np.testing.assert_array_equal(window["ds"], expected["ds"])


def test_nothing_is_learned(fitted: tt.Forecaster, df: pd.DataFrame) -> None:
    before = {name: weight.clone() for name, weight in fitted.network_.state_dict().items()}
    first, second = fitted.evaluate(df), fitted.evaluate(df)
    assert all((weight == before[name]).all() for name, weight in fitted.network_.state_dict().items())
    assert first.scores == second.scores
    assert fitted.panel_.lengths.max() < df.groupby("unique_id").size().max()


def test_later_rows_alone_will_do_and_a_loaded_forecaster_says_the_same(
    fitted: tt.Forecaster, df: pd.DataFrame, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model")
    loaded = tt.load(tmp_path / "model")
    expected = fitted.evaluate(df).scores
    for forecaster, rows in ((fitted, df[df["ds"] > END]), (loaded, df), (loaded, df[df["ds"] > END])):
        scores = forecaster.evaluate(rows).scores
        for method, measures in expected.items():
            for measure, value in measures.items():
                assert scores[method][measure] == pytest.approx(value, rel=1e-9), (method, measure)


def test_windows_and_steps_are_chosen(fitted: tt.Forecaster, df: pd.DataFrame) -> None:
    cutoffs = fitted.evaluate(df, 4, 2).forecasts["cutoff"].unique()
    last = df["ds"].max()
    assert list(cutoffs) == [last - pd.DateOffset(months=HORIZON + 2 * i) for i in (3, 2, 1, 0)]


def test_a_series_is_in_as_many_windows_as_its_later_rows_allow(fitted: tt.Forecaster, df: pd.DataFrame) -> None:
    ended = (df["unique_id"] == "s1") & (df["ds"] > END + pd.DateOffset(months=7))
    late = (df["unique_id"] == "s2") & (df["ds"] > END)
    counts = fitted.evaluate(df[~ended & ~late]).forecasts.groupby("unique_id").size()
    assert counts.to_dict() == {"s0": 3 * HORIZON, "s1": HORIZON}


def test_a_series_that_is_new_keeps_a_past_to_forecast_from(fitted: tt.Forecaster) -> None:
    fresh = seasonal(1, 40, seed=5).replace({"s0": "new"})
    evaluation = fitted.evaluate(fresh)
    assert set(evaluation.forecasts["unique_id"]) == {"new"}
    assert evaluation.windows == (40 - 2 * HORIZON) // HORIZON
    assert np.isfinite(evaluation.scores["throughtime"]["rmse"])


def test_a_learned_series_under_another_name_is_refused(fitted: tt.Forecaster, df: pd.DataFrame) -> None:
    for rows in (df, df[df["ds"] <= END], df[df["ds"] > "2015-07-01"]):
        renamed = rows.assign(unique_id=rows["unique_id"].replace({"s1": "other"}))
        with pytest.raises(InputError, match="series other has the values that series s1 had in training"):
            fitted.evaluate(renamed)
    rounded = df.assign(unique_id=df["unique_id"].replace({"s1": "other"}), y=df["y"].round(2))
    with pytest.raises(InputError, match="series other has the values that series s1 had in training"):
        fitted.evaluate(rounded)
    unnamed = df[df["unique_id"] == "s1"].drop(columns="unique_id")
    with pytest.raises(InputError, match="series 0 has the values that series s1 had in training"):
        fitted.evaluate(unnamed)


def test_too_few_later_rows_are_refused(fitted: tt.Forecaster, df: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="expected rows after those that the forecaster was trained on, got none"):
        fitted.evaluate(df[df["ds"] <= END])
    with pytest.raises(InputError, match="n_windows: expected at most 3 for 23 rows to hold out, got 9"):
        fitted.evaluate(df, 9)


def test_a_forecast_from_a_few_later_rows_alone_says_that_it_reads_no_others(
    fitted: tt.Forecaster, df: pd.DataFrame
) -> None:
    later = df[df["ds"] > END]
    first = later["unique_id"].iloc[0]
    few = later[later["ds"] <= END + pd.Timedelta(days=120)]
    with pytest.warns(
        tt.InputWarning, match=rf"Fewer rows than the \d+ that a forecast reads: {first} \({len(few) // 3}\)"
    ):
        fitted.predict(few)
    fitted.predict(df[df["ds"] <= few["ds"].max()])  # with the rows of the training, as the warning says, without one
    fitted.predict(few.assign(unique_id="new " + few["unique_id"].astype(str)))
