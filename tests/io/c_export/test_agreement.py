"""What the generated code computes is what the network computes."""

from __future__ import annotations

import ctypes
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.io.c_export.programs import OPTIONS, mostly_slow, needs_compiler, network, run, signals

import throughtime as tt
from throughtime import nn
from throughtime.io.c_export import accuracy
from throughtime.io.c_export.compilation import run_compiled
from throughtime.io.network import make_stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = needs_compiler

LIMIT = 1e-6
"""The greatest difference in units of the greatest output, or of one: 5e-7 was measured."""
STEPS = 48_000
STREAMED = ["rnn", "rnn relu", "gru", "lstm", "lstm peephole", "lstm coupled", "lstm coupled peephole"]
FAST = ("-std=c99", "-O3", "-march=native")


def largest_difference(actual: np.ndarray, expected: np.ndarray) -> float:
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max()) / max(1.0, float(np.abs(expected).max()))


@pytest.mark.parametrize("kind", mostly_slow(STREAMED, "lstm"))
def test_a_second_of_audio_is_that_of_the_runtime(kind: str, tmp_path: Path) -> None:
    model = network(kind, inputs=1, hidden=16)
    source = tt.export(model, tmp_path / "net.c").source
    x = np.concatenate([*signals(1, STEPS).values()])
    actual, expected = run_compiled(source, x, "cc"), make_stream(model).run(x)
    for second in np.split(np.arange(len(x)), 2):
        assert largest_difference(actual[second], expected[second]) <= LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("kind", STREAMED)
@pytest.mark.parametrize("gain", [5, 50])
def test_saturated_gates_are_as_accurate_as_those_of_the_runtime(kind: str, gain: float, tmp_path: Path) -> None:
    model = network(kind, inputs=1, hidden=16)
    source = tt.export(model, tmp_path / "net.c").source
    x = np.float32(gain) * signals(1, STEPS)["clipped audio"]
    exact = make_stream(deepcopy(model).double()).run(x.astype(np.float64))
    of_runtime = np.abs(make_stream(model).run(x) - exact).max()
    assert np.abs(run_compiled(source, x, "cc") - exact).max() <= LIMIT + 2 * of_runtime


@pytest.mark.parametrize("kind", mostly_slow(OPTIONS, "rnn", "gru reset before", "lstm coupled peephole"))
def test_every_cell_and_option_is_that_of_the_layer(kind: str, tmp_path: Path) -> None:
    model = network(kind, layers=2)
    result = tt.export(model, tmp_path / "net.c")
    assert result.difference is not None
    assert result.difference <= LIMIT


