"""The data and the calibration of a forecaster as JSON and arrays of a model directory, and back.

Reading trusts nothing: sizes, names and arrays must fit together, and all numbers be possible.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from throughtime._core.dataclass_json import dataclass_from_json
from throughtime.data.series.calendar_features import CalendarFeatures
from throughtime.data.series.covariates import Exogenous, Feature
from throughtime.data.series.frequency import DURATIONS, MONTHLY, Frequency
from throughtime.data.series.panel import Panel
from throughtime.tasks.base import LearnedState
from throughtime.tasks.forecasting.calibration.calibration import Calibration
from throughtime.tasks.forecasting.calibration.pooled import PooledStatistics
from throughtime.tasks.forecasting.evaluation.autoregression import AUTOREGRESSION
from throughtime.tasks.forecasting.plan import Plan

if TYPE_CHECKING:
    from throughtime.io.saved_model import SavedModel
    from throughtime.tasks.forecasting.forecast_model import ForecastModel
    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork

_MAX_LOOKBACK = 10_000_000  # steps


def learned_state(panel: Panel, model: ForecastModel) -> LearnedState:
    """Return the series, the sizes of the network and the calibration, for a file."""
    calibration = model.calibration
    config = {
        "sizes": asdict(model.plan),
        "features": [asdict(feature) for feature in panel.exogenous.features],
        "calendar": asdict(panel.exogenous.calendar),
        "calibration": {"weight": calibration.weight, "expert": calibration.expert, "horizons": calibration.horizons},
        "frequency": asdict(panel.frequency),
        "ids": panel.ids,
        "data_notes": panel.notes,
        "irregular": panel.irregular,
    }
    arrays = {
        "calibration.shape": calibration.shape,
        "calibration.quantiles": calibration.quantiles,
        "calibration.paths": calibration.paths,
        **{f"pooled.{name}": array for name, array in vars(calibration.pooled).items()},
        "panel.values": panel.values,
        "panel.offsets": panel.offsets,
        "panel.starts": panel.starts.astype(np.int64),
        "panel.exogenous": panel.exogenous.values,
        "panel.exogenous_offsets": panel.exogenous.offsets,
    }
    return LearnedState(config, {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()})


def restore_plan(config: dict[str, Any], horizon: int) -> Plan:
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


def restore_calibration(saved: SavedModel, network: ForecastNetwork) -> Calibration:
    """Return the calibration of a network.

    Raises:
        ValueError: where it does not fit the network.
    """
    tensors, horizon = saved.tensors, network.plan.horizon
    calibration = Calibration(
        **saved.config["calibration"],
        shape=_array(tensors, "calibration.shape", "f8"),
        quantiles=_array(tensors, "calibration.quantiles", "f8"),
        paths=_restore_paths(tensors, horizon),
        pooled=_restore_pooled(tensors, network.plan),
    )
    if calibration.shape.shape != (horizon,) or len(calibration.quantiles) < 2:
        raise ValueError("the calibration has another horizon than the forecaster")
    if type(calibration.horizons) is not int or calibration.horizons < 0:
        raise ValueError(f"impossible number of held-out forecasts: {calibration.horizons!r}")
    if calibration.expert not in (*network.expert_names, AUTOREGRESSION) or not 0 <= calibration.weight <= 1:
        raise ValueError(f"the calibration names an unknown expert: {calibration.expert!r}")
    return calibration


def restore_panel(saved: SavedModel) -> Panel:
    """Return the series that a forecaster forecasts from.

    Raises:
        ValueError: where names, values and covariates do not fit together.
    """
    config, tensors = saved.config, saved.tensors
    values, offsets, starts = (
        _array(tensors, f"panel.{name}", kind) for name, kind in (("values", "f8"), ("offsets", "i8"), ("starts", "i8"))
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
    exogenous = _restore_exogenous(config, tensors, len(ids), frequency)
    notes = list(config["data_notes"])
    return Panel(ids, values, offsets, starts, frequency, notes, exogenous, irregular=irregular)


def _restore_paths(tensors: dict[str, torch.Tensor], horizon: int) -> np.ndarray:
    paths = _array(tensors, "calibration.paths", "f8", 2)
    if paths.shape[1] != horizon or not (np.abs(paths) <= 1).all():
        raise ValueError("the paths of errors have another horizon than the forecaster")
    return paths


def _restore_pooled(tensors: dict[str, torch.Tensor], plan: Plan) -> PooledStatistics:
    names = {"profile": 2, "scales": 1, "fading": 1, "counts": 1, "widening": 1}
    pooled = PooledStatistics(**{name: _array(tensors, f"pooled.{name}", "f8", size) for name, size in names.items()})
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


def _restore_exogenous(
    config: dict[str, Any], tensors: dict[str, torch.Tensor], series: int, frequency: Frequency
) -> Exogenous:
    features = [dataclass_from_json(Feature, values) for values in config["features"]]
    calendar = dataclass_from_json(CalendarFeatures, config["calendar"]).restrict_to(frequency)
    if not (features or calendar):
        return Exogenous()
    values = _array(tensors, "panel.exogenous", "f8", 2)
    offsets = _array(tensors, "panel.exogenous_offsets", "i8")
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


def _array(tensors: dict[str, torch.Tensor], name: str, kind: str, dimensions: int = 1) -> np.ndarray:
    array = tensors[name].numpy()
    if array.dtype != kind or array.ndim != dimensions:
        raise ValueError(f"{name}: expected {dimensions} dimensions of {kind}, got {array.dtype} {array.shape}")
    return array
