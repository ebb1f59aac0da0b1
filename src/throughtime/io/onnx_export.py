"""Layers and layouts as ONNX graphs, for runtimes without Python: what `throughtime.export` writes.

The graph is built from the description of the cell, one operator for each layer of the stack, so that the length of the
sequence and the batch stay free. (torch's own exporter unfolds a loop of a fixed length or fixes it at a second
export.) Initial states and lengths are inputs with a default: zeros, and all steps.

The graph is that of evaluation: dropout is gone, and what no operator of ONNX does is refused by name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from throughtime import nn
from throughtime._core.activations import ONNX_ACTIVATIONS
from throughtime._core.errors import InputError, requires
from throughtime._core.version import __version__
from throughtime.io.atomic_files import atomic_write
from throughtime.io.graph_module import GraphModule
from throughtime.io.onnx_networks import network_of_module, networks_of
from throughtime.io.own_module import capture_module, name_inputs
from throughtime.nn._recurrent import AbstractRecurrent

if TYPE_CHECKING:
    from throughtime.io.own_module import ExampleInputs

ONNX_LAYERS: dict[str, Any] = {layer.__name__: layer for layer in nn.LAYERS.values() if layer.cell.onnx_gates}
"""The layer of each recurrent operator."""
_LAYOUTS = (nn.OneToOne, nn.ManyToMany, nn.ManyToOne)
_OPSET = 17
_MAX_LENGTH = 2**31 - 1  # the default of `lengths`, cut to the steps there are
_MAX_BYTES = 2**31 - 2**16  # bytes that a file of this format can hold


def import_onnx() -> Any:
    """Import the package onnx, or raise with the line that installs it."""
    with requires("onnx", "the ONNX format"):
        import onnx
    return onnx


def export(
    model: torch.nn.Module,
    file: str | os.PathLike[str],
    *,
    example_inputs: ExampleInputs | None = None,
    overwrite: bool = False,
) -> None:
    """Write a network as an ONNX model of whole sequences.

    For a layer, or a layout around one, the model has the inputs `x`, in the form of the layer's, and optionally `h_0`
    (for an LSTM `c_0` too) and `lengths`, 64-bit integers; its outputs are `y`, `h_n` (and `c_n`). Steps and batch are
    free. An RNN, GRU or LSTM is one operator; whatever else a layer does is a loop around its step. A custom module
    has the inputs of its `forward`.

    Args:
        model: a layer, a layout, or a custom module, in float32 or float64 (which few runtimes have).
        file: to write, by custom `.onnx`.
        example_inputs: as for `throughtime.save`; for a custom module.
        overwrite: replace a file of that name.

    Raises:
        InputError: for a model that no graph of ONNX's operators computes, where the file exists or cannot be written,
            or where the package onnx is missing.
    """
    onnx = import_onnx()
    path = Path(file)
    if os.path.lexists(path) and not (overwrite and path.is_file()):
        raise InputError(f"{path} exists already; choose another name" + ("" if overwrite else ", or overwrite it"))
    write_onnx(sequence_model(onnx, model, example_inputs), path)


def sequence_model(onnx: Any, model: torch.nn.Module, example_inputs: ExampleInputs | None = None) -> Any:
    """Return the ONNX model of whole sequences."""
    if example_inputs is not None:
        graph, structure = capture_module(model, name_inputs(model, example_inputs))
        model = GraphModule(graph, {name: value.detach() for name, value in model.state_dict().items()}, structure)
    if isinstance(model, GraphModule):
        return network_of_module(model).model(onnx, {"task": "module"})
    layout = model if isinstance(model, _LAYOUTS) else None
    layer: Any = model if layout is None else layout.layer
    if not isinstance(layer, AbstractRecurrent):
        names = ", ".join([*ONNX_LAYERS, *(kind.__name__ for kind in _LAYOUTS)])
        raise InputError(f"export: expected one of {names}, got {type(model).__name__}")
    if _dtype_of(layer) not in ("float32", "float64"):
        raise InputError(f"export: expected weights of float32 or float64, got {_dtype_of(layer)}; call .float() first")
    missing = _what_no_operator_has(layer, layout)
    if not missing:
        return _make_model(onnx, layer, layout)
    if isinstance(layout, nn.OneToOne):
        raise InputError(f"export: ONNX has no operator with {missing}")
    return networks_of(model)["sequence"].model(onnx, {"task": "network", "cell": layer.cell.name})


def write_onnx(onnx_model: Any, path: Path) -> None:
    """Write a model, all of it or nothing.

    Raises:
        InputError: for one that is too large, or a place that cannot be written.
    """
    if onnx_model.ByteSize() > _MAX_BYTES:
        raise InputError(f"{path}: an ONNX file holds less than 2 GiB, and the weights are more")
    try:
        with atomic_write(path) as temporary:
            temporary.write_bytes(onnx_model.SerializeToString())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


class _GraphBuilder:
    """Nodes and constants, each under the name of what it computes."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: str, into: str = "", outputs: tuple[str, ...] = (), **attributes: Any) -> str:
        """Apply an operator. Returns the name of its first output."""
        names = outputs or (into or f"{operator.lower()}_{len(self.nodes)}",)
        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, names, name=name, **attributes))
        return names[0]

    def constant(self, value: Any, name: str = "") -> str:
        """Hold an array, or integers. Returns its name."""
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value, np.int64)
        name = name or f"constant_{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name


