"""Series that have ended are named, need no known-ahead columns, and do not move the windows of the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import throughtime as tt
from throughtime import InputError
from throughtime.data.series.frames import read_frame
from throughtime.inference.forecasting.ended_series import ended_notes, scored_series
from throughtime.tasks.forecasting.evaluation.backtest import check_backtest_length

HORIZON = 7
LAST, CLOSED = pd.Timestamp("2026-03-31"), pd.Timestamp("2026-02-10")
KNOWN = tt.Covariates(future=["promotion"])


def shop(name: str, last: pd.Timestamp, value_until: pd.Timestamp | None = None) -> pd.DataFrame:
    """Days of a shop up to `last`, with values up to `value_until`."""
    ds = pd.date_range("2025-11-01", last)
    promotion = np.arange(len(ds)) % 9 < 2
    y = 50.0 + 30 * promotion + np.random.default_rng(len(name)).normal(0, 1, len(ds))
    y[ds > (value_until or last)] = np.nan
    return pd.DataFrame({"unique_id": name, "ds": ds, "promotion": promotion, "y": y})


def shops(*more: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([shop("a", LAST), shop("b", LAST), *more], ignore_index=True)


ENDED = shops(shop("closed", CLOSED))
PLAN = pd.DataFrame({"ds": pd.date_range(LAST, periods=HORIZON + 1)[1:], "promotion": True})
PLANS = pd.concat([PLAN.assign(unique_id=name) for name in "ab"])


@pytest.fixture(scope="module")
def fitted() -> tt.Forecaster:
    return tt.Forecaster(HORIZON, preset="fast", hidden_size=8, budget=0.5, covariates=KNOWN).fit(ENDED)


@pytest.mark.parametrize(
    ("ended", "first"),
    [("own", pd.Timestamp("2026-02-11")), ("common", pd.Timestamp("2026-04-01")), ("skip", None)],
)
def test_series_that_have_ended_are_named_and_forecast_as_the_setting_says(
    fitted: tt.Forecaster, ended: str, first: pd.Timestamp | None
) -> None:
    assert any("2026-03-31: 1 of 3 series, closed (last value 2026-02-10); forecast" in note for note in fitted.notes_)
    fitted.set_params(ended=ended)
    forecast = fitted.predict(future=PLANS)  # without rows of the closed one
    begins = forecast.groupby("unique_id")["ds"].min().to_dict()
    assert begins == {"a": PLAN["ds"].iloc[0], "b": PLAN["ds"].iloc[0]} | ({} if first is None else {"closed": first})
    assert forecast["throughtime"].notna().all()
    with pytest.warns(tt.InputWarning, match=f"closed .last value 2026-02-10.; .* .ended='{ended}'"):
        again = fitted.predict(ENDED, future=PLANS)
    pd.testing.assert_frame_equal(again, forecast)


def test_columns_known_in_advance_are_required_for_series_that_continue(fitted: tt.Forecaster) -> None:
    with pytest.raises(InputError, match="series b: column promotion has no value for 2026-04-01"):
        fitted.predict(future=PLANS[PLANS["unique_id"] == "a"])
    with pytest.raises(InputError, match="ended: expected one of own, common, skip"):
        tt.Forecaster(HORIZON, ended="never").fit(ENDED)


def test_windows_of_a_backtest_are_those_of_series_that_continue(fitted: tt.Forecaster) -> None:
    result = fitted.backtest(n_windows=2, memoryless=False).forecasts
    assert {*result["unique_id"]} == {"a", "b"}
    assert {*result["cutoff"]} == {LAST - pd.Timedelta(days=days) for days in (7, 14)}


@pytest.mark.parametrize(("days", "names"), [(HORIZON - 1, []), (HORIZON, ["late"])])
def test_a_series_has_ended_where_all_of_its_forecast_would_lie_in_the_past(days: int, names: list[str]) -> None:
    end = LAST - pd.Timedelta(days=days)
    for late in (shop("late", end), shop("late", LAST, end), shop("late", LAST + pd.Timedelta(days=30), end)):
        panel, _ = read_frame(shops(late))
        assert [panel.ids[i] for i in np.flatnonzero(panel.ended(HORIZON))] == names
        assert len(ended_notes(panel, HORIZON, "own")) == len(names)


def test_series_with_ends_of_their_own_are_all_scored() -> None:
    ends = [LAST - pd.Timedelta(days=20 * i) for i in range(4)]
    panel, _ = read_frame(pd.concat([shop(f"s{i}", end) for i, end in enumerate(ends)]))
    assert scored_series(panel, HORIZON) == [0, 1, 2, 3]
    assert "3 of 4 series, s1 (last value 2026-03-11), s2" in ended_notes(panel, HORIZON, "own")[0]
    opened = pd.concat([shop("old", CLOSED), shop("new", LAST).tail(10)])
    check_backtest_length(read_frame(opened)[0], HORIZON)  # by the windows of the old one


@pytest.mark.parametrize("covariates", [None, tt.Covariates(past=["promotion"]), KNOWN], ids=str)
def test_rows_without_a_value_after_the_last_one_of_all_are_to_be_forecast(covariates: tt.Covariates | None) -> None:
    more = LAST + pd.Timedelta(days=HORIZON)
    df = pd.concat([shop("a", more, LAST), shop("b", more, LAST - pd.Timedelta(days=3))])
    panel, _ = read_frame(df, covariates=covariates)
    assert panel.future_timestamps(1).tolist() == [LAST + pd.Timedelta(days=1)] * 2
    assert np.isnan(panel[1]).sum() == 3  # the others continue: these are missing
    message = "14 rows after 2026-03-31 have no value and are taken as rows to be forecast." in panel.notes
    assert message == (covariates is not KNOWN)
