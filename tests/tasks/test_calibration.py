"""The weight of the network relative to the naive forecast, intervals, short series, and effects known in advance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from benchmarks.intervals import LEVELS, PANELS, row

import throughtime as tt
from throughtime.data.series.covariates import Feature
from throughtime.data.series.frames import read_frame
from throughtime.data.series.structural_zeros import find_structural_zeros
from throughtime.inference.forecasting.linear_effects import LinearEffects, design
from throughtime.inference.forecasting.plan import Plan
from throughtime.tasks.forecasting.calibration.calibration import calibrate
from throughtime.tasks.forecasting.calibration.conformal import calibrate_errors
from throughtime.tasks.forecasting.evaluation.skill import missed_coverage
from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
from throughtime.tasks.forecasting.windows import WindowStore


def walks(count: int, steps: int) -> pd.DataFrame:
    """Random walks: the last value is the best forecast."""
    values = np.random.default_rng(0).standard_normal((count, steps)).cumsum(1) + 1000
    dates = pd.date_range("2020-01-01", periods=steps)
    keys = {"unique_id": np.repeat(np.arange(count), steps), "ds": np.tile(dates, count)}
    return pd.DataFrame(keys | {"y": values.ravel()})


@pytest.mark.parametrize("held_out", [0, 14])
def test_what_never_beat_the_last_value_gets_next_to_no_weight(held_out: int) -> None:
    panel, _ = read_frame(walks(4, 300))
    plan = Plan.of(panel, 14)
    result = calibrate(ForecastNetwork(plan).eval(), WindowStore(panel, plan), held_out, loss="owa")
    assert result.expert == "naive"
    assert result.weight < 0.01


def test_what_adds_to_the_best_naive_forecast_has_a_part_where_little_is_held_out() -> None:
    calibration = tt.Forecaster(11, preset="fast").fit(tt.datasets.load("sunspots")).model_.calibration
    assert calibration.horizons < 10
    assert 0.15 < calibration.weight < 0.7


# -- new and short series


def weekly(name: str, steps: int, seed: int, level: float = 1000.0) -> pd.DataFrame:
    """A series of days with a season of a week and noise of 8 %, which ends on the same day whatever its length."""
    dates = pd.date_range(end="2026-11-29", periods=steps)
    pattern = np.array([1, 0.9, 0.95, 1, 1.2, 1.45, 0.8])[dates.day_of_week]
    noise = np.random.default_rng(seed).normal(0, 0.08, steps)
    return pd.DataFrame({"unique_id": name, "ds": dates, "y": level * pattern * np.exp(noise)})


def intervals(df: pd.DataFrame) -> pd.DataFrame:
    """Forecasts and widths by series."""
    forecast = tt.Forecaster(14, preset=tt.Preset(2, 10), hidden_size=8).fit(df).predict(level=[80])
    forecast["width"] = forecast["throughtime-hi-80"] - forecast["throughtime-lo-80"]
    return forecast.set_index("unique_id")


def test_new_and_broken_series_leave_the_others_as_they_were() -> None:
    old = pd.concat([weekly(f"s{i}", 200, i) for i in range(3)])
    new = [weekly(f"n{n}", n, n) for n in (1, 2, 5, 12, 20, 29)]
    new += [weekly("constant", 200, 9).assign(y=5.0), weekly("zeros", 20, 9).assign(y=0.0)]
    alone, together = intervals(old), intervals(pd.concat([old, *new])).loc[["s0", "s1", "s2"]]
    np.testing.assert_allclose(together["throughtime"], alone["throughtime"], rtol=0.03)
    np.testing.assert_allclose(together["width"], alone["width"], rtol=0.05)


def test_a_short_series_is_forecast_from_its_level_and_the_season_of_the_others() -> None:
    old = pd.concat([weekly(f"s{i}", 200, i) for i in range(3)])
    forecast = intervals(pd.concat([old, weekly("new", 5, 7, level=300.0)]))
    new, others = forecast.loc["new"], forecast.loc["s0"]
    pattern = np.array([1, 0.9, 0.95, 1, 1.2, 1.45, 0.8])[pd.DatetimeIndex(new["ds"]).day_of_week]
    np.testing.assert_allclose(new["throughtime"], 300 * pattern, rtol=0.15)
    relative = [(interval["width"] / interval["throughtime"]).mean() for interval in (new, others)]
    assert 0.9 * relative[1] < relative[0] < 4 * relative[1]


# -- never negative, and closed


def test_what_was_never_negative_has_no_negative_bound_or_path() -> None:
    demand = np.random.default_rng(0).poisson(0.4, 150).astype(float)
    df = pd.DataFrame({"ds": pd.date_range("2025-01-01", periods=150), "y": demand})
    forecaster = tt.Forecaster(7, preset=tt.Preset(2, 10), hidden_size=8).fit(df)
    forecast = forecaster.predict(horizon=20)
    assert (forecast.iloc[:, 2:] >= 0).all(axis=None)
    assert (forecaster.sample(paths=20)["throughtime"] >= 0).all()
    below = tt.Forecaster(7, preset=tt.Preset(2, 10), hidden_size=8).fit(df.assign(y=demand - 1)).predict()
    assert (below["throughtime-lo-95"] < 0).all()


def test_a_day_that_was_always_closed_is_forecast_as_closed() -> None:
    df = weekly("shop", 150, 0)
    df.loc[df["ds"].dt.day_of_week == 6, "y"] = 0.0
    forecast = intervals(df)
    sundays = pd.DatetimeIndex(forecast["ds"]).day_of_week == 6
    assert (forecast[sundays].drop(columns="ds").to_numpy() == 0).all()
    assert forecast.loc[~sundays, "throughtime-lo-80"].to_numpy().min() > 500


@pytest.mark.parametrize(
    ("zeros", "steps", "closed"), [(0.0, 28, [6]), (0.0, 21, []), (0.9, 140, []), (0.3, 140, [6])], ids=str
)
def test_zeros_close_a_position_only_where_they_are_no_coincidence(zeros: float, steps: int, closed: list[int]) -> None:
    values = 1.0 * (np.random.default_rng(1).random(steps) >= zeros)
    values[6::7] = 0.0
    positions = find_structural_zeros(values, [7], 7)
    assert sorted(set(np.flatnonzero(positions) % 7)) == closed
    assert positions[-1] == bool(closed)


# -- windows without a scale


@pytest.mark.parametrize("before", [0.0, 48.0])
def test_a_series_that_was_constant_before_has_intervals_of_its_own_noise(before: float) -> None:
    random = np.random.default_rng(5)
    y = np.where(np.arange(120) < 45, before, 50 + random.normal(0, 1, 120))
    width = intervals(pd.DataFrame({"unique_id": "shop", "ds": pd.date_range("2024-01-01", periods=120), "y": y}))
    assert 1 < width["width"].to_numpy().mean() < 8


@pytest.mark.parametrize(("at", "before"), [(45, 100.0), (80, 5.0), (80, 100.0)])
def test_intervals_after_a_jump_are_of_the_noise(at: int, before: float) -> None:
    y = np.where(np.arange(120) < at, before, 50) + np.random.default_rng(0).normal(0, 1, 120)
    df = pd.DataFrame({"unique_id": "shop", "ds": pd.date_range("2024-01-01", periods=120), "y": y})
    assert 1.5 < intervals(df)["width"].to_numpy().mean() < 10


@pytest.mark.parametrize("steps", [2, 3, 5, 8])
def test_intervals_of_a_few_values_are_as_wide_as_these_differ(steps: int) -> None:
    y = 50 + np.random.default_rng(5).normal(0, 1, steps)
    df = pd.DataFrame({"unique_id": "new", "ds": pd.date_range("2024-01-01", periods=steps), "y": y})
    assert 0.5 < intervals(df)["width"].to_numpy().mean() < 15


@pytest.mark.parametrize("level", [80, 95])
def test_intervals_of_few_held_out_errors_reach_further_than_these_do(level: int) -> None:
    errors = np.random.default_rng(0).standard_normal((400, 1))
    usual = np.abs(errors).mean(0)
    widths = {}
    for horizons in (36.0, 1e6):
        shape, quantiles, _ = calibrate_errors(errors, usual, horizons)
        widths[horizons] = shape[0] * np.interp(level / 100, np.linspace(0, 1, len(quantiles)), quantiles)
    sizes = np.abs(errors)
    assert widths[1e6] == pytest.approx(np.quantile(sizes, level / 100), rel=1e-3)
    assert widths[36.0] == pytest.approx(np.quantile(sizes, level / 100 * (1 + 0.3 / 40)), rel=1e-3)


@pytest.mark.slow
def test_intervals_hold_what_they_say_over_two_hundred_panels() -> None:
    rows = [row(number) for number in range(PANELS)]
    for level in LEVELS:
        assert np.mean([figures[f"{level} %"] for figures in rows]) == pytest.approx(level / 100, abs=0.03)


def test_a_short_series_does_not_spoil_the_first_effects_of_a_network() -> None:
    random, frames, losses = np.random.default_rng(1), [], []
    for i, steps in enumerate((120, 120, 46)):
        promo = 1 * (random.random(steps) < 0.2)
        df = pd.DataFrame({"unique_id": i, "ds": pd.date_range(end="2025-06-30", periods=steps), "promo": promo})
        y = 50 + 10 * (pd.DatetimeIndex(df["ds"]).day_of_week > 4) + 30 * promo + random.normal(0, 1, steps)
        frames.append(df.assign(y=y.round(1)))
    forecaster = tt.Forecaster(7, preset=tt.Preset(1, 4), hidden_size=8, covariates=tt.Covariates(future=["promo"]))
    forecaster.fit(pd.concat(frames), callbacks=[lambda progress: losses.append(progress.loss)])
    assert max(losses) < 1


def test_no_note_names_the_network_where_every_series_is_too_short_for_it() -> None:
    df = weekly("s", 100, 0)
    df.loc[np.arange(100) % 10 > 0, "y"] = np.nan
    forecaster = tt.Forecaster(7, preset=tt.Preset(1, 4), hidden_size=8).fit(df)
    assert forecaster.notes_[-1] == "Too short for the network, forecast from the level and the mean season."


# -- known effects


@pytest.mark.parametrize(
    ("column", "effects", "on", "off", "expected"),
    [
        ("flag", {True: 1.35, False: 1.0}, True, False, 0.35),
        ("flag", {True: 0.6, False: 1.0}, True, False, -0.4),
        ("word", {"none": 1.0, "flyer": 1.2, "tv": 1.7}, "tv", "none", 0.7),
    ],
)
def test_a_known_effect_survives_the_blend(
    column: str, effects: dict[object, float], on: object, off: object, expected: float
) -> None:
    random, frames = np.random.default_rng(0), []
    for i in range(3):
        df = weekly(f"s{i}", 300, i)
        weeks = random.choice(list(effects), len(df) // 7 + 1, p=[0.7, 0.2, 0.1] if len(effects) == 3 else [0.2, 0.8])
        df[column] = np.repeat(weeks, 7)[: len(df)]
        frames.append(df.assign(y=df["y"] * df[column].map(effects)))
    df = pd.concat(frames)
    is_past = df["ds"] <= df["ds"].max() - pd.Timedelta(days=14)
    covariates = tt.Covariates(future=[column])
    forecaster = tt.Forecaster(14, preset=tt.Preset(2, 10), hidden_size=8, covariates=covariates).fit(df[is_past])
    future = df[~is_past].drop(columns="y")
    sums = [forecaster.predict(future=future.assign(**{column: value}))["throughtime"].sum() for value in (on, off)]
    assert abs(sums[0] / sums[1] - 1 - expected) < 0.04


def test_a_word_not_seen_has_the_mean_effect_of_the_known_words() -> None:
    feature = Feature.of("event", "future", ["none"] * 7 + ["flyer"] * 2 + ["tv"])
    codes = np.array(feature.encode(["none", "flyer", "tv", "radio"]), dtype=float)[:, None]
    columns = design(codes, [feature])
    np.testing.assert_allclose(columns[3], columns[:3].T @ [0.7, 0.2, 0.1])


def test_a_column_of_noise_has_no_effect() -> None:
    random = np.random.default_rng(0)
    series = [(random.standard_normal(200), random.standard_normal((200, 1))) for _ in range(3)]
    effects = LinearEffects.fit(series, 7, [Feature("x", "future")])
    assert effects.coefficients.tolist() == [0.0]


def test_series_have_effects_of_their_own() -> None:
    random, series = np.random.default_rng(0), []
    for effect in (0.1, 0.6, 0.3, 0.9):
        x = 1.0 * (random.random((200, 1)) < 0.2)
        series.append((effect * x[:, 0] + 0.05 * random.standard_normal(200), x))
    effects = LinearEffects.fit(series, 7, [Feature("x", "future", flag=True)])
    own = [effects.of_series(z, x, 7)[0] for z, x in series]
    np.testing.assert_allclose(own, [0.1, 0.6, 0.3, 0.9], atol=0.05)


# -- coverage


def test_a_missed_level_is_reported_where_chance_does_not_explain_it() -> None:
    random, groups = np.random.default_rng(0), np.stack([np.arange(400) % 80, np.arange(400) // 80], 1)
    inside = {level: 1.0 * (random.random((400, 5)) < share) for level, share in ((80, 0.6), (95, 0.95))}
    message = missed_coverage(inside, groups)
    assert message.startswith(" The intervals miss their level: the 80 % interval contained 60%"), message
    assert missed_coverage({95: inside[95]}, groups) == ""
    assert missed_coverage({80: inside[80][:1]}, groups[:1]) == ""


def test_a_few_values_that_all_lie_inside_show_nothing_of_the_intervals() -> None:
    groups = np.stack([np.zeros(3, dtype=int), np.arange(3)], 1)
    assert missed_coverage({80: np.ones((3, 6)), 95: np.ones((3, 6))}, groups) == ""
    assert "80 % interval contained 0%" in missed_coverage({80: np.zeros((3, 6))}, groups)
