"""Random configurations against torch.nn: outputs, states and every gradient by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.layers import OF_TORCH
from tests.oracle.test_torch import Config, compare, results


@st.composite
def configurations(draw: st.DrawFn, layer: str) -> tuple[Config, str, bool, list[int]]:
    """A layer and its sizes, how it is called, whether with initial states, and lengths."""
    hidden = draw(st.integers(1, 37))
    options: dict[str, Any] = {
        "num_layers": draw(st.integers(1, 3)),
        "bidirectional": draw(st.booleans()),
        "bias": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
    }
    if layer == "RNN":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    if layer == "LSTM" and hidden > 1:
        options["proj_size"] = draw(st.just(0) | st.integers(1, hidden - 1))
    steps, batch, inputs = draw(st.integers(1, 9)), draw(st.integers(1, 19)), draw(st.integers(1, 21))
    lengths = draw(st.lists(st.integers(1, steps), min_size=batch, max_size=batch))
    config = Config(
        layer, options, (steps, batch, inputs, hidden), draw(st.sampled_from([torch.float32, torch.float64]))
    )
    return config, draw(st.sampled_from(["full", "lengths", "packed"])), draw(st.booleans()), lengths


@pytest.mark.filterwarnings("ignore:LSTM with projections")  # oneDNN of torch does not have them
@pytest.mark.parametrize("layer", OF_TORCH)
@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(data=st.data())
def test_any_configuration_agrees_with_torch(layer: str, data: st.DataObject) -> None:
    config, how, with_states, lengths = data.draw(configurations(layer))
    torch.manual_seed(0)
    theirs, ours = config.pair()
    tensors = config.inputs()
    if not with_states:
        tensors = {"x": tensors["x"]}
    expected = results(theirs, tensors, torch.tensor(lengths), "full" if how == "full" else "packed")
    compare(results(ours, tensors, torch.tensor(lengths), how), expected)
