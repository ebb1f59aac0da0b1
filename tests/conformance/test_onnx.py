"""ONNX, with random weights: our layers, the package's reference evaluator and onnxruntime compute the same."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from tests.app.process import run_in_process
from tests.layers import OF_ONNX
from tests.tolerances import assert_close

import throughtime as tt
from throughtime import nn

if TYPE_CHECKING:
    from pathlib import Path

KINDS: list[tuple[str, dict[str, Any]]] = [
    *((layer, {}) for layer in OF_ONNX),
    ("RNN", {"nonlinearity": "relu", "bias": False}),
    ("RNN", {"nonlinearity": "sigmoid", "recurrent_bias": False}),
    ("GRU", {"reset_after": False}),
    ("GRU", {"activation": "relu", "gate_activation": "tanh"}),
    ("LSTM", {"peephole": True}),
    ("LSTM", {"activation": "sigmoid", "bias": False}),
]
EVALUATED = [
    kind for kind in KINDS if "activation" not in kind[1] and "nonlinearity" not in kind[1]
]  # it has no others
WIRINGS = [{}, {"batch_first": True}, {"bidirectional": True}, {"num_layers": 2, "bidirectional": True}]


def name_of(value: Any) -> str:
    kind, options = value if isinstance(value, tuple) else ("", value)
    return "-".join([kind, *(f"{k}={v}" for k, v in options.items())]).strip("-") or "plain"


def inputs_of(layer: Any, steps: int, batch: int, *, states: bool, lengths: bool = False) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)

    def samples(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape).astype(np.float32)

    inputs = {"x": samples(*((batch, steps) if layer.batch_first else (steps, batch)), layer.input_size)}
    if states:
        rows = layer.num_layers * layer.directions
        inputs |= {f"{name}_0": samples(rows, batch, layer.hidden_size) for name in layer.cell.states}
    if lengths:
        inputs["lengths"] = np.array([steps, 0, 2, 1, 3][:batch])
    return inputs


def ours(model: torch.nn.Module, inputs: dict[str, np.ndarray]) -> list[torch.Tensor]:
    tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}
    states = tuple(tensors[name] for name in ("h_0", "c_0") if name in tensors)
    hx = None if not states else states[0] if len(states) == 1 else states
    options = {"lengths": tensors["lengths"]} if "lengths" in tensors else {}
    with torch.no_grad():
        y, finals = model(tensors["x"], hx, **options)
    return [y, *(finals if isinstance(finals, tuple) else (finals,))]


def in_runtime(file: Path, arguments: dict[str, np.ndarray]) -> Any:
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, arguments)


@pytest.mark.parametrize("wiring", WIRINGS, ids=name_of)
@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_the_runtime_computes_what_the_layer_does(
    kind: tuple[str, dict[str, Any]], wiring: dict[str, Any], tmp_path: Path
) -> None:
    layer = getattr(nn, kind[0])(3, 5, **kind[1], **wiring)
    tt.export(layer, tmp_path / "layer.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "layer.onnx"), full_check=True)
    for steps, batch, states, lengths in [(7, 4, True, True), (3, 1, False, False), (9, 2, True, False)]:
        arguments = inputs_of(layer, steps, batch, states=states, lengths=lengths)
        assert_close(in_runtime(tmp_path / "layer.onnx", arguments), ours(layer, arguments), "forward")


@pytest.mark.parametrize("wiring", WIRINGS, ids=name_of)
@pytest.mark.parametrize("kind", EVALUATED, ids=name_of)
def test_the_reference_evaluator_computes_what_the_layer_does(
    kind: tuple[str, dict[str, Any]], wiring: dict[str, Any], tmp_path: Path
) -> None:
    layer = getattr(nn, kind[0])(3, 5, **kind[1], **wiring, dtype=torch.float64)
    tt.export(layer, tmp_path / "layer.onnx")
    arguments = inputs_of(layer, 6, 4, states=True)
    arguments = {name: value.astype(np.float64) for name, value in arguments.items()}
    result = ReferenceEvaluator(str(tmp_path / "layer.onnx")).run(None, arguments)
    assert_close(result, ours(layer, arguments), "forward")


@pytest.mark.parametrize("layout", ["OneToOne", "ManyToOne", "ManyToMany"])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("activation", ["identity", "tanh"])
def test_layouts_come_with_their_output_layer(layout: str, batch_first: bool, activation: str, tmp_path: Path) -> None:
    layer = nn.LSTM(3, 5, num_layers=2, bidirectional=layout != "OneToOne", batch_first=batch_first)
    model = getattr(nn, layout)(layer, 2, output_activation=activation)
    tt.export(model, tmp_path / "model.onnx")
    arguments = inputs_of(layer, 7, 4, states=True, lengths=layout != "OneToOne")
    if layout == "OneToOne":
        arguments["x"] = arguments["x"][0] if not batch_first else arguments["x"][:, 0]
    assert_close(in_runtime(tmp_path / "model.onnx", arguments), ours(model, arguments), "forward")


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_a_layer_comes_back_from_its_file(kind: tuple[str, dict[str, Any]], both: bool, tmp_path: Path) -> None:
    layer = getattr(nn, kind[0])(3, 5, **kind[1], bidirectional=both)
    tt.export(layer, tmp_path / "layer.onnx")
    (again,) = tt.from_onnx(tmp_path / "layer.onnx").values()
    assert type(again) is type(layer)
    arguments = inputs_of(layer, 7, 4, states=True, lengths=True)
    assert_close(ours(again, arguments), ours(layer, arguments), "forward")


@pytest.mark.parametrize("operator", OF_ONNX)
@pytest.mark.parametrize(
    ("function", "numbers"),
    [("HardSigmoid", {"activation_alpha": [0.3], "activation_beta": [0.4]}), ("Softsign", {}), ("LeakyRelu", {})],
)
def test_operators_of_other_programs_become_layers(
    operator: str, function: str, numbers: dict[str, list[float]], tmp_path: Path
) -> None:
    cell = getattr(nn, operator).cell
    gates = len(cell.gates)
    w, r = (np.random.default_rng(n).standard_normal((1, gates * 5, n)).astype(np.float32) for n in (3, 5))
    names = [function, *["Tanh"] * (cell.is_gated + cell.has_inner_state)]
    node = onnx.helper.make_node(operator, ["x", "w", "r"], ["y", "h"], hidden_size=5, activations=names, **numbers)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node],
        "other",
        [value("x", 1, ["T", "N", 3])],
        [value("y", 1, ["T", 1, "N", 5])],
        [onnx.numpy_helper.from_array(w, "w"), onnx.numpy_helper.from_array(r, "r")],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "other.onnx")
    actual = tt.from_onnx(tmp_path / "other.onnx")
    assert list(actual) == ["y"]
    x = np.random.default_rng(1).standard_normal((6, 4, 3)).astype(np.float32)
    (expected,) = in_runtime(tmp_path / "other.onnx", {"x": x})
    assert_close(ours(actual["y"], {"x": x})[0], expected[:, 0], "forward")


@pytest.mark.parametrize(
    ("inputs", "names", "message"),
    [(["x", "w"], ["one"], "expected the weights R, got none"), (["x", "w", "r"], ["one", "one"], "are called one")],
)
def test_operators_without_weights_or_names_of_their_own_are_refused(
    inputs: list[str], names: list[str], message: str, tmp_path: Path
) -> None:
    w, r = (onnx.numpy_helper.from_array(np.zeros((1, 5, n), np.float32), name) for n, name in ((3, "w"), (5, "r")))
    nodes = [onnx.helper.make_node("RNN", inputs, [f"y{i}"], hidden_size=5, name=name) for i, name in enumerate(names)]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "odd", [value("x", 1, ["T", "N", 3])], [value("y0", 1, ["T", 1, "N", 5])], [w, r]
    )
    onnx.save(onnx.helper.make_model(graph), tmp_path / "odd.onnx")
    with pytest.raises(tt.InputError, match=message):
        tt.from_onnx(tmp_path / "odd.onnx")


def test_what_onnx_cannot_say_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    refused: list[tuple[torch.nn.Module, str]] = [
        (torch.nn.Linear(2, 2), "expected one of RNN, GRU, LSTM, .* got Linear"),
        (nn.GRU(3, 5, dtype=torch.bfloat16), r"got bfloat16; call \.float\(\) first"),
    ]
    for model, message in refused:
        with pytest.raises(tt.InputError, match=message):
            tt.export(model, file)
    assert not list(tmp_path.iterdir())
    tt.export(nn.RNN(3, 5), file)
    with pytest.raises(tt.InputError, match="exists already"):
        tt.export(nn.RNN(3, 5), file)
    tt.export(nn.RNN(3, 6), file, overwrite=True)
    assert tt.from_onnx(file)["rnn_l0"].hidden_size == 6


def test_files_that_hold_no_layer_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    with pytest.raises(tt.InputError, match="cannot be read"):
        tt.from_onnx(file)
    file.write_bytes(b"nothing of that kind")
    with pytest.raises(tt.InputError, match="damaged, or no ONNX model"):
        tt.from_onnx(file)
    tt.export(nn.RNN(3, 5), file, overwrite=True)
    whole = onnx.load(file)
    cut = onnx.load(file)
    del cut.graph.node[:]
    onnx.save(cut, file)
    with pytest.raises(tt.InputError, match="expected one of the operators RNN, GRU, LSTM, found none"):
        tt.from_onnx(file)
    (node,) = (n for n in whole.graph.node if n.op_type == "RNN")
    next(a for a in node.attribute if a.name == "direction").s = b"reverse"
    onnx.save(whole, file)
    with pytest.raises(tt.InputError, match="expected direction forward or bidirectional, got reverse"):
        tt.from_onnx(file)


OTHERS: list[Any] = [
    nn.LSTM(3, 5, coupled_gates=True, bidirectional=True),
    nn.GRU(3, 5, proj_size=2, batch_first=True),
    nn.ManyToOne(nn.LSTM(3, 5, layer_norm=True), 2, pooling="attention"),
]
"""Networks that no operator of ONNX computes, but a loop around their step."""


@pytest.mark.parametrize("model", OTHERS, ids=lambda model: type(model).__name__)
def test_other_networks_are_loops_around_their_step(model: Any, tmp_path: Path) -> None:
    tt.export(model, tmp_path / "model.onnx")
    layer = getattr(model, "layer", model)
    onnx.checker.check_model(onnx.load(tmp_path / "model.onnx"), full_check=True)
    for steps, batch, lengths in [(7, 4, True), (1, 1, False)]:
        arguments = inputs_of(layer, steps, batch, states=False, lengths=lengths)
        assert_close(in_runtime(tmp_path / "model.onnx", arguments), ours(model, arguments), "forward")


def test_a_module_of_custom_modules_is_exported_by_an_example(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Embedding(9, 4), torch.nn.LayerNorm(4), torch.nn.GELU(), torch.nn.Linear(4, 2))
    tt.export(model, tmp_path / "model.onnx", example_inputs=torch.zeros(1, 5, dtype=torch.int64))
    ids = torch.randint(0, 9, (3, 8))
    (actual,) = in_runtime(tmp_path / "model.onnx", {"input": ids.numpy()})
    assert_close(torch.from_numpy(actual), model(ids).detach(), "forward")


def test_the_command_line_writes_sequences_and_steps(tmp_path: Path) -> None:
    model = nn.ManyToMany(nn.GRU(3, 5), 2)
    tt.save(model, tmp_path / "model")
    out, _ = run_in_process("export", "model", "--to", "onnx", cwd=tmp_path)
    assert "Written: model-onnx/sequence.onnx (" in out
    assert "largest difference to onnxruntime" in out
    arguments = inputs_of(model.layer, 7, 4, states=False)
    expected = ours(model, arguments)
    assert_close(in_runtime(tmp_path / "model-onnx" / "sequence.onnx", arguments), expected, "forward")
    state = np.zeros((1, 4, 5), np.float32)
    for t, x in enumerate(arguments["x"]):
        y, state = in_runtime(tmp_path / "model-onnx" / "step.onnx", {"x": x, "h_0": state})
        assert_close(torch.from_numpy(y), expected[0][t], "forward")
    file = onnx.load(tmp_path / "model-onnx" / "step.onnx")
    assert {entry.key: entry.value for entry in file.metadata_props} == {
        "throughtime": tt.__version__,
        "task": "network",
    }
    _, message = run_in_process("export", "model", "--to", "onnx", cwd=tmp_path, code=2)
    assert "model-onnx exists" in message
    _, message = run_in_process("export", "model", "--to", "tflite", cwd=tmp_path, code=2)
    assert "--to: expected c or onnx, got 'tflite'" in message


def test_nothing_is_written_where_the_runtime_computes_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tt.save(nn.RNN(3, 5), tmp_path / "model")
    monkeypatch.setattr("throughtime.io.onnx_networks.OnnxNetwork.largest_difference", lambda *_: 0.5)
    _, message = run_in_process("export", "model", "--to", "onnx", cwd=tmp_path, code=1)
    assert "the largest difference of sequence is 0.5, and 0.0001 is allowed" in message
    assert not (tmp_path / "model-onnx").exists()


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(tt.InputError, match=r"onnx is not installed: pip install 'throughtime\[onnx\]'"):
        tt.export(nn.RNN(3, 5), tmp_path / "model.onnx")
