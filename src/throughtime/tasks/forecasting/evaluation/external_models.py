"""What professionals ask for first, as rows beside a forecast: AutoETS, AutoTheta and AutoARIMA, and boosted trees.

The models are statsforecast's, one for each series, and LightGBM's through mlforecast, one for all; both are the extra
`baselines`. Missing values repeat the one before. Where a model refuses a series, such as one that is too short for it,
the seasonal naive forecast stands in. ETS and ARIMA know seasons of up to 24 steps only: with longer ones their search
takes minutes for a series, and ETS has no parameters for it.
"""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError, requires
from throughtime.tasks.forecasting.evaluation.baselines import baseline_season, filled, naive_forecast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from throughtime.data.series.panel import Panel
    from throughtime.tasks.forecasting.plan import Plan

    Forecast = Callable[[list[np.ndarray], int, int], np.ndarray]

_LONGEST_SEASON = 24  # of ETS and ARIMA
_MOST_LAGS = 24
_TREES = 100


@dataclass(frozen=True)
class ExternalModel:
    """A model of another library.

    Attributes:
        title: what it is called in a sentence.
        packages: that it needs.
        forecast: all series, given their values, a season and F, both in steps: (n, F).
    """

    title: str
    packages: tuple[str, ...]
    forecast: Forecast


def check_external_models(names: Sequence[str]) -> None:
    """See that the models are known and installed, before anything is learned.

    Raises:
        InputError: names what there is, or the line that installs what is missing.
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


def rivals(panel: Panel, plan: Plan, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Forecasts of all series by the models named: (n, F)."""
    histories = [filled(values) for values in panel]
    season = baseline_season(panel, plan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of series that are short or constant, for which there is a stand-in
        return {name: EXTERNAL_MODELS[name].forecast(histories, season, plan.horizon) for name in dict.fromkeys(names)}


def _statistical(model: str, longest: int | None) -> Forecast:
    """A model of statsforecast, fitted to each series by itself."""

    def forecast(histories: list[np.ndarray], season: int, horizon: int) -> np.ndarray:
        models = importlib.import_module("statsforecast.models")
        known = season if longest is None or season <= longest else 1
        made = getattr(models, model)(season_length=known)
        return np.stack([_of_series(made, values, season, horizon) for values in histories])

    return forecast


def _of_series(model: Any, values: np.ndarray, season: int, horizon: int) -> np.ndarray:
    stand_in = naive_forecast(values, season, horizon)
    try:
        found = np.asarray(model.forecast(y=values, h=horizon)["mean"], dtype=np.float64)
    except Exception:  # noqa: BLE001  each model refuses a series in its own way
        return stand_in
    return np.where(np.isfinite(found), found, stand_in)


def _trees(histories: list[np.ndarray], season: int, horizon: int) -> np.ndarray:
    """Boosted trees on lags and on differences of a season, one step after the other."""
    import pandas as pd

    lightgbm, mlforecast, transforms = map(
        importlib.import_module, ("lightgbm", "mlforecast", "mlforecast.target_transforms")
    )
    lags = sorted({*range(1, 1 + min(max(season, 6), _MOST_LAGS)), season})
    least = 2 * season + max(lags) + horizon
    long = [i for i, values in enumerate(histories) if len(values) >= least]
    found = np.stack([naive_forecast(values, season, horizon) for values in histories])
    if not long:
        return found
    frames = [pd.DataFrame({"unique_id": i, "ds": np.arange(len(histories[i])), "y": histories[i]}) for i in long]
    trees = lightgbm.LGBMRegressor(n_estimators=_TREES, random_state=0, n_jobs=1, verbosity=-1, deterministic=True)
    scaled = [transforms.Differences([season]), transforms.LocalStandardScaler()]
    learner = mlforecast.MLForecast([trees], freq=1, lags=lags, target_transforms=scaled)
    ahead = learner.fit(pd.concat(frames)).predict(horizon)["LGBMRegressor"].to_numpy().reshape(len(long), horizon)
    found[long] = np.where(np.isfinite(ahead), ahead, found[long])
    return found


EXTERNAL_MODELS = {
    "auto_ets": ExternalModel("AutoETS", ("statsforecast",), _statistical("AutoETS", _LONGEST_SEASON)),
    "auto_theta": ExternalModel("AutoTheta", ("statsforecast",), _statistical("AutoTheta", None)),
    "auto_arima": ExternalModel("AutoARIMA", ("statsforecast",), _statistical("AutoARIMA", _LONGEST_SEASON)),
    "lightgbm": ExternalModel("LightGBM", ("mlforecast", "lightgbm"), _trees),
}
"""The models, by the names that `against` takes."""
