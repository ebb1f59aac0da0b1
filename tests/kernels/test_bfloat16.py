"""Inference in bfloat16: products of bfloat16 with sums and states in float32, as docs/layers.md promises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.kernels.conftest import INSTRUCTION_SETS, use
from tests.kernels.independence import assert_rows_are_independent
from tests.tolerances import assert_close

from throughtime import _kernels, nn

KERNELS = _kernels._engine.kernels() if _kernels._engine else []
pytestmark = pytest.mark.skipif(
    not any(kernel.bits == 16 and kernel.isa == _kernels.isa for kernel in KERNELS),
    reason="needs a processor with AVX512-BF16, and its instruction set in use",
)

LAYERS: list[tuple[str, dict[str, Any]]] = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu"}),
    ("RNN", {"activation": "sigmoid"}),
    ("GRU", {}),
    ("LSTM", {}),
    ("LSTM", {"peephole": True}),
    ("LSTM", {"coupled_gates": True, "peephole": True}),
]
# The largest error of an output relative to float64 with the same weights and inputs, as in docs/layers.md.
MAX_ERROR = 0.01

over_layers = pytest.mark.parametrize(("layer", "options"), LAYERS, ids=str)


def pair(layer: str, inputs: int, hidden: int, **options: Any) -> tuple[Any, Any]:
    """Return a layer in bfloat16, and one in float64 with the same weights."""
    narrow = getattr(nn, layer)(inputs, hidden, **options, dtype=torch.bfloat16).eval()
    if options.get("peephole"):
        with torch.no_grad():
            narrow.diagonal_l0.normal_()
    wide = getattr(nn, layer)(inputs, hidden, **options, dtype=torch.float64).eval()
    wide.load_state_dict(narrow.state_dict())
    return narrow, wide


def sample(*shape: int) -> torch.Tensor:
    return torch.randn(shape).bfloat16()


def states(finals: Any) -> list[torch.Tensor]:
    return list(finals) if isinstance(finals, tuple) else [finals]


@over_layers
@pytest.mark.parametrize("inputs", [1, 3, 16, 17, 64])
def test_the_error_is_within_what_is_stated(layer: str, options: dict[str, Any], inputs: int) -> None:
    for hidden in (1, 5, 16, 33, 128):
        narrow, wide = pair(layer, inputs, hidden, bidirectional=True, batch_first=True, **options)
        x = sample(5, 30, inputs)
        hx: Any = tuple(sample(2, 5, hidden) for _ in narrow.cell.states)
        hx, wide_hx = (hx, tuple(s.double() for s in hx)) if len(hx) > 1 else (hx[0], hx[0].double())
        lengths = torch.tensor([30, 0, 7, 12, 29])
        with torch.no_grad():
            assert narrow.path(x).startswith("kernel")
            y, finals = narrow(x, hx, lengths=lengths)
            expected, wide_finals = wide(x.double(), wide_hx, lengths=lengths)
        for actual, true in zip([y, *states(finals)], [expected, *states(wide_finals)], strict=True):
            assert actual.dtype is torch.bfloat16
            scale = max(1.0, float(true.abs().max()))
            assert float((actual.double() - true).abs().max()) <= MAX_ERROR * scale
        assert not y[1].any()
        assert torch.equal(finals[0][:, 1] if isinstance(finals, tuple) else finals[:, 1], states(hx)[0][:, 1])


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_a_state_that_is_not_rounded_is_nearer_to_the_truth(layer: str) -> None:
    narrow, wide = pair(layer, 8, 64)
    theirs = getattr(torch.nn, layer)(8, 64, dtype=torch.bfloat16).eval()
    theirs.load_state_dict(narrow.state_dict())
    x = sample(300, 4, 8)
    with torch.no_grad():
        expected = wide(x.double())[0]
        ours, others = ((module(x)[0].double() - expected).square().mean() for module in (narrow, theirs))
    assert ours < others


@over_layers
def test_neither_company_nor_threads_change_a_bit(layer: str, options: dict[str, Any]) -> None:
    for batch, inputs, hidden in [(1, 3, 130), (13, 1, 33), (13, 40, 24)]:
        module, _ = pair(layer, inputs, hidden, bidirectional=True, **options)
        x = sample(12, batch, inputs)
        with torch.no_grad():
            assert_rows_are_independent(module, x)


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_autocast_takes_it_where_torch_leaves_float32(layer: str) -> None:
    module, x = getattr(nn, layer)(20, 24, num_layers=2), torch.randn(9, 4, 20)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        y, _ = module(x)
        assert module.path(x).startswith("kernel")
    if layer == "GRU":
        assert_close(y, module(x)[0].detach(), "exact")
        return
    narrow = getattr(nn, layer)(20, 24, num_layers=2, dtype=torch.bfloat16)
    narrow.load_state_dict(module.state_dict())
    with torch.no_grad():
        assert_close(y, narrow(x.bfloat16())[0], "exact")


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_training_takes_the_kernels_of_float32(layer: str) -> None:
    module, x = getattr(nn, layer)(3, 5, num_layers=2, dtype=torch.bfloat16), sample(4, 2, 3).requires_grad_()
    assert module.path(x).startswith("kernel")
    wide = getattr(nn, layer)(3, 5, num_layers=2)
    wide.load_state_dict(module.state_dict())
    wide_x = x.detach().float().requires_grad_()
    (y, _), (wide_y, _) = module(x), wide(wide_x)
    assert_close(y, wide_y.bfloat16(), "forward")
    y.float().square().sum().backward()
    wide_y.square().sum().backward()
    assert {p.grad.dtype for p in module.parameters()} == {torch.bfloat16}
    gradients, expected = ([g.grad.bfloat16() for g in (*m.parameters(), i)] for m, i in ((module, x), (wide, wide_x)))
    assert_close(gradients, expected, "gradient")
    with torch.no_grad():
        assert_close(module(x)[0], y, "forward")
        assert_close(torch.compile(module, backend="aot_eager")(x)[0], y, "forward")


def test_a_state_alone_may_want_a_gradient() -> None:
    module, x = nn.GRU(3, 5, dtype=torch.bfloat16).requires_grad_(requires_grad=False), sample(4, 2, 3)
    h = torch.zeros(1, 2, 5, dtype=torch.bfloat16, requires_grad=True)
    module(x, h)[0].sum().backward()
    assert h.grad is not None


def test_a_lesser_instruction_set_takes_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    use(INSTRUCTION_SETS[-1], monkeypatch)
    module, x = nn.GRU(3, 5, dtype=torch.bfloat16), sample(4, 2, 3)
    with torch.no_grad():
        assert module.path(x).startswith("kernel")
        assert module(x)[0].dtype is torch.bfloat16
