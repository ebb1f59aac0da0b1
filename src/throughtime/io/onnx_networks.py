"""ONNX models of networks: whole sequences, and single steps of streams, compared with onnxruntime.

A network is a module, with the names of its free sizes. `sequence` has a free batch and length; `step` has states in
and out, for networks of one direction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from throughtime._core.errors import InputError, requires
from throughtime.io.capture import capture
from throughtime.io.onnx_graph import Defaults, sample_inputs, to_onnx
from throughtime.nn._recurrent import AbstractRecurrent
from throughtime.nn.layouts import ManyToMany, ManyToOne, OneToOne

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from throughtime.io.graph_module import GraphModule
    from throughtime.runtime.graph import Graph

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}
"""Largest difference to onnxruntime, relative to the largest output where that is above 1."""
_SIZES = [(1, 1), (2, 7), (5, 3), (3, 40)]  # batch and steps of the inputs that are compared
_BATCH, _STEPS = "batch", "steps"
_ERRORS_ALONE = 3


class Example(NamedTuple):
    """What a network must compute.

    Attributes:
        inputs: in their order; rows of the first dimension do not depend on each other.
        outputs: in their order.
    """

    inputs: Sequence[np.ndarray]
    outputs: Sequence[np.ndarray]

    def largest_difference(self, outputs: Sequence[np.ndarray]) -> float:
        """Return the largest difference, relative to the largest output of its row; NaN equals NaN."""
        worst = 0.0
        sizes = np.max([np.nan_to_num(np.abs(output)).reshape(len(output), -1).max(1) for output in self.outputs], 0)
        for expected, actual in zip(self.outputs, outputs, strict=True):
            if expected.shape != actual.shape or (np.isnan(expected) != np.isnan(actual)).any():
                return float("inf")
            differences = np.nan_to_num(np.abs(expected - actual)).reshape(len(expected), -1).max(1)
            worst = max(worst, float((differences / np.maximum(sizes, np.finfo(np.float64).tiny)).max(initial=0.0)))
        return worst


@dataclass(frozen=True)
class OnnxNetwork:
    """A module that becomes one ONNX model.

    Attributes:
        module: takes the inputs in their order.
        inputs: examples by name, with at least two in every free dimension.
        free: names of their free dimensions.
        outputs: names of what the module returns.
        defaults: of inputs that may be left out.
        below: for whole numbers, the first that is not allowed.
        example: results of other code, which the model must have too; None for none.
    """

    module: nn.Module
    inputs: dict[str, Tensor]
    free: dict[str, dict[int, str]]
    outputs: list[str]
    defaults: Defaults = field(default_factory=Defaults)
    below: dict[str, int] = field(default_factory=dict)
    example: Example | None = None

    def model(self, onnx: Any, metadata: Mapping[str, str]) -> Any:
        """Return the ONNX model.

        Raises:
            InputError: for an operator that ONNX does not have.
        """
        graph = capture(self.module, self.inputs, self.free, self.outputs)
        weights = {name: value.detach().numpy() for name, value in self.module.state_dict().items()}
        return to_onnx(onnx, graph, weights, metadata=metadata, defaults=self.defaults)

    def largest_difference(self, model: bytes) -> float:
        """Return the largest difference between onnxruntime and the module for random inputs of several sizes.

        It is relative to the largest output where that is above 1. With an example, the inputs are the ends of its
        first rows, and its own outputs are compared too.
        """
        session = _session(model)
        generator = torch.Generator().manual_seed(0)
        worst = 0.0
        if self.example is not None:
            actual = session.run(None, dict(zip(self.inputs, self.example.inputs, strict=True)))
            worst = self.example.largest_difference([np.asarray(output) for output in actual])
        for batch, steps in _SIZES:
            sizes = {_BATCH: batch, _STEPS: steps}
            inputs = self._random_inputs(sizes, generator) if self.example is None else self._parts_of_example(sizes)
            with torch.no_grad():
                expected = self.module.eval()(*inputs.values())
            expected = [value for value in tree_leaves(expected) if value is not None]
            actual = session.run(None, {name: value.numpy() for name, value in inputs.items()})
            for a, b in zip(expected, actual, strict=True):
                worst = max(worst, _difference(a.numpy(), np.asarray(b)))
        return worst

    @property
    def tolerance(self) -> float:
        """What `largest_difference` may be."""
        kinds = {value.dtype for value in self.module.state_dict().values() if value.is_floating_point()}
        return max((TOLERANCE.get(kind, 0.0) for kind in kinds), default=0.0) or TOLERANCE[torch.float32]

    def _parts_of_example(self, sizes: Mapping[str, int]) -> dict[str, Tensor]:
        """Return the first rows of the example, and their last steps."""
        assert self.example is not None
        inputs = {}
        for name, array in zip(self.inputs, self.example.inputs, strict=True):
            axes = self.free.get(name, {})
            kept = [slice(None)] * array.ndim
            for axis, size in axes.items():
                kept[axis] = slice(sizes[size]) if size == _BATCH else slice(-sizes[size], None)
            inputs[name] = torch.from_numpy(np.ascontiguousarray(array[tuple(kept)]))
        return inputs

    def _random_inputs(self, sizes: Mapping[str, int], generator: torch.Generator) -> dict[str, Tensor]:
        inputs = {}
        for name, example in self.inputs.items():
            axes = self.free.get(name, {})
            shape = [sizes.get(axes[d], 4) if d in axes else size for d, size in enumerate(example.shape)]
            if example.is_floating_point():
                inputs[name] = torch.randn(shape, dtype=example.dtype, generator=generator)
            else:
                low, high = (1, sizes[_STEPS] + 1) if name == "lengths" else (0, self.below.get(name, 2))
                inputs[name] = torch.randint(low, high, shape, dtype=example.dtype, generator=generator)
        return inputs


def _session(model: bytes) -> Any:
    """Return what runs a model: onnxruntime, or onnx's evaluator for element types that onnxruntime does not have."""
    with requires("onnx", "the comparison with onnxruntime"):
        import onnxruntime
        from onnx.reference import ReferenceEvaluator
        from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NotImplementedByRuntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ALONE
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except NotImplementedByRuntime:
        return ReferenceEvaluator(model)


