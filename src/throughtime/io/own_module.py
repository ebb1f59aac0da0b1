"""Custom modules in model directories: a graph of operators and weights, nothing that could run.

The example inputs decide what stays free: every dimension but the last one of floating-point numbers, where `forward`
does not fix it. (All dimensions of whole numbers, and of a vector.) So the batch and the length of sequences may have
any size later, and features may not.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from throughtime._core.errors import InputError
from throughtime.io import saved_model
from throughtime.io.capture import export_program
from throughtime.io.exported_program import read_program, size_of
from throughtime.io.graph_module import GraphModule
from throughtime.runtime.graph import Graph
from throughtime.runtime.graph_network import check_structure

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    ExampleInputs = Tensor | Sequence[Tensor] | Mapping[str, Tensor]

TASK = "module"
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}  # of the largest output
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


def save_module(
    model: nn.Module,
    directory: str | os.PathLike[str],
    example_inputs: ExampleInputs,
    *,
    overwrite: bool = False,
) -> None:
    """Write a module into a new model directory, as a graph of operators.

    Raises:
        InputError: for a module that no graph describes, with the reason, or where the directory cannot be written.
    """
    inputs = name_inputs(model, example_inputs)
    graph, structure = capture_module(model, inputs)
    weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
    config = {
        "task": TASK,
        "module": {
            "class": type(model).__name__,
            "structure": structure,
            "weights": [*weights],
            "buffers": [name for name, _ in model.named_buffers() if name in weights],
        },
        "graphs": {"forward": graph.to_json()},
    }
    saved_model.write(directory, saved_model.SavedModel(config, weights), overwrite=overwrite)


def restore(saved: saved_model.SavedModel) -> nn.Module:
    """Return a module that computes what the saved one did in evaluation, and that can be trained.

    Raises:
        ValueError: for a graph that is damaged, or that does not fit the weights.
    """
    description, graph = saved.config["module"], Graph.from_json(saved.config["graphs"]["forward"])
    check_structure(description["structure"], graph)
    if sorted(description["weights"]) != sorted(saved.tensors):
        raise InputError("weights: expected the names of all tensors")
    tensors = {name: saved.tensors[name] for name in description["weights"]}
    return GraphModule(graph, tensors, description["structure"], frozenset(description["buffers"]))


def name_inputs(model: nn.Module, examples: ExampleInputs) -> dict[str, Tensor]:
    """Return example inputs by their names in `forward`.

    Raises:
        InputError: for what `forward` does not take, or is not a tensor.
    """
    if isinstance(examples, torch.Tensor):
        examples = (examples,)
    names = [
        name
        for name, parameter in inspect.signature(model.forward).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    if isinstance(examples, Mapping):
        named, received = dict(examples), ", ".join(examples)
    else:
        named, received = dict(zip(names, examples, strict=False)), f"{len(examples)} values"
    if not named or len(named) < len(examples) or not set(named) <= set(names):
        expected = f"a tuple or a dict of the tensors that forward({', '.join(names)}) takes"
        raise InputError(f"example_inputs: expected {expected}, got {received}")
    for name, value in named.items():
        if not isinstance(value, torch.Tensor):
            raise InputError(f"example_inputs: {name}: expected a tensor, got {type(value).__name__}; leave it out")
    return named


def capture_module(model: nn.Module, inputs: Mapping[str, Tensor]) -> tuple[Graph, Any]:
    """Return a module as a graph, and the structure of what it returns.

    The structure holds the number of an output in the graph in place of each tensor.

    Args:
        model: the module.
        inputs: examples by name.

    Raises:
        InputError: for a module that no graph describes, with the reason.
    """
    _refuse_hooks(model)
    grown = {name: _grown(value) for name, value in inputs.items()}
    try:  # a size of 1 is fixed by torch, so try with more
        program = _export(model, grown)
    except InputError:
        if all(grown[name] is value for name, value in inputs.items()):
            raise
        program = _export(model, inputs)
        grown = dict(inputs)
    leaves = program.graph.find_nodes(op="output")[0].args[0]
    numbers = iter(range(len(leaves)))
    positions = [None if leaf is None else next(numbers) for leaf in leaves]
    structure = _as_json(pytree.tree_unflatten(positions, program.call_spec.out_spec))
    outputs = [f"output_{i}" for i in positions if i is not None]
    symbols = _symbols(program)
    graph = read_program(program, outputs, {symbol: f"n{i}" for i, symbol in enumerate(symbols)})
    _check(model, graph, structure, grown)
    return graph, structure


def _refuse_hooks(model: nn.Module) -> None:
    for name, child in model.named_modules():
        if any(getattr(child, hooks) for hooks in _HOOKS):
            where = name or type(model).__name__
            raise InputError(f"save: {where} has hooks, which no file can hold; remove them, or call them in `forward`")


def _free_axes(value: Tensor) -> range:
    return range(value.dim() - 1 if value.is_floating_point() and value.dim() > 1 else value.dim())


def _grown(value: Tensor) -> Tensor:
    """Return an example with two elements where a dimension that may be free has one."""
    for axis in _free_axes(value):
        if value.shape[axis] == 1:
            value = value.repeat_interleave(2, axis)
    return value


def _export(model: nn.Module, inputs: Mapping[str, Tensor]) -> Any:
    auto = torch.export.Dim.AUTO
    shapes = {
        name: {axis: auto for axis in _free_axes(value) if value.shape[axis] > 1} for name, value in inputs.items()
    }
    return export_program(model, (), dict(inputs), shapes)


def _symbols(program: Any) -> list[str]:
    """Return the symbols of the sizes of inputs, in their order."""
    examples = (node.meta["val"] for node in program.graph.find_nodes(op="placeholder"))
    sizes = (size_of(size) for value in examples if isinstance(value, torch.Tensor) for size in value.shape)
    return list(dict.fromkeys(size for size in sizes if isinstance(size, str)))


def _as_json(structure: Any) -> Any:
    if isinstance(structure, dict):
        return {str(name): _as_json(value) for name, value in structure.items()}
    if isinstance(structure, list | tuple):
        return [_as_json(value) for value in structure]
    if structure is None or isinstance(structure, int):
        return structure
    raise InputError(f"`forward` returns a {type(structure).__name__}; return tensors in tuples, lists or dicts")


def _check(model: nn.Module, graph: Graph, structure: Any, inputs: Mapping[str, Tensor]) -> None:
    """Compare the graph with the module, for the examples and for other sizes.

    Raises:
        InputError: where they differ.
    """
    copy = GraphModule(graph, {name: value.detach() for name, value in model.state_dict().items()}, structure)
    for sizes in (inputs, _resized(graph, inputs)):
        with _evaluation(model), torch.no_grad():
            expected = _try(model, sizes)
            actual = pytree.tree_leaves(copy(**sizes)) if expected else []
        if not all(a is b is None or _are_close(a, b) for a, b in zip(expected, actual, strict=True)):
            raise InputError(
                f"{type(model).__name__}: the operators of its graph do not compute what `forward` does for inputs of "
                "other sizes; read sizes as x.shape[i], and keep no numbers from an earlier call"
            )


def _try(model: nn.Module, inputs: Mapping[str, Tensor]) -> list[Any]:
    """Return the outputs of a module; nothing where it does not take inputs of these sizes."""
    try:
        return pytree.tree_leaves(model(**inputs))
    except Exception:  # noqa: BLE001  a module may raise anything
        return []


def _resized(graph: Graph, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return inputs with one element more in each free dimension."""
    resized = dict(inputs)
    for name, _, shape in graph.inputs:
        for axis, size in enumerate(shape):
            if isinstance(size, str):
                count = resized[name].shape[axis]
                resized[name] = resized[name].index_select(axis, torch.arange(count + 1) % count)
    return resized


def _are_close(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    scale = float(a.abs().nan_to_num(posinf=0).max()) if a.numel() and a.is_floating_point() else 0.0
    tolerance = _TOLERANCE.get(a.dtype, 0.0)
    return np.allclose(a.numpy(), b.numpy(), rtol=0, atol=tolerance * max(scale, 1e-6), equal_nan=True)


@contextmanager
def _evaluation(model: nn.Module) -> Iterator[None]:
    modes = [(child, child.training) for child in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for child, training in modes:
            child.training = training
