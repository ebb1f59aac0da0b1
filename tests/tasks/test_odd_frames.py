"""Frames as the world has them: other phases, names, zones and months, words that appear late, windows of nothing."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import throughtime as tt
from throughtime import InputError
from throughtime.tasks.forecasting.evaluation.baselines import BASELINES
from throughtime.tasks.forecasting.evaluation.skill import Skill
from throughtime.tasks.forecasting.evaluation.verdict import backtest_verdict

if TYPE_CHECKING:
    from pathlib import Path


BRIEF = {"preset": tt.Preset(update_factor=30, max_updates=30), "budget": None}
"""Reproducible, where it does not matter how well it is trained."""


def rows(count: int, start: str, freq: str) -> pd.DataFrame:
    return pd.DataFrame({"ds": pd.date_range(start, periods=count, freq=freq), "y": 50 + 10 * np.sin(np.arange(count))})


def quick_forecaster(horizon: int = 4, **settings: Any) -> tt.Forecaster:
    return tt.Forecaster(horizon, **{"preset": "fast", "hidden_size": 8, "budget": 0.3, **settings})


@pytest.mark.parametrize(("late", "role"), [("aaa", "past"), (2.0, "past"), ("aaa", "future")])
def test_a_backtest_knows_no_word_and_no_number_that_comes_later(late: Any, role: str) -> None:
    random, count = np.random.default_rng(0), 120
    word = (
        random.choice(["x", "y", "z"], count) if isinstance(late, str) else random.integers(0, 2, count).astype(float)
    )
    y = 100 + np.cumsum(random.normal(0, 0.3, count))
    y[1:] += 20 * (word[:-1] == word[0])
    df = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=count), "y": y, "word": word})
    other = df.copy()
    first_hidden = 117 if role == "past" else 114  # of what is known in advance, a horizon is
    if role == "past":
        other.loc[first_hidden:, "word"] = late
    forecaster = quick_forecaster(3, **BRIEF, covariates=tt.Covariates(**{role: ["word"]}))
    windows: dict[str, Any] = {"n_windows": 1} if role == "past" else {"n_windows": 2, "step_size": 3}
    result = [forecaster.backtest(frame, **windows).forecasts for frame in (df, other)]
    np.testing.assert_array_equal(result[0]["throughtime"], result[1]["throughtime"])


def test_rows_between_the_dates_of_a_series_are_refused() -> None:
    forecaster = quick_forecaster().fit(rows(60, "2023-01-02", "W-MON"))
    thursdays = rows(8, "2024-02-29", "W-THU")
    for call in (forecaster.evaluate, forecaster.update):
        with pytest.raises(InputError, match="2024-02-29 is not one of its dates, which come every week from 2023-01"):
            call(thursdays)


@pytest.mark.parametrize(
    ("start", "freq", "first"),
    [("2019-01-31", "ME", 15), ("2019-04-30", "ME", 3), ("2009-03-31", "QE", 1), ("1950-12-31", "YE", 7)],
)
def test_ends_of_months_stay_such_from_any_month_on(start: str, freq: str, first: int) -> None:
    df = rows(60, start, freq)
    forecaster = quick_forecaster().fit(df)
    forecast = forecaster.predict(df.iloc[first:])
    assert forecast["ds"].tolist() == forecaster.predict()["ds"].tolist()
    assert (forecast["ds"] == forecast["ds"] + pd.offsets.MonthEnd(0)).all()


@pytest.mark.parametrize(("trained", "name"), [(1, "1"), ("1", 1), ("sales", None), (np.int32(7), "7")], ids=repr)
def test_a_series_is_matched_by_its_name_of_any_type(trained: Any, name: Any) -> None:
    df = rows(60, "2024-01-01", "D")
    forecaster = quick_forecaster().fit(df.assign(unique_id=trained))
    fresh = df if name is None else df.assign(unique_id=name)
    with pytest.raises(InputError, match="expected rows after those that the forecaster was trained on, got none"):
        forecaster.evaluate(fresh)
    assert forecaster.predict(fresh)["unique_id"].unique().tolist() == [trained]
    assert forecaster.update(fresh).series_ == [trained]


@pytest.mark.parametrize("convert", [lambda df: df, pl.from_pandas], ids=["pandas", "polars"])
@pytest.mark.parametrize(("start", "end"), [("2024-03-20", "2024-03-30 23:00"), ("2024-10-20", "2024-11-02")])
def test_hours_of_a_place_pass_through_the_change_of_clocks(start: str, end: str, convert: Any) -> None:
    ds = pd.date_range(start, end, freq="h", tz="Europe/Berlin")
    df = pd.DataFrame({"ds": ds, "y": np.arange(len(ds)) % 24 + 1.0})
    forecast = quick_forecaster(24).fit(convert(df)).predict()
    stamps = pd.to_datetime(forecast["ds"].to_list(), utc=True)
    assert (stamps == pd.date_range(ds[-1], periods=25, freq="h")[1:]).all()
    assert "Berlin" in str(forecast["ds"].dtype)


def test_days_of_a_place_stay_days() -> None:
    ds = pd.date_range("2024-03-01", periods=30, freq="D", tz="Europe/Berlin")
    forecast = quick_forecaster(4).fit(pd.DataFrame({"ds": ds, "y": np.arange(30.0)})).predict()
    assert forecast["ds"].tolist() == list(pd.date_range("2024-03-31", periods=4, freq="D", tz="Europe/Berlin"))


def test_windows_end_with_the_last_value() -> None:
    df = rows(80, "2024-01-01", "D")
    df.loc[60:, "y"] = np.nan
    result = quick_forecaster().backtest(df)
    assert result.forecasts["y"].notna().all()
    assert result.forecasts["ds"].max() == df["ds"][59]


def test_windows_without_any_value_are_not_called_exact() -> None:
    unknown = {name: {"mase": np.nan, "rmse": np.nan} for name in ("throughtime", *BASELINES)}
    skills = {"naive": Skill("naive", np.nan, np.nan, np.nan)}
    assert backtest_verdict(unknown, 5, skills) == (
        "No value is observed on 5 held-out windows: the forecasts cannot be scored."
    )


def test_one_window_of_one_series_is_not_sure_of_anything() -> None:
    result = quick_forecaster().backtest(rows(80, "2024-01-01", "D"), n_windows=1)
    assert not np.isfinite(result.skill.low)
    assert "gives no interval" in str(result.skill)
    compared = tt.compare(rows(80, "2024-01-01", "D"), {"GRU": quick_forecaster()}, 1)
    assert "surely" not in compared.verdict


@pytest.mark.parametrize("setting", [{"horizon": 7}, {"hidden_size": 32}, {"cell": "rnn"}])
def test_what_was_set_after_learning_is_refused_where_the_network_is_asked(
    setting: dict[str, Any], tmp_path: Path
) -> None:
    df = rows(60, "2024-01-01", "D")
    forecaster = quick_forecaster().fit(df).set_params(**setting)
    for call in (forecaster.predict, lambda: forecaster.save(tmp_path / "model"), lambda: forecaster.evaluate(df)):
        with pytest.raises(InputError, match=r"in fit and is .* now: call fit again"):
            call()
    assert forecaster.fit(df).predict() is not None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"random_state": "0"}, "random_state: expected a whole number of 0 or more, got '0'"),
        ({"random_state": -1}, "random_state: expected a whole number of 0 or more, got -1"),
        ({"freq": 5}, "freq: expected a name such as 'h' or None, got 5"),
        ({"levels": 80}, r"levels: expected percentages such as \[80, 95\], got 80"),
        ({"cell": ["gru"]}, "cell: expected one of rnn, gru, lstm"),
    ],
)
def test_settings_of_other_types_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        quick_forecaster(**settings).fit(rows(60, "2024-01-01", "D"))
    with pytest.raises(InputError, match="holidays, got"):
        tt.Covariates(holidays=["DE"])  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"n_windows: expected a whole number of 1 or more, got 2\.0"):
        quick_forecaster().backtest(rows(60, "2024-01-01", "D"), 2.0)  # type: ignore[arg-type]


def test_names_of_series_are_taken_as_they_come() -> None:
    df = rows(60, "2024-01-01", "D")

    def named(names: list[Any], data: pd.DataFrame = df) -> pd.DataFrame:
        return pd.concat([data.assign(unique_id=name) for name in names])

    assert quick_forecaster().fit(named(["0", "00", "007"])).series_ == ["0", "00", "007"]
    assert quick_forecaster().fit(named(["0", "9" * 20])).series_ == ["0", "9" * 20]
    numbered = quick_forecaster().fit(named([1, 7]))
    assert numbered.predict(named(["1", "8"]))["unique_id"].unique().tolist() == [1, 8]
    for odd in ("new", "007"):
        with pytest.raises(InputError, match=f"expected whole numbers as in training, got '{odd}'"):
            numbered.evaluate(named(["1", odd], rows(80, "2024-01-01", "D")))
    assert numbered.predict(named(["a", "b"]))["unique_id"].unique().tolist() == ["a", "b"]


@pytest.mark.parametrize("freq", ["D", "B", "6h"])
def test_times_of_the_days_of_a_place_stay_such(freq: str) -> None:
    start = "2024-01-01" if freq == "6h" else "2024-01-01 16:00"
    local = pd.date_range(start, periods=500 if freq == "6h" else 120, freq=freq)
    df = pd.DataFrame({"ds": local.tz_localize("Europe/London"), "y": np.arange(len(local)) % 5 + 1.0})
    stamps = quick_forecaster().fit(df).predict()["ds"]
    assert stamps.tolist() == pd.date_range(local[-1], periods=5, freq=freq)[1:].tz_localize("Europe/London").tolist()


def test_holidays_and_hours_are_those_of_the_place() -> None:
    from throughtime.data.series.frames import read_frame

    ds = pd.date_range("2023-12-20", periods=720, freq="h", tz="Asia/Tokyo")
    df = pd.DataFrame({"ds": ds, "y": np.arange(720) % 24 + 1.0})
    panel, kind = read_frame(df, covariates=tt.Covariates(holidays="JP", calendar=True))
    assert kind.in_utc
    covariates_at, names = panel.covariates_at(0, 720), panel.exogenous.calendar.names
    free = ds[covariates_at[:, names.index("holiday")] > 0]
    assert (free[0], free[-1]) == (pd.Timestamp("2024-01-01", tz="Asia/Tokyo"), ds[ds < "2024-01-09"][-1])
    np.testing.assert_allclose(
        covariates_at[0, [names.index("day_sin_1"), names.index("day_cos_1")]], (0, 1), atol=1e-9
    )


def test_later_frames_are_read_as_the_first_one(tmp_path: Path) -> None:
    ds = pd.date_range("2024-01-01", periods=480, freq="h", tz="Europe/Berlin")
    forecaster = quick_forecaster(24).fit(pd.DataFrame({"ds": ds, "y": np.arange(480) % 24 + 1.0}))
    forecaster.save(tmp_path / "model")
    for fitted in (forecaster, tt.load(tmp_path / "model")):
        fitted.update(pd.DataFrame({"ds": [ds[-1] + pd.Timedelta("1h")], "y": [1.0]}))
        assert fitted.panel_.values[-3:].tolist() == [23.0, 24.0, 1.0]
        assert str(fitted.predict()["ds"].dt.tz) == "Europe/Berlin"
        with pytest.raises(InputError, match="expected dates with a time zone, as in training"):
            fitted.evaluate(pd.DataFrame({"ds": ds.tz_localize(None), "y": 1.0}))


def test_a_backtest_needs_nothing_that_was_learned_and_older_pickles_work() -> None:
    df = rows(60, "2024-01-01", "D")
    forecaster = quick_forecaster(hidden_size=np.int64(8), lookback=np.int64(14), season=np.int64(7)).fit(df)
    assert forecaster.set_params(hidden_size=4).backtest(n_windows=1).windows == 1
    forecaster.set_params(hidden_size=8)
    del forecaster.fitted_params_
    assert len(pickle.loads(pickle.dumps(forecaster)).predict()) == 4
    assert forecaster.evaluate(rows(70, "2024-01-01", "D"), step_size=6).windows == 2


@pytest.mark.parametrize(
    ("column", "reason"), [("y", "the value at .* is infinite"), ("p", "column p: row 12 is infinite")]
)
def test_whole_numbers_beyond_floating_point_are_infinite(column: str, reason: str) -> None:
    dates = pd.date_range("2026-01-01", periods=12)
    frame = pd.DataFrame({"ds": dates, "y": range(12), "p": [None, *range(11)]}).astype({"y": object, "p": object})
    frame.loc[11, column] = -(10**400)
    with pytest.raises(tt.InputError, match=reason):
        tt.Forecaster(2, preset="fast", covariates=tt.Covariates(past=["p"])).fit(frame)
    with pytest.raises(tt.InputError, match="too large"):
        tt.SequenceClassifier(preset="fast").fit([[[1, 10**400]], [[1, 2]]] * 4, [0, 1] * 4)
