"""What the held-out end of the history teaches: how far to trust the network, and how wide the intervals must be.

Point forecasts are w * network + (1 - w) * the naive forecast that did best over the history, in what the network sees
(logarithms); w is the one that did best on windows that the network had not been trained on, so that it does no harm
where it learned nothing. Where those windows are few, w stays near what the history suggests.

Intervals are conformal: the absolute errors on those windows, divided by the scale at the origin and by the typical
error of their step, have a quantile for each level; an interval is that quantile, multiplied back. It is symmetric in
what the network sees, widens with the step and, for levels a < b, the interval of a lies within that of b. Where the
network has learned a likelihood, its scores take the place of errors in scales. Source:
Vovk, Gammerman, Shafer 2005, Algorithmic Learning in a Random World.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from throughtime.tasks.forecasting.calibration.blending import naive_forecasts, predict, withhold
from throughtime.tasks.forecasting.calibration.pooled import PooledStatistics, pool_statistics
from throughtime.tasks.forecasting.network.losses import ForecastLoss
from throughtime.tasks.forecasting.windows import MIN_ERROR

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
    from throughtime.tasks.forecasting.network.likelihoods import Likelihood
    from throughtime.tasks.forecasting.windows import WindowStore

_WEIGHTS = tuple(i / 20 for i in range(20, -1, -1))
_USUAL = 0.5  # weight of the network where nothing is held out: forecasts that err differently are best mixed evenly
_CLEAR = 0.1  # of the naive forecast's error over the history: what a mixture must save there for that weight
_DOUBT = 8  # held-out horizons at which to go from one half to 0 or 1 must save a quarter of the error
_MANY = 20  # held-out horizons, from which a network learns on enough to gain much of the rest of the weight
_KEPT = 400  # quantiles of the errors that are kept
_PATHS = 200  # held-out forecasts whose errors are kept step by step
_WINDOWS = 4096  # most windows in the held-out end that are looked at
_PAST_WINDOWS = 2048  # … and most in the history before
_FEW = 30  # held-out horizons, below which their errors are not trusted to tell how errors are distributed
_SIMULATED = 128  # held-out windows that are forecast again with fewer known values
_FADINGS = (1.0, 0.9, 0.7, 0.4, 0.0)  # that are tried
_RATIOS = (0.8, 0.95)  # quantiles of errors whose ratio is the factor of intervals of such windows
_WIDEST = 100.0  # such factor
_OUTLYING = 4.0  # times the usual mean error, from which a series of many held-out horizons is outlying
_OUTLYING_ALONE = 16.0  # … and added for one of a single horizon
_LARGEST = 10.0  # mean error in scales that is usual in a panel, at most
_FINITE = 0.3  # by 1 + that over the number of held-out horizons a level is raised, as few errors miss the largest
_JUMP = 10.0  # times the median error: more than that of one step does not count
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
        paths: how the errors of some held-out forecasts went on from step to step: for each the share of errors that
            are smaller, with its sign, -1 … 1, (P, F).
        pooled: what short series are forecast from.
    """

    weight: float
    expert: str
    shape: np.ndarray
    quantiles: np.ndarray
    horizons: int
    paths: np.ndarray
    pooled: PooledStatistics

    def width(self, level: float) -> np.ndarray:
        """Half the width of an interval that holds `level` percent, by step, in scales of the network: (F,)."""
        return self.shape * self._errors(level / 100)

    def draw(self, count: int, seed: int) -> np.ndarray:
        """Errors of forecasts that may come, signed, in scales of the network: (count, F).

        They hang together from step to step as those of one held-out forecast did, or of its mirror image, and at each
        step they are distributed as the intervals say. Without any held-out forecast all steps err alike.
        """
        random = np.random.default_rng(seed)
        signs = random.choice([-1.0, 1.0], (count, 1))
        if len(self.paths):
            drawn = self.paths[random.integers(0, len(self.paths), count)]
        else:
            drawn = np.repeat(random.random((count, 1)), len(self.shape), 1)
        return signs * np.sign(drawn) * self.shape * self._errors(np.abs(drawn))

    def _errors(self, shares: Any) -> Any:
        return np.interp(shares, np.linspace(0, 1, len(self.quantiles)), self.quantiles)


