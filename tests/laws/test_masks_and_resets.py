"""Gaps, resets of the state, and all states of all steps: the parts of a row between resets are separate sequences."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.layers import NAMES
from tests.tolerances import assert_close
from torch import Tensor

import throughtime as tt
from throughtime import nn
from throughtime.nn._sequence_options import unwrap_single

STEPS, BATCH, INPUTS, HIDDEN = 9, 6, 2, 5
DTYPE = torch.float64


def states_of(finals: Any) -> tuple[Tensor, ...]:
    return finals if isinstance(finals, tuple) else (finals,)


def pieces(mask: Tensor, reset: Tensor) -> list[list[int]]:
    """Return the valid steps of a row, cut at its resets; the first is empty if the row starts with a reset."""
    result, pending = [[]], False
    for t in range(len(mask)):
        pending = pending or bool(reset[t])
        if mask[t]:
            if pending:
                result.append([])
            result[-1].append(t)
            pending = False
    return result


def row_by_row(module: Any, x: Tensor, state: tuple[Tensor, ...], mask: Tensor, reset: Tensor) -> tuple[Tensor, ...]:
    """Outputs and final states with each piece of each row in a call of its own, one direction at a time."""
    one = not module.bidirectional
    outputs, finals = [], []
    for n in range(x.shape[1]):
        y = x.new_zeros(len(x), HIDDEN * module.directions)
        first = tuple(s[:, n : n + 1] for s in state)
        parts = pieces(mask[:, n], reset[:, n])
        ends: list[tuple[Tensor, ...]] = []
        for number, steps in enumerate(parts):
            # Forward the first piece starts from the initial state, backward the last one.
            starts = tuple(s.clone() for s in first)
            for s in starts:
                s[0 :: module.directions] *= float(number == 0)
                if not one:
                    s[1::2] *= float(number == len(parts) - 1)
            if steps:
                chunk, end = module(x[steps, n : n + 1], unwrap_single(starts))
                y = y.index_put((torch.tensor(steps),), chunk[:, 0])
                ends.append(states_of(end))
        if not ends:
            ends = [first]
        joined = tuple(last.clone() for last in ends[-1])
        if not one:
            for s, e in zip(joined, ends[0], strict=True):
                s[1::2] = e[1::2]
        outputs.append(y)
        finals.append(joined)
    return torch.stack(outputs, 1), *(torch.cat(s, 1) for s in zip(*finals, strict=True))


@pytest.mark.parametrize("layer", NAMES)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("activation", ["tanh", torch.tanh], ids=["kernel", "reference"])
def test_a_row_with_gaps_and_resets_is_its_pieces(layer: str, both: bool, batch_first: bool, activation: Any) -> None:
    options = {"num_layers": 2, "bidirectional": both, "dtype": DTYPE, "activation": activation}
    module = getattr(nn, layer)(INPUTS, HIDDEN, **options, batch_first=batch_first)
    plain = getattr(nn, layer)(INPUTS, HIDDEN, **options)
    plain.load_state_dict(module.state_dict())
    mask, reset = torch.rand(STEPS, BATCH) < 0.7, torch.rand(STEPS, BATCH) < 0.25
    mask[:, 0], mask[:, 1], reset[:, 2], reset[0, 3] = False, True, False, True
    reset[-1, 1] = True
    x = torch.randn(STEPS, BATCH, INPUTS, dtype=DTYPE, requires_grad=True)
    rows = 4 if both else 2
    state = tuple(torch.randn(rows, BATCH, HIDDEN, dtype=DTYPE, requires_grad=True) for _ in module.cell.states)
    hx = unwrap_single(state)

    def form(t: Tensor) -> Tensor:
        return t.transpose(0, 1) if batch_first else t

    y, finals = module(form(x), hx, mask=form(mask), reset=form(reset))
    actual = [form(y), *states_of(finals)]
    expected = [*row_by_row(plain, x, state, mask, reset)]
    assert_close(actual, expected, "forward")
    gradients = []
    for network, outputs in ((module, actual), (plain, expected)):
        leaves = {"x": x, **dict(zip(module.cell.states, state, strict=True)), **dict(network.named_parameters())}
        values = torch.autograd.grad(sum(o.sin().sum() for o in outputs), list(leaves.values()))
        gradients.append(dict(zip(leaves, values, strict=True)))
    assert_close(*gradients, "gradient")


@pytest.mark.parametrize("layer", NAMES)
def test_a_mask_without_gaps_is_lengths(layer: str) -> None:
    module = getattr(nn, layer)(INPUTS, HIDDEN, num_layers=2, bidirectional=True)
    x, lengths = torch.randn(STEPS, 4, INPUTS), torch.tensor([3, 0, 9, 5])
    mask = torch.arange(STEPS).unsqueeze(1) < lengths
    assert_close(module(x, mask=mask), module(x, lengths=lengths), "exact")
    odd = torch.arange(STEPS).unsqueeze(1).expand(-1, 4) % 2 == 1
    assert_close(module(x, mask=odd, lengths=lengths), module(x, mask=mask & odd), "exact")


@pytest.mark.parametrize("layer", NAMES)
def test_what_a_mask_hides_changes_nothing(layer: str) -> None:
    module = getattr(nn, layer)(INPUTS, HIDDEN, bidirectional=True)
    x, mask = torch.randn(STEPS, BATCH, INPUTS), torch.rand(STEPS, BATCH) < 0.5
    other = torch.where(mask.unsqueeze(-1), x, x.new_tensor(float("nan")))
    assert_close(module(other, mask=mask), module(x, mask=mask), "exact")


@pytest.mark.parametrize("layer", NAMES)
def test_rows_that_are_reset_start_from_zero(layer: str) -> None:
    module = getattr(nn, layer)(INPUTS, HIDDEN, num_layers=2)
    x, rows = torch.randn(STEPS, 3, INPUTS), torch.tensor([True, False, True])
    state = tuple(torch.randn(2, 3, HIDDEN) for _ in module.cell.states)
    hx = unwrap_single(state)
    zeroed = tuple(torch.where(rows.unsqueeze(-1), torch.zeros(()), s) for s in state)
    expected = module(x, unwrap_single(zeroed))
    assert_close(module(x, hx, reset=rows), expected, "exact")
    steps = torch.zeros(STEPS, 3, dtype=torch.bool)
    steps[0] = rows
    assert_close(module(x, hx, reset=steps), expected, "exact")


@pytest.mark.parametrize("layer", NAMES)
def test_a_single_sequence_has_gaps_too(layer: str) -> None:
    module = getattr(nn, layer)(INPUTS, HIDDEN)
    x, mask, reset = torch.randn(STEPS, INPUTS), torch.rand(STEPS) < 0.7, torch.rand(STEPS) < 0.3
    y, finals, states = module(x, mask=mask, reset=reset, return_all_states=True)
    expected = module(x.unsqueeze(1), mask=mask.unsqueeze(1), reset=reset.unsqueeze(1), return_all_states=True)
    assert_close(y, expected[0].squeeze(1), "exact")
    assert_close(list(states_of(finals)), [s.squeeze(1) for s in states_of(expected[1])], "exact")
    assert states_of(states)[0].shape == (1, STEPS, HIDDEN)


@pytest.mark.parametrize("layer", NAMES)
@pytest.mark.parametrize("batch_first", [False, True])
def test_all_states_are_those_of_step_by_step(layer: str, batch_first: bool) -> None:
    module = getattr(nn, layer)(INPUTS, HIDDEN, num_layers=3, dtype=DTYPE, batch_first=batch_first)
    x = torch.randn((4, STEPS, INPUTS) if batch_first else (STEPS, 4, INPUTS), dtype=DTYPE)
    y, finals, states = module(x, return_all_states=True)
    assert_close((y, finals), module(x), "forward")
    time = 2 if batch_first else 1
    state = None
    for t in range(STEPS):
        _, state = module.step(x.select(time - 1, t), state)
        assert_close([s.select(time, t) for s in states_of(states)], [*states_of(state)], "forward")
    (dx,) = torch.autograd.grad(
        sum(s.sum() for s in states_of(module(x.requires_grad_(), return_all_states=True)[2])), x
    )
    assert bool((dx != 0).all())


@pytest.mark.parametrize("layer", NAMES)
def test_all_states_end_in_the_final_ones_in_both_directions(layer: str) -> None:
    module = getattr(nn, layer)(INPUTS, HIDDEN, num_layers=2, bidirectional=True)
    x, lengths = torch.randn(STEPS, 3, INPUTS), torch.tensor([9, 4, 6])
    y, finals, states = module(x, lengths=lengths, return_all_states=True)
    masked = module(x, mask=torch.arange(STEPS).unsqueeze(1) < lengths, return_all_states=True)
    assert_close(masked, (y, finals, states), "forward")
    for every, final in zip(states_of(states), states_of(finals), strict=True):
        assert every.shape == (4, STEPS, 3, HIDDEN)
        for n, length in enumerate(lengths.tolist()):
            assert_close(every[0::2, length - 1, n], final[0::2, n], "exact")
            assert_close(every[1::2, 0, n], final[1::2, n], "exact")
            assert not every[:, length:, n].any()
    assert_close(torch.cat([*states_of(states)[0][2:]], -1), y, "exact")


def test_the_path_says_who_knows_all_states() -> None:
    x = torch.randn(STEPS, 3, INPUTS)
    assert tt.which_path(nn.GRU(INPUTS, HIDDEN), x, return_all_states=True).startswith("kernel")
    path = tt.which_path(nn.LSTM(INPUTS, HIDDEN), x, return_all_states=True)
    assert path == "reference: the kernels return h alone, not all states of cell 'lstm'"


def test_what_does_not_fit_is_refused() -> None:
    module, x = nn.GRU(INPUTS, HIDDEN, batch_first=True), torch.randn(3, STEPS, INPUTS)
    with pytest.raises(ValueError, match=r"mask: expected booleans of shape \(3, 9\), got torch.bool of \(9, 3\)"):
        module(x, mask=torch.ones(STEPS, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"reset: expected booleans of shape \(3,\), got torch.float32 of \(3,\)"):
        module(x, reset=torch.ones(3))
    packed = torch.nn.utils.rnn.pack_sequence([torch.randn(3, INPUTS)])
    with pytest.raises(ValueError, match="mask, reset, return_all_states: expected a padded input"):
        module(packed, return_all_states=True)
    with pytest.raises(ValueError, match="trace: expected a padded input"):
        nn.trace(module, x, mask=torch.ones(3, STEPS, dtype=torch.bool))


@pytest.mark.parametrize("layer", NAMES)
def test_masks_and_resets_may_be_lists_and_arrays(layer: str) -> None:
    module, x = getattr(nn, layer)(3, 5), torch.randn(4, 2, 3)
    mask = torch.tensor([[True, False], [True, True], [False, True], [True, True]])
    for form in (mask.tolist(), mask.numpy()):
        assert_close(module(x, mask=form), module(x, mask=mask), "exact")
        assert_close(module(x, reset=form), module(x, reset=mask), "exact")
    assert_close(module(x, reset=[True, False]), module(x, reset=torch.tensor([True, False])), "exact")
