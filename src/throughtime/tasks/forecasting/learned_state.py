"""What a forecaster has learned next to the weights of its network, as JSON and arrays of a model directory."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import torch

from throughtime.tasks.base import LearnedState

if TYPE_CHECKING:
    from throughtime.data.series.panel import Panel
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
        "panel.values": panel.values,
        "panel.offsets": panel.offsets,
        "panel.starts": panel.starts.astype(np.int64),
        "panel.exogenous": panel.exogenous.values,
        "panel.exogenous_offsets": panel.exogenous.offsets,
    }
    return LearnedState(config, {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()})
