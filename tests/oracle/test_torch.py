"""Our layers against torch.nn's: outputs, states and every gradient by name, with the same weights."""

from __future__ import annotations

import itertools
import re
from typing import Any, NamedTuple

import pytest
import torch
from tests.layers import OF_TORCH
from tests.tolerances import assert_close
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from throughtime import nn
from throughtime.nn._sequence_options import unwrap_single


class Config(NamedTuple):
    layer: str
    options: dict[str, Any]
    sizes: tuple[int, int, int, int]  # T, N, I, H
    dtype: torch.dtype

    def pair(self) -> tuple[torch.nn.Module, torch.nn.Module]:
        """torch's layer and ours, with the same weights."""
        _, _, inputs, hidden = self.sizes
        theirs = getattr(torch.nn, self.layer)(inputs, hidden, **self.options, dtype=self.dtype)
        ours = getattr(nn, self.layer)(inputs, hidden, **self.options, dtype=self.dtype)
        ours.load_state_dict(theirs.state_dict(), strict=True)
        return theirs, ours

    def inputs(self) -> dict[str, torch.Tensor]:
        """x and the initial states, by name."""
        steps, batch, inputs, hidden = self.sizes
        shape = (batch, steps, inputs) if self.options.get("batch_first") else (steps, batch, inputs)
        rows = self.options.get("num_layers", 1) * (2 if self.options.get("bidirectional") else 1)
        names = [f"{state}_0" for state in getattr(nn, self.layer).cell.states]
        h_size = self.options.get("proj_size", 0) or hidden
        sizes = {"h_0": h_size, "c_0": hidden}
        states = {name: torch.randn(rows, batch, sizes[name], dtype=self.dtype) for name in names}
        return {"x": torch.randn(shape, dtype=self.dtype), **states}


LAYERS = [*((layer, {}) for layer in OF_TORCH), ("RNN", {"nonlinearity": "relu"})]
SIZES = [(5, 3, 2, 7), (6, 1, 1, 33), (9, 17, 20, 31), (1, 2, 3, 8), (40, 65, 5, 9)]
GRID = [
    Config(
        layer,
        {**options, "num_layers": layers, "bidirectional": both, "bias": bias, "batch_first": batch_first},
        sizes,
        dtype,
    )
    for (layer, options), layers, both, bias, batch_first, dtype, sizes in itertools.product(
        LAYERS, (1, 2), (False, True), (True, False), (False, True), (torch.float32, torch.float64), SIZES
    )
]


