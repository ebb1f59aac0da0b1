"""Weights from a file that anyone may have written."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    Network = TypeVar("Network", bound=nn.Module)


def fill(make: Callable[[], Network], weights: dict[str, Tensor]) -> Network:
    """Make a network and give it weights. Its memory is allocated only when these are just its own.

    Raises:
        ValueError: where names, shapes or types differ, or a weight is no number.
    """
    with torch.device("meta"):
        network = make()
    expected = {name: (tuple(t.shape), t.dtype) for name, t in network.state_dict().items()}
    if {name: (tuple(t.shape), t.dtype) for name, t in weights.items()} != expected:
        raise ValueError("the weights are not those of the network that the configuration describes")
    if not all(bool(t.isfinite().all()) for t in weights.values()):
        raise ValueError("some weights are no numbers")
    network.to_empty(device="cpu").load_state_dict(weights)
    return network.eval()
