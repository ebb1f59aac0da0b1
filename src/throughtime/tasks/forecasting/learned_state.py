"""What a forecaster has learned next to the weights of its network, as JSON and arrays of a model directory."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from throughtime.data.series.panel_builder import MISSING_OPTIONS
from throughtime.tasks.base import LearnedState

if TYPE_CHECKING:
    from throughtime.data.series.panel import Panel
    from throughtime.io.saved_model import SavedModel
    from throughtime.tasks.forecasting.forecast_model import ForecastModel


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
        **{f"held_out.{name}": array for name, array in vars(calibration.held_out).items()},
        "panel.values": panel.values,
        "panel.offsets": panel.offsets,
        "panel.starts": panel.starts.astype(np.int64),
        "panel.exogenous": panel.exogenous.values,
        "panel.exogenous_offsets": panel.exogenous.offsets,
    }
    return LearnedState(config, {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()})


def check_restorable(saved: SavedModel, missing: str) -> None:
    """Check what a file holds next to the network, its sizes, its series and its calibration.

    Raises:
        ValueError: for a file of a former version, and for an unknown treatment of missing values.
        TypeError: for a table format that is none.
    """
    if not any(name.startswith("pooled.") for name in saved.tensors):
        raise ValueError("it was saved by a former version of throughtime; fit the forecaster again")
    if missing not in MISSING_OPTIONS:
        raise ValueError(f"missing: expected one of {', '.join(MISSING_OPTIONS)}")
    table_format = saved.config["table_format"]
    if not isinstance(table_format, dict | None):
        raise TypeError(f"the table format is not an object but {type(table_format).__name__}")


def fitted_attributes(panel: Panel, model: ForecastModel) -> dict[str, Any]:
    """Return the attributes of a fitted forecaster that follow from its series and its model."""
    return {
        "model_": model,
        "panel_": panel,
        "freq_": panel.frequency.name,
        "season_": model.plan.season,
        "series_": list(panel.ids),
        "block_": model.plan.block,
    }
