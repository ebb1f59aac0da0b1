"""Transforms of one series into what the network reads: filled gaps, logarithms or multiples of a unit, effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from throughtime.data.series.structural_zeros import find_structural_zeros
from throughtime.inference.forecasting.linear_effects import LinearEffects, design

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    from throughtime.data.series.panel import Panel
    from throughtime.inference.forecasting.plan import Plan


def observed_values(panel: Panel, i: int, plan: Plan) -> tuple[Bool[np.ndarray, "total"], Bool[np.ndarray, "T"]]:
    """Return the structural zeros among the T steps of a series and F after it, and its other observed values."""
    zeros = find_structural_zeros(panel[i], sorted({*panel.frequency.seasons, plan.season}), plan.horizon)
    return zeros, np.isfinite(panel[i]) & ~zeros[: len(panel[i])]


def transform(
    series: Float[np.ndarray, "T"], observed: Bool[np.ndarray, "T"], season: int
) -> tuple[Float[np.ndarray, "T"], float, bool]:
    """Return the transformed series, gaps filled, its unit, and whether it is positive."""
    size = np.abs(series[observed])
    median = float(np.median(size))
    positive = bool(series[observed].min() > 1e-3 * median)
    unit = (median if positive else float(size.mean())) or 1.0
    filled = _fill_gaps(series, observed, season) / unit
    return (np.log(filled) if positive else filled), unit, positive


def effect_by_step(
    panel: Panel, i: int, plan: Plan, effects: LinearEffects, z: Float[np.ndarray, "T"]
) -> Float[np.ndarray, "total"]:
    """Return the linear effect at each of the T steps of a series and F after it."""
    x = design(panel.covariates_at(i, len(z) + plan.horizon), panel.exogenous.all_features)
    return x @ effects.of_series(z, x[: len(z)], plan.season)


def standardize(values: Float[np.ndarray, "T"], steps: int) -> Float[np.ndarray, "T"]:
    """Standardize numbers by their mean and standard deviation over the first `steps`, damped by asinh."""
    observed = values[:steps][np.isfinite(values[:steps])]
    if not len(observed):
        return values * 0.0
    spread = float(observed.std())
    is_constant = spread <= 1e-9 * abs(float(observed.mean()))
    return np.arcsinh((values - observed.mean()) / (1.0 if is_constant else spread))


def _fill_gaps(series: Float[np.ndarray, "T"], observed: Bool[np.ndarray, "T"], season: int) -> Float[np.ndarray, "T"]:
    """Fill missing values with those a season before, else with the last value; leading ones with the first."""
    filled = np.where(observed, series, 0.0)
    first = int(observed.argmax())
    filled[:first] = series[first]
    for t in np.flatnonzero(~observed[first:]) + first:
        filled[t] = filled[t - season] if t - season >= first else filled[t - 1]
    return filled
