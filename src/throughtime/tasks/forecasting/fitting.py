"""Fitting of a forecaster: first without the end of the history, which calibrates it, then with all of the history.

The end decides how far the network is trusted and how wide the intervals are; then the network learns from it too. Both
stages share the time of the budget. An update with later rows does the same in the order of time: rows that are new to
the network calibrate it again before it learns from them.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from throughtime.tasks.forecasting.calibration.calibration import calibrate
from throughtime.tasks.forecasting.forecast_model import ForecastModel
from throughtime.tasks.forecasting.trainer import TrainingConfig, init_from_experts, train_network
from throughtime.tasks.forecasting.windows import WindowStore, linear_effects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughtime.data.batches import Batch
    from throughtime.data.series.panel import Panel
    from throughtime.inference.forecasting.plan import Plan
    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
    from throughtime.tasks.forecasting.presets import Preset
    from throughtime.tasks.trainer import Callback
    from throughtime.training import History

_VALIDATION_WINDOWS = 64  # at most, for each series


@dataclass(frozen=True)
class FitOptions:
    """What a fit needs to know of the settings of its forecaster.

    Attributes:
        preset: the amount of training.
        loss: its name.
        seconds: of the budget, from `started` on.
        callbacks: are called with the progress.
        seed: of the random numbers.
        started: time of the monotonic clock, in seconds.
    """

    preset: Preset
    loss: str
    seconds: float = math.inf
    callbacks: Sequence[Callback] = ()
    seed: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float:
        """Seconds of the budget that are left."""
        return self.seconds - (time.monotonic() - self.started)

    def updates(self, panel: Panel, plan: Plan) -> int:
        """Return the updates of the weights in a fit to a panel."""
        return self.preset.updates(float(panel.lengths.sum()) / plan.lookback)

    def train(
        self, network: ForecastNetwork, store: WindowStore, config: TrainingConfig, held_out: Batch | None = None
    ) -> History:
        """Train a network on the windows of a store."""
        options = {"loss": self.loss, "callbacks": self.callbacks, "seed": self.seed}
        return train_network(network, store, config, held_out=held_out, **options)


class TwoStageFit:
    """A fit of a new network to a panel.

    Args:
        network: its weights are those of the seed.
        panel: series.
        options: of the training.
        has_linear_effects: whether linear effects of covariates are removed from the values.
    """

    def __init__(
        self, network: ForecastNetwork, panel: Panel, options: FitOptions, *, has_linear_effects: bool
    ) -> None:
        plan = network.plan
        self.network, self.panel, self.options = network, panel, options
        self.has_linear_effects = has_linear_effects
        self.held_out = plan.held_out(panel)  # steps
        self.config = TrainingConfig(
            options.updates(panel, plan), options.preset.learning_rate, seconds=options.seconds / 2
        )
        past = panel.drop_last(self.held_out) if self.held_out else panel
        self._set_linear_effects(past)
        self.store = self._windows(panel)
        self.past_store = self._windows(past) if self.held_out else self.store
        init_from_experts(network, self.past_store, loss=options.loss, seed=options.seed)

    def train_on_past(self) -> History:
        """Train without the end of the history."""
        validation = self.store.held_out(self.held_out, _VALIDATION_WINDOWS)
        return self.options.train(self.network, self.past_store, self.config, validation)

    def calibrate(self) -> ForecastModel:
        """Return the network with the weight and the intervals that suit the end of the history."""
        calibration = calibrate(self.network, self.store, self.held_out, loss=self.options.loss)
        return ForecastModel(self.network.plan, self.network, calibration)

    def train_on_all(self) -> None:
        """Continue with the whole history, if an end was held out and there is time left."""
        seconds = self.options.seconds_left
        if not self.held_out or seconds <= 0:
            return
        if self.has_linear_effects:
            self._set_linear_effects(self.panel)
            self.store = self._windows(self.panel)
        self.options.train(self.network, self.store, replace(self.config, seconds=seconds))

    def _set_linear_effects(self, panel: Panel) -> None:
        if self.has_linear_effects:
            self.network.set_linear_effects(linear_effects(panel, self.network.plan))

    def _windows(self, panel: Panel) -> WindowStore:
        return WindowStore(panel, self.network.plan, self.network.linear_effects)


class UpdateFit:
    """A fit of a trained network to later rows, a quarter of the work of a fit from the start.

    Args:
        model: what was learned before.
        former: the panel that it learned from.
        panel: the same series with the later rows, and new series after them.
        options: of the training.
    """

    def __init__(self, model: ForecastModel, former: Panel, panel: Panel, options: FitOptions) -> None:
        self.model, self.panel, self.options = model, panel, options
        self.store = WindowStore(panel, model.plan, model.network.linear_effects)
        places = [former.ids.index(name) for name in panel.ids if name in former.ids]
        self.added = int(np.median(panel.lengths[: len(places)] - former.lengths[places]))  # steps

    def calibrate(self) -> ForecastModel:
        """Return the model with a calibration on the later rows, or as it was where there are too few of them.

        The held-out errors stay those of the fit: later rows may have drifted.
        """
        if self.added < self.model.plan.horizon:
            return self.model
        calibration = calibrate(self.model.network, self.store, self.added, loss=self.options.loss)
        return replace(self.model, calibration=replace(calibration, held_out=self.model.calibration.held_out))

    def train(self) -> History:
        """Continue the training, at a third of the learning rate."""
        options = self.options
        updates = -(-options.updates(self.panel, self.model.plan) // 4)
        config = TrainingConfig(updates, options.preset.learning_rate / 3, seconds=options.seconds)
        return options.train(self.model.network, self.store, config)