def _make_model(onnx: Any, layer: Any, layout: Any) -> Any:
    graph = _GraphBuilder(onnx)
    single, many_to_one = isinstance(layout, nn.OneToOne), isinstance(layout, nn.ManyToOne)
    states = [f"{name}_n" for name in layer.cell.states]
    y, last = _stack(graph, layer, states, single=single, into="" if layout else "y")
    if layout is not None:
        _output(graph, layout.output, last if many_to_one else y)
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(_dtype_of(layer)))
    value = onnx.helper.make_tensor_value_info
    rows = ["batch", "steps"] if layer.batch_first else ["steps", "batch"]
    where = ["batch"] if single else rows
    features = layer.directions * layer.hidden_size if layout is None else layout.output.out_features
    sizes = {
        name: [layer.num_layers * layer.directions, "rows", layer.hidden_size] for name in (*states, *_initial(layer))
    }
    inputs = [value("x", kind, [*where, layer.input_size])]
    inputs += [value(name, kind, sizes[name]) for name in _initial(layer)]
    if not single:
        inputs.append(value("lengths", onnx.TensorProto.INT64, ["rows"]))
    outputs = [value("y", kind, [*(["batch"] if many_to_one else where), features])]
    outputs += [value(name, kind, [sizes[name][0], "batch", sizes[name][2]]) for name in states]
    onnx_graph = onnx.helper.make_graph(graph.nodes, "throughtime", inputs, outputs, graph.constants)
    opset = [onnx.helper.make_opsetid("", _OPSET)]
    return onnx.helper.make_model(
        onnx_graph, opset_imports=opset, ir_version=9, producer_name="throughtime", producer_version=__version__
    )


def _initial(layer: AbstractRecurrent) -> list[str]:
    return [f"{name}_0" for name in layer.cell.states]


def _dtype_of(layer: AbstractRecurrent) -> str:
    return str(layer.all_weights[0][0].dtype).removeprefix("torch.")


def _what_no_operator_has(layer: Any, layout: Any) -> str:
    """Return what of a network the recurrent operators of ONNX do not have; empty for nothing."""
    pooling = layout.pooling.kind if isinstance(layout, nn.ManyToOne) else "final"
    output = "identity" if layout is None else layout.output.activation
    present = {
        f"cell {layer.cell.name!r}": type(layer) not in ONNX_LAYERS.values() or not layer.cell.onnx_gates,
        "layer_norm": layer.options.layer_norm,
        "zoneout": layer.options.zoneout,
        f"pooling {pooling!r}": pooling != "final",
        "proj_size": layer.proj_size,
        f"activation {layer.activation!r}": layer.activation not in ONNX_ACTIVATIONS,
        f"gate_activation {layer.gate_activation!r}": layer.gate_activation not in ONNX_ACTIVATIONS,
        f"output_activation {output!r}": output != "identity" and output not in ONNX_ACTIVATIONS,
    }
    return next((name for name, is_present in present.items() if is_present), "")


def _stack(
    graph: _GraphBuilder, layer: AbstractRecurrent, finals: list[str], *, single: bool, into: str
) -> tuple[str, str]:
    """Add the recurrent layers. Return the names of the outputs, laid out as the input, and of the last h, (N, D*H)."""
    x = "x"
    if single:
        x = graph.add("Unsqueeze", x, graph.constant([0]))
    elif layer.batch_first:
        x = graph.add("Transpose", x, perm=[1, 0, 2])
    steps, batch = (graph.add("Shape", x, start=axis, end=axis + 1) for axis in (0, 1))
    lengths = empty = ""
    if not single:
        shortened = graph.add("Min", graph.constant([_MAX_LENGTH], "lengths"), steps)
        lengths = graph.add("Cast", graph.add("Expand", shortened, batch), to=graph.onnx.TensorProto.INT32)
        empty = graph.add("Unsqueeze", graph.add("Equal", lengths, _zero(graph)), graph.constant([0, 2]))
    initial = [_initial_states(graph, layer, name, batch) for name in _initial(layer)]
    final_states: list[list[str]] = []
    for k in range(layer.num_layers):
        begin = [states[k] for states in initial]
        x, ends = _operator(graph, layer, k, x, lengths, begin)
        # Runtimes differ in what they call the final state of a sequence of no steps: it is the initial one.
        final_states.append(
            [graph.add("Where", empty, b, e) for b, e in zip(begin, ends, strict=True)] if empty else ends
        )
    for name, parts in zip(finals, zip(*final_states, strict=True), strict=True):
        graph.add("Concat", *parts, into=name, axis=0)
    last = graph.add("Transpose", final_states[-1][0], perm=[1, 0, 2])
    last = graph.add("Reshape", last, graph.constant([0, -1]))
    if single:
        return graph.add("Squeeze", x, graph.constant([0]), into=into), last
    return graph.add("Transpose", x, perm=[1, 0, 2] if layer.batch_first else [0, 1, 2], into=into), last


