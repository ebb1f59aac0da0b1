"""The forecaster as its users meet it: frames in and out, the estimator's contract, honest backtests, bad input."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import throughtime as tt
from throughtime import InputError, training
from throughtime.data.datasets import random_walk, seasonal

BRIEF = {"preset": tt.Preset(update_factor=30, max_updates=30), "budget": None}
"""Reproducible, where it does not matter how well it is trained."""


def quick_forecaster(horizon: int = 6, **settings: object) -> tt.Forecaster:
    return tt.Forecaster(horizon, **{"preset": "fast", "hidden_size": 8, "budget": 2, **settings})


@pytest.fixture(scope="module")
def fitted() -> tt.Forecaster:
    return quick_forecaster().fit(seasonal())


def test_a_forecast_follows_the_last_date_of_every_series(fitted: tt.Forecaster) -> None:
    forecast = fitted.predict()
    levels = [f"throughtime-{side}-{level}" for level in (80, 95) for side in ("lo", "hi")]
    assert list(forecast.columns) == ["unique_id", "ds", "throughtime", *levels]
    assert forecast["unique_id"].tolist() == [f"s{i}" for i in range(4) for _ in range(6)]
    assert forecast["ds"].iloc[:6].tolist() == list(pd.date_range("2020-01-01", periods=6, freq="MS"))
    assert np.isfinite(forecast.iloc[:, 2:].to_numpy()).all()


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "pyarrow"])
def test_a_forecast_is_a_frame_of_the_kind_that_came(fitted: tt.Forecaster, convert: object) -> None:
    df = convert(seasonal())
    forecast = fitted.predict(df)
    assert type(forecast) is type(df)
    plain = forecast.to_pandas()
    pd.testing.assert_frame_equal(plain, fitted.predict(), check_dtype=False)


def test_dates_without_a_time_stay_such() -> None:
    df = pl.from_pandas(seasonal(1, 60)).with_columns(pl.col("ds").cast(pl.Date))
    assert quick_forecaster(budget=0.2).fit(df).predict()["ds"].dtype == pl.Date


def test_a_frame_without_ids_is_one_series() -> None:
    df = seasonal(1, 60).drop(columns="unique_id")
    assert len(quick_forecaster(budget=0.2).fit(df).predict()) == 6


def test_intervals_do_not_cross_and_hold_the_forecast(fitted: tt.Forecaster) -> None:
    f = fitted.predict(level=[50, 80, 95, 99])
    columns = ["lo-99", "lo-95", "lo-80", "lo-50", "hi-50", "hi-80", "hi-95", "hi-99"]
    bounds = f[[f"throughtime-{c}" for c in columns]].to_numpy()
    assert (np.diff(bounds, axis=1) >= 0).all()
    assert (bounds[:, 3] < f["throughtime"]).all()
    assert (f["throughtime"] < bounds[:, 4]).all()


def test_the_same_seed_gives_the_same_forecast() -> None:
    import torch

    df = seasonal(2, 80)
    first, second, other = (quick_forecaster(**BRIEF, random_state=s).fit(df) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first.predict(), second.predict(), check_exact=True)
    pairs = zip(first.network_.parameters(), other.network_.parameters(), strict=True)
    assert not all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_fitting_leaves_random_numbers_and_threads_alone() -> None:
    import torch

    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    quick_forecaster(budget=0.2).fit(seasonal(1, 60))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads


def test_forecasts_follow_the_data_given_to_predict(fitted: tt.Forecaster) -> None:
    df = seasonal()
    earlier = df[df["ds"] < "2019-01-01"]
    forecast = fitted.predict(earlier)
    assert forecast["ds"].min() == pd.Timestamp("2019-01-01")
    changed = df.copy()
    changed.loc[changed["ds"] >= "2019-01-01", "y"] *= 100
    pd.testing.assert_frame_equal(fitted.predict(changed[changed["ds"] < "2019-01-01"]), forecast, check_exact=True)


def test_series_never_seen_in_training_are_forecast(fitted: tt.Forecaster) -> None:
    new = seasonal(2, 100, seed=9).replace({"s0": "new0", "s1": "new1"})
    forecast = fitted.predict(new)
    assert forecast["unique_id"].unique().tolist() == ["new0", "new1"]
    assert np.isfinite(forecast["throughtime"]).all()


def test_settings_are_stored_and_cloned() -> None:
    forecaster = quick_forecaster(levels=(50,), cell="lstm")
    copy = clone(forecaster)
    assert copy.get_params() == forecaster.get_params()
    assert copy.set_params(horizon=3).horizon == 3
    assert [*forecaster.get_params()] == sorted(inspect.signature(tt.Forecaster).parameters)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        copy.predict()


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_any_cell_will_do(cell: str) -> None:
    assert len(quick_forecaster(cell=cell, budget=0.3).fit(seasonal(1, 60)).predict()) == 6


def test_probabilities_are_scored(fitted: tt.Forecaster) -> None:
    result = fitted.backtest(n_windows=2, memoryless=False)
    assert list(result.pinball) == [i / 20 for i in range(1, 20)]
    assert (
        0.5 * result.scores["throughtime"]["mase"] < result.crps["throughtime"] < result.scores["throughtime"]["mase"]
    )
    np.testing.assert_allclose(2 * result.pinball[0.5], result.scores["throughtime"]["mase"])
    assert result.crps["naive"] == result.scores["naive"]["mase"]
    assert set(result.msis) == {80, 95}


# -- more rows


def test_more_rows_are_learned_from_without_starting_anew() -> None:
    df = pd.concat([seasonal(), seasonal(1, 120, seed=5).replace({"s0": "new"})])
    old = df[(df["ds"] < "2018-01-01") & (df["unique_id"] != "new")]
    forecaster = quick_forecaster(budget=None).fit(old)
    first, updates = forecaster.model_.calibration, forecaster.history_.records[-1].updates
    weights = forecaster.network_.get_parameter("correction.weight").clone()
    forecaster.update(df[(df["ds"] >= "2018-01-01") | (df["unique_id"] == "new")])
    assert forecaster.model_.calibration is not first
    assert 0 < forecaster.history_.records[-1].updates <= updates / 2
    assert 0 < (forecaster.network_.get_parameter("correction.weight") - weights).norm() < weights.norm()
    assert forecaster.series_ == ["s0", "s1", "s2", "s3", "new"]
    np.testing.assert_array_equal(forecaster.panel_[0], seasonal().query("unique_id == 's0'")["y"])
    forecast = forecaster.predict()
    assert min(forecast["ds"].unique()) == pd.Timestamp("2010-01-01")
    assert forecast.query("unique_id == 's0'")["ds"].min() == pd.Timestamp("2020-01-01")
    corrected = df[df["ds"] == "2019-12-01"].assign(y=1000.0)
    kept = forecaster.update(corrected).model_.calibration
    assert forecaster.panel_[0][-1] == 1000
    assert len(forecaster.panel_[0]) == 240
    assert kept is forecaster.update(corrected).model_.calibration


# -- beyond the horizon, and sample paths


def test_beyond_its_horizon_it_forecasts_from_forecasts(fitted: tt.Forecaster) -> None:
    df, first = seasonal(), fitted.predict()
    longer = fitted.predict(horizon=15)
    assert len(longer) == 4 * 15
    starts = longer.groupby("unique_id").head(6).reset_index(drop=True)
    pd.testing.assert_frame_equal(starts, first, check_exact=True)
    followed = first[["unique_id", "ds"]].assign(y=first["throughtime"])
    again = fitted.predict(pd.concat([df, followed]))
    middle = longer.groupby("unique_id").nth(slice(6, 12))
    np.testing.assert_allclose(middle["throughtime"], again["throughtime"], rtol=1e-9)
    width = (longer["throughtime-hi-95"] - longer["throughtime-lo-95"]).to_numpy().reshape(4, 15)
    alone = (again["throughtime-hi-95"] - again["throughtime-lo-95"]).to_numpy().reshape(4, 6)
    assert (width[:, 6:12] > alone).all()
    assert len(fitted.predict(horizon=2)) == 8
    with pytest.raises(InputError, match="horizon: expected a whole number of 1 or more, got 0"):
        fitted.predict(horizon=0)
    with pytest.raises(InputError, match="horizon: expected at most 100,000 steps"):
        fitted.predict(horizon=10**9)


def test_sample_paths_are_distributed_as_the_intervals_state(fitted: tt.Forecaster) -> None:
    result = fitted.sample(paths=4000)
    assert list(result.columns) == ["unique_id", "ds", "path", "throughtime"]
    sample_paths = result["throughtime"].to_numpy().reshape(4, 4000, 6)
    forecast = fitted.predict(level=[80])
    low, high = (forecast[f"throughtime-{side}-80"].to_numpy().reshape(4, 6) for side in ("lo", "hi"))
    inside = (sample_paths >= low[:, None]) & (sample_paths <= high[:, None])
    assert np.abs(inside.mean() - 0.8) < 0.04
    below = (sample_paths < forecast["throughtime"].to_numpy().reshape(4, 1, 6)).mean((0, 1))
    np.testing.assert_allclose(below, 0.5, atol=0.03)
    pd.testing.assert_frame_equal(fitted.sample(paths=3), fitted.sample(paths=3), check_exact=True)
    assert not fitted.sample(paths=3).equals(fitted.sample(paths=3, random_state=1))


def test_the_steps_of_a_sample_path_are_correlated() -> None:
    fitted = quick_forecaster(horizon=12).fit(random_walk())
    sample_paths = fitted.sample(paths=2000)["throughtime"].to_numpy().reshape(-1, 2000, 12)[0]
    assert np.corrcoef(sample_paths[:, 10], sample_paths[:, 11])[0, 1] > 0.6


# -- backtests


def test_a_backtest_is_as_long_as_its_windows_and_scores_all_methods(fitted: tt.Forecaster) -> None:
    result = fitted.backtest(n_windows=3)
    assert result.windows == 3
    assert len(result.forecasts) == 3 * 4 * 6
    assert {"unique_id", "ds", "cutoff", "y", "throughtime", "naive", "seasonal_naive"} <= set(result.forecasts.columns)
    for name in ("throughtime", "naive", "seasonal_naive"):
        assert set(result.scores[name]) == {"mae", "bias", "wape", "rmse", "smape", "mase"}
        assert len(result.by_step[name]) == 6
    assert set(result.coverage) == {80, 95}
    assert "3 held-out windows" in result.verdict


def test_scores_of_a_backtest_are_those_of_its_frame(fitted: tt.Forecaster) -> None:
    result = fitted.backtest(n_windows=2)
    f = result.forecasts
    error = (f["y"] - f["naive"]).abs()
    assert result.scores["naive"]["smape"] == pytest.approx((200 * error / (f["y"].abs() + f["naive"].abs())).mean())
    rmse = (error**2).groupby([f["unique_id"], f["cutoff"]]).mean() ** 0.5
    assert result.scores["naive"]["rmse"] == pytest.approx(rmse.mean())
    inside = (f["y"] >= f["throughtime-lo-80"]) & (f["y"] <= f["throughtime-hi-80"])
    assert result.coverage[80] == pytest.approx(inside.mean())


@pytest.mark.parametrize("refit", [False, True])
def test_a_backtest_does_not_see_what_it_forecasts(refit: bool) -> None:
    """Values after the first cutoff change neither the forecasts from there nor, without refit, the network."""
    df = seasonal(2, 72)
    future = df["ds"] > df["ds"].unique()[-13]
    changed = df.copy()
    changed.loc[future, "y"] *= np.random.default_rng(0).uniform(10, 1000, future.sum())
    honest, other = (quick_forecaster(**BRIEF).cross_validation(d, n_windows=2, refit=refit) for d in (df, changed))
    first = honest["cutoff"] == honest["cutoff"].min()
    columns = [c for c in honest.columns if c != "y"]
    pd.testing.assert_frame_equal(honest.loc[first, columns], other.loc[first, columns], check_exact=True)
    assert (honest.loc[~first, "throughtime"] != other.loc[~first, "throughtime"]).any()


def test_windows_lie_a_step_apart(fitted: tt.Forecaster) -> None:
    frame = fitted.cross_validation(seasonal(), n_windows=3, step_size=2)
    cutoffs = sorted(frame["cutoff"].unique())
    assert [c.strftime("%Y-%m") for c in cutoffs] == ["2019-02", "2019-04", "2019-06"]
    assert ((frame["ds"] > frame["cutoff"]) & (frame["ds"] <= frame["cutoff"] + pd.DateOffset(months=6))).all()


def test_the_verdict_admits_that_nothing_was_learned() -> None:
    result = quick_forecaster(7, preset="fast", budget=None).backtest(random_walk(4, 300))
    assert result.scores["throughtime"]["mase"] < 1.1 * result.scores["naive"]["mase"]
    assert "as good as" in result.verdict or "does not win" in result.verdict


# -- odd data


def test_gaps_and_missing_values_are_masked_and_reported() -> None:
    df = seasonal(2, 100)
    df.loc[[10, 11, 50], "y"] = np.nan
    df = df.drop(index=[30, 31])
    forecaster = quick_forecaster(budget=0.5).fit(df)
    assert forecaster.notes_[0] == "Series s0: 2 missing rows and 3 missing values, masked."
    assert np.isfinite(forecaster.predict()["throughtime"]).all()


def test_a_series_that_ends_in_missing_values_is_forecast() -> None:
    df = seasonal(2, 100)
    df.loc[df.index[-5:], "y"] = np.nan
    assert np.isfinite(quick_forecaster(budget=0.5).fit(df).predict()["throughtime"]).all()


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0])
def test_a_constant_series_is_forecast_as_constant(value: float) -> None:
    df = pd.DataFrame({"ds": pd.date_range("2020-01-01", periods=60), "y": value})
    forecaster = quick_forecaster(budget=0.5).fit(df)
    np.testing.assert_allclose(forecaster.predict()["throughtime"], value, atol=0.02)
    assert "exact" in forecaster.backtest().verdict


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_the_unit_of_a_series_does_not_matter(scale: float) -> None:
    df = seasonal(2, 72)
    plain = quick_forecaster(**BRIEF).fit(df).predict()["throughtime"]
    scaled = quick_forecaster(**BRIEF).fit(df.assign(y=df["y"] * scale)).predict()["throughtime"]
    np.testing.assert_allclose(scaled / scale, plain, rtol=1e-3)


def test_short_series_among_long_ones_are_forecast_by_a_naive_forecast_and_named() -> None:
    df = pd.concat([seasonal(3, 100), seasonal(1, 5, seed=3).replace("s0", "tiny")])
    forecaster = quick_forecaster(budget=0.5).fit(df)
    assert any("Too short for the network" in note and "tiny" in note for note in forecaster.notes_)
    forecast = forecaster.predict().set_index("unique_id").loc["tiny", "throughtime"]
    assert np.isfinite(forecast).all()


def test_short_series_do_not_widen_the_intervals_of_long_ones() -> None:
    """Their scale follows from the spread within their only season, not from differences between seasons."""
    long, short = seasonal(8, 96), seasonal(8, 14)
    short["unique_id"] = "short-" + short["unique_id"].astype(str)
    widths = []
    for df in (long, pd.concat([long, short])):
        forecast = tt.Forecaster(6, preset="fast", hidden_size=16).fit(df).predict(long, level=[95])
        widths.append((forecast["throughtime-hi-95"] - forecast["throughtime-lo-95"]).median())
    assert widths[1] < 2 * widths[0]


@pytest.mark.parametrize("steps", [2, 3, 5, 9, 14])
def test_a_series_shorter_than_the_horizon_is_still_forecast(steps: int) -> None:
    forecaster = quick_forecaster(12, budget=0.5).fit(seasonal(1, steps))
    forecast = forecaster.predict()
    assert np.isfinite(forecast.iloc[:, 2:].to_numpy(dtype=float)).all()
    assert forecaster.notes_


def test_a_series_without_any_value_has_no_forecast() -> None:
    df = seasonal(2, 60)
    df.loc[df["unique_id"] == "s1", "y"] = np.nan
    forecast = quick_forecaster(budget=0.3).fit(df).predict().set_index("unique_id")["throughtime"]
    assert np.isfinite(forecast["s0"]).all()
    assert forecast["s1"].isna().all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"horizon": 0}, "horizon: expected a whole number of 1 or more, got 0"),
        ({"horizon": 10**9}, "horizon: expected at most 100,000 steps, got 1,000,000,000"),
        ({"horizon": 2.5}, "horizon: expected a whole number"),
        ({"cell": "transformer"}, "cell: expected one of rnn, gru, lstm, got 'transformer'"),
        ({"preset": "slow"}, "preset: expected one of fast, balanced, best"),
        ({"loss": "mse"}, "loss: expected one of"),
        ({"levels": (120,)}, "levels: expected percentages between 0 and 100, got 120"),
        ({"budget": "soon"}, "budget: expected a time such as"),
        ({"season": 0}, "season: expected a whole number"),
        ({"missing": "drop"}, "missing: expected one of mask, ffill, error"),
        ({"freq": "D"}, "freq: 'D' was asked for, but the dates come every month"),
    ],
)
def test_impossible_settings_are_refused_before_training(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        quick_forecaster(**settings).fit(seasonal(1, 60))


def test_a_single_value_is_refused() -> None:
    with pytest.raises(InputError, match="expected series of 2 values or more, got 1"):
        quick_forecaster().fit(seasonal(1, 1))


def test_a_backtest_of_too_few_values_is_refused() -> None:
    with pytest.raises(InputError, match=r"expected at least one series of 36 steps for a horizon of 12, got 20"):
        quick_forecaster(12).backtest(seasonal(1, 20))
    with pytest.raises(InputError, match="n_windows: expected at most"):
        quick_forecaster(12).backtest(seasonal(1, 60), n_windows=50)


def test_another_frequency_is_refused_at_predict(fitted: tt.Forecaster) -> None:
    daily = pd.DataFrame({"ds": pd.date_range("2020-01-01", periods=60), "y": 1.0})
    with pytest.raises(InputError, match="trained on, every month, got every day"):
        fitted.predict(daily)


# -- training


def test_progress_is_reported_and_the_history_kept() -> None:
    heard = []
    forecaster = quick_forecaster(budget=None).fit(seasonal(2, 100), callbacks=[heard.append])
    assert heard
    assert all(isinstance(p, training.Progress) for p in heard)
    assert len(forecaster.history_) == 20
    assert all(r.validation_loss is not None for r in forecaster.history_.records)


def test_ctrl_c_leaves_a_usable_forecaster() -> None:
    def interrupt(progress: training.Progress) -> None:
        if progress.updates > 30:
            raise KeyboardInterrupt

    forecaster = quick_forecaster(budget=None)
    with pytest.raises(training.Interrupted):
        forecaster.fit(seasonal(2, 100), callbacks=[interrupt])
    assert np.isfinite(forecaster.predict()["throughtime"]).all()


def test_a_budget_is_kept() -> None:
    import time

    started = time.monotonic()
    quick_forecaster(preset="best", budget=1.5).fit(seasonal(4, 200))
    assert time.monotonic() - started < 4
