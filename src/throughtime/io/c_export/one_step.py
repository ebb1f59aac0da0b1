"""One step of a network of one direction, as a graph of operators."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from throughtime import nn
from throughtime._core.errors import InputError
from throughtime.io.capture import capture

if TYPE_CHECKING:
    import numpy as np

    from throughtime.runtime.graph import Graph

LAYOUTS = (nn.OneToOne, nn.ManyToMany, nn.ManyToOne)
"""The layouts that have an output at every step."""


class OneStep(NamedTuple):
    """A network, ready to be written as code.

    Attributes:
        graph: from the input `x`, (1, 1, I), and all numbers of the states, to `y` and the new states, (L, 1, H) each.
        weights: arrays by their name in the graph.
        states: count of numbers of each state, by name.
        network: in words.
    """

    graph: Graph
    weights: dict[str, np.ndarray]
    states: dict[str, int]
    network: str


class _FlatStateStep(torch.nn.Module):
    """Maps an input, and the numbers of all states, to an output and the new states."""

    def __init__(self, network: torch.nn.Module, shapes: list[tuple[int, int, int]]) -> None:
        super().__init__()
        self.network, self._shapes = network, shapes

    def forward(self, x: torch.Tensor, states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        flat = states.split([math.prod(shape) for shape in self._shapes])
        old = tuple(values.view(shape) for values, shape in zip(flat, self._shapes, strict=True))
        state: Any = old if old[1:] else next(iter(old))
        y, new = self.network(x, state)
        return (y, *new) if isinstance(new, tuple) else (y, new)


def capture_step(model: torch.nn.Module) -> OneStep:
    """Return one step of a network in evaluation.

    Args:
        model: a recurrent layer of one direction, or a layout around one, in float32.

    Raises:
        InputError: for any other network, with the reason.
    """
    layer = recurrent_layer(model)
    check_network(model, layer)
    names = layer.cell.states
    like = layer.all_weights[0][0]
    shapes = [(layer.num_layers, 1, size) for size in layer.cell.state_sizes(layer.hidden_size, layer.proj_size)]
    sizes = {name: math.prod(shape) for name, shape in zip(names, shapes, strict=True)}
    x = like.new_zeros((1, layer.input_size) if isinstance(model, nn.OneToOne) else (1, 1, layer.input_size))
    inputs = {"x": x, "states": like.new_zeros(sum(sizes.values()))}
    graph = capture(_FlatStateStep(model, shapes), inputs, {}, ("y", *names))
    weights = {f"network.{name}": value.detach().cpu().numpy() for name, value in model.state_dict().items()}
    return OneStep(graph, weights, sizes, describe(model, layer))


def recurrent_layer(model: torch.nn.Module) -> Any:
    """Return the recurrent layer of a network."""
    return model.layer if isinstance(model, LAYOUTS) else model


def check_network(model: torch.nn.Module, layer: Any) -> None:
    """Refuse, by name, what does not advance step by step.

    Raises:
        InputError: says what was expected.
    """
    if type(layer) not in nn.LAYERS.values():
        names = ", ".join([kind.__name__ for kind in (*nn.LAYERS.values(), *LAYOUTS)])
        raise InputError(f"export to C: expected one of {names}, got {type(model).__name__}")
    if layer.bidirectional:
        raise InputError(
            "export to C: expected a network of one direction; a bidirectional one needs all steps at once"
        )
    if isinstance(model, nn.ManyToOne) and model.pooling.kind != "final":
        raise InputError(
            f"export to C: expected pooling 'final', got {model.pooling.kind!r}, which needs all steps at once"
        )
    dtype = layer.all_weights[0][0].dtype
    if dtype != torch.float32:
        raise InputError(f"export to C: expected weights of float32, got {str(dtype)[6:]}; call .float() first")
    if not all(value.isfinite().all() for value in model.state_dict().values()):
        raise InputError("export to C: expected finite weights, got NaN or infinity")


def describe(model: torch.nn.Module, layer: Any) -> str:
    """Return a network in words."""
    count = "" if layer.num_layers == 1 else f"{layer.num_layers} layers of "
    projected = f" projected to {layer.proj_size}" if layer.proj_size else ""
    layout = f"{type(model).__name__} around " if model is not layer else ""
    return (
        f"{layout}{count}{type(layer).__name__} (cell {layer.cell.name}), {layer.input_size} inputs, "
        f"{layer.hidden_size} hidden units{projected}"
    )
