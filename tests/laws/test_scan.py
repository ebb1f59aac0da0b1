"""Laws that hold for every layer and any numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.layers import COMPILED, NAMES
from tests.tolerances import assert_close

from throughtime import nn
from throughtime.nn._sequence_options import unwrap_single

DTYPES = [torch.float32, torch.float64]


def states_of(finals: Any) -> tuple[torch.Tensor, ...]:
    return finals if isinstance(finals, tuple) else (finals,)


@pytest.mark.parametrize("layer", NAMES)
@pytest.mark.parametrize("cut", [1, 4, 8])
def test_cutting_time_changes_nothing(layer: str, cut: int) -> None:
    module = getattr(nn, layer)(3, 17, num_layers=2)
    x = torch.randn(9, 4, 3)
    whole, finals = module(x)
    first, state = module(x[:cut])
    second, cut_finals = module(x[cut:], state)
    assert_close((torch.cat([first, second]), *states_of(cut_finals)), (whole, *states_of(finals)), "exact")


@pytest.mark.parametrize("layer", NAMES)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("batched", [False, True])
def test_step_by_step_is_the_whole_sequence(layer: str, batch_first: bool, batched: bool) -> None:
    module = getattr(nn, layer)(3, 17, num_layers=2, batch_first=batch_first)
    x = torch.randn(6, 4, 3) if batched else torch.randn(6, 3)
    time = 1 if batched and batch_first else 0
    whole, finals = module(x.transpose(0, time))
    state, outputs = None, []
    for x_t in x:
        y, state = module.step(x_t, state)
        outputs.append(y)
    assert_close((torch.stack(outputs, time), *states_of(state)), (whole, *states_of(finals)), "exact")


def test_a_bidirectional_layer_has_no_single_step() -> None:
    with pytest.raises(ValueError, match="expected a layer of one direction"):
        nn.GRU(3, 4, bidirectional=True).step(torch.zeros(2, 3))


@pytest.mark.parametrize("layer", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [(3, 2, 5), (20, 3, 40), (1, 20, 33)])
def test_a_row_does_not_notice_its_company(layer: str, dtype: torch.dtype, sizes: tuple[int, int, int]) -> None:
    steps, inputs, hidden = sizes
    module = getattr(nn, layer)(inputs, hidden, bidirectional=True, dtype=dtype)
    x = torch.randn(steps, 11, inputs, dtype=dtype)
    whole, finals = module(x)
    for first, last in [(0, 1), (1, 3), (3, 11)]:
        chunk, part_finals = module(x[:, first:last])
        expected = (whole[:, first:last], *(s[:, first:last] for s in states_of(finals)))
        assert_close((chunk, *states_of(part_finals)), expected, "exact")


@pytest.mark.parametrize("layer", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [(30, 1, 3, 130), (30, 7, 3, 40), (30, 64, 20, 40), (30, 9, 3, 64)])
def test_threads_change_nothing(layer: str, dtype: torch.dtype, sizes: tuple[int, int, int, int]) -> None:
    steps, batch, inputs, hidden = sizes
    module = getattr(nn, layer)(inputs, hidden, dtype=dtype)
    x = torch.randn(steps, batch, inputs, dtype=dtype)
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            y, finals = module(x)
            results.append((y, *states_of(finals)))
    finally:
        torch.set_num_threads(2)
    assert_close(results[1], results[0], "exact")


@pytest.mark.parametrize("layer", NAMES)
def test_running_backwards_is_running_the_flipped_sequence_forwards(layer: str) -> None:
    both = getattr(nn, layer)(3, 9, bidirectional=True)
    one = getattr(nn, layer)(3, 9)
    one.load_state_dict({k.removesuffix("_reverse"): v for k, v in both.state_dict().items() if "reverse" in k})
    x = torch.randn(7, 4, 3)
    y, finals = both(x)
    flipped, flipped_finals = one(x.flip(0))
    assert_close(y[..., 9:], flipped.flip(0), "exact")
    assert_close(tuple(s[1:] for s in states_of(finals)), states_of(flipped_finals), "exact")


@pytest.mark.parametrize("layer", NAMES)
@pytest.mark.parametrize("both", [False, True])
def test_what_stands_in_the_padding_is_irrelevant(layer: str, both: bool) -> None:
    module = getattr(nn, layer)(3, 9, num_layers=2, bidirectional=both)
    lengths = torch.tensor([7, 0, 3, 1])
    x = torch.randn(7, 4, 3)
    poisoned = torch.where((torch.arange(7).unsqueeze(1) < lengths).unsqueeze(-1), x, torch.nan)
    results = []
    for inputs in (x, poisoned):
        module.zero_grad()
        y, finals = module(inputs, lengths=lengths)
        (y.square().sum() + sum(s.square().sum() for s in states_of(finals))).backward()
        results.append((y, *states_of(finals), *(p.grad.clone() for p in module.parameters())))
    assert_close(results[1], results[0], "exact")
    assert results[0][0][3:, 2].abs().max() == 0


@pytest.mark.parametrize("layer", NAMES)
def test_a_sequence_of_no_steps_returns_its_initial_state(layer: str) -> None:
    module = getattr(nn, layer)(3, 9)
    states = tuple(torch.randn(1, 2, 9) for _ in module.cell.states)
    _, finals = module(torch.randn(4, 2, 3), unwrap_single(states), lengths=[0, 4])
    assert_close(tuple(s[:, 0] for s in states_of(finals)), tuple(s[:, 0] for s in states), "exact")


@pytest.mark.parametrize("layer", NAMES)
def test_gradients_are_reproducible_bit_for_bit(layer: str) -> None:
    module = getattr(nn, layer)(3, 40)
    x = torch.randn(30, 33, 3)
    results = []
    for _ in range(3):
        module.zero_grad()
        module(x)[0].square().sum().backward()
        results.append([p.grad.clone() for p in module.parameters()])
    assert_close(results[1], results[0], "exact")
    assert_close(results[2], results[0], "exact")


@pytest.mark.parametrize("layer", NAMES)
@pytest.mark.parametrize("lengths", [None, [30, 1, 29, 7, 30, 0, 13, 2, 24]])
def test_gradients_may_be_taken_with_other_threads_than_the_outputs(layer: str, lengths: list[int] | None) -> None:
    module = getattr(nn, layer)(3, 64)
    x = torch.randn(30, 9, 3)
    results = []
    try:
        for forward, backward in ((2, 2), (2, 1), (1, 1), (1, 2)):
            torch.set_num_threads(forward)
            loss = module(x, lengths=lengths)[0].square().sum()
            torch.set_num_threads(backward)
            results.append(torch.autograd.grad(loss, list(module.parameters())))
    finally:
        torch.set_num_threads(2)
    assert_close(results[1], results[0], "exact")  # of two slices each
    assert_close(results[3], results[2], "exact")  # of one
    assert_close(results[2], results[0], "gradient")


@pytest.mark.parametrize("layer", NAMES)
@pytest.mark.parametrize("view", ["expanded", "sliced", "transposed", "strided"])
def test_strides_change_nothing(layer: str, view: str) -> None:
    x = {
        "expanded": torch.randn(6, 1, 3).expand(6, 4, 3),
        "sliced": torch.randn(6, 4, 8)[..., 2:5],
        "transposed": torch.randn(3, 4, 6).transpose(0, 2),
        "strided": torch.randn(12, 4, 3)[::2],
    }[view]
    module = getattr(nn, layer)(3, 9)
    results = []
    for arguments in (x.detach().contiguous(), x.detach()):
        arguments.requires_grad_()
        y, _ = module(arguments)
        (dx,) = torch.autograd.grad(y.square().sum(), arguments)
        results.append((y, dx))
    assert_close(results[1], results[0], "exact")


@pytest.mark.parametrize("layer", COMPILED)
def test_the_reference_path_agrees_with_the_kernel(layer: str) -> None:
    module = getattr(nn, layer)(3, 9, num_layers=2, bidirectional=True)
    own = getattr(nn, layer)(3, 9, num_layers=2, bidirectional=True, activation=torch.tanh)
    own.load_state_dict(module.state_dict())
    x = torch.randn(7, 4, 3)
    assert "kernel" in module.path(x)
    assert "reference" in own.path(x)
    assert_close(own(x, lengths=[7, 2, 0, 5]), module(x, lengths=[7, 2, 0, 5]), "forward")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs the memory figures of /proc")
@pytest.mark.parametrize("layer", NAMES)
def test_memory_is_bounded_while_lengths_vary(layer: str) -> None:
    module = getattr(nn, layer)(8, 16)

    def pages_after(batch: int) -> int:
        with torch.no_grad():
            for steps in range(1, 600):
                module(torch.zeros(steps, batch, 8))
        return int(Path("/proc/self/statm").read_text().split()[1])

    first = pages_after(2)
    assert pages_after(3) - first < 4096  # 16 MiB


@pytest.mark.parametrize("layer", NAMES)
@pytest.mark.parametrize("as_array", [False, True])
def test_lengths_that_change_behind_a_call_change_no_gradient(layer: str, as_array: bool) -> None:
    module, x = getattr(nn, layer)(3, 5), torch.randn(6, 4, 3, requires_grad=True)
    lengths = torch.tensor([5, 3, 2, 1])
    (expected,) = torch.autograd.grad(module(x, lengths=[5, 3, 2, 1])[0].sum(), x)
    y, _ = module(x, lengths=lengths.numpy() if as_array else lengths)
    lengths -= 1
    assert_close(torch.autograd.grad(y.sum(), x)[0], expected, "exact")


@pytest.mark.parametrize(
    "options", [{}, {"layer_norm": True}, {"zoneout": 0.1}, {"activation": torch.sin}], ids="".join
)
@pytest.mark.parametrize("layer", NAMES)
def test_no_gradient_comes_from_padding_that_is_no_number(layer: str, options: dict[str, Any]) -> None:
    module, x = getattr(nn, layer)(3, 5, **options), torch.randn(4, 2, 3)
    x[2:, 1] = float("nan")
    x.requires_grad_()
    y, _ = module(x, lengths=[4, 2])
    target = [x, *module.parameters()]
    first = torch.autograd.grad(y.square().sum(), target, create_graph=True)
    assert all(bool(g.isfinite().all()) for g in first)
    second = torch.autograd.grad(sum(g.square().sum() for g in first[1:]), list(module.parameters()))
    assert all(bool(g.isfinite().all()) for g in second)
