"""Graphs of operators: what torch computes, numpy computes from the graph; nothing in a foreign graph is trusted."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from tests.tolerances import assert_close

from throughtime import InputError, nn
from throughtime.io.capture import capture
from throughtime.runtime import Graph

LAYERS = {
    "stack": lambda dtype: nn.RNN(3, 5, 2, bidirectional=True, dtype=dtype),
    "peepholes": lambda dtype: nn.LSTM(3, 5, peephole=True, dtype=dtype),
    "coupled": lambda dtype: nn.LSTM(3, 5, coupled_gates=True, batch_first=True, dtype=dtype),
    "reset before": lambda dtype: nn.GRU(3, 5, reset_after=False, bidirectional=True, dtype=dtype),
    "own activation": lambda dtype: nn.RNN(3, 5, activation=torch.sin, dtype=dtype),
}


class Network(torch.nn.Module):
    """A layer with lengths, and an output layer."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer
        self.output = torch.nn.Linear(5 * layer.directions, 2, dtype=layer.all_weights[0][0].dtype)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y, state = self.layer(x, lengths=lengths)
        return self.output(y), *(state if isinstance(state, tuple) else (state,))


def graph_of(network: Network, dtype: torch.dtype = torch.float32) -> Graph:
    batch, steps = (0, 1) if network.layer.batch_first else (1, 0)
    example = {"x": torch.zeros(2, 2, 3, dtype=dtype), "lengths": torch.tensor([2, 1])}
    free = {"x": {batch: "N", steps: "T"}, "lengths": {0: "N"}}
    return capture(network, example, free, ["y", *(f"{name}_n" for name in network.layer.cell.states)])


def arrays_of(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in network.state_dict().items()}


@pytest.mark.parametrize(
    ("kind", "dtype"), [*((kind, torch.float32) for kind in LAYERS), ("peepholes", torch.float64)], ids=str
)
def test_a_graph_computes_what_the_network_does_for_any_batch_and_length(kind: str, dtype: torch.dtype) -> None:
    network = Network(LAYERS[kind](dtype))
    bound = Graph.from_json(json.loads(json.dumps(graph_of(network, dtype).to_json()))).bind(arrays_of(network))
    for batch, steps in [(1, 1), (4, 9)]:
        shape = (batch, steps, 3) if network.layer.batch_first else (steps, batch, 3)
        x, lengths = torch.randn(shape, dtype=dtype), torch.arange(batch).remainder(steps + 1).flip(0)
        with torch.no_grad():
            expected = network(x, lengths)
        outputs = bound(x=x.numpy(), lengths=lengths.numpy())
        assert_close([torch.from_numpy(array) for array in outputs.values()], list(expected), "forward")


def test_without_kernels_the_step_of_the_cell_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(nn.LSTM(3, 5, bidirectional=True))
    bound = graph_of(network).bind(arrays_of(network))
    inputs = {"x": np.random.default_rng(0).standard_normal((6, 3, 3), np.float32), "lengths": np.array([6, 0, 2])}
    expected = bound(**inputs)
    monkeypatch.setattr("throughtime._kernels.find", lambda *_: None)
    assert_close(
        {name: torch.from_numpy(a) for name, a in bound(**inputs).items()},
        {name: torch.from_numpy(a) for name, a in expected.items()},
        "forward",
    )


def test_inputs_of_a_call_are_checked() -> None:
    network = Network(nn.RNN(3, 5))
    bound = graph_of(network).bind(arrays_of(network))
    x, lengths = np.zeros((4, 2, 3), np.float32), np.array([4, 4])
    with pytest.raises(InputError, match="expected the inputs x, lengths, and 'lengths' is missing"):
        bound(x=x)
    with pytest.raises(InputError, match=r"lengths: expected the shape \(N = 2\), got \(3,\)"):
        bound(x=x, lengths=np.array([4, 4, 4]))
    with pytest.raises(InputError, match="x: expected float32, got <U1"):
        bound(x=np.full((4, 2, 3), "a"), lengths=lengths)
    with pytest.raises(InputError, match="lengths: expected 0 to T"):
        bound(x=x, lengths=np.array([9, 9]))


def mutate(value: Any, generator: random.Random) -> Any:
    """Return a document with one place changed: removed, exchanged for another value, or repeated."""
    document = copy.deepcopy(value)
    node, path = document, []
    while isinstance(node, dict | list) and node and (not path or generator.random() < 0.9):
        key = generator.choice(list(node) if isinstance(node, dict) else range(len(node)))
        path.append((node, key))
        node = node[key]
    parent, key = path[-1]
    odd = [None, -1, 10**30, 10**9, 1e400, "x", "aten.zeros.default", [], {}, True, {"value": "x"}, [[1]], ["T", 10**7]]
    change = generator.randrange(4)
    if change == 0:
        del parent[key]
    elif change == 1 and isinstance(parent, list):
        parent.insert(key, copy.deepcopy(parent[generator.randrange(len(parent))]))
    else:
        parent[key] = copy.deepcopy(generator.choice(odd))
    return document


def run_mutated(count: int, seed: int) -> int:
    network = Network(nn.GRU(3, 5, reset_after=False))
    weights, original = arrays_of(network), graph_of(network).to_json()
    generator, refused = random.Random(seed), 0
    inputs = {"x": np.zeros((4, 2, 3), np.float32), "lengths": np.array([4, 2])}
    for _ in range(count):
        document = original
        for _ in range(generator.randrange(1, 4)):
            document = mutate(document, generator)
        try:
            Graph.from_json(document).bind(weights)(**inputs)
        except InputError:
            refused += 1
    return refused


def test_damaged_graphs_are_refused_with_one_error() -> None:
    assert run_mutated(300, 0) > 150


@pytest.mark.slow
def test_thousands_of_damaged_graphs_are_refused_with_one_error() -> None:
    assert run_mutated(10_000, 1) > 5_000


def test_the_runtime_is_imported_without_torch() -> None:
    program = (
        "import sys\nfor name in ('torch', 'polars', 'narwhals', 'pandas', 'sklearn'): sys.modules[name] = None\n"
        "import throughtime.runtime\nprint(throughtime.runtime.Graph.__name__)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.stdout == "Graph\n", result.stderr


def test_a_value_that_no_node_computes_is_named() -> None:
    node = {"name": "y", "operator": "aten.relu.default", "arguments": [{"value": "x"}]}
    graph = {"inputs": [], "weights": {}, "constants": {}, "nodes": [node], "outputs": [{"name": "y", "value": "y"}]}
    with pytest.raises(InputError, match="node y: unknown value 'x'"):
        Graph.from_json(graph | {"cells": {}})
