"""All arguments are checked before a kernel reads them, and errors name the argument."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.kernels.fuzz import Fuzz
from torch.nn.utils.rnn import PackedSequence

from throughtime import _kernels, nn, training

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH_SIZES = {
    "they add up to more": [100_000, 100_000],
    "one more": [3, 2],
    "fewer": [2, 1],
    "they rise": [1, 3],
    "they rise in between": [1, 2, 1],
    "zero": [4, 0],
    "only zero": [0],
    "negative": [2, -1, 3],
    "their sum overflows": [2**62, 2**62, 4],
    "none": [],
    "more than there are rows": [1, 1, 1, 1, 1],
}
REPLACED = {
    "weight_hh": ((4, 12), "weight_hh{}: expected (3*H, H) = (12, 4) for cell 'gru', got (4, 12)"),
    "weight_ih": ((12, 5), "weight_ih{}: expected (3*H, I) = (12, 3) for cell 'gru', got (12, 5)"),
    "bias_ih": ((1, 12), "bias_ih{}: expected (3*H,) = (12,) for cell 'gru', got (1, 12)"),
    "bias_hh": ((3,), "bias_hh{}: expected (3*H,) = (12,) for cell 'gru', got (3,)"),
}


@pytest.mark.parametrize("sizes", BATCH_SIZES.values(), ids=BATCH_SIZES)
def test_batch_sizes_that_are_not_those_of_the_data_are_refused(sizes: list[int]) -> None:
    packed = PackedSequence(torch.randn(4, 3), torch.tensor(sizes, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="batch_sizes: expected"):
        nn.GRU(3, 4)(packed)


@pytest.mark.parametrize("sizes", [torch.tensor([2.0, 2.0]), torch.tensor([[2, 2]]), torch.tensor(4)])
def test_batch_sizes_are_whole_numbers_in_a_row(sizes: torch.Tensor) -> None:
    with pytest.raises(RuntimeError, match="batch_sizes: expected an integer for each step"):
        nn.GRU(3, 4)(PackedSequence(torch.randn(4, 3), sizes))


@pytest.mark.parametrize(
    ("there", "back", "name"),
    [
        ([5, 0], [1, 0], "sorted_indices"),
        ([0, 1], [-1, 0], "unsorted_indices"),
        ([0, 0], [0, 1], "sorted_indices"),
        ([0], [0, 1], "sorted_indices"),
        ([1.0, 0.0], [1, 0], "sorted_indices"),
        ([1, 0], [0, 1], "unsorted_indices"),
    ],
)
def test_orders_of_a_packed_sequence_hold_each_row_once(there: list[float], back: list[float], name: str) -> None:
    packed = PackedSequence(torch.randn(4, 3), torch.tensor([2, 2]), torch.tensor(there), torch.tensor(back))
    with pytest.raises(RuntimeError, match=f"^{name}: expected"):
        nn.GRU(3, 4)(packed)


def _plain(layer: Any) -> Any:
    return layer(torch.randn(7, 2, 3))


def _reference(layer: Any) -> Any:
    layer.activation = torch.tanh
    return layer(torch.randn(7, 2, 3))


def _ragged(layer: Any) -> Any:
    return layer(torch.randn(7, 2, 3), lengths=[7, 3])


def _compiled(layer: Any) -> Any:
    return torch.compile(layer, backend="eager")(torch.randn(7, 2, 3))


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("call", [_plain, _reference, _ragged, _compiled])
@pytest.mark.parametrize("field", REPLACED)
def test_a_weight_of_another_shape_is_named(call: Callable[[Any], Any], field: str) -> None:
    layer = nn.GRU(3, 4)
    shape, message = REPLACED[field]
    getattr(layer, f"{field}_l0").data = torch.randn(shape)
    with pytest.raises(RuntimeError, match=re.escape(message.format("_l0"))):
        call(layer)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("field", REPLACED)
def test_a_single_step_names_the_weight_too(field: str) -> None:
    cell = nn.GRUCell(3, 4)
    shape, message = REPLACED[field]
    getattr(cell, field).data = torch.randn(shape)
    with pytest.raises(RuntimeError, match=re.escape(message.format(""))):
        cell(torch.randn(2, 3))


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_weights_that_fit_each_other_but_not_the_layer_are_refused(kind: str) -> None:
    layer, other = getattr(nn, kind)(3, 4), getattr(nn, kind)(3, 6)
    for name, parameter in layer.named_parameters():
        parameter.data = getattr(other, name).data
    with pytest.raises(RuntimeError, match="weight_ih_l0: expected"):
        layer(torch.randn(7, 2, 3))


def test_a_weight_of_another_element_type_is_named() -> None:
    layer = nn.LSTM(3, 4, num_layers=2)
    layer.weight_hh_l1.data = layer.weight_hh_l1.data.double()
    with pytest.raises(
        RuntimeError, match=r"weight_hh_l1: expected torch.float32 on cpu as the input, got torch.float64"
    ):
        layer(torch.randn(7, 2, 3))


def test_weights_that_change_between_forward_and_backward_are_refused() -> None:
    layer = nn.GRU(3, 4)
    y, _ = layer(torch.randn(7, 2, 3))
    layer.weight_hh_l0.data = torch.randn(4, 12)
    with pytest.raises(RuntimeError, match="have changed since the call forward"):
        y.sum().backward()


@pytest.mark.usefixtures("unchecked_shapes")
def test_the_training_engine_names_a_weight_of_another_shape() -> None:
    model = nn.ManyToMany(nn.GRU(3, 4), 1)
    model.layer.weight_hh_l0.data = torch.randn(4, 12)
    batch = torch.randn(7, 2, 3), torch.randn(7, 2, 1)
    with pytest.raises(RuntimeError, match=r"weight_hh_l0: expected \(3\*H, H\) = \(12, 4\)"):
        training.fit(model, [batch], loss="mse", stop=[training.Epochs(1)])


@pytest.mark.parametrize("steps", [2**40, 2**57, 2**61])
def test_sizes_that_cannot_be_addressed_are_refused(steps: int) -> None:
    x = torch.zeros(1, 1, 1).expand(steps, 1, 1)
    with torch.no_grad(), pytest.raises(RuntimeError, match="out of memory"):
        nn.GRU(1, 4)(x)


def test_arguments_changed_at_random_end_in_an_exception_at_worst() -> None:
    assert _kernels._engine is not None
    fuzz = Fuzz(_kernels._engine, seed=0, variants=3)
    fuzz.run(4000)
    assert {name.partition(":")[0] for name in fuzz.outcomes} == {call.__name__ for _, call in fuzz.bindings}
    assert fuzz.outcomes["forward: returned"] > 300
    assert fuzz.outcomes["backward: ValueError"] > 100


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_imaginary_parts_of_conjugates_are_read_with_their_signs(layer: str) -> None:
    module = getattr(nn, layer)(1, 1)
    z = torch.randn(5, 2, 1, dtype=torch.complex64)
    values = torch.tensor([[[0.7]]])
    for x, plain in (
        (z.conj().imag, -z.imag.contiguous()),  # with gaps, which kernels read without a copy for one feature
        (torch.complex(values, values).conj().imag, -values),  # a single element has no gaps
    ):
        arguments, expected = x.detach().requires_grad_(), plain.clone().requires_grad_()
        assert arguments.is_neg()
        upstream = torch.complex(torch.ones_like(plain), plain).conj().imag
        for inputs, doutput in ((arguments, upstream), (expected, -plain)):
            module(inputs)[0].backward(doutput)
        torch.testing.assert_close(module(arguments), module(expected), rtol=0, atol=0)
        torch.testing.assert_close(arguments.grad, expected.grad, rtol=0, atol=0)
