"""A module of our own as a graph of operators, recorded while it runs: in a hundredth of the time of `capture`.

It runs on examples of two batch sizes. A number among the arguments that differs between them is a multiple of the
batch size plus a constant, and all others are constants. A module may therefore not decide anything by the values or
the number of its inputs: that is for the author of the module to know, and why modules of users are captured instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.nn.functional import linear
from torch.utils._python_dispatch import TorchDispatchMode

from throughtime._core.activations import get_activation
from throughtime._core.custom_operators import run_scan
from throughtime._core.errors import InputError
from throughtime._core.reference import CELLS
from throughtime._core.weights import FIELDS
from throughtime.runtime.graph import Graph
from throughtime.runtime.nodes import DTYPES, SCAN, Input, Node, Value, needed_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor

_BATCH_SIZES = (5, 7)
_SIZE = "batch_size"
_SYNONYMS = {
    "aten.squeeze_.dim": "aten.squeeze.dim",
    "aten.unsqueeze_.default": "aten.unsqueeze.default",
    "aten.lift_fresh.default": "aten.lift_fresh_copy.default",
}
"""Operators by those that return the same."""
IGNORED_KEYWORDS = ("device", "layout", "pin_memory", "memory_format", "non_blocking", "copy")
"""Arguments of operators of torch that say where and how, not what."""


class _Call(NamedTuple):
    """One operator that ran.

    Attributes:
        name: of its result, and the beginning of those of several.
        operator: its name.
        arguments: by position, with `Value` for tensors.
        keywords: arguments by name.
        results: names of the tensors that it returned.
        is_sequence: whether it returned several.
    """

    name: str
    operator: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    results: list[str]
    is_sequence: bool


class _OperatorRecorder(TorchDispatchMode):
    """Records the operators that run.

    Args:
        names: of the tensors that exist before.

    Attributes:
        calls: in their order.
        tensors: all that occurred, by name.
        constants: names of those that no operator returned.
    """

    def __init__(self, names: dict[str, Tensor]) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self.tensors = dict(names)
        self.constants: list[str] = []
        self._names = {id(tensor): name for name, tensor in names.items()}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: nothing is compiled here, and to skip dynamo is to import it, which takes seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator and note it."""
        arguments = tuple(self._encode(argument) for argument in args)
        keywords = {
            name: self._encode(argument) for name, argument in (kwargs or {}).items() if name not in IGNORED_KEYWORDS
        }
        # A custom operator imports the compiler of torch before it runs, in seconds.
        result: Any = (run_scan if str(func) == SCAN else func)(*args, **(kwargs or {}))
        is_sequence, name = not isinstance(result, torch.Tensor), f"value_{len(self.calls)}"
        names = (
            [self._add(f"{name}_{i}", t) for i, t in enumerate(result)] if is_sequence else [self._add(name, result)]
        )
        self.calls.append(_Call(name, _SYNONYMS.get(str(func), str(func)), arguments, keywords, names, is_sequence))
        return result

    def name_of(self, tensor: Tensor) -> str:
        """Return the name of a tensor; one that no operator returned is a constant."""
        if id(tensor) not in self._names:
            self.constants.append(self._add(f"constant_{len(self.constants)}", tensor))
        return self._names[id(tensor)]

    def _add(self, name: str, tensor: Tensor) -> str:
        self._names[id(tensor)], self.tensors[name] = name, tensor  # which keeps it alive, and its identity its own
        return name

    def _encode(self, argument: Any) -> Any:
        if isinstance(argument, torch.Tensor):
            return Value(self.name_of(argument))
        if isinstance(argument, list | tuple):
            return [self._encode(item) for item in argument]
        return DTYPES[dtype_name(argument)] if isinstance(argument, torch.dtype) else argument


def record(
    module: nn.Module, examples: Callable[[int], Mapping[str, Tensor]], free: Mapping[str, int], outputs: Sequence[str]
) -> Graph:
    """Return what a module computes in evaluation, as a graph whose batch size is free.

    Args:
        module: takes the inputs by name, and returns a tuple of tensors.
        examples: of the inputs, for a batch size.
        free: the axis of the batch, for each input that has one.
        outputs: names of the outputs, in their order.

    Raises:
        InputError: for a module whose operators depend on the batch size, or cannot leave torch.
    """
    (recorder, results), (other, _) = (_run(module, examples(size)) for size in _BATCH_SIZES)
    if [call.operator for call in recorder.calls] != [call.operator for call in other.calls]:
        raise InputError(f"{type(module).__name__}: expected the same operators for every batch size")
    batched = next(iter(free))
    nodes = [Node(_SIZE, "aten.sym_size.int", (Value(batched), free[batched]), {})]
    for call, match in zip(recorder.calls, other.calls, strict=True):
        nodes += _nodes_of(call, match)
    outputs_by_name = dict(zip(outputs, results, strict=True))
    nodes = needed_nodes(nodes, outputs_by_name.values())
    used = {value.name for node in nodes for value in node.values()}
    saved = module.state_dict().keys()
    constants = [*recorder.constants, *(name for name, _ in module.named_buffers() if name not in saved)]
    try:
        return Graph(
            tuple(_describe(name, tensor, free.get(name)) for name, tensor in examples(_BATCH_SIZES[0]).items()),
            outputs_by_name,
            tuple(nodes),
            {name: name for name in saved if name in used},
            {name: recorder.tensors[name].detach().numpy().copy() for name in constants if name in used},
            dict(_cells(recorder)),
        )
    except ValueError as error:
        raise InputError(f"{type(module).__name__}: cannot leave torch: {error}") from error


