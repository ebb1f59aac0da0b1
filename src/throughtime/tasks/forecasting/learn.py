"""From a panel to a trained forecaster: train, calibrate on steps that were held out, train on with those steps.

The last steps of every series are held out first. On them it is seen whether the network beats the best naive forecast; if
not, the forecast becomes a mixture of both, or the naive one alone ("do no harm"), and how far forecasts go astray.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from throughtime import training
from throughtime.tasks.forecasting.baselines import BASELINES, forecast
from throughtime.tasks.forecasting.experts import experts
from throughtime.tasks.forecasting.intervals import Intervals
from throughtime.tasks.forecasting.losses import ForecastLoss
from throughtime.tasks.forecasting.network import SeasonNetwork
from throughtime.tasks.forecasting.windows import Store, Windows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from throughtime.data.series import Panel
    from throughtime.tasks.forecasting.plan import Plan

_UPDATES_IN_EPOCH = 25
_REFIT_SHARE = 0.25  # of the updates, when the held-out steps join
_ROWS_AT_ONCE = 1024
_CALIBRATION_ORIGINS = 12


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        cell: of the network.
        hidden_size: H.
        loss: see `losses`.
        updates: of the weights, before the held-out steps join.
        batch_size: windows of an update.
        learning_rate: at the peak of the cycle.
        seconds: at most, or None.
        seed: of everything random.
    """

    cell: str = "gru"
    hidden_size: int = 64
    loss: str = "owa"
    updates: int = 500
    batch_size: int = 64
    learning_rate: float = 8e-3
    seconds: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class Learned:
    """A trained forecaster without the data it learned from."""

    plan: Plan
    network: SeasonNetwork
    intervals: Intervals
    rival: str  # the best naive forecast on the held-out steps
    blend: float  # share of the network in the forecast, the rest being the rival's
    history: training.History = field(default_factory=training.History)

    def forecast(self, panel: Panel, levels: Sequence[float] = ()) -> Forecasts:
        """Forecast what follows the end of every series."""
        store = Store(panel, self.plan)
        series = torch.arange(len(panel))
        z, scale = _predict(self.network, store, series, store.lengths)
        z = torch.from_numpy(self._blended(z.numpy(), _to_z(store, self._rivals(panel))))
        bounds = {}
        for level in levels:
            lo, hi = self.intervals.around(z.numpy(), scale.numpy(), level)
            bounds[level] = tuple(store.back(torch.from_numpy(b), series).numpy() for b in (lo, hi))
        return Forecasts(store.back(z, series).numpy(), bounds)

    def _rivals(self, panel: Panel) -> np.ndarray:
        return forecast(self.rival, panel, self.plan.horizon, self.plan.season)

    def _blended(self, network: np.ndarray, rival: np.ndarray) -> np.ndarray:
        usable = np.isfinite(rival)
        return np.where(usable, self.blend * network + (1 - self.blend) * np.where(usable, rival, 0.0), network)


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of F steps for N series, and their bounds by level in percent."""

    mean: np.ndarray
    bounds: dict[float, tuple[np.ndarray, np.ndarray]]


def learn(panel: Panel, plan: Plan, settings: Settings, callbacks: Sequence[Callable[..., None]] = ()) -> Learned:
    """Train on a panel.

    Raises:
        training.Interrupted: on Ctrl-C, with the forecaster so far as its attribute `learned`.
    """
    torch.manual_seed(settings.seed)
    network = SeasonNetwork(plan, cell=settings.cell, hidden_size=settings.hidden_size)
    held_out, stride = _held_out(panel, plan)
    past = Store(panel.without_last(held_out), plan)
    _start_from_the_best_experts(network, past, settings)
    total = settings.updates * (1 + _REFIT_SHARE)
    progress = _Shared(callbacks, total)
    interrupted: training.Interrupted | None = None
    try:
        history = _train(network, past, settings, settings.updates, settings.learning_rate, progress)
    except training.Interrupted as error:
        interrupted, history = error, error.history
    learned = _calibrated(network, panel, plan, settings, held_out, stride, history)
    if interrupted is None:
        try:
            refit = int(settings.updates * _REFIT_SHARE)
            rate = settings.learning_rate / 4
            _train(network, Store(panel, plan), settings, refit, rate, progress)
        except training.Interrupted as error:
            interrupted = error
    if interrupted is not None:
        interrupted.learned = learned
        raise interrupted
    return learned


def _train(
    network: SeasonNetwork, store: Store, settings: Settings, updates: int, rate: float, progress: _Shared
) -> training.History:
    """Train in place; the network ends with the average of its last weights."""
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.98))

    def optimizer(parameters: object) -> torch.optim.Optimizer:
        made = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-2)
        made.register_step_post_hook(lambda *_: average.update_parameters(network))
        return made

    windows = Windows(store, network.origins, batches=_UPDATES_IN_EPOCH, batch_size=settings.batch_size)
    epochs = max(1, round(updates / _UPDATES_IN_EPOCH))
    stop: list[training.Stop] = [training.Epochs(epochs)]
    if settings.seconds is not None:
        stop.append(training.Seconds(settings.seconds * updates / progress.total))
    steps = epochs * _UPDATES_IN_EPOCH + 1
    try:
        return training.fit(
            network,
            windows,
            loss=ForecastLoss(settings.loss),
            optimizer=optimizer,
            schedule=lambda made: OneCycleLR(made, rate, total_steps=steps, pct_start=0.2),
            stop=stop,
            clip=1.0,
            callbacks=[progress],
            seed=settings.seed,
        )
    finally:
        network.load_state_dict(average.module.state_dict())
        network.eval()


class _Shared:
    """Tells the callbacks of one progress for several trainings in a row."""

    def __init__(self, callbacks: Sequence[Callable[..., None]], total: float) -> None:
        self.callbacks = callbacks
        self.total = total
        self.updates = self.seconds = 0.0
        self.last: training.Progress | None = None

    def __call__(self, now: training.Progress) -> None:
        if self.last is not None and now.updates < self.last.updates:
            self.updates += self.last.updates
            self.seconds += self.last.seconds
        self.last = now
        done, seconds = self.updates + now.updates, self.seconds + now.seconds
        left = seconds * (self.total - done) / max(done, 1)
        told = training.Progress(
            epoch=int(done / _UPDATES_IN_EPOCH) + 1,
            epochs=int(self.total / _UPDATES_IN_EPOCH),
            updates=int(done),
            loss=now.loss,
            validation_loss=now.validation_loss,
            gradient_norm=now.gradient_norm,
            seconds=seconds,
            seconds_left=max(left, 0.0),
        )
        for callback in self.callbacks:
            callback(told)


def _held_out(panel: Panel, plan: Plan) -> tuple[int, int]:
    """Steps held out for calibration, and the distance of the origins in them."""
    typical = int(np.median(panel.lengths))
    most = max(plan.horizon, int(0.2 * (typical - plan.lookback)))
    origins = 1 if len(panel) >= _CALIBRATION_ORIGINS * 4 else _CALIBRATION_ORIGINS
    spare = max(0, min(most - plan.horizon, origins * plan.horizon))
    stride = max(1, spare // max(origins - 1, 1))
    return plan.horizon + spare // stride * stride, stride


def _start_from_the_best_experts(network: SeasonNetwork, store: Store, settings: Settings) -> None:
    batch = next(iter(Windows(store, network.origins, batches=1, batch_size=256)))
    loss = ForecastLoss(settings.loss)
    errors = [
        torch.stack([loss(made[..., [step]], batch.y[:, :, [step]]) for step in range(network.plan.horizon)])
        for made in experts(batch.x[..., 0], network.origins, network.plan).values()
    ]
    network.prefer(torch.stack(errors))


@torch.no_grad()
def _predict(
    network: SeasonNetwork, store: Store, series: torch.Tensor, ends: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Forecasts (N, F) as the network sees values, and their scale (N,)."""
    network.eval()
    parts = [
        network.forecast(store.inputs(s, e), last=True)
        for s, e in zip(series.split(_ROWS_AT_ONCE), ends.split(_ROWS_AT_ONCE), strict=True)
    ]
    z, scale = (torch.cat(tensors).double() for tensors in zip(*parts, strict=True))
    return z[:, 0], scale[:, 0]


