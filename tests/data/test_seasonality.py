"""Seasons: the calendar's, and cycles that the data show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from throughtime.data.series.frames import read_frame
from throughtime.data.series.seasonality import infer_seasons


def wave(*periods: int, freq: str | None = None, steps: int = 400) -> pd.DataFrame:
    t = np.arange(steps)
    y = sum(np.sin(2 * np.pi * t / p) for p in periods) + 0.1 * np.random.default_rng(0).normal(size=steps)
    ds = t if freq is None else pd.date_range("2020-01-01", periods=steps, freq=freq)
    return pd.DataFrame({"ds": ds, "y": y})


@pytest.mark.parametrize(
    ("freq", "season"), [("h", 24), ("30min", 48), ("D", 7), ("W", 52), ("MS", 12), ("QS", 4), ("B", 5)]
)
def test_the_calendar_names_the_season(freq: str, season: int) -> None:
    assert infer_seasons(read_frame(wave(season, freq=freq))[0])[0] == season


def test_a_week_of_hours_counts_where_it_shows() -> None:
    assert infer_seasons(read_frame(wave(24, 168, freq="h", steps=1500))[0]) == (24, 168)
    assert infer_seasons(read_frame(wave(24, freq="h", steps=100))[0]) == (24,)


def test_a_series_too_short_for_the_season_has_none() -> None:
    assert infer_seasons(read_frame(wave(52, freq="W", steps=100))[0]) == ()


@pytest.mark.parametrize("period", [5, 9, 11, 20])
def test_a_cycle_of_unknown_length_is_found(period: int) -> None:
    assert infer_seasons(read_frame(wave(period))[0]) == (period,)


def test_noise_has_no_season() -> None:
    y = np.random.default_rng(0).normal(size=300)
    assert infer_seasons(read_frame(pd.DataFrame({"ds": np.arange(300), "y": y}))[0]) == ()
    assert infer_seasons(read_frame(pd.DataFrame({"ds": np.arange(300), "y": y.cumsum()}))[0]) == ()


def test_a_constant_has_no_season() -> None:
    assert infer_seasons(read_frame(pd.DataFrame({"ds": np.arange(300), "y": np.ones(300)}))[0]) == ()
