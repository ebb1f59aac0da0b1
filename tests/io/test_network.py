"""Networks in model directories: back in torch as they were, and in the runtime without it."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.utils.prune
from tests.layers import COMPILED
from tests.tolerances import assert_close

import throughtime as tt
from throughtime import nn, runtime

if TYPE_CHECKING:
    from pathlib import Path

WITHOUT_TORCH = """
import sys, time
started = time.perf_counter()
from throughtime import runtime
seconds = time.perf_counter() - started
heavy = {"torch", "pandas", "polars", "matplotlib", "scipy"} & set(sys.modules)
stream = runtime.load(sys.argv[1])
print(seconds, sorted(heavy), stream.step([0.5, 1.0, -1.0]).tolist())
"""


@pytest.mark.parametrize("layer", COMPILED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("layout", [None, "OneToOne", "ManyToMany"])
def test_a_stream_is_the_network_step_by_step(
    layer: str, dtype: torch.dtype, layout: str | None, tmp_path: Path
) -> None:
    built: Any = getattr(nn, layer)(3, 21, num_layers=2, dtype=dtype)
    model: Any = getattr(nn, layout)(built, 2, output_activation="tanh") if layout else built
    tt.save(model, tmp_path / "model")
    again = tt.load(tmp_path / "model")
    assert type(again) is type(model)
    assert_close(dict(again.state_dict()), dict(model.state_dict()), "exact")
    stream = runtime.load(tmp_path / "model")
    x = torch.randn(7, 3, dtype=dtype)
    with torch.no_grad():
        h, _ = built(x)
        expected = model.output(h) if layout else h
    actual = [stream.step(x[0].numpy()), stream.step(x[1].tolist())]
    middle = stream.state
    rest = stream.run(x[2:].numpy())
    assert_close(np.concatenate([np.stack(actual), rest]), expected, "forward")
    stream.state = middle
    assert_close(stream.run(x[2:].numpy()), rest, "exact")
    stream.reset()
    assert_close(stream.step(x[0].numpy()), actual[0], "exact")


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (nn.RNN, {"nonlinearity": "relu", "bias": False}),
        (nn.GRU, {"recurrent_bias": False, "batch_first": True}),
        (nn.LSTM, {"bidirectional": True, "num_layers": 2, "dropout": 0.3}),
        (nn.LSTM, {"proj_size": 4}),
    ],
)
def test_options_come_back(make: Any, options: dict[str, Any], tmp_path: Path) -> None:
    model = make(3, 8, **options)
    tt.save(model, tmp_path / "model")
    again = tt.load(tmp_path / "model")
    assert repr(again) == repr(model)
    assert_close(again(torch.ones(4, 2, 3))[0] * 0, model(torch.ones(4, 2, 3))[0] * 0, "exact")
    assert all(p.requires_grad for p in again.parameters())


def test_the_runtime_needs_no_torch_and_starts_at_once(tmp_path: Path) -> None:
    model = nn.ManyToMany(nn.GRU(3, 8), 1)
    tt.save(model, tmp_path / "model")
    best, y = float("inf"), ""
    for _ in range(3):
        command = [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path / "model")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, heavy, y = done.stdout.split(" ", 2)
        assert heavy == "[]"
        best = min(best, float(seconds))
    expected, _ = model(torch.tensor([[[0.5, 1.0, -1.0]]]))
    assert float(y.strip("[]\n")) == pytest.approx(expected.item(), rel=1e-5)
    assert best < 0.6  # on a machine that does nothing else 0.15


def test_a_step_takes_microseconds(tmp_path: Path) -> None:
    tt.save(nn.GRU(1, 32), tmp_path / "model")
    stream, x = runtime.load(tmp_path / "model"), np.ones(1, np.float32)
    best = float("inf")
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(100):
            stream.step(x)
        best = min(best, (time.perf_counter() - started) / 100)
    assert best < 3e-5  # on a machine that does nothing else 3e-6


def test_what_cannot_be_streamed_or_saved_is_refused(tmp_path: Path) -> None:
    tt.save(nn.GRU(3, 8, bidirectional=True), tmp_path / "both")
    with pytest.raises(tt.InputError, match="expected a network of one direction"):
        runtime.load(tmp_path / "both")
    with pytest.raises(tt.InputError, match="activation: expected a name, got a function"):
        tt.save(nn.GRU(3, 8, activation=torch.sin), tmp_path / "own")
    with pytest.raises(tt.InputError, match=r"save: expected one of RNN, GRU, LSTM, .* got Linear"):
        tt.save(torch.nn.Linear(2, 2), tmp_path / "linear")
    tt.save(nn.GRU(3, 8), tmp_path / "good")
    with pytest.raises(tt.InputError, match=r"x: expected the shape \(3,\), got \(4,\)"):
        runtime.load(tmp_path / "good").step(np.ones(4))
    with pytest.raises(tt.InputError, match=r"state: expected the shape \(1, 1, 8\)"):
        runtime.load(tmp_path / "good").state = np.ones(8)
    weights = tmp_path / "good" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(tt.InputError, match="damaged"):
        runtime.load(tmp_path / "good")


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    pruned = nn.GRU(3, 5)
    torch.nn.utils.prune.l1_unstructured(pruned, "weight_hh_l0", 0.5)
    with pytest.raises(tt.InputError, match="expected the weights of a plain GRU, and weight_hh_l0 is missing"):
        tt.save(pruned, tmp_path / "pruned")
    with pytest.raises(tt.InputError, match="expected weights of float32, float64, bfloat16, got float16"):
        tt.save(nn.GRU(3, 5).half(), tmp_path / "half")
    with pytest.raises(tt.InputError, match="got a model on the meta device"):
        tt.save(nn.GRU(3, 5, device="meta"), tmp_path / "meta")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("other", [torch.zeros(9, 4), torch.zeros(9, 3, dtype=torch.float64)])
def test_weights_that_were_replaced_by_others_are_not_written(other: torch.Tensor, tmp_path: Path) -> None:
    layer = nn.GRU(2, 3)
    layer.weight_hh_l0.data = other
    with pytest.raises(tt.InputError, match=r"save: weight_hh_l0: expected \(9, 3\) of torch.float32, got \(9, "):
        tt.save(layer, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_weights_that_are_shared_are_written(tmp_path: Path) -> None:
    model = nn.GRU(5, 5, num_layers=2)
    model.weight_hh_l1 = model.weight_hh_l0
    tt.save(model, tmp_path / "model")
    x = torch.randn(4, 2, 5)
    assert_close(tt.load(tmp_path / "model")(x)[0], model(x)[0], "exact")


def test_a_stream_takes_vectors_of_any_stride_and_refuses_other_sizes(tmp_path: Path) -> None:
    tt.save(nn.GRU(3, 5), tmp_path / "model")
    wide = np.random.default_rng(0).normal(size=(3, 9)).astype(np.float32)
    one, other = (runtime.load(tmp_path / "model") for _ in range(2))
    np.testing.assert_array_equal(one.step(wide[:, 0]), other.step(wide[:, 0].copy()))
    for odd in (1.0, np.ones(1), np.ones((3, 1))):
        with pytest.raises(tt.InputError, match=r"x: expected the shape \(3,\), got"):
            one.step(odd)
