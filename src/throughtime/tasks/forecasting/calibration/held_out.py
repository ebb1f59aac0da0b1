"""Windows for the calibration: over the history, and in the held-out end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Int
    from torch import Tensor

    from throughtime.tasks.forecasting.windows import WindowStore

SIMULATED = 128
"""Held-out windows that are forecast again with fewer observed values."""

_MAX_HELD_OUT = 4096  # windows
_MAX_HISTORY = 2048  # windows


def history_windows(store: WindowStore) -> tuple[Int[Tensor, "N"], Int[Tensor, "N"]]:
    """Return series and ends, spread over the history, of windows as full as those of the training."""
    per_series = max(1, min(64, _MAX_HISTORY // len(store.lengths)))
    first = store.min_history(store.lengths)
    last = store.lengths - store.plan.horizon
    last = torch.where(last < first, store.lengths - 1, last).clamp(min=1)  # of a short series all but the last step
    first = torch.minimum(first, last)
    shares = torch.linspace(0, 1, per_series + 1, dtype=torch.float64)[1:]
    ends = first.unsqueeze(1) + ((last - first).unsqueeze(1) * shares).long()
    return _full(store, torch.arange(len(store.lengths)).repeat_interleave(per_series), ends.ravel())


def held_out_windows(store: WindowStore, held_out: int) -> tuple[Int[Tensor, "N"], Int[Tensor, "N"]]:
    """Return series and ends of the windows in the held-out end, thinned out where there are many."""
    horizon = store.plan.horizon
    reach = held_out or horizon
    stride = max(1, len(store.lengths) * max(1, reach - horizon + 1) // _MAX_HELD_OUT)
    steps_back = torch.arange(min(horizon, reach), reach + 1, stride)
    series = torch.arange(len(store.lengths)).repeat_interleave(len(steps_back))
    ends = store.lengths[series] - steps_back.repeat(len(store.lengths))
    first = (store.lengths[series] - 1).clamp(min=1, max=store.plan.min_observed)
    return _full(store, series, torch.maximum(ends, first))


def spread_evenly(
    series: Int[Tensor, "N"], ends: Int[Tensor, "N"], max_windows: int
) -> tuple[Int[Tensor, "M"], Int[Tensor, "M"]]:
    """Return at most `max_windows` of the windows, spread evenly."""
    indices = torch.linspace(0, len(series) - 1, min(max_windows, len(series))).long()
    return series[indices], ends[indices]


def _full(
    store: WindowStore, series: Int[Tensor, "N"], ends: Int[Tensor, "N"]
) -> tuple[Int[Tensor, "M"], Int[Tensor, "M"]]:
    """Return windows with enough observed values for the network, and at least a quarter of those of the fullest one.

    Constant windows are dropped where others vary, as the scale of their errors has no meaning, and so are all windows
    of series that are constant at their end: how they behaved before does not predict the other series.
    """
    varies = store.varies(series, ends) & ~store.is_constant_at_end()[series]
    varies = varies | ~varies.any()
    series, ends = series[varies], ends[varies]
    observed = store.count_observed(series, ends)
    enough = (observed >= store.plan.min_observed) & (4 * observed >= observed.max())
    enough = enough if enough.any() else observed >= min(2, int(observed.max()))
    return series[enough], ends[enough]
