"""The path through torch's own recurrent operators, which other devices than the CPU take, forced on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.layers import OF_TORCH
from tests.tolerances import assert_close

import throughtime as tt
from throughtime import _kernels, nn, training

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")  # oneDNN of torch does not have them
ROOT = Path(__file__).parents[2]


def force(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(_kernels, "forced_path", path)
    monkeypatch.setattr(_kernels, "_table", {})
    monkeypatch.setattr(_kernels, "_trainers", {})


def results(layer: torch.nn.Module, x: torch.Tensor, hx: Any, arguments: dict[str, Any]) -> list[Any]:
    """Return outputs, states and all gradients."""
    x = x.clone().requires_grad_()
    y, state = layer(x, hx, **arguments)
    states = state if isinstance(state, tuple) else (state,)
    loss = (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)).sum() + sum(
        s.sin().sum() for s in states
    )
    inputs = [x, *layer.parameters()]  # of which a call without any step uses none
    return [y, states, torch.autograd.grad(loss + 0 * x.sum(), inputs, materialize_grads=True)]


@st.composite
def calls(draw: st.DrawFn, name: str) -> tuple[nn.GRU, torch.Tensor, Any, dict[str, Any]]:
    """A layer that torch's operators cover, and the arguments of a call of any form."""
    options: dict[str, Any] = {
        key: draw(st.booleans()) for key in ("bidirectional", "bias", "recurrent_bias", "batch_first")
    }
    hidden, options["num_layers"] = draw(st.integers(2, 9)), draw(st.integers(1, 2))
    if name == "RNN":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    if name == "LSTM":
        options["proj_size"] = draw(st.integers(0, hidden - 1))
    torch.manual_seed(draw(st.integers(0, 99)))
    steps, batch = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    layer = getattr(nn, name)(3, hidden, dtype=torch.float64, **options)
    shape = (batch, steps) if layer.batch_first else (steps, batch)
    arguments: dict[str, Any] = {}
    if draw(st.booleans()):
        arguments["lengths"] = draw(st.lists(st.integers(0, steps), min_size=batch, max_size=batch))
    for flag in ("mask", "reset"):
        if draw(st.booleans()):
            arguments[flag] = torch.rand(shape) < 0.6
    hx = None
    if draw(st.booleans()):
        sizes = [(layer.num_layers * layer.directions, batch, units) for units in layer.state_sizes]
        states = tuple(torch.randn(size, dtype=torch.float64) for size in sizes)
        hx = states if name == "LSTM" else states[0]
    return layer, torch.randn(*shape, 3, dtype=torch.float64), hx, arguments


@pytest.mark.parametrize("name", OF_TORCH)
@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(data=st.data())
def test_it_computes_what_the_kernels_compute(name: str, data: st.DataObject) -> None:
    layer, x, hx, arguments = data.draw(calls(name))
    expected = results(layer, x, hx, arguments)
    with pytest.MonkeyPatch.context() as monkeypatch:
        force(monkeypatch, "torch")
        assert tt.which_path(layer, x) == "torch: cpu"
        assert_close(results(layer, x, hx, arguments), expected, "gradient")


@pytest.mark.parametrize("name", OF_TORCH)
def test_a_nan_in_the_padding_reaches_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = getattr(nn, name)(3, 4, bidirectional=True), torch.randn(5, 3, 3)
    lengths = [5, 2, 0]
    expected = results(layer, x, None, {"lengths": lengths})
    force(monkeypatch, "torch")
    x[2:, 1], x[:, 2] = torch.nan, torch.nan
    assert_close(results(layer, x, None, {"lengths": lengths}), expected, "gradient")


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.RNN(2, 3, nonlinearity="sigmoid"), "torch has no operator for cell 'rnn' with activation 'sigmoid'"),
        (nn.RNN(2, 3, proj_size=2), "torch's operator for cell 'rnn' has no projections"),
        (nn.LSTM(2, 3, peephole=True), "torch has no operator for cell 'peephole_lstm' with activation 'tanh'"),
        (nn.LSTM(2, 3, clip_state_grad=1.0), "torch's operators do not clip the gradients of states"),
        (nn.LSTM(2, 3, zoneout=0.1), "zoneout is not compiled"),
    ],
)
def test_what_torch_has_not_takes_the_reference(layer: Any, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(4, 2, 2)
    expected = results(layer.eval(), x, None, {})
    force(monkeypatch, "torch")
    assert tt.which_path(layer, x) == f"reference: {reason}"
    assert_close(results(layer, x, None, {}), expected, "gradient")


def test_a_training_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    x, target = torch.randn(12, 4, 2), torch.randn(12, 4, 1)

    def losses() -> list[float]:
        torch.manual_seed(1)
        model = nn.ManyToMany(nn.LSTM(2, 5), 1)
        bptt = training.TruncatedBPTT(k1=2, k2=4)
        history = training.fit(model, [(x, target)], loss=torch.nn.MSELoss(), bptt=bptt, stop=[training.Epochs(3)])
        return [record.loss for record in history.records]

    expected = torch.tensor(losses())
    force(monkeypatch, "torch")
    assert_close(torch.tensor(losses()), expected, "update")


@pytest.mark.slow
def test_the_tests_of_torch_pass_on_it() -> None:
    tests = ["tests/oracle/test_torch.py", "tests/oracle/test_any_configuration.py", "tests/conformance"]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"THROUGHTIME_PATH": "torch"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:]


def test_an_unknown_path_is_refused() -> None:
    environment = os.environ | {"THROUGHTIME_PATH": "cuda"}
    command = [sys.executable, "-c", "from throughtime import _kernels"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "THROUGHTIME_PATH: expected torch or reference, or nothing for the kernels, got 'cuda'" in run.stderr
