"""What `series_transforms` does with one series, for a batch of series of one length in operators that export.

Rows before the first known value are before the beginning of a series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from throughtime.data.series.structural_zeros import MIN_COUNT, SIGNIFICANCE
from throughtime.tasks.forecasting.network.masked_median import masked_median

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Float, Int
    from torch import Tensor

_POSITIVE_SHARE = 1e-3  # of the median: a series is positive if all values are above


class TransformedSeries(NamedTuple):
    """Transformed values, and what turns them back.

    Attributes:
        z: logarithms where a series is positive, else multiples of the unit; gaps filled.
        observed: 1 for values that are known and not structural zeros.
        unit: typical size.
        is_positive: whether all values are positive.
        has_negative: whether some value is negative.
        first: the first known row.
    """

    z: Float[Tensor, "N T"]
    observed: Bool[Tensor, "N T"]
    unit: Float[Tensor, "N 1"]
    is_positive: Bool[Tensor, "N 1"]
    has_negative: Bool[Tensor, "N 1"]
    first: Int[Tensor, "N 1"]


def transform_series(y: Float[Tensor, "N T"], observed: Bool[Tensor, "N T"], season: int) -> TransformedSeries:
    """Return transformed series."""
    size = y.abs()
    count = observed.sum(1, keepdim=True)
    median = masked_median(size, observed)
    mean = torch.where(observed, size, 0.0).sum(1, keepdim=True) / count.clamp(min=1)
    lowest = torch.where(observed, y, torch.inf).amin(1, keepdim=True)
    is_positive = (lowest > _POSITIVE_SHARE * median) & (count > 0)
    unit = torch.where(is_positive, median, mean)
    unit = torch.where(unit > 0, unit, 1.0)
    first = observed.to(torch.int64).argmax(1, keepdim=True)
    scaled = fill_gaps(torch.where(observed, y, 0.0), observed, first, season) / unit
    z = torch.where(is_positive, torch.where(is_positive, scaled, 1.0).log(), scaled)
    return TransformedSeries(z, observed, unit, is_positive, lowest < 0, first)


def fill_gaps(
    values: Float[Tensor, "N T"], observed: Bool[Tensor, "N T"], first: Int[Tensor, "N 1"], season: int
) -> Float[Tensor, "N T"]:
    """Fill missing values with those a season before, else with the last value; leading ones with the first."""
    steps = torch.arange(values.shape[1])
    last = _last_observed(observed)
    filled = values.gather(1, torch.where(steps < first, first, last))
    if season == 1:
        return filled
    by_position = (steps % season * values.shape[1] + steps).argsort()
    mask = (observed | (steps < first + season))[:, by_position]
    filled = filled[:, by_position].gather(1, _last_observed(mask))
    return filled[:, by_position.argsort()]


def _last_observed(observed: Bool[Tensor, "N T"]) -> Int[Tensor, "N T"]:
    """Return the index of the last observed value up to each step, and some index before the first one."""
    steps = torch.arange(observed.shape[1])
    indices = torch.where(observed, steps, observed.shape[1]).sort(1).values
    chosen = indices.gather(1, (observed.to(torch.int64).cumsum(1) - 1).clamp(min=0))
    return torch.minimum(chosen, steps)


def structural_zeros(
    y: Float[Tensor, "N T"], observed: Bool[Tensor, "N T"], seasons: Sequence[int], ahead: int
) -> Bool[Tensor, "N T+{ahead}"]:
    """Return what `find_structural_zeros` returns for each series."""
    steps = torch.arange(y.shape[1] + ahead)
    structural = torch.zeros_like(steps, dtype=torch.bool).expand(y.shape[0], -1)
    zeros = (observed & (y == 0)).to(y.dtype)
    for season in seasons:
        if season < 2:
            continue
        position = (steps % season).unsqueeze(1) == torch.arange(season)
        member = position[: y.shape[1]].to(y.dtype)
        counts, zero_counts = observed.to(y.dtype) @ member, zeros @ member
        always_zero = (counts >= MIN_COUNT) & (zero_counts == counts)
        others, other_zeros = (torch.where(always_zero, 0.0, n).sum(1, keepdim=True) for n in (counts, zero_counts))
        zero_rate = (other_zeros + 1) / (others + 2)
        is_structural = always_zero & (season * zero_rate**counts < SIGNIFICANCE) & (others > other_zeros)
        structural = structural | is_structural[:, steps % season]
    return structural
