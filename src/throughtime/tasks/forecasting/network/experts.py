"""Naive forecasts from the end of each block of a window, as tensors: what the network mixes.

A block is a season where there is one, so that all of them are whole blocks, their means or changes. A forecast that
would look back further than the window reaches repeats the last value instead, and what lies before the beginning of a
series has no part in a mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from throughtime.tasks.forecasting.plan import Plan

_SEASONS_IN_MEAN = 7


def experts(
    blocks: Float[Tensor, "N B s"], real: Float[Tensor, "N B"], plan: Plan, *, last_only: bool = False
) -> dict[str, Float[Tensor, "N K F"]]:
    """Forecasts of F steps by name, from the end of each block but the first, or with `last_only` of the last one alone.

    Args:
        blocks: values, gaps filled.
        real: 1 for blocks in which a value is known, 0 for others.
        plan: sizes.
        last_only: as above.
    """
    first = blocks.shape[1] - 1 if last_only else 1
    ahead = -(-plan.horizon // plan.block)  # blocks that F steps reach into

    def steps(pieces: Float[Tensor, "N K A s"]) -> Float[Tensor, "N K F"]:
        return pieces.flatten(2)[..., : plan.horizon]

    copy = blocks[:, first:]
    level = blocks.mean(-1)
    now, before = level[:, first:].unsqueeze(-1), level[:, first - 1 : -1].unsqueeze(-1)
    means = _running_means(level, real, level.shape[1])[:, first:]
    passed = torch.arange(1, plan.horizon + 1, device=blocks.device)
    found = {
        "naive": copy[..., -1:].expand(-1, -1, plan.horizon),
        "level": now.expand(-1, -1, plan.horizon),
        "mean": means.unsqueeze(-1).expand(-1, -1, plan.horizon),
        "drift": copy[..., -1:] + (now - before) / plan.block * passed,
    }
    if plan.season > 1:
        copy, means = copy.unsqueeze(2), _running_means(blocks, real, _SEASONS_IN_MEAN)[:, first:].unsqueeze(2)
        growth = (now - before).unsqueeze(-1) * torch.arange(1, ahead + 1, device=blocks.device).unsqueeze(-1)
        found["seasonal_naive"] = steps(copy.expand(-1, -1, ahead, -1))
        found["seasonal_mean"] = steps(means.expand(-1, -1, ahead, -1))
        found["seasonal_drift"] = steps(copy + growth)
    if plan.long_season:
        one, two = (_long_ago(blocks, level, first, plan, times) for times in (1, 2))
        found["long_season"] = now + steps(one)
        found["long_season_mean"] = now + steps(one + two) / 2
    return found


def names(plan: Plan) -> list[str]:
    """The naive forecasts that a plan has, in order."""
    return list(experts(torch.zeros(1, plan.blocks, plan.block), torch.ones(1, plan.blocks), plan))


def _running_means(x: Float[Tensor, "N B ..."], real: Float[Tensor, "N B"], most: int) -> Float[Tensor, "N B ..."]:
    """Mean of the real ones of up to so many that end with each; where none is real, that one."""
    real = real.reshape(*real.shape, *(1,) * (x.dim() - 2))

    def sums(values: Tensor) -> Tensor:
        passed = values.cumsum(1)
        return torch.cat([passed[:, :most], passed[:, most:] - passed[:, :-most]], 1)

    count = sums(real)
    return torch.where(count > 0, sums(x * real) / count.clamp(min=1), x)


def _long_ago(
    blocks: Float[Tensor, "N B s"], level: Float[Tensor, "N B"], first: int, plan: Plan, times: int
) -> Float[Tensor, "N K A s"]:
    """How the blocks that a forecast reaches into differed from the level before them, long seasons ago."""
    long = plan.long_season // plan.block
    ahead = torch.arange(-(-plan.horizon // plan.block), device=blocks.device)
    back = (ahead // long + times) * long
    seen = torch.arange(first, blocks.shape[1], device=blocks.device) + 1
    then = seen.unsqueeze(-1) - back  # blocks that had been seen then
    usable = then >= 1
    taken, before = (torch.where(usable, at, 0).flatten() for at in (then + ahead, then - 1))
    differences = blocks.index_select(1, taken) - level.index_select(1, before).unsqueeze(-1)
    differences = differences.unflatten(1, then.shape)
    nothing = (blocks[:, first:, -1] - level[:, first:])[:, :, None, None]
    return torch.where(usable.unsqueeze(-1), differences, nothing)