def _difference(expected: np.ndarray, actual: np.ndarray) -> float:
    if expected.shape != actual.shape:
        return float("inf")
    if not expected.size:
        return 0.0
    return float(np.abs(expected - actual).max() / max(1.0, np.abs(expected).max()))


def networks_of(model: Any) -> dict[str, OnnxNetwork]:
    """Return the networks of a layer or of a layout around one.

    Raises:
        InputError: for another module.
    """
    layer = getattr(model, "layer", model)
    if not isinstance(layer, AbstractRecurrent) or not isinstance(
        model, AbstractRecurrent | OneToOne | ManyToMany | ManyToOne
    ):
        raise InputError(f"export: expected a layer or a layout, got {type(model).__name__}")
    networks = {}
    if not isinstance(model, OneToOne):
        networks["sequence"] = _sequence_network(model, layer)
    pools = isinstance(model, ManyToOne) and model.pooling.kind != "final"
    if not layer.bidirectional and not pools:
        networks["step"] = step_network(_StepNetwork(model), layer, _example(layer, 2))
    return networks


def network_of_module(module: GraphModule) -> OnnxNetwork:
    """Return the network of a custom module."""
    graph = module.graph
    sizes = list(dict.fromkeys(size for i in graph.inputs for size in i.shape if isinstance(size, str)))
    names = dict(zip(sizes, [_BATCH, _STEPS, *sizes[2:]], strict=False))
    free = {i.name: {d: names[s] for d, s in enumerate(i.shape) if isinstance(s, str)} for i in graph.inputs}
    inputs = {name: torch.from_numpy(array) for name, array in sample_inputs(graph).items()}
    below = min((len(module.weight(name)) for name in _embeddings(graph)), default=2)
    return OnnxNetwork(module, inputs, free, [*graph.outputs], below=dict.fromkeys(inputs, below))


