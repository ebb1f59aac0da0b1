"""The ONNX model around a translated graph: inputs with defaults, outputs, metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from throughtime._core.version import __version__
from throughtime.io.onnx_graph.translator import Ref, Translator
from throughtime.runtime.graph_evaluation import check_inputs
from throughtime.runtime.nodes import DTYPES
from throughtime.runtime.operators import Budget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from throughtime.runtime.graph import Graph
    from throughtime.runtime.nodes import Input

OPSET, IR_VERSION = 17, 9
_MAX_LENGTH = 2**31 - 1  # the default of lengths, cut to the steps there are
_FIRST_SIZE = 2  # of free dimensions in samples


class Defaults(NamedTuple):
    """Inputs that a caller may leave out: initial states are zero, and all sequences have all steps.

    Attributes:
        states: names of initial states, (L*D, N, H).
        lengths: name of the lengths, or "" for none.
        of: the input with the batch and the steps.
        batch: its dimension of the batch.
        steps: its dimension of the steps.
    """

    states: tuple[str, ...] = ()
    lengths: str = ""
    of: str = "x"
    batch: int = 0
    steps: int = 1


def to_onnx(
    onnx: Any,
    graph: Graph,
    weights: Mapping[str, np.ndarray],
    *,
    metadata: Mapping[str, str] | None = None,
    defaults: Defaults | None = None,
    size_names: Mapping[str, str] | None = None,
) -> Any:
    """Return a graph of operators as an ONNX model.

    Args:
        onnx: the package.
        graph: of operators.
        weights: arrays by name.
        metadata: texts by name.
        defaults: of inputs that are optional.
        size_names: names of free sizes, in place of those of the graph.

    Raises:
        InputError: for an operator that ONNX does not have.
    """
    defaults = defaults or Defaults()
    t, samples = Translator(onnx), sample_inputs(graph)
    bound = graph.bind(weights)
    values: dict[str, Any] = {}
    for value, name in graph.weights.items():
        array = np.asarray(weights[name])
        values[value] = Ref(t.constant(array, array.dtype, f"weight:{name}"), array, array)
    for value, array in graph.constants.items():
        values[value] = Ref(t.constant(array, array.dtype), array, array)
    for i in graph.inputs:
        values[i.name] = Ref(_input_with_default(t, i, defaults), samples[i.name])
    with Budget(10**7, 10**9).applied(), np.errstate(all="ignore"):
        outputs = t.translate(graph, values, lambda node, a, k: _sampled(bound.function_of(node)(*a, **k)))
    for name, output in zip(graph.outputs, outputs, strict=True):
        t.nodes.append(onnx.helper.make_node("Identity", [output.name], [name], name=t.new_name("node")))
    info, names = onnx.helper.make_tensor_value_info, size_names or {}
    inputs = [
        info(i.name, t.kind(i.dtype), [names.get(s, s) if isinstance(s, str) else s for s in i.shape])
        for i in graph.inputs
    ]
    described = [
        info(name, t.kind(output.dtype), [None] * output.ndim)
        for name, output in zip(graph.outputs, outputs, strict=True)
    ]
    nodes, used = _needed(t.nodes, {*graph.outputs, *defaults.states, defaults.lengths})
    constants = [constant for name, constant in t.constants.items() if name in used]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "throughtime", inputs, described, constants),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="throughtime",
        producer_version=__version__,
    )
    onnx.helper.set_model_props(model, {"throughtime": __version__, **(metadata or {})})
    return model


def sample_inputs(graph: Graph, first_size: int = _FIRST_SIZE) -> dict[str, np.ndarray]:
    """Return zeros as inputs, with sizes from the first one on in place of those that are free."""
    sizes: dict[str, int] = {}
    for i in graph.inputs:
        for size in i.shape:
            if isinstance(size, str):
                sizes.setdefault(size, first_size + len(sizes))
    zeros = {
        i.name: np.zeros([sizes[s] if isinstance(s, str) else s for s in i.shape], DTYPES[i.dtype])
        for i in graph.inputs
    }
    return check_inputs(graph.inputs, zeros)


def _sampled(result: Any) -> Any:
    return np.asarray(result) if isinstance(result, np.generic) else result


def _input_with_default(t: Translator, i: Input, defaults: Defaults) -> str:
    """Return the name of an input, or of what replaces it where it is left out."""
    if i.name in defaults.states:
        shape = (i.shape[0], 1, i.shape[2])
        zeros = np.zeros([int(size) for size in shape])
        t.constant(zeros, DTYPES[i.dtype], i.name)  # an initializer of that name is the default
        batch = t.add("Shape", defaults.of, start=defaults.batch, end=defaults.batch + 1)
        sizes = t.add("Concat", t.constant([shape[0]]), batch, t.constant([shape[2]]), axis=0)
        return t.add("Expand", i.name, sizes)
    if i.name == defaults.lengths:
        t.constant([_MAX_LENGTH], DTYPES[i.dtype], i.name)
        steps = t.add("Shape", defaults.of, start=defaults.steps, end=defaults.steps + 1)
        batch = t.add("Shape", defaults.of, start=defaults.batch, end=defaults.batch + 1)
        return t.add("Expand", t.add("Min", i.name, steps), batch)
    return i.name


def _needed(nodes: list[Any], outputs: set[str]) -> tuple[list[Any], set[str]]:
    """Return the nodes that outputs depend on, and the names that they read."""
    kept, used = [], {*outputs}
    for node in reversed(nodes):
        if used.intersection(node.output):
            kept.append(node)
            used.update(_names_read(node))
    return kept[::-1], used


def _names_read(node: Any) -> list[str]:
    """Return what a node reads, bodies of loops included."""
    names = list(node.input)
    for attribute in node.attribute:
        for inner in attribute.g.node:
            names += _names_read(inner)
        names += [output.name for output in attribute.g.output]
    return names
