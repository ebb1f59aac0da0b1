"""What the model directories of all estimators of sequences share: weights that are checked before they are used."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from throughtime import _kernels, training
from throughtime._core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughtime.io.saved_model import SavedModel

Network = TypeVar("Network", bound=nn.Module)

_MAX_SIZE = 10_000_000  # no size of a network is beyond


def provenance(task: str, estimator: Any) -> dict[str, Any]:
    """How a configuration begins: the task, what the model was trained by, how that ended, and what was noted."""
    made_by = {"version": __version__, "isa": _kernels.isa, "threads": torch.get_num_threads()}
    return {"task": task, **made_by, **estimator.history_.termination, "notes": estimator.notes_}


def network_tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of a network by name."""
    return {f"network.{name}": value for name, value in network.state_dict().items()}


def check_sizes(sizes: Any) -> None:
    """Refuse sizes (a dataclass) of a network that could not be, before anything is allocated.

    Raises:
        ValueError: names them.
    """
    numbers = [v for f in fields(sizes) if not isinstance(v := getattr(sizes, f.name), str | bool)]
    if any(type(v) is not int or not 0 <= v <= _MAX_SIZE for v in numbers):
        raise ValueError(f"impossible sizes: {sizes}")


def check_layers(num_layers: int, tensors: dict[str, torch.Tensor]) -> None:
    """Refuse more recurrent layers than there are weights, before one is built.

    Raises:
        ValueError: says how many.
    """
    if num_layers > len(tensors):
        raise ValueError(f"num_layers: {num_layers} layers cannot have {len(tensors)} weights")


def restore_network(make: Callable[[], Network], tensors: dict[str, torch.Tensor]) -> Network:
    """The network, allocated only when the file holds just its weights.

    Raises:
        ValueError: where it does not, or some are no numbers.
    """
    weights = {n.removeprefix("network."): t for n, t in tensors.items() if n.startswith("network.")}
    with torch.device("meta"):
        network = make()
    expected = {name: (tuple(t.shape), t.dtype) for name, t in network.state_dict().items()}
    if {name: (tuple(t.shape), t.dtype) for name, t in weights.items()} != expected:
        raise ValueError("the weights are not those of the network that the configuration describes")
    if not all(bool(t.isfinite().all()) for t in weights.values()):
        raise ValueError("some weights are no numbers")
    network.to_empty(device="cpu").load_state_dict(weights)
    return network.eval()


def restore_history(found: SavedModel) -> training.History:
    """The history of the training."""
    return training.History.from_lines(found.history.splitlines(), found.config)


def restore_notes(found: SavedModel) -> list[str]:
    """What was found in the data and decided about it."""
    return [str(note) for note in found.config["notes"]]
