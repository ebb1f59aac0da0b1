"""A module of torch as a graph of operators, through `torch.export`.

The graph is that of evaluation. A recurrent layer is one node, so that batch and length may stay free: one that a
kernel runs by its name, any other as a loop around the reference step of its cell.
"""

from __future__ import annotations

import inspect
import io
import logging
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

import torch

from throughtime._core.errors import InputError
from throughtime.io.exported_program import read_program, refuse_writes, rename_inputs, size_of
from throughtime.io.time_loop import run_layer
from throughtime.nn._recurrent import AbstractRecurrent

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from torch import Tensor, nn

    from throughtime.runtime.graph import Graph

_kept: dict[Hashable, Graph] = {}
_MAX_KEPT = 32  # graphs


def capture(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    free: Mapping[str, Mapping[int, str]],
    outputs: Sequence[str],
    *,
    key: Hashable = None,
) -> Graph:
    """Return what a module computes in evaluation, as a graph.

    A capture takes about a second, so graphs are kept by their `key`.

    Args:
        module: takes the inputs by name, or all by position (`*inputs`), and returns a tensor, or a tuple of them.
        inputs: examples, with two or more in every dimension that is free.
        free: for each input, the names of its free dimensions; equal sizes have equal names.
        outputs: names of the outputs, in their order.
        key: what modules with equal graphs have in common, such as their class and sizes; None for a graph of its own.

    Raises:
        InputError: for a module that no graph describes, with the reason.
    """
    if key is None:
        return _capture(module, inputs, free, outputs)
    if key not in _kept:
        while len(_kept) >= _MAX_KEPT:
            _kept.pop(next(iter(_kept)), None)
        _kept[key] = _capture(module, inputs, free, outputs)
    return _kept[key]


def _capture(
    module: nn.Module, inputs: Mapping[str, Tensor], free: Mapping[str, Mapping[int, str]], outputs: Sequence[str]
) -> Graph:
    shapes = {name: dict.fromkeys(free.get(name, {}), torch.export.Dim.AUTO) or None for name in inputs}
    if any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(module.forward).parameters.values()):
        program = export_program(module, (*inputs.values(),), {}, (tuple(shapes.values()),))
    else:
        program = export_program(module, (), dict(inputs), shapes)
    sizes = {}
    examples = program.graph.find_nodes(op="placeholder")[-len(inputs) :]
    for name, node in zip(inputs, examples, strict=True):
        for axis, size in free.get(name, {}).items():
            symbol = size_of(node.meta["val"].shape[axis])
            if isinstance(symbol, int):
                raise InputError(
                    f"{type(module).__name__}: {size} cannot be free, since `forward` fixes it to {symbol}"
                )
            sizes[symbol] = size
    return rename_inputs(read_program(program, outputs, sizes), [*inputs])


def export_program(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], dynamic_shapes: Any) -> Any:
    """Return the program of `torch.export` of a module in evaluation.

    Args:
        module: to export.
        inputs: examples by position.
        named: examples by name.
        dynamic_shapes: as `torch.export.export` takes them.

    Raises:
        InputError: says why there is none.
    """
    with _for_export(module), torch.no_grad():
        try:
            program = torch.export.export(module, inputs, named, dynamic_shapes=dynamic_shapes, strict=False)
            program = _without_writes(program)
        except InputError:
            raise
        except Exception as error:  # torch raises many kinds, with pages of advice
            raise InputError(
                f"{type(module).__name__}: cannot be written as operators that hold for all inputs: {_reason(error)}"
            ) from error
    refuse_writes(program)
    return program


def _without_writes(program: Any) -> Any:
    """Return a program that computes new values where `forward` changes some in place."""
    names = (str(node.target).split(".") for node in program.graph.nodes if node.op == "call_function")
    if not any(len(name) == 3 and name[1].endswith("_") for name in names):
        return program
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch about torch
        return program.run_decompositions({})


def _reason(error: Exception) -> str:
    text = str(error).strip()
    if "data-dependent" in text:
        return "what `forward` does, or a shape in it, depends on the values of a tensor; use torch.where or a mask"
    return next(iter(text.splitlines()), type(error).__name__)[:300]


@contextmanager
def _for_export(module: nn.Module) -> Iterator[None]:
    """Put a module and its children into evaluation, and recurrent layers without a kernel into loops."""
    modes = [(child, child.training) for child in module.modules()]
    layers = [child for child in module.modules() if isinstance(child, AbstractRecurrent)]
    runners = [layer.runner for layer in layers]
    module.eval()
    for layer in layers:
        layer.runner = run_layer
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # torch logs and prints pages where it raises
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)
        for child, training in modes:
            child.training = training
        for layer, runner in zip(layers, runners, strict=True):
            layer.runner = runner
