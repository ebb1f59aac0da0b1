"""Streams of `throughtime.runtime` and inputs that are not finite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import throughtime as tt
from throughtime import nn, runtime
from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def stream(tmp_path: Path) -> runtime.StreamingNetwork:
    tt.save(nn.ManyToMany(nn.GRU(3, 4), 1), tmp_path / "model")
    return runtime.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("x", "messages"),
    [
        (np.array([1, np.nan, 2], np.float32), "nan in feature 1"),
        ([1.0, 2.0, float("-inf")], "-inf in feature 2"),
        (np.array([1e300, 0, 0]), "inf in feature 0"),
        (["1", "2", "3"], "real numbers"),
        (np.array([1, 2, 3j]), "real numbers"),
        ([1, 2], "shape"),
        ([[1, 2, 3]], "shape"),
        ([[1, 2], [3]], "numbers of shape"),
    ],
)
def test_a_step_that_is_refused_leaves_the_state(stream: runtime.StreamingNetwork, x: Any, messages: str) -> None:
    good = np.array([0.1, -0.2, 1e30], np.float32)
    stream.step(good)
    before = stream.state
    expected = stream.step(good)
    stream.state = before
    with pytest.raises(InputError, match=messages):
        stream.step(x)
    assert np.array_equal(stream.state, before)
    assert np.array_equal(stream.step(good), expected)


def test_a_run_names_the_step(stream: runtime.StreamingNetwork) -> None:
    x = np.zeros((5, 3))
    x[3, 2] = np.nan
    with pytest.raises(InputError, match="nan in feature 2 of step 3"):
        stream.run(x)
    assert not stream.state.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_first_of_many_values_is_named_and_nothing_is_written(dtype: type, tmp_path: Path) -> None:
    layer = nn.LSTM(33, 4, dtype=torch.float32 if dtype is np.float32 else torch.float64)
    tt.save(layer, tmp_path / "model")
    stream = runtime.load(tmp_path / "model")
    x = np.zeros((4, 33), dtype)
    x[2, 31], x[3, 0], x[3, 32] = np.inf, np.nan, -np.inf
    with pytest.raises(InputError, match="inf in feature 31 of step 2"):
        stream.run(x)
    assert not stream.state.any()
    with pytest.raises(InputError, match="nan in feature 0 of step 0"):
        stream.step(x[3])
    assert not stream.state.any()
    stream.run(x[:2])
    assert stream.state.any()
