"""Intervals from what went wrong before: errors on held-out steps, in multiples of each forecast's own scale.

Errors grow with the horizon step; their growth is estimated first and then all steps share one distribution, so that a
single held-out window of a single series already gives a usable interval. Quantiles of one distribution cannot cross, and
the interval always contains the forecast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float

_QUANTILES = np.concatenate([[0.001, 0.0025, 0.005], np.arange(0.01, 0.995, 0.01), [0.995, 0.9975, 0.999]])


@dataclass(frozen=True)
class Intervals:
    """The distribution of standardised errors.

    Attributes:
        growth: typical size of an error at each step, in multiples of the forecast's scale: (F,).
        quantiles: of errors in multiples of `growth`, at fixed probabilities.
    """

    growth: Float[np.ndarray, "F"]
    quantiles: Float[np.ndarray, "Q"]

    @classmethod
    def of(cls, errors: Float[np.ndarray, "N F"]) -> Intervals:
        """Learn from errors (actual - forecast) / scale; NaN where the actual value is not known."""
        known = np.isfinite(errors)
        total, count = np.where(known, errors**2, 0.0).sum(0), known.sum(0)
        size = np.sqrt(total / np.maximum(count, 1))
        size[count == 0] = np.nan
        size = np.where(np.isnan(size), np.nanmean(size) if (count > 0).any() else 1.0, size)
        # Few errors make a ragged curve; a forecast does not become surer with distance by more than chance.
        smooth = np.convolve(np.pad(size, 2, mode="edge"), np.full(5, 0.2), mode="valid") if len(size) > 4 else size
        growth = np.maximum(np.maximum.accumulate(smooth) * 0.5 + smooth * 0.5, 1e-9)
        standardised = (errors / growth)[known]
        if len(standardised) < 2:
            standardised = np.array([-1.0, 1.0])
        # The most extreme error of n is the quantile 1 - 1/(n+1): what lies beyond is extrapolated a little.
        ranks = np.clip((_QUANTILES * (len(standardised) + 1) - 0.5) / len(standardised), 0, 1)
        return cls(growth, np.quantile(standardised, ranks))

    def around(
        self, forecast: Float[np.ndarray, "N F"], scale: Float[np.ndarray, "N"], level: float
    ) -> tuple[Float[np.ndarray, "N F"], Float[np.ndarray, "N F"]]:
        """Lower and upper bound that hold a share of `level` percent of the values."""
        tail = (1 - level / 100) / 2
        lo, hi = np.interp([tail, 1 - tail], _QUANTILES, self.quantiles)
        spread = scale[:, None] * self.growth
        return forecast + min(lo, 0.0) * spread, forecast + max(hi, 0.0) * spread
