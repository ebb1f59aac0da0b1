"""The data and the calibration of a forecaster out of the JSON and the arrays of a model directory.

Reading trusts nothing: sizes, names and arrays must fit together, and all numbers be possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.dataclass_json import dataclass_from_json
from throughtime.data.series.calendar_features import CalendarFeatures
from throughtime.data.series.covariates import Exogenous, Feature
from throughtime.data.series.frequency import DURATIONS, MONTHLY, Frequency
from throughtime.data.series.panel import Panel
from throughtime.inference.forecasting.autoregression import AUTOREGRESSION
from throughtime.inference.forecasting.calibration import Calibration
from throughtime.inference.forecasting.held_out_errors import HeldOutErrors
from throughtime.inference.forecasting.linear_effects import KNOWN_AHEAD_ROLES, LinearEffects, design_width
from throughtime.inference.forecasting.plan import Plan
from throughtime.inference.forecasting.pooled import PooledStatistics

if TYPE_CHECKING:
    from collections.abc import Mapping

    Arrays = Mapping[str, Any]
    """Arrays or tensors by name."""

_MAX_LOOKBACK = 10_000_000  # steps


def restore_plan(config: Mapping[str, Any], horizon: int) -> Plan:
    """Return the sizes of the network.

    Raises:
        ValueError: for sizes that no forecaster has, or another horizon.
    """
    plan = dataclass_from_json(Plan, config["sizes"])
    if plan.horizon != horizon or min(plan.horizon, plan.season, plan.block) < 1 or plan.blocks < 2:
        raise ValueError(f"impossible sizes: {plan}")
    if plan.lookback > _MAX_LOOKBACK:
        raise ValueError(f"impossible sizes: {plan}")
    return plan


def restore_calibration(config: Mapping[str, Any], arrays: Arrays, plan: Plan) -> Calibration:
    """Return the calibration of a network of some sizes.

    Raises:
        ValueError: where it does not fit the network.
    """
    horizon = plan.horizon
    calibration = Calibration(
        **config["calibration"],
        shape=_array(arrays, "calibration.shape", "f8"),
        quantiles=_array(arrays, "calibration.quantiles", "f8"),
        paths=_restore_paths(arrays, horizon),
        pooled=_restore_pooled(arrays, plan),
        held_out=_restore_held_out(arrays, horizon),
    )
    if calibration.shape.shape != (horizon,) or len(calibration.quantiles) < 2:
        raise ValueError("the calibration has another horizon than the forecaster")
    if type(calibration.horizons) is not int or calibration.horizons < 0:
        raise ValueError(f"impossible number of held-out forecasts: {calibration.horizons!r}")
    if calibration.expert not in (*plan.expert_names, AUTOREGRESSION) or not 0 <= calibration.weight <= 1:
        raise ValueError(f"the calibration names an unknown expert: {calibration.expert!r}")
    return calibration


def restore_panel(config: Mapping[str, Any], arrays: Arrays) -> Panel:
    """Return the series that a forecaster forecasts from.

    Raises:
        ValueError: where names, values and covariates do not fit together.
    """
    values, offsets, starts = (
        _array(arrays, f"panel.{name}", kind) for name, kind in (("values", "f8"), ("offsets", "i8"), ("starts", "i8"))
    )
    ids, frequency = config["ids"], dataclass_from_json(Frequency, config["frequency"])
    if not {*map(type, ids)} <= {str, int, float} or len({*ids}) < len(ids):
        raise ValueError("the names of the series are not all different")
    if frequency.unit != "int":
        starts = starts.view("M8[us]")
    is_complete = len(offsets) == len(ids) + 1 and len(starts) == len(ids) > 0
    if not is_complete or offsets[0] != 0 or offsets[-1] != len(values) or (np.diff(offsets) < 1).any():
        raise ValueError("the series and their lengths do not fit together")
    irregular = config["irregular"] is True and frequency.unit in (*DURATIONS, *MONTHLY)
    exogenous = _restore_exogenous(config, arrays, len(ids), frequency)
    notes = list(config["data_notes"])
    return Panel(ids, values, offsets, starts, frequency, notes, exogenous, irregular=irregular)


def restore_linear_effects(arrays: Arrays, features: list[Feature]) -> LinearEffects | None:
    """Return the linear effects of covariates known in advance; None without such covariates.

    Raises:
        ValueError: where they are not those of the features.
    """
    if not any(feature.role in KNOWN_AHEAD_ROLES for feature in features):
        return None
    coefficients, spread = _array(arrays, "network.linear", "f8", 2)
    if len(coefficients) != design_width(features):
        raise ValueError("the linear effects are not those of the covariates")
    return LinearEffects(coefficients, spread)


def _restore_held_out(arrays: Arrays, horizon: int) -> HeldOutErrors:
    """Return the errors of the calibration; none of a model that was saved without them."""
    if "held_out.errors" not in arrays:
        return HeldOutErrors()
    kinds = {"errors": ("f4", 2), "series": ("i8", 1), "steps_back": ("i8", 1)}
    held_out = HeldOutErrors(**{name: _array(arrays, f"held_out.{name}", *kind) for name, kind in kinds.items()})
    rows = len(held_out.errors)
    if len(held_out.series) != rows or len(held_out.steps_back) != rows or held_out.errors.shape[1] != horizon:
        raise ValueError("the held-out errors do not fit the sizes")
    if np.isinf(held_out.errors).any() or (held_out.series < 0).any() or (held_out.steps_back < 0).any():
        raise ValueError("the held-out errors are impossible")
    return held_out


def _restore_paths(arrays: Arrays, horizon: int) -> np.ndarray:
    paths = _array(arrays, "calibration.paths", "f8", 2)
    if paths.shape[1] != horizon or not (np.abs(paths) <= 1).all():
        raise ValueError("the paths of errors have another horizon than the forecaster")
    return paths


def _restore_pooled(arrays: Arrays, plan: Plan) -> PooledStatistics:
    names = {"profile": 2, "scales": 1, "fading": 1, "counts": 1, "widening": 1}
    pooled = PooledStatistics(**{name: _array(arrays, f"pooled.{name}", "f8", size) for name, size in names.items()})
    fits = pooled.profile.shape == (2, plan.cycle) and pooled.scales.shape == (2,) and pooled.fading.shape == (1,)
    if (
        not fits
        or len(pooled.counts) != len(pooled.widening)
        or (pooled.counts < 1).any()
        or (pooled.widening < 1).any()
    ):
        raise ValueError("the statistics for short series do not fit the sizes")
    if not all(np.isfinite(array).all() for array in vars(pooled).values()):
        raise ValueError("the statistics for short series are not finite")
    return pooled


def _restore_exogenous(config: Mapping[str, Any], arrays: Arrays, series: int, frequency: Frequency) -> Exogenous:
    features = [dataclass_from_json(Feature, values) for values in config["features"]]
    calendar = dataclass_from_json(CalendarFeatures, config["calendar"]).restrict_to(frequency)
    if not (features or calendar):
        return Exogenous()
    values = _array(arrays, "panel.exogenous", "f8", 2)
    offsets = _array(arrays, "panel.exogenous_offsets", "i8")
    is_complete = len(offsets) == series + 1 and offsets[0] == 0 and offsets[-1] == len(values)
    if not is_complete or (np.diff(offsets) < 0).any() or values.shape[1] != len(features):
        raise ValueError("the series and their covariates do not fit together")
    for feature, column in zip(features, values.T, strict=True):
        codes = column[np.isfinite(column)]
        if feature.scale <= 0:
            raise ValueError(f"column {feature.name} has an impossible scale: {feature.scale}")
        if feature.categories and not np.isin(codes, range(len(feature.categories) + 1)).all():
            raise ValueError(f"column {feature.name} holds codes of no category")
    return Exogenous(features, values, offsets, calendar)


def _array(arrays: Arrays, name: str, kind: str, dimensions: int = 1) -> np.ndarray:
    array = np.asarray(arrays[name])
    if array.dtype != kind or array.ndim != dimensions:
        raise ValueError(f"{name}: expected {dimensions} dimensions of {kind}, got {array.dtype} {array.shape}")
    return array
