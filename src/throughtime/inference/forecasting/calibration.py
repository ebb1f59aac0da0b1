"""The result of a calibration: the mixture of network and naive forecast, and the distribution of their errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.inference.forecasting.distributions import normal_tail
from throughtime.inference.forecasting.held_out_errors import HeldOutErrors

if TYPE_CHECKING:
    from jaxtyping import Float

    from throughtime.inference.forecasting.pooled import PooledStatistics


@dataclass(frozen=True)
class Calibration:
    """The mixture of network and naive forecast, and the distribution of their errors.

    Attributes:
        weight: w of the network, 0 … 1.
        expert: name of the naive forecast with the weight 1 - w.
        shape: typical error of each step, in scales of the network.
        quantiles: of the errors in typical errors, at equidistant probabilities from 0 to 1.
        horizons: number of held-out horizons, overlapping ones counted once.
        paths: held-out error paths: for each error the share of smaller errors, with its sign, -1 … 1.
        pooled: statistics for the forecasts of short series.
        held_out: errors on the windows of the calibration.
    """

    weight: float
    expert: str
    shape: Float[np.ndarray, "F"]
    quantiles: Float[np.ndarray, "Q"]
    horizons: int
    paths: Float[np.ndarray, "P F"]
    pooled: PooledStatistics
    held_out: HeldOutErrors = field(default_factory=HeldOutErrors)

    def width(self, level: float) -> Float[np.ndarray, "F"]:
        """Return half the width of an interval of `level` percent, by step, in scales of the network."""
        return self.shape * self._errors(level / 100)

    def draw(self, count: int, seed: int) -> Float[np.ndarray, "{count} F"]:
        """Draw signed error paths, in scales of the network.

        The dependence between steps is that of one held-out forecast or its mirror image; at each step the errors are
        distributed as the intervals state. Without any held-out forecast all steps have the same quantile.
        """
        random = np.random.default_rng(seed)
        signs = random.choice([-1.0, 1.0], (count, 1))
        if len(self.paths):
            shares = self.paths[random.integers(0, len(self.paths), count)]
        else:
            shares = np.repeat(random.random((count, 1)), len(self.shape), 1)
        return signs * np.sign(shares) * self.shape * self._errors(np.abs(shares))

    def draw_jointly(
        self, series: int, paths: int, seed: int, correlation: float
    ) -> Float[np.ndarray, "{series} {paths} F"]:
        """Draw signed error paths of several series that err together, in scales of the network.

        Each path is distributed as those of `draw`. Path by path, normal scores with this correlation choose a place
        among the held-out paths and their mirror images, which are in the order of their sums.
        """
        shares = self.paths if len(self.paths) else np.repeat(np.linspace(0, 1, 400)[:, None], len(self.shape), 1)
        errors = np.sign(shares) * self.shape * self._errors(np.abs(shares))
        errors = np.concatenate([errors, -errors])
        errors = errors[np.argsort(errors.sum(1), kind="stable")]
        random = np.random.default_rng(seed)
        common, own = random.standard_normal(paths), random.standard_normal((series, paths))
        scores = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
        places = (normal_tail(-scores) * len(errors)).astype(int)
        return errors[np.minimum(places, len(errors) - 1)]

    def _errors(self, shares: Any) -> Any:
        return np.interp(shares, np.linspace(0, 1, len(self.quantiles)), self.quantiles)
