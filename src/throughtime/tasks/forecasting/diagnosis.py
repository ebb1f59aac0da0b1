"""Diagnosis of a trained forecaster: how the gradient of its last forecast flows back through a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from throughtime.tasks.forecasting.trainer import training_loss
from throughtime.tasks.forecasting.windows import WindowStore
from throughtime.training._doctor import doctor

if TYPE_CHECKING:
    from throughtime.data.series.panel import Panel
    from throughtime.tasks.forecasting.forecast_model import ForecastModel
    from throughtime.training import Diagnosis, History

_MAX_WINDOWS = 64


def explain(model: ForecastModel, panel: Panel, *, loss: str, history: History) -> Diagnosis:
    """Diagnose the network on windows of the longest series, one per series, a horizon before the end."""
    plan, network = model.plan, model.network
    store = WindowStore(panel, plan, network.linear_effects)
    longest = torch.argsort(store.lengths, descending=True)[:_MAX_WINDOWS]
    ends = (store.lengths[longest] - plan.horizon).clamp(min=1)
    x, y = store.inputs(longest, ends), store.targets(longest, ends, last_only=True)
    return doctor(network, x, y, loss=training_loss(network, loss), history=history)
