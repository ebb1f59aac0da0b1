"""Outputs, final states and every gradient of the layers beside torch.nn's, on the kernels and on the reference."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import throughtime
from throughtime import nn
from tolerances import assert_close


class Kind(NamedTuple):
    layer: str
    reference: dict[str, Any]  # the same mathematics, in a form that no kernel knows
    options: dict[str, Any] = {}  # noqa: RUF012  (a field of a tuple, never changed)


KINDS = {
    "rnn": Kind("RNN", {"activation": torch.tanh}),
    "rnn-relu": Kind("RNN", {"activation": torch.relu}, {"nonlinearity": "relu"}),
    "gru": Kind("GRU", {"activation": torch.tanh}),
    "lstm": Kind("LSTM", {"activation": torch.tanh}),
}
SHAPES = [(5, 3, 2, 7), (6, 1, 1, 33), (9, 17, 20, 31), (1, 2, 3, 8)]  # (T, N, I, H)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_kernels_agree_with_torch(
    kind: Kind, num_layers: int, bidirectional: bool, bias: bool, batch_first: bool, dtype: torch.dtype
) -> None:
    options = {
        "num_layers": num_layers,
        "bidirectional": bidirectional,
        "bias": bias,
        "batch_first": batch_first,
        "dtype": dtype,
        **kind.options,
    }
    for shape in SHAPES:
        check(kind.layer, shape, options, {}, "kernel")


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_reference_path_agrees_with_torch(kind: Kind, bidirectional: bool) -> None:
    options = {"num_layers": 2, "bidirectional": bidirectional, "dtype": torch.float64} | kind.options
    for shape in SHAPES:
        check(kind.layer, shape, options, kind.reference, "reference")


def check(
    layer: str, shape: tuple[int, int, int, int], options: dict[str, Any], extra: dict[str, Any], path: str
) -> None:
    """Compare a layer with torch's, from zeros and from a given state, with and without lengths."""
    steps, batch, inputs, hidden = shape
    theirs = getattr(torch.nn, layer)(inputs, hidden, **options)
    ours = getattr(nn, layer)(inputs, hidden, **options, **extra)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(
        (batch, steps, inputs) if theirs.batch_first else (steps, batch, inputs), dtype=theirs.weight_ih_l0.dtype
    )
    assert throughtime.which_path(ours, x).startswith(path)
    rows = theirs.num_layers * (2 if theirs.bidirectional else 1)
    state = [torch.randn(rows, batch, hidden, dtype=x.dtype) for _ in ours.cell.states]
    for given in (state, []):
        for lengths in (None, torch.randint(1, steps + 1, (batch,))):
            assert_close(results(ours, x, given, lengths), results(theirs, x, given, lengths), "gradient")


def results(module: Any, x: Tensor, state: list[Tensor], lengths: Tensor | None) -> dict[str, Tensor]:
    """Run a layer and return its outputs, its final states and the gradients of a random loss, by name."""
    x = x.clone().requires_grad_()
    state = [s.clone().requires_grad_() for s in state]
    y, finals = run(module, x, None if not state else tuple(state) if len(state) > 1 else state[0], lengths)
    outputs = {"y": y} | {f"final {i}": s for i, s in enumerate(finals if isinstance(finals, tuple) else (finals,))}
    generator = torch.Generator().manual_seed(1)
    loss = sum((o * torch.randn(o.shape, dtype=o.dtype, generator=generator)).sum() for o in outputs.values())
    inputs = {"x": x} | {f"initial {i}": s for i, s in enumerate(state)} | dict(module.named_parameters())
    gradients = torch.autograd.grad(torch.as_tensor(loss), list(inputs.values()))
    return outputs | {f"d {name}": d for name, d in zip(inputs, gradients, strict=True)}


def run(module: Any, x: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Any]:
    """Run a padded batch with lengths; torch's layers need it packed."""
    if lengths is None:
        return module(x, state)
    if not isinstance(module, torch.nn.RNNBase):
        return module(x, state, lengths=lengths)
    packed = pack_padded_sequence(x, lengths, batch_first=module.batch_first, enforce_sorted=False)
    y, finals = module(packed, state)
    steps = x.shape[1 if module.batch_first else 0]
    return pad_packed_sequence(y, batch_first=module.batch_first, total_length=steps)[0], finals