def _embeddings(graph: Graph) -> list[str]:
    """Return the names of the weights that rows are picked from by number."""
    nodes = (node for node in graph.nodes if node.operator == "aten.embedding.default")
    return [graph.weights[node.arguments[0].name] for node in nodes if node.arguments[0].name in graph.weights]


def _sequence_network(model: nn.Module, layer: AbstractRecurrent) -> OnnxNetwork:
    batch, steps = (0, 1) if layer.batch_first else (1, 0)
    x = _example(layer, *((2, 3) if layer.batch_first else (3, 2)))
    names = state_names(layer)
    inputs = {"x": x, **_states(layer, names), "lengths": torch.tensor([3, 2])}
    free = {"x": {batch: _BATCH, steps: _STEPS}, **{name: {1: _BATCH} for name in names}, "lengths": {0: _BATCH}}
    module = _Sequence(model)
    outputs = ["y", *(f"{name}_n" for name in layer.cell.states)]
    return OnnxNetwork(module, inputs, free, outputs, Defaults(tuple(names), "lengths", "x", batch, steps))


def step_network(module: nn.Module, layer: AbstractRecurrent, x: Tensor, below: int = 0) -> OnnxNetwork:
    """Return the network of a single step.

    Args:
        module: takes x, whose first dimension is the batch, and states; returns an output and the next states.
        layer: with the states.
        x: an example.
        below: the first whole number that is not allowed in x.
    """
    names = state_names(layer)
    free = {"x": {0: _BATCH}, **{name: {1: _BATCH} for name in names}}
    outputs = ["y", *(f"{name}_n" for name in layer.cell.states)]
    defaults = Defaults(tuple(names), "", "x", 0, 0)
    return OnnxNetwork(module, {"x": x, **_states(layer, names)}, free, outputs, defaults, {"x": below})


def _example(layer: AbstractRecurrent, *sizes: int) -> Tensor:
    return torch.zeros(*sizes, layer.input_size, dtype=layer.all_weights[0][0].dtype)


def _states(layer: AbstractRecurrent, names: list[str]) -> dict[str, Tensor]:
    rows, dtype = layer.num_layers * layer.directions, layer.all_weights[0][0].dtype
    return {name: torch.zeros(rows, 2, size, dtype=dtype) for name, size in zip(names, layer.state_sizes, strict=True)}


def state_names(layer: AbstractRecurrent) -> list[str]:
    """Return the names of the initial states of a layer."""
    return [f"{name}_0" for name in layer.cell.states]


def packed_state(state: Sequence[Tensor]) -> Any:
    """Return states as layers take them: one, or a tuple of several."""
    return tuple(state) if len(state) > 1 else state[0]


def flat(y: Tensor, state: Any) -> tuple[Tensor, ...]:
    """Return an output and its states side by side."""
    return (y, *(state if isinstance(state, tuple) else (state,)))


class _Sequence(nn.Module):
    """A whole sequence: x, the initial states, the lengths."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x, *state, lengths = inputs
        return flat(*self.model(x, packed_state(state), lengths=lengths))


class _StepNetwork(_Sequence):
    """One step of a stream: x and the states."""

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x, *state = inputs
        model: Any = self.model
        if isinstance(model, OneToOne):
            return flat(*model(x, packed_state(state)))
        if isinstance(model, AbstractRecurrent):
            return flat(*model.step(x, packed_state(state)))
        time = 1 if model.batch_first else 0
        y, new = model(x.unsqueeze(time), packed_state(state))
        return flat(y if isinstance(model, ManyToOne) else y.squeeze(time), new)
