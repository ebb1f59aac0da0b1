"""Networks in model directories: what made them, their weights, and checks before anything is allocated."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from throughtime import _kernels
from throughtime._core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

Network = TypeVar("Network", bound=nn.Module)

_MAX_SIZE = 10_000_000


def provenance() -> dict[str, Any]:
    """Return what a network was trained by."""
    return {"version": __version__, "isa": _kernels.isa, "threads": torch.get_num_threads()}


def network_tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors of a network by the names that they have in a file."""
    return {f"network.{name}": value for name, value in network.state_dict().items()}


def network_graphs(network: Any) -> dict[str, Any]:
    """Return the graphs of a network as JSON.

    Args:
        network: has `graphs`.
    """
    return {name: graph.to_json() for name, graph in network.graphs().items()}


def check_sizes(sizes: Any) -> None:
    """Raise for sizes (a dataclass) that no network has.

    Raises:
        ValueError: names them.
    """
    numbers = [v for f in fields(sizes) if not isinstance(v := getattr(sizes, f.name), str | bool | None)]
    if any(type(v) is not int or not 0 <= v <= _MAX_SIZE for v in numbers):
        raise ValueError(f"impossible sizes: {sizes}")


def check_layers(num_layers: int, tensors: dict[str, torch.Tensor]) -> None:
    """Raise for more recurrent layers than weights, before a layer is built.

    Raises:
        ValueError: says how many.
    """
    if num_layers > len(tensors):
        raise ValueError(f"num_layers: {num_layers} layers cannot have {len(tensors)} weights")


def restore_network(build: Callable[[], Network], tensors: dict[str, torch.Tensor]) -> Network:
    """Build a network around the weights of a file; memory is allocated only where they are exactly its own.

    Raises:
        ValueError: where they are not, or some are not finite.
    """
    weights = {n.removeprefix("network."): t for n, t in tensors.items() if n.startswith("network.")}
    with torch.device("meta"):
        network = build()
    expected = {name: (tuple(t.shape), t.dtype) for name, t in network.state_dict().items()}
    if {name: (tuple(t.shape), t.dtype) for name, t in weights.items()} != expected:
        raise ValueError("the weights are not those of the network that the configuration describes")
    if not all(bool(t.isfinite().all()) for t in weights.values()):
        raise ValueError("some weights are not finite")
    network.to_empty(device="cpu").load_state_dict(weights)
    return network.eval()
