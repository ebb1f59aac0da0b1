"""`throughtime explain` of a network: a layer, a layout, or a module of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn import Parameter

from throughtime import nn
from throughtime._core.errors import InputError
from throughtime.app.tables.number_matrix import read_matrix
from throughtime.io.graph_module import GraphModule
from throughtime.nn import trace
from throughtime.nn._recurrent import AbstractRecurrent
from throughtime.training import doctor

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from throughtime.runtime.nodes import Input
    from throughtime.training import Diagnosis

_STEPS, _ROWS = 100, 8  # of random inputs
_RECURRENT = (AbstractRecurrent, nn.ManyToMany, nn.ManyToOne)


class NetworkExplanation(NamedTuple):
    """A network, and how far back its gradients reach.

    Attributes:
        heading: what the network is, and what it was measured on.
        diagnosis: of its layers.
        kind: name of its class.
        weights: numbers that can be trained.
        inputs: sizes by name, for a module of one's own.
    """

    heading: str
    diagnosis: Diagnosis
    kind: str
    weights: int
    inputs: dict[str, list[str | int]]

    def as_dict(self, model: Path, season: int | None) -> dict[str, Any]:
        """Return it for JSON."""
        sizes = {"kind": self.kind, "weights": self.weights, "inputs": self.inputs}
        return {
            "model": str(model),
            **sizes,
            **self.diagnosis.as_dict(),
            "verdict": self.diagnosis.verdict(season=season),
        }


def explain_network(module: torch.nn.Module, data: Path | None) -> NetworkExplanation:
    """Measure how far back the gradient of the last outputs reaches.

    Args:
        module: that was saved.
        data: numbers of one sequence, steps in rows; None for random ones.

    Raises:
        InputError: for a network that reads no sequence, and for data that do not fit it.
    """
    weights = sum(p.numel() for p in module.parameters() if isinstance(p, Parameter))
    torch.manual_seed(0)
    inputs: dict[str, list[str | int]] = {}
    options: dict[str, Any] = {}
    if isinstance(module, GraphModule):
        x, options, batch_first = _inputs_of_graph(module, data)
        inputs = {i.name: [*i.shape] for i in module.graph.inputs}
        described = f"A module of your own, with the inputs {', '.join(inputs)} and {len(module.graph.nodes)} operators"
    elif isinstance(module, _RECURRENT):
        layer: Any = getattr(module, "layer", module)
        x, batch_first = _sequences(layer.input_size, data), layer.batch_first
        x = x.transpose(0, 1) if batch_first else x
        around = "" if layer is module else f"{type(module).__name__} around "
        described = f"{around}{type(layer).__name__} of {layer.hidden_size} units"
    else:
        raise InputError(f"explain: expected a network that reads one sequence, got {type(module).__name__}")
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    diagnosis = doctor(module, x.to(dtype) if x.is_floating_point() else x, batch_first=batch_first, **options)
    if not diagnosis.layers:
        raise InputError(
            "explain: this module has no recurrent layer that could be recorded; layers with an activation or options "
            "that no kernel has are loops of operators in it"
        )
    source = f"{_ROWS} random sequences of {_STEPS} steps" if data is None else str(data)
    heading = f"{described}; {weights:,} weights. Measured on {source}: the gradient of the last outputs."
    return NetworkExplanation(heading, diagnosis, type(module).__name__, weights, inputs)


def _sequences(size: int, data: Path | None) -> Tensor:
    """Return inputs (T, N, I)."""
    if data is None:
        return torch.randn(_STEPS, _ROWS, size)
    return torch.from_numpy(read_matrix(data, size)).unsqueeze(1)


def _inputs_of_graph(module: GraphModule, data: Path | None) -> tuple[Tensor, dict[str, Any], bool]:
    """Return the sequence, the other inputs, and whether rows come first, which the layers show."""
    sequence, *others = module.graph.inputs
    free = [size for size in sequence.shape[:2] if isinstance(size, str)]
    if len({*free}) != 2 or any(i.shape not in ((free[0],), (free[1],)) or i.dtype != "int64" for i in others):
        raise InputError(
            "explain: expected a module whose first input is a batch of sequences, of any length and number, and whose "
            "others are at most lengths; measure another one in Python, with throughtime.training.doctor"
        )
    for batch_first in (True, False):
        x = _sequence_input(module, sequence, data, batch_first=batch_first)
        rows, steps = x.shape[:2] if batch_first else x.shape[1::-1]
        options: dict[str, Any] = {i.name: torch.full((rows,), steps) for i in others}
        if others and others[0].shape != (free[0 if batch_first else 1],):
            continue
        traces = trace(module, x, **options)
        if not traces or traces[0].step.x.shape[:2] == (steps, rows):
            return x, options, batch_first
    raise InputError("explain: the recurrent layers of this module do not read its first input step by step")


def _sequence_input(module: GraphModule, sequence: Input, data: Path | None, *, batch_first: bool) -> Tensor:
    if sequence.dtype.startswith("int"):
        if data is not None:
            raise InputError("explain: DATA holds numbers, and this module reads numbers of symbols; leave it out")
        tables = (n.arguments[0] for n in module.graph.nodes if n.operator == "aten.embedding.default")
        below = min((len(module.weight(module.graph.weights[table.name])) for table in tables), default=2)
        x = torch.randint(below, (_STEPS, _ROWS, *map(int, sequence.shape[2:])))
    elif len(sequence.shape) != 3:
        raise InputError(f"explain: expected inputs of 3 dimensions, got {sequence.name} with {len(sequence.shape)}")
    else:
        x = _sequences(int(sequence.shape[2]), data).to(getattr(torch, sequence.dtype))
    return x.transpose(0, 1) if batch_first else x