def record_step(cell_name: str, activation: str, hidden: int, diagonals: int, dtype: torch.dtype) -> Graph:
    """Return one step of a cell as a graph, from its reference step.

    Its inputs are the input halves of all gates, `x` (N, G*H), the states `state_0` …, `weight_hh` (G*H, H), `bias_hh`
    and `diagonal` (…, H); its outputs are the new states.
    """
    step = _CellStep(cell_name, activation)
    rows, states = step.gates * hidden, [f"state_{i}" for i in range(step.states)]

    def examples(batch: int) -> dict[str, Tensor]:
        shapes = {"x": (batch, rows), "weight_hh": (rows, hidden), "bias_hh": (rows,), "diagonal": (diagonals, hidden)}
        shapes |= dict.fromkeys(states, (batch, hidden))
        return {name: torch.zeros(shape, dtype=dtype) for name, shape in shapes.items()}

    return record(step, examples, dict.fromkeys(["x", *states], 0), states)


class _CellStep(nn.Module):
    """One step of a cell."""

    def __init__(self, cell_name: str, activation: str) -> None:
        super().__init__()
        cell, self._step = CELLS[cell_name]
        self.gates, self.states = len(cell.gates), len(cell.states)
        self._activation = get_activation(activation)

    def forward(
        self, x: Tensor, weight_hh: Tensor, bias_hh: Tensor, diagonal: Tensor, **states: Tensor
    ) -> tuple[Tensor, ...]:
        """Return the new states."""
        f = self._activation

        def half(h: Tensor) -> tuple[Tensor, ...]:
            return linear(h, weight_hh, bias_hh).chunk(self.gates, -1)

        gates = x.chunk(self.gates, -1)
        return self._step(gates, half, tuple(states.values()), tuple(diagonal), f, torch.sigmoid, f)[0]


def _run(module: nn.Module, inputs: Mapping[str, Tensor]) -> tuple[_OperatorRecorder, list[str]]:
    """Run a module, and return what was recorded and the names of its results."""
    recorder = _OperatorRecorder({**dict(module.named_buffers()), **dict(module.named_parameters()), **inputs})
    with torch.no_grad(), recorder:
        results = module(**inputs)
    return recorder, [recorder.name_of(result) for result in results]


def _nodes_of(call: _Call, other: _Call) -> Iterator[Node]:
    """Yield the nodes of an operator, from its calls with both batch sizes."""
    sizes: list[Node] = []

    def merge(argument: Any, match: Any) -> Any:
        if isinstance(argument, list) and isinstance(match, list) and len(argument) == len(match):
            return [merge(*pair) for pair in zip(argument, match, strict=True)]
        if argument == match:
            return argument
        slope, rest = 0, 1
        if isinstance(argument, int) and isinstance(match, int):
            slope, rest = divmod(match - argument, _BATCH_SIZES[1] - _BATCH_SIZES[0])
            argument -= slope * _BATCH_SIZES[0]
        if rest:
            raise InputError(
                f"{call.operator}: expected arguments that are multiples of the batch size, got {argument}"
            )
        name = f"{call.name}_size_{len(sizes)}"
        sizes.append(Node(f"{name}_multiple", "operator.mul", (Value(_SIZE), slope), {}))
        sizes.append(Node(name, "operator.add", (Value(f"{name}_multiple"), argument), {}))
        return Value(name)

    arguments = tuple(merge(*pair) for pair in zip(call.arguments, other.arguments, strict=True))
    keywords = {name: merge(value, other.keywords[name]) for name, value in call.keywords.items()}
    yield from sizes
    yield Node(call.name, call.operator, arguments, keywords)
    if call.is_sequence:
        for i, result in enumerate(call.results):
            yield Node(result, "operator.getitem", (Value(call.name), i), {})


def _cells(recorder: _OperatorRecorder) -> Iterator[tuple[str, Graph]]:
    """Yield the step of the cell of each scan."""
    for call in recorder.calls:
        if call.operator != SCAN:
            continue
        weights, kernel, present = call.arguments[2], call.arguments[4], call.arguments[5]
        remaining = iter(weights)
        fields = [recorder.tensors[next(remaining).name] if is_present else None for is_present in present]
        for first in range(0, len(fields), FIELDS):
            _, weight_hh, _, _, diagonal, _ = fields[first : first + FIELDS]
            assert weight_hh is not None
            cell, activation, _ = kernel.split()
            rows = 0 if diagonal is None else diagonal.shape[0]
            step = record_step(cell, activation, weight_hh.shape[1], rows, weight_hh.dtype)
            yield f"{kernel} {weight_hh.shape[1]}", step


def _describe(name: str, tensor: Tensor, axis: int | None) -> Input:
    shape = tuple("N" if i == axis else size for i, size in enumerate(tensor.shape))
    return Input(name, dtype_name(tensor.dtype), shape)


def dtype_name(dtype: torch.dtype) -> str:
    """Return the name of an element type.

    Raises:
        InputError: for one that a graph does not hold.
    """
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise InputError(f"expected tensors of {', '.join(DTYPES)}, got {name}")
    return name
