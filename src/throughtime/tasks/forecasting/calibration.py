"""What the held-out end of the history teaches: how far to trust the network, and how wide the intervals must be.

Point forecasts are w * network + (1 - w) * the best naive forecast, in what the network sees (logarithms); w is the
one that did best on windows that the network had not been trained on, so that it does no harm where it learned
nothing.

Intervals are conformal: the absolute errors on those windows, divided by the scale at the origin and by the typical
error of their step, have a quantile for each level; an interval is that quantile, multiplied back. It is symmetric in
what the network sees, widens with the step and, for levels a < b, the interval of a lies within that of b. Source:
Vovk, Gammerman, Shafer 2005, Algorithmic Learning in a Random World.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from throughtime.tasks.forecasting.losses import ForecastLoss

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime.tasks.forecasting.network import SeasonNetwork
    from throughtime.tasks.forecasting.windows import Store

_WEIGHTS = (1.0, 0.75, 0.5, 0.25, 0.0)
_FADING = 0.9  # weight of a block's errors beside those of the next
_TRUSTED = 2  # blocks at which a series' own errors and its scale weigh alike
_KEPT = 400  # quantiles of the errors that are kept
_WINDOWS = 4096  # most windows that are looked at
_FEW = 30  # held-out horizons, below which their errors are not trusted to tell how errors are distributed
_PRIOR = 4  # held-out horizons that the errors of the naive forecast over the history weigh as much as


@dataclass(frozen=True)
class Calibration:
    """Blend and intervals.

    Attributes:
        weight: w of the network, 0 … 1.
        expert: the naive forecast that has the rest.
        shape: typical error of each step, in scales of the network, (F,).
        quantiles: of the errors in typical errors, at equal distances from 0 to 1.
        horizons: held-out ones that they were taken from, overlapping ones counted once.
    """

    weight: float
    expert: str
    shape: np.ndarray
    quantiles: np.ndarray
    horizons: int

    def width(self, level: float) -> np.ndarray:
        """Half the width of an interval that holds `level` percent, by step, in scales of the network: (F,)."""
        share = level / 100
        return self.shape * np.interp(share, np.linspace(0, 1, len(self.quantiles)), self.quantiles)


@torch.no_grad()
def predict(network: SeasonNetwork, x: Tensor, calibration: Calibration | None = None) -> tuple[Tensor, Tensor]:
    """Forecasts from the end of windows, in what the network sees, (N, F), and the scale of each, (N, 1)."""
    forecasts, scales = network.forecast(x)
    z, scale = forecasts[:, -1].double(), _own_scale(network, x, forecasts, scales).double()
    if calibration is not None and calibration.weight < 1:
        z = calibration.weight * z + (1 - calibration.weight) * naive_forecasts(network, x)[calibration.expert]
    return z, scale


def _own_scale(network: SeasonNetwork, x: Tensor, forecasts: Tensor, scales: Tensor) -> Tensor:
    """How far each series strays from the forecasts made within its window, mixed with the scale at its end: (N, 1)."""
    reach = min(network.plan.horizon, network.plan.block)
    z, real = (part.unflatten(1, (network.plan.blocks, -1))[:, 2:, :reach] for part in x.unbind(-1))
    errors = (z - forecasts[:, :-1, :reach]).abs()
    weights = real * _FADING ** torch.arange(errors.shape[1] - 1, -1, -1).unsqueeze(-1)
    blocks = weights.sum((1, 2)) / reach
    own = (errors * weights).sum((1, 2)) / reach / blocks.clamp(min=1e-9)
    scale = scales[:, -1]
    ratio = (own / scale).clamp(1e-2, 1e2) ** (blocks / (blocks + _TRUSTED))
    return (scale * torch.where(blocks > 0, ratio, 1.0)).unsqueeze(1)


def calibrate(network: SeasonNetwork, store: Store, held_out: int, *, loss: str) -> Calibration:
    """Learn from windows that end within the last `held_out` steps; with 0, from the history alone."""
    measure = ForecastLoss(loss)
    series, ends = _origins(store, held_out)
    z, naive, scale = _forecasts(network, store, series, ends)
    targets = store.targets(series, ends, torch.tensor([network.plan.lookback]))

    def error(candidate: Tensor) -> float:
        return float(measure(candidate.float().unsqueeze(1), targets))

    expert = min(naive, key=lambda name: error(naive[name]))
    blends = {w: w * z + (1 - w) * naive[expert] for w in _WEIGHTS}
    weight = min(blends, key=lambda w: error(blends[w])) if held_out else 0.5
    residuals = _residuals(store, series, ends, blends[weight], scale)
    return _conformal(
        weight, expert, residuals, _habitual(network, store, held_out, expert), len(store.lengths) * held_out
    )


def _conformal(weight: float, expert: str, residuals: np.ndarray, habitual: np.ndarray, steps: int) -> Calibration:
    """Intervals from held-out residuals (n, F) and, where those are few, the expert's usual errors (F,)."""
    horizons = steps / residuals.shape[1]  # those that do not overlap
    known = np.isfinite(residuals)
    mean = np.where(known, residuals, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    shape = (horizons * mean + _PRIOR * habitual) / (horizons + _PRIOR)
    shape = np.maximum(np.maximum.accumulate(_smooth(shape)), 1e-9)
    errors = np.sort((residuals / shape)[known])
    shares = np.linspace(0, 1, _KEPT + 1)
    quantiles = np.quantile(errors, shares) if len(errors) else np.zeros(_KEPT + 1)
    if horizons < _FEW:
        quantiles = np.maximum(quantiles, _student(shares, horizons + _PRIOR))
    return Calibration(weight, expert, shape, quantiles, int(horizons))


def _student(shares: np.ndarray, freedom: float) -> np.ndarray:
    """Quantiles of absolute errors whose mean is 1 if they were normal, of which the spread is known from few."""
    from scipy.stats import t

    return np.sqrt(np.pi / 2) * t.ppf((1 + np.minimum(shares, 0.999)) / 2, freedom)


def _habitual(network: SeasonNetwork, store: Store, held_out: int, expert: str) -> np.ndarray:
    """The expert's mean error by step over the history before the held-out end, in scales: (F,)."""
    each = max(1, min(64, _WINDOWS // len(store.lengths)))
    first = 2 * network.plan.block
    last = (store.lengths - held_out - network.plan.horizon).clamp(min=1)
    shares = torch.linspace(0, 1, each, dtype=torch.float64)
    series = torch.arange(len(store.lengths)).repeat_interleave(each)
    ends = (last.unsqueeze(1) * shares).long().clamp(min=1).ravel()
    kept = ends >= min(first, int(last.max()))
    series, ends = series[kept], ends[kept]
    _, naive, scale = _forecasts(network, store, series, ends)
    residuals = _residuals(store, series, ends, naive[expert], scale)
    known = np.isfinite(residuals)
    mean = np.where(known, residuals, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    return mean if known.any() else np.ones_like(mean)


def _forecasts(
    network: SeasonNetwork, store: Store, series: Tensor, ends: Tensor
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """The network's forecasts, the naive ones by name, and the scales, from given ends."""
    found, naive, scales = [], [], []
    for part in torch.arange(len(series)).split(256):
        x = store.inputs(series[part], ends[part])
        z, scale = predict(network, x)
        found.append(z)
        scales.append(scale)
        naive.append(naive_forecasts(network, x))
    return torch.cat(found), {name: torch.cat([part[name] for part in naive]) for name in naive[0]}, torch.cat(scales)


def _residuals(store: Store, series: Tensor, ends: Tensor, z: Tensor, scale: Tensor) -> np.ndarray:
    """Absolute errors in scales, NaN where the truth is unknown: (n, F)."""
    truth, real = store.seen(series, ends)
    return torch.where(real, (truth - z).abs() / scale, torch.nan).numpy()


def _smooth(x: np.ndarray) -> np.ndarray:
    """Each step with its neighbours, so that a few windows do not make intervals ragged."""
    reach = max(1, len(x) // 8)
    return np.array([x[max(0, i - reach) : i + reach + 1].mean() for i in range(len(x))])


def _origins(store: Store, held_out: int) -> tuple[Tensor, Tensor]:
    """Series and ends: every origin in the held-out end that something follows, thinned out where there are many."""
    horizon = store.plan.horizon
    reach = held_out or horizon
    stride = max(1, len(store.lengths) * max(1, reach - horizon + 1) // _WINDOWS)
    back = torch.arange(min(horizon, reach), reach + 1, stride)
    series = torch.arange(len(store.lengths)).repeat_interleave(len(back))
    ends = store.lengths[series] - back.repeat(len(store.lengths))
    usable = ends >= 2
    return (series[usable], ends[usable]) if usable.any() else (series, ends.clamp(min=1))


def naive_forecasts(network: SeasonNetwork, x: Tensor) -> dict[str, Tensor]:
    """Naive forecasts from the end of windows, by name: (N, F)."""
    return {name: forecast[:, 0] for name, forecast in network.naive(x.double(), last=True).items()}