def results(
    module: torch.nn.Module, inputs: dict[str, torch.Tensor], lengths: torch.Tensor | None, how: str
) -> dict[str, torch.Tensor]:
    """Outputs, final states and the gradients of a random combination of them, by name."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in inputs.items()}
    states = tuple(leaves[name] for name in ("h_0", "c_0") if name in leaves)
    hx = None if not states else states[0] if len(states) == 1 else states
    x = leaves["x"]
    if how == "packed":
        packed = pack_padded_sequence(x, lengths, batch_first=module.batch_first, enforce_sorted=False)
        y, finals = module(packed, hx)
        steps = x.shape[1 if module.batch_first else 0]
        y, _ = pad_packed_sequence(y, batch_first=module.batch_first, total_length=steps)
    elif how == "lengths":
        y, finals = module(x, hx, lengths=lengths)
    else:
        y, finals = module(x, hx)
    finals = finals if isinstance(finals, tuple) else (finals,)
    outputs = {"y": y, **dict(zip(("h_n", "c_n"), finals, strict=False))}
    generator = torch.Generator().manual_seed(1)
    loss = sum((o * torch.randn(o.shape, dtype=o.dtype, generator=generator)).sum() for o in outputs.values())
    target = {**leaves, **dict(module.named_parameters())}
    gradients = torch.autograd.grad(loss, list(target.values()))
    return outputs | {f"d{name}": g for name, g in zip(target, gradients, strict=True)}


def compare(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    outputs = ("y", "h_n", "c_n")
    assert_close(*({k: v for k, v in r.items() if k in outputs} for r in (actual, expected)), "forward")
    # A gradient is a sum; its rounding follows the largest of its terms, hence of its elements.
    scale = {k: v.abs().amax().clamp(min=1.0) if v.numel() else 1.0 for k, v in expected.items()}
    scaled = [{k: v / scale[k] for k, v in r.items() if k not in outputs} for r in (actual, expected)]
    assert_close(*scaled, "gradient")


def name_of(config: Config) -> str:
    flags = "-".join(f"{k}={v:d}" if isinstance(v, bool) else f"{v}" for k, v in config.options.items())
    return f"{config.layer}-{flags}-{'x'.join(map(str, config.sizes))}-{str(config.dtype)[6:]}"


@pytest.mark.parametrize("config", GRID, ids=name_of)
def test_layers_agree_with_torch_in_outputs_states_and_gradients(config: Config) -> None:
    theirs, ours = config.pair()
    arguments = config.inputs()
    without_state = {"x": arguments["x"]}
    compare(results(ours, arguments, None, "full"), results(theirs, arguments, None, "full"))
    compare(results(ours, without_state, None, "full"), results(theirs, without_state, None, "full"))
    lengths = torch.randint(1, config.sizes[0] + 1, (config.sizes[1],))
    expected = results(theirs, arguments, lengths, "packed")
    compare(results(ours, arguments, lengths, "packed"), expected)
    compare(results(ours, arguments, lengths, "lengths"), expected)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("both", [False, True])
def test_projections_agree_with_torch(batch_first: bool, both: bool) -> None:
    options = {"proj_size": 3, "num_layers": 2, "bidirectional": both, "batch_first": batch_first}
    config = Config("LSTM", options, (5, 4, 2, 7), torch.float64)
    theirs, ours = config.pair()
    settings = config.inputs()
    compare(results(ours, settings, None, "full"), results(theirs, settings, None, "full"))


@pytest.mark.parametrize("layer", OF_TORCH)
def test_a_single_sequence_needs_no_batch(layer: str) -> None:
    config = Config(layer, {"num_layers": 2, "bidirectional": True}, (5, 1, 2, 7), torch.float64)
    theirs, ours = config.pair()
    x = torch.randn(5, 2, dtype=torch.float64)
    assert_close(ours(x), theirs(x), "forward")


@pytest.mark.parametrize("layer", OF_TORCH)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batched", [True, False])
def test_single_steps_agree_with_torch(layer: str, bias: bool, batched: bool) -> None:
    theirs = getattr(torch.nn, f"{layer}Cell")(3, 9, bias=bias, dtype=torch.float64)
    ours = getattr(nn, f"{layer}Cell")(3, 9, bias=bias, dtype=torch.float64)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn((4, 3) if batched else (3,), dtype=torch.float64)
    h = torch.randn((4, 9) if batched else (9,), dtype=torch.float64)
    state = unwrap_single(tuple(torch.randn_like(h) for _ in ours.cell.states))
    assert_close(ours(x), theirs(x), "forward")
    assert_close(ours(x, state), theirs(x, state), "forward")


@pytest.mark.parametrize("layer", OF_TORCH)
def test_weights_load_both_ways_and_the_same_seed_draws_the_same(layer: str) -> None:
    torch.manual_seed(3)
    theirs = getattr(torch.nn, layer)(2, 5, num_layers=2, bidirectional=True)
    torch.manual_seed(3)
    ours = getattr(nn, layer)(2, 5, num_layers=2, bidirectional=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert_close(dict(ours.state_dict()), dict(theirs.state_dict()), "exact")
    theirs.load_state_dict(ours.state_dict(), strict=True)


def test_a_weight_of_another_layer_is_refused() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        nn.GRU(2, 5).load_state_dict(torch.nn.RNN(2, 5).state_dict())


@pytest.mark.parametrize("layer", OF_TORCH)
@pytest.mark.parametrize("state", [(1, 3, 5), (2, 2, 5), (1, 2, 6), (1, 5, 2), (2, 5)])
def test_a_state_that_does_not_fit_is_refused_in_the_words_of_torch(layer: str, state: tuple[int, ...]) -> None:
    cell = getattr(nn, layer).cell
    inputs = torch.randn(4, 2, 3), unwrap_single((torch.zeros(state),) * len(cell.states))
    for learns in (True, False):
        with torch.set_grad_enabled(learns):
            with pytest.raises(RuntimeError) as expected:
                getattr(torch.nn, layer)(3, 5)(*inputs)
            with pytest.raises(RuntimeError, match=re.escape(str(expected.value))):
                getattr(nn, layer)(3, 5)(*inputs)


@pytest.mark.parametrize("layer", OF_TORCH)
@pytest.mark.parametrize("x", [(4, 2, 7), (4, 7)])
def test_an_input_that_does_not_fit_is_refused_in_the_words_of_torch(layer: str, x: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError) as expected:
        getattr(torch.nn, layer)(3, 5)(torch.zeros(x))
    with pytest.raises(RuntimeError, match=re.escape(str(expected.value))):
        getattr(nn, layer)(3, 5)(torch.zeros(x))
