"""Models of other libraries as rows next to a forecast, and the error where they are not installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

import throughtime as tt
from throughtime import InputError
from throughtime.data.datasets import seasonal
from throughtime.data.series.frames import read_frame
from throughtime.inference.forecasting.plan import Plan
from throughtime.tasks.forecasting.evaluation import external_models

if TYPE_CHECKING:
    import pandas as pd

PACKAGES = {package for model in external_models.EXTERNAL_MODELS.values() for package in model.packages}


def needs(name: str) -> None:
    for package in external_models.EXTERNAL_MODELS[name].packages:
        pytest.importorskip(package, reason=f"needs {package}, of the extra `baselines`")


def forecasts(df: pd.DataFrame, name: str, horizon: int = 12) -> np.ndarray:
    panel = read_frame(df)[0]
    return external_models.external_forecasts(panel, Plan.of(panel, horizon), [name])[name]


@pytest.mark.parametrize("name", external_models.EXTERNAL_MODELS)
def test_an_external_model_continues_a_season_and_a_trend(name: str) -> None:
    needs(name)
    df = seasonal(2, 132)
    cut = df["ds"].unique()[-12]
    result = forecasts(df[df["ds"] < cut], name)
    actual = df.loc[df["ds"] >= cut, "y"].to_numpy().reshape(2, 12)
    before = df[df["ds"] < cut].groupby("unique_id")["y"].last().to_numpy()[:, None]
    assert np.abs(result - actual).mean() < 0.5 * np.abs(before - actual).mean()
    last_season = df[df["ds"] < cut].groupby("unique_id")["y"].apply(lambda y: y.iloc[-12:].tolist()).tolist()
    assert np.abs(result - np.array(last_season)).mean(1).min() > 0.01, "the stand-in"


@pytest.mark.parametrize("name", external_models.EXTERNAL_MODELS)
def test_gaps_and_series_too_short_for_an_external_model_are_still_forecast(name: str) -> None:
    import pandas as pd

    needs(name)
    df = seasonal(1, 60)
    df.loc[[0, 20, 59], "y"] = np.nan
    tiny = seasonal(1, 2, seed=3).replace("s0", "tiny")
    result = forecasts(pd.concat([df, tiny]), name)
    assert result.shape == (2, 12)
    assert np.isfinite(result).all()


def test_external_models_are_rows_of_a_backtest_and_columns_of_a_cross_validation() -> None:
    needs("auto_theta")
    forecaster = tt.Forecaster(6, preset="fast", hidden_size=8, budget=0.3)
    result = forecaster.backtest(seasonal(2, 72), 2, against=["auto_theta"], memoryless=False)
    assert len(result.by_step["auto_theta"]) == 6
    assert result.scores["auto_theta"]["mase"] == pytest.approx(result.errors["auto_theta"].mean())
    frame = forecaster.cross_validation(seasonal(2, 72), 2, against=["auto_theta"])
    assert frame["auto_theta"].tolist() == result.forecasts["auto_theta"].tolist()


def test_an_external_model_sees_the_past_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def last(histories: list[np.ndarray], *sizes: int) -> np.ndarray:
        return np.stack([np.full(sizes[1], values[-1]) for values in histories])

    monkeypatch.setitem(external_models.EXTERNAL_MODELS, "last", external_models.ExternalModel("Last", (), last))
    forecaster = tt.Forecaster(6, preset="fast", hidden_size=8, budget=0.3)
    result = forecaster.backtest(seasonal(2, 72), 2, against=["last"], memoryless=False).forecasts
    assert result["last"].tolist() == result["naive"].tolist()


@pytest.mark.parametrize("name", external_models.EXTERNAL_MODELS)
def test_a_missing_package_is_named_with_the_line_that_installs_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in PACKAGES:
        monkeypatch.setitem(sys.modules, package, None)
    package = external_models.EXTERNAL_MODELS[name].packages[0]
    sentence = rf"{package} is not installed: pip install 'throughtime\[baselines\]' \(against: {name} needs it\)"
    with pytest.raises(InputError, match=sentence):
        tt.Forecaster(6).backtest(seasonal(1, 60), against=[name])


@pytest.mark.parametrize(("names", "sentence"), [(["prophet"], "expected some of auto_ets"), ("auto_ets", "a list")])
def test_an_unknown_external_model_is_refused(names: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=f"against: .*{sentence}"):
        tt.Forecaster(6).backtest(seasonal(1, 60), against=names)


def test_a_verdict_admits_that_an_external_model_is_better() -> None:
    from throughtime.tasks.forecasting.evaluation.skill import Skill
    from throughtime.tasks.forecasting.evaluation.verdict import backtest_verdict

    scores = {"throughtime": 0.8, "auto_ets": 0.6, "naive": 1.0, "seasonal_naive": 1.0, "seasonal_mean": 1, "drift": 1}
    skills = {name: Skill(name, 0.2, 0.1, 0.3) for name in ("naive", "seasonal_naive")}
    message = backtest_verdict({name: {"mase": float(value)} for name, value in scores.items()}, 3, skills)
    assert message.startswith("20% better than seasonal naive")
    assert message.endswith("AutoETS is 25% better than it.")