def calibrate(network: ForecastNetwork, store: WindowStore, held_out: int, *, loss: str) -> Calibration:
    """Learn from windows that end within the last `held_out` steps; with 0, from the history alone."""
    expert, habitual, usual = _history_tells(network, store, loss)
    series, ends = _origins(store, held_out)
    horizons = len(series.unique()) * held_out / network.plan.horizon  # those that do not overlap
    z, naive, _ = _forecasts(network, store, series, ends)
    weight = _weight(z, naive[expert], store.targets(series, ends, last_only=True), usual, horizons, loss)
    some = _some(series, ends, _SIMULATED)
    _, scales = network.forecast(store.inputs(*some), last_only=True)
    pooled, nothing = pool_statistics(store, scales[:, -1].double(), some[0]), np.zeros((0, len(habitual)))
    found = Calibration(weight, expert, np.maximum(habitual, 1e-9), np.zeros(2), int(horizons), nothing, pooled)
    residuals = _blend_residuals(found, network, store, series, ends)
    found = replace(found, pooled=_fading(found.pooled, network, store, series, ends))
    found = replace(found, pooled=_widening(found, network, store, series, ends))
    residuals = residuals / found.pooled.interval_factors(store.known(series, ends)).numpy()
    residuals = _without_outlying_series(residuals, series, horizons / max(len(series.unique()), 1))
    shape, quantiles, paths = _conformal(residuals, habitual, horizons)
    return replace(found, shape=shape, quantiles=quantiles, paths=paths)


def _blend_residuals(
    calibration: Calibration,
    network: ForecastNetwork,
    store: WindowStore,
    series: Tensor,
    ends: Tensor,
    withheld: int = 0,
) -> np.ndarray:
    """Return the scores of what is forecast from windows, or from their last values alone: (n, F)."""
    parts = [
        predict(network, store, series[part], ends[part], calibration, withheld=withheld)
        for part in torch.arange(len(series)).split(256)
    ]
    z, params, _ = map(torch.cat, zip(*parts, strict=True))
    return _residuals(network.likelihood, store, series, ends, z, params)


def _fading(
    pooled: PooledStatistics, network: ForecastNetwork, store: WindowStore, series: Tensor, ends: Tensor
) -> PooledStatistics:
    """Return the pooled statistics with the fading that forecasts best where only the last values are known."""
    plan = store.plan
    at = _some(series, ends, _SIMULATED)
    truth, real = store.future_values(*at)
    errors = np.zeros(len(_FADINGS))
    for kept in (2**i for i in range(1, int(np.log2(plan.min_known)) + 1)):
        window = network.values(withhold(store.inputs(*at), plan, kept)).double().unbind(-1)
        for i, fading in enumerate(_FADINGS):
            found = pooled.forecast(plan, window, store.phases(*at), store.positive[at[0]], fading)
            errors[i] += float(((truth - found).abs() * real).sum())
    return replace(pooled, fading=np.array([_FADINGS[int(errors.argmin())]]))


def _widening(
    calibration: Calibration, network: ForecastNetwork, store: WindowStore, series: Tensor, ends: Tensor
) -> PooledStatistics:
    """Return the pooled statistics with the width of intervals by the number of known values.

    Windows are forecast again as if only their last values were known; the ratio is that of the errors' quantiles.
    """
    known = store.known(series, ends)
    counts, factors = [], []
    for kept in (2**i for i in range(int(np.log2(network.plan.lookback)) + 1)):
        enough = known >= 2 * kept
        at, to = _some(series[enough], ends[enough], _SIMULATED)
        if not len(at):
            continue
        sizes = []
        for withheld in (kept, 0):
            residuals = np.abs(_blend_residuals(calibration, network, store, at, to, withheld)) / calibration.shape
            known_residuals = residuals[np.isfinite(residuals)]
            sizes.append(np.quantile(known_residuals, _RATIOS) if len(known_residuals) else np.ones(len(_RATIOS)))
        counts.append(kept)
        factors.append(float(np.max(sizes[0] / np.maximum(sizes[1], 1e-9))))
    counts.append(network.plan.lookback)
    factors = np.maximum.accumulate([*factors, 1.0][::-1])[::-1]
    return replace(calibration.pooled, counts=np.array(counts, dtype=np.float64), widening=np.minimum(factors, _WIDEST))