def _zero(graph: _GraphBuilder) -> str:
    return graph.constant(torch.zeros(1, dtype=torch.int32))


def _initial_states(graph: _GraphBuilder, layer: AbstractRecurrent, name: str, batch: str) -> list[str]:
    """Add the initial states of each layer, (D, N, H), which are slices of an optional input."""
    count, units = layer.num_layers * layer.directions, layer.hidden_size
    graph.constant(layer.all_weights[0][0].new_zeros(count, 1, units), name)
    shape = graph.add("Concat", graph.constant([count]), batch, graph.constant([units]), axis=0)
    whole = graph.add("Expand", name, shape)
    parts = tuple(f"{name}_l{k}" for k in range(layer.num_layers))
    graph.add("Split", whole, graph.constant([layer.directions] * layer.num_layers), outputs=parts, axis=0)
    return list(parts)


def _operator(
    graph: _GraphBuilder, layer: Any, k: int, x: str, lengths: str, initial: list[str]
) -> tuple[str, list[str]]:
    """One layer, in one direction or both. Returns its outputs (T, N, D*H) and final states (D, N, H)."""
    operator = next(name for name, kind in ONNX_LAYERS.items() if type(layer) is kind)
    arrays = _arrays(layer, k)
    names = {name: graph.constant(value, f"{name}_l{k}") for name, value in arrays.items()}
    inputs = [x, names["W"], names["R"], names["B"], lengths, *initial]
    if "P" in names:
        inputs.append(names["P"])
    f, g = ONNX_ACTIVATIONS[layer.activation], ONNX_ACTIVATIONS[layer.gate_activation]
    functions = {"RNN": [f], "GRU": [g, f], "LSTM": [g, f, f]}[operator]
    attributes: dict[str, Any] = {"linear_before_reset": int(layer.reset_after)} if operator == "GRU" else {}
    finals = tuple(f"{name}_n_l{k}" for name in layer.cell.states)
    outputs = graph.add(
        operator,
        *inputs,
        outputs=(f"y_l{k}", *finals),
        hidden_size=layer.hidden_size,
        direction="bidirectional" if layer.bidirectional else "forward",
        activations=functions * layer.directions,
        **attributes,
    )
    graph.nodes[-1].name = f"{operator.lower()}_l{k}"
    y = graph.add("Transpose", outputs, perm=[0, 2, 1, 3])
    return graph.add("Reshape", y, graph.constant([0, 0, -1])), list(finals)


def _arrays(layer: AbstractRecurrent, k: int) -> dict[str, torch.Tensor]:
    """W (D, G*H, I), R (D, G*H, H), B (D, 2*G*H) and peepholes P (D, 3*H), gates in the operator's order."""
    cell, directions = layer.cell, layer.weights(k)

    def reordered(rows: torch.Tensor) -> torch.Tensor:
        blocks = rows.chunk(len(cell.gates))
        return torch.cat([blocks[position] for position in cell.onnx_order])

    def both(w: Any) -> torch.Tensor:
        none = w.weight_hh.new_zeros(len(w.weight_hh))
        return torch.cat([reordered(none if b is None else b) for b in (w.bias_ih, w.bias_hh)])

    arrays = {
        "W": torch.stack([reordered(w.weight_ih) for w in directions]),
        "R": torch.stack([reordered(w.weight_hh) for w in directions]),
        "B": torch.stack([both(w) for w in directions]),
    }
    if cell.diagonals:
        order = [cell.diagonals.index(gate) for gate in cell.onnx_gates if gate in cell.diagonals]
        arrays["P"] = torch.stack([w.diagonal[order].flatten() for w in directions if w.diagonal is not None])
    return arrays


def _output(graph: _GraphBuilder, output: Any, h: str) -> None:
    """Add the output layer."""
    product = graph.add("MatMul", h, graph.constant(output.weight.T, "W_y"))
    bias = graph.constant(output.bias, "b_y")
    operator = ONNX_ACTIVATIONS.get(output.activation, "Identity")
    graph.add(operator, graph.add("Add", product, bias), into="y")
