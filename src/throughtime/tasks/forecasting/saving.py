"""A forecaster as a model directory, and back: the network, its calibration, and the data that it forecasts from."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from throughtime.data.series.calendar_features import CalendarFeatures
from throughtime.data.series.covariates import Covariates, Exogenous, Feature
from throughtime.data.series.frames import FrameFormat
from throughtime.data.series.frequency import DURATIONS, MONTHLY, Frequency
from throughtime.data.series.panel import Panel
from throughtime.data.series.panel_builder import MISSING_OPTIONS
from throughtime.io import saved_model
from throughtime.tasks.dataclass_json import dataclass_from_json
from throughtime.tasks.forecasting.calibration.calibration import Calibration
from throughtime.tasks.forecasting.calibration.pooled import PooledStatistics
from throughtime.tasks.forecasting.estimator import Forecaster
from throughtime.tasks.forecasting.evaluation.autoregression import AUTOREGRESSION
from throughtime.tasks.forecasting.forecast_model import ForecastModel
from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
from throughtime.tasks.forecasting.network.likelihoods import LIKELIHOODS
from throughtime.tasks.forecasting.plan import Plan
from throughtime.tasks.forecasting.presets import Preset
from throughtime.tasks.saving import network_tensors, provenance, restore_history, restore_network, restore_notes

if TYPE_CHECKING:
    import os

_MAX_SIZE = 10_000_000  # no size of a network or plan is beyond


def save(forecaster: Forecaster, directory: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Write a fitted forecaster."""
    panel, model = forecaster.panel_, forecaster.model_
    calibration = model.calibration
    config = {
        **provenance("forecast", forecaster),
        "settings": _settings(forecaster),
        "plan": asdict(model.plan),
        "features": [asdict(feature) for feature in panel.exogenous.features],
        "calendar": asdict(panel.exogenous.calendar),
        "calibration": {"weight": calibration.weight, "expert": calibration.expert, "horizons": calibration.horizons},
        "frequency": asdict(panel.frequency),
        "kind": asdict(forecaster.kind_),
        "ids": panel.ids,
        "data_notes": panel.notes,
        "irregular": panel.irregular,
        "table_format": forecaster.table_format_,
    }
    arrays = {
        "calibration.shape": calibration.shape,
        "calibration.quantiles": calibration.quantiles,
        "calibration.paths": calibration.paths,
        **{f"pooled.{name}": array for name, array in vars(calibration.pooled).items()},
        "panel.values": panel.values,
        "panel.offsets": panel.offsets,
        "panel.starts": panel.starts.astype(np.int64),
        "panel.beside": panel.exogenous.values,
        "panel.beside_offsets": panel.exogenous.offsets,
    }
    tensors = network_tensors(model.network) | {
        name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()
    }
    history = forecaster.history_.to_lines()
    saved_model.write(directory, saved_model.SavedModel(config, tensors, history), overwrite=overwrite)


def restore(found: saved_model.SavedModel) -> Forecaster:
    """Undo `save`.

    Raises:
        ValueError: where sizes, names and arrays do not fit together.
    """
    config, tensors = found.config, found.tensors
    if not any(name.startswith("pooled.") for name in tensors):
        raise ValueError("it was saved by a former version of throughtime; fit the forecaster again")
    forecaster = Forecaster(**_values(config["settings"]))
    forecaster.check_params()
    if forecaster.missing not in MISSING_OPTIONS:
        raise ValueError(f"missing: expected one of {', '.join(MISSING_OPTIONS)}")
    panel = _panel(config, tensors)
    network = _network(forecaster, config["plan"], panel.exogenous.all_features, tensors)
    calibration = Calibration(
        **config["calibration"],
        shape=_array(tensors, "calibration.shape", "f8"),
        quantiles=_array(tensors, "calibration.quantiles", "f8"),
        paths=_paths(tensors, forecaster.horizon),
        pooled=_pooled(tensors, network.plan),
    )
    if calibration.shape.shape != (forecaster.horizon,) or len(calibration.quantiles) < 2:
        raise ValueError("the calibration has another horizon than the forecaster")
    if type(calibration.horizons) is not int or calibration.horizons < 0:
        raise ValueError(f"impossible number of held-out forecasts: {calibration.horizons!r}")
    if calibration.expert not in (*network.expert_names, AUTOREGRESSION) or not 0 <= calibration.weight <= 1:
        raise ValueError(f"the calibration names an unknown expert: {calibration.expert!r}")
    forecaster.kind_ = dataclass_from_json(FrameFormat, config["kind"])
    form = config.get("table_format")  # not in the first versions
    if not isinstance(form, dict | None):
        raise TypeError(f"the table format is not an object but {type(form).__name__}")
    forecaster.table_format_ = form
    history = restore_history(found)
    forecaster._set_fitted(ForecastModel(network.plan, network, calibration), panel, history, restore_notes(found))
    return forecaster


def _settings(forecaster: Forecaster) -> dict[str, Any]:
    """What `_values` undoes."""
    preset, covariates = forecaster.preset, forecaster.covariates
    return {
        **forecaster.get_params(),
        "levels": list(forecaster.levels),
        "preset": preset if isinstance(preset, str) else asdict(preset),
        "covariates": None if covariates is None else asdict(covariates),
    }


