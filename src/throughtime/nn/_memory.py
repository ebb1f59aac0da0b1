"""Memory of a stack of layers, compared with the free memory before its first layer runs.

The kernels check each layer before it runs. That comes too late for a stack whose first layers fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from throughtime import _kernels
from throughtime._core.kernel_selection import any_requires_grad, find_kernel, is_traced

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime._core.scan_config import ScanConfig
    from throughtime.nn._recurrent import AbstractRecurrent

_MIN_CHECKED_STATES = 1 << 18  # of all layers: fewer cannot need the least memory that is compared
_MIN_CHECKED_BYTES = 256 << 20  # less is not compared, as reading the free memory takes longer than the layers


def check_stack_memory(
    layer: AbstractRecurrent, x: Tensor, weights: tuple[Tensor | None, ...], config: ScanConfig
) -> None:
    """Raise if the results of all layers that exist at the same time exceed the free memory.

    With gradients these are the results of all layers, with the states that backward needs; otherwise those of two
    layers, one of which reads the other. The working memory of the kernels is not included: each layer checks its own.

    Args:
        layer: the stack.
        x: its inputs.
        weights: of the first layer.
        config: of the first layer.

    Raises:
        RuntimeError: with the memory that is needed and the memory that is free.
    """
    if is_traced():
        return
    rows = x.shape[0] if x.dim() == 2 else x.shape[0] * x.shape[1]
    elements = rows * layer.directions * layer.hidden_size
    if elements * layer.num_layers < _MIN_CHECKED_STATES:
        return
    kernel, _ = find_kernel(layer.cell, x.dtype, weights, config)
    if kernel is None:
        return
    trains = torch.is_grad_enabled() and any_requires_grad(x, *weights)
    if trains:
        elements += kernel.reserve_size(rows, layer.hidden_size, layer.directions)
    needed = elements * x.element_size() * (layer.num_layers if trains else 2)
    if needed >= _MIN_CHECKED_BYTES and needed > (free := _kernels.free_memory()):
        raise RuntimeError(
            f"out of memory: the {layer.num_layers} layers of this call need {needed >> 20} MiB, and {free >> 20} MiB "
            "are free. Use shorter windows or a smaller batch; in training also CheckpointedBPTT, which keeps fewer "
            "states; for outputs alone torch.no_grad()"
        )