@pytest.mark.parametrize("kind", mostly_slow(["RNN", "GRU", "LSTM"], "LSTM"))
def test_layer_normalization_is_as_accurate_as_that_of_torch(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = getattr(nn, kind)(3, 12, 2, layer_norm=True, zoneout=0.1).eval()
    x = signals(3, 500)["random"]
    exact = accuracy.run(deepcopy(model).double(), x.astype(np.float64))
    of_torch = np.abs(accuracy.run(model, x) - exact).max()
    result = tt.export(model, tmp_path / "net.c")
    assert np.abs(run_compiled(result.source, x, "cc") - exact).max() <= LIMIT + 4 * of_torch


@pytest.mark.parametrize("hidden", mostly_slow([1, 2, 4, 5, 8, 16, 31, 64], 31))
def test_every_size_is_computed(hidden: int, tmp_path: Path) -> None:
    model = network("gru", inputs=hidden % 5 + 1, hidden=hidden, outputs=hidden % 4 + 1)
    result = tt.export(model, tmp_path / "net.c")
    x = signals(hidden % 5 + 1, 50)["random"]
    assert largest_difference(run_compiled(result.source, x, "cc", FAST), accuracy.run(model, x)) <= LIMIT


@pytest.mark.parametrize("layout", mostly_slow([nn.OneToOne, nn.ManyToMany, nn.ManyToOne, None], nn.OneToOne, None))
def test_every_layout_has_an_output_at_every_step(
    layout: Callable[..., torch.nn.Module] | None, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    layer = nn.LSTM(2, 9, 2, batch_first=True, dropout=0.5)
    model = layer if layout is None else layout(layer, 3, output_activation="sigmoid")
    result = tt.export(model, tmp_path / "net.c")
    x = signals(2, 40)["random"]
    assert largest_difference(run_compiled(result.source, x, "cc"), accuracy.run(model, x)) <= LIMIT
    assert model.training


FUNCTIONS = [
    torch.nn.functional.silu,
    torch.nn.functional.hardtanh,
    torch.nn.functional.leaky_relu,
    torch.nn.functional.elu,
    torch.nn.functional.hardsigmoid,
    lambda x: x.clamp(-2, 1) * 0.5 - x.abs() / (1 + x.abs()),
    lambda x: torch.exp(-(x**2)) + 0.1 * x.square() / 9,
]


@pytest.mark.parametrize("function", mostly_slow(FUNCTIONS, torch.nn.functional.elu))
def test_activations_outside_of_the_library_are_translated(
    function: Callable[[torch.Tensor], torch.Tensor], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = nn.GRU(2, 10, activation=function)
    result = tt.export(model, tmp_path / "net.c")
    assert result.difference is not None
    assert result.difference <= LIMIT


def test_an_operator_without_translation_is_named(tmp_path: Path) -> None:
    with pytest.raises(tt.InputError, match=r"the operator aten\.sin\.default has no translation to C"):
        tt.export(nn.RNN(2, 3, activation=torch.sin), tmp_path / "net.c")
    assert not list(tmp_path.iterdir())


def test_float64_is_converted_with_a_word(tmp_path: Path) -> None:
    model = nn.GRU(2, 5).double()
    result = tt.export(model, tmp_path / "net.c")
    assert "converted from float64" in result.header.read_text()
    assert result.difference is not None
    assert result.difference <= LIMIT
    assert model.weight_ih_l0.dtype == torch.float64


@pytest.mark.parametrize(
    "kind", mostly_slow(["rnn", "gru", "lstm peephole", "lstm projected", "gru reset before"], "gru")
)
def test_int8_weights_have_the_stated_error(kind: str, tmp_path: Path) -> None:
    model = network(kind, hidden=24)
    data = signals(3, 700)["clipped audio"]
    result = tt.export(model, tmp_path / "net.c", weights="int8", data=data)
    full = tt.export(model, tmp_path / "full.c")
    error = result.weight_error
    assert error is not None
    actual = np.abs(run_compiled(result.source, data, "cc") - accuracy.run(model, data))
    assert abs(actual.max() - error.largest) <= LIMIT
    assert 0 < error.largest < 0.05
    assert f"{error.largest:.1e} at most" in result.header.read_text()
    assert result.difference is not None
    assert result.difference <= LIMIT
    assert result.constant_bytes < 0.6 * full.constant_bytes


class Library:
    """The generated code, loaded into this process."""

    def __init__(self, source: Path) -> None:
        run(["cc", "-std=c99", "-O2", "-shared", "-fPIC", source.name, "-o", "net.so"], source.parent)
        self._library = ctypes.CDLL(str(source.parent / "net.so"))
        self._library.net_step_many.restype = ctypes.c_size_t

    def call(self, name: str, *arguments: Any) -> int:
        """Call a function with arrays, or counts."""
        converted = [
            a.ctypes.data_as(ctypes.c_void_p) if isinstance(a, np.ndarray) else ctypes.c_size_t(a) for a in arguments
        ]
        return getattr(self._library, f"net_{name}")(*converted)


@pytest.fixture
def library(tmp_path: Path) -> tuple[Library, int]:
    """The code of a network with 2 inputs and 2 outputs, and the numbers of a state."""
    result = tt.export(network("lstm", inputs=2, layers=2), tmp_path / "net.c")
    return Library(result.source), result.state_bytes // 4


def test_streams_do_not_see_one_another(library: tuple[Library, int]) -> None:
    code, size = library
    x = signals(2, 20 * 6)["random"].reshape(20, 6, 2)
    alone, together = np.empty((20, 6, 2), np.float32), np.empty((20, 6, 2), np.float32)
    for i in range(6):
        state = np.full(size, 7, np.float32)
        code.call("init", state)
        one, y = np.ascontiguousarray(x[:, i]), np.empty((20, 2), np.float32)
        assert code.call("run", state, 20, one, y) == 0
        alone[:, i] = y
    states = np.zeros((6, size), np.float32)
    for t in range(20):
        assert code.call("step_many", states, 6, x[t], together[t]) == 0
    assert (alone == together).all()
    assert len({row.tobytes() for row in together[-1]}) == 6


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_input_that_is_not_finite_changes_nothing(library: tuple[Library, int], bad: float) -> None:
    code, size = library
    state, x, y = np.zeros(size, np.float32), np.array([[0.5, -1], [2, bad]], np.float32), np.zeros((2, 2), np.float32)
    assert code.call("step", state, x[0], y[0]) == 0
    before, output = state.copy(), y.copy()
    assert code.call("step", state, x[1], y[1]) == 1
    assert code.call("run", state, 2, x, y) == 1
    assert (state == before).all()
    assert (y == output).all()
    states = np.stack([state, state])
    assert code.call("step_many", states, 2, x, y) == 1
    assert (states[0] != before).any()
    assert (states[1] == before).all()
    assert (y[1] == output[1]).all()


def test_an_output_may_replace_its_input(library: tuple[Library, int]) -> None:
    code, size = library
    x = signals(2, 30)["random"]
    y, states = np.empty_like(x), np.zeros((2, size), np.float32)
    assert code.call("run", states[0], 30, x, y) == 0
    assert code.call("run", states[1], 30, x, x) == 0
    assert (x == y).all()