def _values(settings: dict[str, Any]) -> dict[str, Any]:
    preset, covariates = settings["preset"], settings.get("covariates")
    return {
        **settings,
        "levels": tuple(settings["levels"]),
        "preset": dataclass_from_json(Preset, preset) if isinstance(preset, dict) else preset,
        "covariates": None if covariates is None else Covariates(**covariates),
    }


def _network(
    forecaster: Forecaster, planned: dict[str, Any], features: list[Feature], tensors: dict[str, torch.Tensor]
) -> ForecastNetwork:
    """The network, allocated only when the file holds just its weights."""
    plan = dataclass_from_json(Plan, planned)
    values = [getattr(plan, f.name) for f in fields(plan)]
    if any(type(v) is not int or not 0 <= v <= _MAX_SIZE for v in values) or plan.horizon != forecaster.horizon:
        raise ValueError(f"impossible sizes: {plan}")
    if min(plan.horizon, plan.season, plan.block) < 1 or plan.blocks < 2 or plan.lookback > _MAX_SIZE:
        raise ValueError(f"impossible sizes: {plan}")
    sizes = {"cell": forecaster.cell, "hidden_size": forecaster.hidden_size, "decoder": forecaster.decoder}
    options = {"likelihood": LIKELIHOODS[forecaster.likelihood], "dropout": Preset.of(forecaster.preset).dropout}
    return restore_network(lambda: ForecastNetwork(plan, **sizes, **options, features=features), tensors)


def _panel(config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Panel:
    values, offsets, starts = (
        _array(tensors, f"panel.{name}", kind) for name, kind in (("values", "f8"), ("offsets", "i8"), ("starts", "i8"))
    )
    ids, frequency = config["ids"], dataclass_from_json(Frequency, config["frequency"])
    if not {*map(type, ids)} <= {str, int, float} or len({*ids}) < len(ids):
        raise ValueError("the names of the series are not all different")
    if frequency.unit != "int":
        starts = starts.view("M8[us]")
    whole = len(offsets) == len(ids) + 1 and len(starts) == len(ids) > 0
    if not whole or offsets[0] != 0 or offsets[-1] != len(values) or (np.diff(offsets) < 1).any():
        raise ValueError("the series and their lengths do not fit together")
    exogenous = _exogenous(config, tensors, len(ids), frequency)
    irregular = config.get("irregular", False) is True and frequency.unit in (
        *DURATIONS,
        *MONTHLY,
    )  # not in the first versions
    notes = list(config["data_notes"])
    return Panel(ids, values, offsets, starts, frequency, notes, exogenous, irregular=irregular)


def _paths(tensors: dict[str, torch.Tensor], horizon: int) -> np.ndarray:
    """Errors from step to step, which models of the first version do not have."""
    if "calibration.paths" not in tensors:
        return np.zeros((0, horizon))
    paths = _array(tensors, "calibration.paths", "f8", 2)
    if paths.shape[1] != horizon or not (np.abs(paths) <= 1).all():
        raise ValueError("the paths of errors have another horizon than the forecaster")
    return paths


def _pooled(tensors: dict[str, torch.Tensor], plan: Plan) -> PooledStatistics:
    """Return what short series are forecast from."""
    names = {"profile": 2, "scales": 1, "fading": 1, "counts": 1, "widening": 1}
    found = PooledStatistics(**{name: _array(tensors, f"pooled.{name}", "f8", size) for name, size in names.items()})
    fit = found.profile.shape == (2, plan.cycle) and found.scales.shape == (2,) and found.fading.shape == (1,)
    if not fit or len(found.counts) != len(found.widening) or (found.counts < 1).any() or (found.widening < 1).any():
        raise ValueError("what short series are forecast from does not fit the plan")
    if not all(np.isfinite(array).all() for array in vars(found).values()):
        raise ValueError("what short series are forecast from is not finite")
    return found


def _exogenous(
    config: dict[str, Any], tensors: dict[str, torch.Tensor], series: int, frequency: Frequency
) -> Exogenous:
    """The covariates, which models of the first version do not have."""
    features = [dataclass_from_json(Feature, each) for each in config.get("features", [])]
    calendar = dataclass_from_json(CalendarFeatures, config.get("calendar", {})).restrict_to(frequency)
    if not (features or calendar):
        return Exogenous()
    values = _array(tensors, "panel.beside", "f8", 2)
    offsets = _array(tensors, "panel.beside_offsets", "i8")
    whole = len(offsets) == series + 1 and offsets[0] == 0 and offsets[-1] == len(values)
    if not whole or (np.diff(offsets) < 0).any() or values.shape[1] != len(features):
        raise ValueError("the series and their covariates do not fit together")
    for feature, column in zip(features, values.T, strict=True):
        known = column[np.isfinite(column)]
        if feature.scale <= 0:
            raise ValueError(f"column {feature.name} has an impossible scale: {feature.scale}")
        if feature.categories and not np.isin(known, range(len(feature.categories) + 1)).all():
            raise ValueError(f"column {feature.name} holds codes of no category")
    return Exogenous(features, values, offsets, calendar)


def _array(tensors: dict[str, torch.Tensor], name: str, kind: str, dimensions: int = 1) -> np.ndarray:
    array = tensors[name].numpy()
    if array.dtype != kind or array.ndim != dimensions:
        raise ValueError(f"{name}: expected {dimensions} dimensions of {kind}, got {array.dtype} {array.shape}")
    return array