def _without_outlying_series(residuals: np.ndarray, series: Tensor, horizons: float) -> np.ndarray:
    """Return residuals (n, F) without those of series whose errors are far beyond those of all others.

    The errors of a series with a defect say nothing about the others.
    """
    sizes, places = np.abs(residuals), series.numpy()
    known = np.isfinite(sizes)
    count = np.bincount(places, known.sum(1))
    means = np.bincount(places, np.where(known, sizes, 0.0).sum(1)) / np.maximum(count, 1)
    usual = means[count > 0]
    if not len(usual):
        return residuals
    most = np.median(np.minimum(usual, _LARGEST)) * (_OUTLYING + _OUTLYING_ALONE / max(horizons, 1.0))
    kept = means <= max(most, usual.min())
    return np.where(kept[places][:, None], residuals, np.nan)


def _some(series: Tensor, ends: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Return at most so many of them, spread evenly."""
    chosen = torch.linspace(0, len(series) - 1, min(most, len(series))).long()
    return series[chosen], ends[chosen]


def _history_tells(network: ForecastNetwork, store: WindowStore, loss: str) -> tuple[str, np.ndarray, float]:
    """The naive forecast that did best over the history, its mean error by step, in scales, (F,), and a usual weight.

    A network that hardly improves on it even where it has learned will not later: it gets little weight or none.
    """
    series, ends = _history(store)
    z, naive, params = _forecasts(network, store, series, ends)
    targets = store.targets(series, ends, last_only=True)
    expert = min(naive, key=lambda name: _error(naive[name], targets, loss))
    errors = _blended_errors(z, naive[expert], targets, loss)
    saved = 1 - float(errors.min()) / max(float(errors[-1]), 1e-12)
    residuals = np.abs(_residuals(network.likelihood, store, series, ends, naive[expert], params))
    residuals = _without_outlying_series(residuals, series, len(series) / len(series.unique()))
    mean = _mean_sizes(residuals)
    return expert, mean if mean.any() else np.ones_like(mean), _USUAL * min(saved / _CLEAR, 1.0)


def _weight(z: Tensor, naive: Tensor, targets: Tensor, usual: float, horizons: float, loss: str) -> float:
    """The weight that did best; where few horizons tell, one nearer to the usual must do clearly worse to be left.

    The network learns from those horizons afterwards, and will do better than it did there: it gets some of the rest.
    """
    errors = _blended_errors(z, naive, targets, loss)
    distances = (np.array(_WEIGHTS) - usual) ** 2
    best = _WEIGHTS[int((errors / max(errors.min(), 1e-12) + _DOUBT / max(horizons, 0.5) * distances).argmin())]
    return best + (1 - best) * usual * horizons / (horizons + _MANY)


def _blended_errors(z: Tensor, naive: Tensor, targets: Tensor, loss: str) -> np.ndarray:
    """The error for each weight."""
    return np.array([_error(w * z + (1 - w) * naive, targets, loss) for w in _WEIGHTS])


def _error(z: Tensor, targets: Tensor, loss: str) -> float:
    return float(ForecastLoss(loss)(z.float().unsqueeze(1), targets))


def _conformal(
    residuals: np.ndarray, habitual: np.ndarray, horizons: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return shape, quantiles and paths from held-out residuals (n, F) and the expert's usual errors (F,)."""
    known = np.isfinite(residuals)
    sizes = np.abs(residuals)
    shape = (horizons * _mean_sizes(residuals) + _PRIOR * habitual) / (horizons + _PRIOR)
    shape = np.maximum(np.maximum.accumulate(_smooth(shape)), 1e-9)
    errors = np.sort((sizes / shape)[known])
    shares = np.linspace(0, 1, _KEPT + 1)
    raised = np.minimum(shares * (1 + _FINITE / (horizons + _PRIOR)), (1 + shares) / 2)
    quantiles = np.quantile(errors, raised) if len(errors) else np.zeros(_KEPT + 1)
    if horizons < _FEW:
        quantiles = np.maximum(quantiles, _student(raised, horizons + _PRIOR))
    whole = residuals[known.all(1)]
    whole = whole[np.linspace(0, len(whole) - 1, min(len(whole), _PATHS)).astype(int)]
    paths = np.sign(whole) * np.searchsorted(errors, np.abs(whole) / shape) / max(len(errors), 1)
    return shape, quantiles, paths


def _mean_sizes(residuals: np.ndarray) -> np.ndarray:
    """Return the mean size of residuals (n, F) by step, jumps of a series that hardly varied before counted as less."""
    sizes = np.abs(np.where(np.isfinite(residuals), residuals, 0.0))
    usual = np.median(sizes[sizes > 0]) if sizes.any() else 0.0
    return np.minimum(sizes, _JUMP * usual).sum(0) / np.maximum(np.isfinite(residuals).sum(0), 1)


def _student(shares: np.ndarray, freedom: float) -> np.ndarray:
    """Quantiles of absolute errors whose mean is 1 if they were normal, of which the spread is known from few."""
    from scipy.stats import t

    return np.sqrt(np.pi / 2) * t.ppf((1 + np.minimum(shares, 0.999)) / 2, freedom)


def _history(store: WindowStore) -> tuple[Tensor, Tensor]:
    """Series and ends spread over the history, as far as windows that end there are as full as those learned from."""
    each = max(1, min(64, _PAST_WINDOWS // len(store.lengths)))
    first = store.min_history(store.lengths)
    last = store.lengths - store.plan.horizon
    last = torch.where(last < first, store.lengths - 1, last).clamp(min=1)  # of a short one all that something follows
    first = torch.minimum(first, last)
    shares = torch.linspace(0, 1, each + 1, dtype=torch.float64)[1:]
    ends = first.unsqueeze(1) + ((last - first).unsqueeze(1) * shares).long()
    return _full(store, torch.arange(len(store.lengths)).repeat_interleave(each), ends.ravel())


def _full(store: WindowStore, series: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Return windows with enough known values for the network, and a quarter of those of the fullest one or more.

    Constant windows are left out where others vary: the scale of their errors has no meaning.
    """
    varies = store.varies(series, ends)
    varies = varies | ~varies.any()
    series, ends = series[varies], ends[varies]
    known = store.known(series, ends)
    enough = (known >= store.plan.min_known) & (4 * known >= known.max())
    enough = enough if enough.any() else known >= min(2, int(known.max()))
    return series[enough], ends[enough]


def _forecasts(
    network: ForecastNetwork, store: WindowStore, series: Tensor, ends: Tensor
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """The network's forecasts, the naive ones by name, and the likelihood's numbers, from given ends."""
    found, naive, every = [], [], []
    for part in torch.arange(len(series)).split(256):
        z, params, _ = predict(network, store, series[part], ends[part])
        found.append(z)
        every.append(params)
        naive.append(naive_forecasts(network, store.inputs(series[part], ends[part])))
    return torch.cat(found), {name: torch.cat([part[name] for part in naive]) for name in naive[0]}, torch.cat(every)


def _residuals(
    likelihood: Likelihood, store: WindowStore, series: Tensor, ends: Tensor, z: Tensor, params: Tensor
) -> np.ndarray:
    """Scores, NaN where the truth is unknown, or differs from a forecast of a constant window, which has no scale."""
    truth, real = store.future_values(series, ends)
    real = real & (store.varies(series, ends).unsqueeze(1) | ((truth - z).abs() <= MIN_ERROR))
    return torch.where(real, likelihood.scores(z, params, truth, store.units(series, 2)), torch.nan).numpy()


def _smooth(x: np.ndarray) -> np.ndarray:
    """Each step with its neighbours, so that a few windows do not make intervals ragged."""
    reach = max(1, len(x) // 8)
    return np.array([x[max(0, i - reach) : i + reach + 1].mean() for i in range(len(x))])


def _origins(store: WindowStore, held_out: int) -> tuple[Tensor, Tensor]:
    """Series and ends: every origin in the held-out end that something follows, thinned out where there are many."""
    horizon = store.plan.horizon
    reach = held_out or horizon
    stride = max(1, len(store.lengths) * max(1, reach - horizon + 1) // _WINDOWS)
    back = torch.arange(min(horizon, reach), reach + 1, stride)
    series = torch.arange(len(store.lengths)).repeat_interleave(len(back))
    ends = store.lengths[series] - back.repeat(len(store.lengths))
    least = (store.lengths[series] - 1).clamp(min=1, max=store.plan.min_known)
    return _full(store, series, torch.maximum(ends, least))