def _to_z(store: Store, values: np.ndarray) -> np.ndarray:
    """Values of all series as the network sees them."""
    scaled = values / store.unit.numpy()[:, None]
    positive = store.positive.numpy()[:, None] > 0
    return np.where(positive, np.log(np.maximum(scaled, 1e-30)), scaled)


def _calibrated(
    network: SeasonNetwork,
    panel: Panel,
    plan: Plan,
    settings: Settings,
    held_out: int,
    stride: int,
    history: training.History,
) -> Learned:
    """Compare with naive forecasts on the held-out steps, and learn the intervals there."""
    loss = ForecastLoss(settings.loss)
    found: list[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], torch.Tensor]] = []
    for back in range(held_out, plan.horizon - 1, -stride):
        before = panel.without_last(back)
        if not len(before):
            continue
        index = torch.tensor([i for i in range(len(panel)) if len(panel[i]) > back])
        store = Store(before, plan)
        z, scale = _predict(network, store, torch.arange(len(before)), store.lengths)
        rivals = {
            name: _to_z(store, forecast(name, before, plan.horizon, plan.season)) for name in BASELINES
        }
        full = Store(panel, plan)
        truth = full.targets(index, full.lengths[index] - back, torch.tensor([plan.lookback]))
        # The store before has units of its own; the truth is compared in those.
        truth[..., 4] = store.unit[:, None, None].float()
        truth[..., 3] = store.positive[:, None, None].float()
        found.append((z.numpy(), scale.numpy(), rivals, truth))

    def error(which: Callable[[np.ndarray, dict[str, np.ndarray]], np.ndarray]) -> float:
        losses = [
            float(loss(torch.from_numpy(which(z, rivals)).float()[:, None], truth)) for z, _, rivals, truth in found
        ]
        return float(np.mean(losses)) if losses else 0.0

    rival = min(BASELINES, key=lambda name: error(lambda _, rivals: rivals[name]))
    shares = (1.0, 0.75, 0.5, 0.25, 0.0)
    blend = min(shares, key=lambda share: error(lambda z, rivals: share * z + (1 - share) * rivals[rival]))
    errors = []
    for z, scale, rivals, truth in found:
        value, weight, _, positive, unit = (t[:, 0].numpy().astype(np.float64) for t in truth.unbind(-1))
        actual = np.where(positive > 0, np.log(np.maximum(value / unit, 1e-30)), value / unit)
        mixed = blend * z + (1 - blend) * rivals[rival]
        errors.append(np.where(weight > 0, (actual - mixed) / scale[:, None], np.nan))
    intervals = Intervals.of(np.concatenate(errors) if errors else np.full((1, plan.horizon), np.nan))
    return Learned(plan, network, intervals, rival, blend, history)
