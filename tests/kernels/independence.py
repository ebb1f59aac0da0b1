"""Rows of a batch are independent: neither other rows nor the number of threads change a bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from tests.tolerances import assert_close

if TYPE_CHECKING:
    from torch import Tensor


def assert_rows_are_independent(module: torch.nn.Module, x: Tensor) -> None:
    """Require the same bits on two threads, on one, and of each row of x (T, N, I) alone."""
    whole, _ = module(x)
    try:
        torch.set_num_threads(1)
        assert_close(module(x)[0], whole, "exact")
        for row in range(x.shape[1]):
            assert_close(module(x[:, row : row + 1])[0], whole[:, row : row + 1], "exact")
    finally:
        torch.set_num_threads(2)
