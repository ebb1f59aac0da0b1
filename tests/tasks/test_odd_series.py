"""A single odd series in a panel changes neither the forecasts nor the intervals of the other series."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch

import throughtime as tt
from throughtime.data.series.frames import read_frame
from throughtime.inference.forecasting.plan import Plan
from throughtime.tasks.forecasting.calibration.conformal import drop_outlying_series
from throughtime.tasks.forecasting.windows import WindowStore

STEPS = 200
DATES = pd.date_range(end="2026-11-29", periods=STEPS)
T = np.arange(STEPS)
PATTERN = np.array([1, 0.9, 0.95, 1, 1.2, 1.45, 0.8])[DATES.day_of_week]


def plain(seed: int) -> np.ndarray:
    """A series of days with a season of a week and noise of 8 %."""
    return 1000 * PATTERN * np.exp(np.random.default_rng(seed).normal(0, 0.08, STEPS))


BASE = plain(77)
FAST = {
    "zeros at the end": np.where(T >= STEPS - 20, 0, BASE),
    "ten times as much, lately": np.where(T >= STEPS - 25, 10 * BASE, BASE),
    "noise after a constant": np.where(T < 170, 5.0, BASE),
}
SLOW = {
    "closed two months ago": np.where(T >= STEPS - 60, 0, BASE),
    "huge": 1e9 * BASE,
    "closed long ago": np.where(T >= STEPS - 110, 0, BASE),
    "only zeros": np.zeros(STEPS),
    "constant": np.full(STEPS, 5.0),
    "nearly constant": 5 + 1e-7 * np.random.default_rng(1).standard_normal(STEPS),
    "outlier": np.where(T == 150, 1e4 * BASE, BASE),
    "outlier at the end": np.where(T == STEPS - 10, 1e4 * BASE, BASE),
    "outliers": np.where(T % 37 == 0, 100 * BASE, BASE),
    "a tenth, lately": np.where(T >= STEPS - 25, BASE / 10, BASE),
    "ten times as much": np.where(T >= 100, 10 * BASE, BASE),
    "alternating signs": (-1.0) ** T * BASE,
    "tiny": 1e-9 * BASE,
    "wild": BASE * np.exp(np.random.default_rng(2).normal(0, 1.5, STEPS)),
    "spikes": np.where(np.random.default_rng(4).random(STEPS) < 0.05, 100.0, 0),
    "growth": np.exp(0.1 * T),
    "one step": 1.0 * (T >= STEPS - 15),
}
TRENDS = {
    "exact trend": 1e6 + 100.0 * T,
    "trend from zero": 1.0 * T,
    "falling trend": 1e6 - 4000.0 * T,
}
POINTS = {20: 0.02, 5: 0.035, 3: 0.05}
"""Largest mean change of the others' forecasts, by their number."""
WIDTHS = {20: 0.05, 5: 0.1, 3: 0.15}
"""Largest change of the others' mean widths."""


@cache
def others(count: int, odd: str = "", *, quick: bool = True) -> pd.DataFrame:
    """Return the forecasts of the plain series, alone or next to an odd one."""
    values = {f"s{i}": plain(i) for i in range(count)} | ({odd: (FAST | SLOW | TRENDS)[odd]} if odd else {})
    df = pd.concat(pd.DataFrame({"unique_id": name, "ds": DATES, "y": y}) for name, y in values.items())
    settings = {"preset": tt.Preset(2, 10), "hidden_size": 8} if quick else {"preset": "fast"}
    forecast = tt.Forecaster(14, **settings).fit(df).predict(level=[80, 95])
    return forecast[forecast["unique_id"] != odd].set_index(["unique_id", "ds"])


def check(count: int, odd: str, *, quick: bool = True) -> None:
    alone, together = others(count, quick=quick), others(count, odd, quick=quick)
    changes = np.abs((together["throughtime"] / alone["throughtime"] - 1).to_numpy())
    assert changes.mean() < POINTS[count]
    for level in (80, 95):
        widths = [
            (frame[f"throughtime-hi-{level}"] - frame[f"throughtime-lo-{level}"]).to_numpy().mean()
            for frame in (alone, together)
        ]
        assert widths[1] / widths[0] == pytest.approx(1, abs=WIDTHS[count])


@pytest.mark.parametrize(("odd", "count"), [*((odd, 5) for odd in FAST), ("closed long ago", 3)])
def test_an_odd_series_leaves_the_others_as_they_were(odd: str, count: int) -> None:
    check(count, odd)


@pytest.mark.slow
@pytest.mark.parametrize("count", POINTS)
@pytest.mark.parametrize("odd", FAST | SLOW)
def test_an_odd_series_of_any_kind_leaves_the_others_as_they_were(odd: str, count: int) -> None:
    check(count, odd)


@pytest.mark.slow
@pytest.mark.parametrize("count", POINTS)
@pytest.mark.parametrize("odd", TRENDS)
def test_an_exact_trend_leaves_the_others_as_they_were(odd: str, count: int) -> None:
    check(count, odd, quick=False)


@pytest.mark.parametrize("factor", [0.0, 0.05, 20.0, 1e9])
@pytest.mark.parametrize("count", [2, 3, 6, 20])
def test_errors_of_a_series_far_from_the_others_do_not_count(count: int, factor: float) -> None:
    errors = np.random.default_rng(0).standard_normal((count, 30, 14))
    errors[1] *= factor
    kept = drop_outlying_series(errors.reshape(-1, 14), torch.arange(count).repeat_interleave(30), 3.0)
    assert np.isnan(kept.reshape(errors.shape)).all((1, 2)).tolist() == [i == 1 for i in range(count)]


@pytest.mark.parametrize("count", [1, 2, 6, 50])
def test_errors_that_differ_by_chance_all_count(count: int) -> None:
    for seed in range(20):
        paths = np.random.default_rng(seed).standard_normal((count, 3, 14)).cumsum(2)
        kept = drop_outlying_series(paths.reshape(-1, 14), torch.arange(count).repeat_interleave(3), 3.0)
        assert np.isfinite(kept).mean() > 0.97 - 1 / count * (count < 10)


@pytest.mark.parametrize(
    ("values", "closed"),
    [
        (np.where(T >= STEPS - 20, 0, BASE), True),
        (np.where(T >= STEPS - 10, 0, BASE), False),  # less than two blocks
        (np.where(np.random.default_rng(0).random(STEPS) < 0.3, 5.0, 0.0) * (T < 150), True),
        (np.where(T % 30 == 3, 5.0, 0.0), False),  # sold once a month
        (np.full(STEPS, 5.0), False),  # its windows are constant: that is another rule
    ],
)
def test_a_series_is_closed_where_chance_does_not_explain_its_last_steps(values: np.ndarray, closed: bool) -> None:
    df = pd.concat(pd.DataFrame({"unique_id": name, "ds": DATES, "y": y}) for name, y in (("a", BASE), ("b", values)))
    panel, _ = read_frame(df)
    assert WindowStore(panel, Plan.of(panel, 14)).is_constant_at_end().tolist() == [False, closed]
