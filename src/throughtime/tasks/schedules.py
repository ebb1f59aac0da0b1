"""A cycle of the learning rate, and budgets of time."""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING

from torch.optim.lr_scheduler import LambdaLR

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.optim import Optimizer

from throughtime._core.errors import InputError

PRESETS = {"fast": 0.25, "balanced": 1.0, "best": 2.0}
"""Factors of the number of epochs by preset."""


def one_cycle(updates: int, seconds: float, *, warmup_fraction: float = 0.3) -> Callable[[Optimizer], LambdaLR]:
    """Let the learning rate rise and fall once, over the updates or over the seconds, whichever pass sooner.

    Args:
        updates: of the training.
        seconds: of the training, perhaps endless.
        warmup_fraction: share of the cycle in which the learning rate rises.
    """
    started = time.monotonic()

    def multiplier(update: int) -> float:
        share = min(max(update / updates, (time.monotonic() - started) / seconds), 1.0)
        if share < warmup_fraction:
            return 0.04 + 0.96 * (1 - math.cos(math.pi * share / warmup_fraction)) / 2
        return 1e-4 + (1 + math.cos(math.pi * (share - warmup_fraction) / (1 - warmup_fraction))) / 2

    return lambda optimizer: LambdaLR(optimizer, multiplier)


def parse_budget(budget: float | str | None) -> float:
    """Return a budget in seconds: a number, or '90s', '5m', '1h'; None is endless.

    Raises:
        InputError: for anything else.
    """
    if budget is None:
        return float("inf")
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h)?\s*", str(budget))
    if match is None or float(match[1]) <= 0:
        raise InputError(f"budget: expected a time such as 90, '90s', '5m' or '1h', got {budget!r}")
    return float(match[1]) * {"m": 60, "min": 60, "h": 3600}.get(match[2] or "", 1)
