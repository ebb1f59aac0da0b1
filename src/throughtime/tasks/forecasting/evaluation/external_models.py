"""Models of other libraries as rows next to a forecast: AutoETS, AutoTheta, AutoARIMA, and gradient-boosted trees.

The statistical models are statsforecast's, fitted per series; LightGBM is trained through mlforecast on all series at
once. All need the extra `baselines`. Missing values repeat the one before. Where a model rejects a series, such as one
that is too short, the seasonal naive forecast replaces it. ETS and ARIMA get seasons of up to 24 steps only: with
longer ones their search takes minutes per series, and ETS has no parameters for them.
"""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError, requires
from throughtime.tasks.forecasting.evaluation.baselines import baseline_season, fill_missing, naive_forecast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jaxtyping import Float

    from throughtime.data.series.panel import Panel
    from throughtime.inference.forecasting.plan import Plan

    Forecast = Callable[[list[np.ndarray], int, int], np.ndarray]

_MAX_SEASON = 24  # of ETS and ARIMA
_MAX_LAGS = 24
_TREES = 100


@dataclass(frozen=True)
class ExternalModel:
    """A model of another library.

    Attributes:
        title: its name in a sentence.
        packages: that it needs.
        forecast: function of the values of all series, a season and F, both in steps: (n, F).
    """

    title: str
    packages: tuple[str, ...]
    forecast: Forecast


def check_external_models(names: Sequence[str]) -> None:
    """Check that the models are known and installed, before anything is trained.

    Raises:
        InputError: lists the models, or the command that installs a package.
    """
    if isinstance(names, str):
        raise InputError(f"against: expected a list of names such as [{names!r}], got a text")
    for name in names:
        if name not in EXTERNAL_MODELS:
            raise InputError(f"against: expected some of {', '.join(EXTERNAL_MODELS)}, got {name!r}")
    for name in names:
        for package in EXTERNAL_MODELS[name].packages:
            with requires("baselines", f"against: {name}"):
                importlib.import_module(package)


def external_forecasts(panel: Panel, plan: Plan, names: Sequence[str]) -> dict[str, Float[np.ndarray, "n F"]]:
    """Return forecasts of all series by the models of these names."""
    histories = [fill_missing(values) for values in panel]
    season = baseline_season(panel, plan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of series that are short or constant, which get the seasonal naive forecast
        return {name: EXTERNAL_MODELS[name].forecast(histories, season, plan.horizon) for name in dict.fromkeys(names)}


def _statistical(name: str, max_season: int | None) -> Forecast:
    """Return the forecast of a model of statsforecast, fitted to each series separately."""

    def forecast(histories: list[np.ndarray], season: int, horizon: int) -> np.ndarray:
        models = importlib.import_module("statsforecast.models")
        season_length = season if max_season is None or season <= max_season else 1
        model = getattr(models, name)(season_length=season_length)
        return np.stack([_forecast_series(model, values, season, horizon) for values in histories])

    return forecast


def _forecast_series(model: Any, values: np.ndarray, season: int, horizon: int) -> np.ndarray:
    naive = naive_forecast(values, season, horizon)
    try:
        mean = np.asarray(model.forecast(y=values, h=horizon)["mean"], dtype=np.float64)
    except Exception:  # noqa: BLE001  each model raises its own errors for series that it rejects
        return naive
    return np.where(np.isfinite(mean), mean, naive)


def _boosted_trees(histories: list[np.ndarray], season: int, horizon: int) -> np.ndarray:
    """Forecast by boosted trees on lags and on seasonal differences, one step after the other."""
    import pandas as pd

    lightgbm, mlforecast, transforms = map(
        importlib.import_module, ("lightgbm", "mlforecast", "mlforecast.target_transforms")
    )
    lags = sorted({*range(1, 1 + min(max(season, 6), _MAX_LAGS)), season})
    min_length = 2 * season + max(lags) + horizon
    long = [i for i, values in enumerate(histories) if len(values) >= min_length]
    forecasts = np.stack([naive_forecast(values, season, horizon) for values in histories])
    if not long:
        return forecasts
    frames = [pd.DataFrame({"unique_id": i, "ds": np.arange(len(histories[i])), "y": histories[i]}) for i in long]
    trees = lightgbm.LGBMRegressor(n_estimators=_TREES, random_state=0, n_jobs=1, verbosity=-1, deterministic=True)
    scaled = [transforms.Differences([season]), transforms.LocalStandardScaler()]
    model = mlforecast.MLForecast([trees], freq=1, lags=lags, target_transforms=scaled)
    column = model.fit(pd.concat(frames)).predict(horizon)["LGBMRegressor"]
    boosted = column.to_numpy().reshape(len(long), horizon)
    forecasts[long] = np.where(np.isfinite(boosted), boosted, forecasts[long])
    return forecasts


EXTERNAL_MODELS = {
    "auto_ets": ExternalModel("AutoETS", ("statsforecast",), _statistical("AutoETS", _MAX_SEASON)),
    "auto_theta": ExternalModel("AutoTheta", ("statsforecast",), _statistical("AutoTheta", None)),
    "auto_arima": ExternalModel("AutoARIMA", ("statsforecast",), _statistical("AutoARIMA", _MAX_SEASON)),
    "lightgbm": ExternalModel("LightGBM", ("mlforecast", "lightgbm"), _boosted_trees),
}
"""The models by the names that `against` takes."""
