"""Whatever traces, transforms or moves a module: torch.compile, torch.export, torch.func, checkpointing, copies."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.utils.prune
from tests.layers import COMPILED, OF_TORCH
from tests.tolerances import assert_close
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.func import functional_call, grad, jvp, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from throughtime import nn

if TYPE_CHECKING:
    from collections.abc import Callable

STACKED: dict[str, Any] = {"num_layers": 2, "bidirectional": True, "batch_first": True}


def states_of(finals: Any) -> tuple[torch.Tensor, ...]:
    return finals if isinstance(finals, tuple) else (finals,)


def sequence(steps: int, *, batch_first: bool = False) -> torch.Tensor:
    return torch.randn((2, steps, 3) if batch_first else (steps, 2, 3))


def gradients(call: Any, module: torch.nn.Module, x: torch.Tensor, **options: Any) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    y, finals = call(x, **options)
    finals = states_of(finals)
    loss = y.square().sum() + sum(s.sum() for s in finals)
    return [y, *finals, *torch.autograd.grad(loss, [x, *module.parameters()])]


def auto(module: Any, x: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return module(x)[0]


@pytest.mark.parametrize("layer", COMPILED)
@pytest.mark.parametrize(
    ("options", "call", "scans"),
    [
        ({}, lambda module, x: module(x)[0], 1),
        (STACKED, lambda module, x: module(x.transpose(0, 1))[0], 2),
        ({}, lambda module, x: module(x, lengths=[2, 1])[0], 1),
        ({}, lambda module, x: module.step(x[0])[0], 1),
        ({}, auto, 1),
    ],
    ids=["plain", "stacked", "ragged", "step", "autocast"],
)
def test_what_is_compiled_is_the_kernel_and_once_for_all_lengths(
    layer: str, options: dict[str, Any], call: Any, scans: int
) -> None:
    torch._dynamo.reset()
    graphs: list[int] = []

    def note(graph: torch.fx.GraphModule, _: Any) -> Any:
        graphs.append(sum(str(node.target) == "throughtime.scan" for node in graph.graph.nodes))
        return graph.forward

    module = getattr(nn, layer)(3, 5, **options)
    compiled = torch.compile(lambda x: call(module, x), fullgraph=True, dynamic=True, backend=note)
    for steps in range(4, 14):
        x = sequence(steps)
        assert torch.equal(compiled(x), call(module, x)) or call is auto
    assert graphs == [scans]


def test_tensors_that_stand_for_others_are_not_read() -> None:
    module, x = nn.GRU(3, 5), sequence(4)
    with FakeTensorMode(allow_non_fake_inputs=True):
        y, _ = module(torch.empty(4, 2, 3))
    assert (y.shape, type(y)) == ((4, 2, 5), FakeTensor)
    graph = make_fx(lambda x: module(x)[0])(x)
    assert torch.equal(graph(2 * x), module(2 * x)[0])
    with FakeTensorMode():
        assert nn.LSTM(3, 5)(torch.empty(4, 2, 3))[0].shape == (4, 2, 5)


def test_compiled_whole() -> None:
    module = nn.GRU(3, 5)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    x = sequence(4)
    assert_close(gradients(compiled, module, x), gradients(module, module, x), "gradient")


@pytest.mark.parametrize(
    "options",
    [{"peephole": True}, {"layer_norm": True}, {"zoneout": 0.1}, {"clip_state_grad": nn.NormClip(0.01)}],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.* should not be instantiated:DeprecationWarning")  # of dynamo itself
def test_options_are_compiled_whole(options: dict[str, Any]) -> None:
    torch._dynamo.reset()
    module, x = nn.LSTM(3, 5, **options).eval(), sequence(4)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    assert_close(gradients(compiled, module, x), gradients(module, module, x), "gradient")


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # of dynamo itself
def test_a_mask_is_compiled_in_parts() -> None:
    torch._dynamo.reset()
    module, x, mask = (
        nn.GRU(3, 5),
        sequence(4),
        torch.tensor([[True, False], [False, True], [True, True], [True, False]]),
    )
    compiled = torch.compile(module, backend="aot_eager")
    assert_close(gradients(compiled, module, x, mask=mask), gradients(module, module, x, mask=mask), "gradient")


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # of torch.func.jvp itself
def test_tangents_are_not_clipped_and_gradients_are() -> None:
    module, plain = (nn.LSTM(3, 5, clip_state_grad=clip, dtype=torch.float64) for clip in (0.01, None))
    plain.load_state_dict(module.state_dict())
    x = sequence(4).double()
    v = torch.randn_like(x)

    def loss(of: torch.nn.Module) -> Any:
        return lambda x: of(x)[0].sin().sum()

    assert_close(jvp(loss(module), (x,), (v,)), jvp(loss(plain), (x,), (v,)), "forward")
    clipped = grad(loss(module))
    assert not torch.allclose(clipped(x), grad(loss(plain))(x))
    difference = (clipped(x + 1e-6 * v) - clipped(x - 1e-6 * v)) / 2e-6
    assert_close(jvp(clipped, (x,), (v,))[1], difference, "difference")


@pytest.mark.slow
@pytest.mark.parametrize("layer", COMPILED)
@pytest.mark.parametrize("options", [{}, STACKED], ids=["plain", "stacked"])
def test_compiled_whole_with_a_length_that_changes(layer: str, options: dict[str, Any]) -> None:
    torch._dynamo.reset()
    module = getattr(nn, layer)(3, 5, **options)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    for steps in (4, 9):
        x = sequence(steps, batch_first=bool(options))
        lengths = torch.tensor([steps, 2])
        assert_close(gradients(compiled, module, x), gradients(module, module, x), "gradient")
        assert_close(
            gradients(compiled, module, x, lengths=lengths), gradients(module, module, x, lengths=lengths), "gradient"
        )


@pytest.mark.parametrize("layer", COMPILED)
@pytest.mark.parametrize("options", [{}, STACKED], ids=["plain", "stacked"])
def test_exported_with_a_length_that_changes(layer: str, options: dict[str, Any]) -> None:
    module = getattr(nn, layer)(3, 5, **options)
    steps = torch.export.Dim("steps", min=2, max=100)
    time = 1 if options else 0
    example = sequence(4, batch_first=bool(options))
    exported = torch.export.export(module, (example,), dynamic_shapes=({time: steps},)).module()
    x = sequence(9, batch_first=bool(options))
    assert_close(exported(x), module(x), "forward")


@pytest.mark.parametrize("layer", COMPILED)
def test_functional_gradients_are_those_of_autograd(layer: str) -> None:
    module, x = getattr(nn, layer)(3, 5), sequence(4)
    weights = dict(module.named_parameters())

    def loss(weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return functional_call(module, weights, (x,))[0].square().sum()

    expected = torch.autograd.grad(module(x)[0].square().sum(), list(module.parameters()))
    assert_close(list(grad(loss)(weights, x).values()), list(expected), "gradient")
    many = torch.randn(3, 4, 2, 3)
    item = vmap(grad(loss), in_dims=(None, 0))(weights, many)
    one = grad(loss)(weights, many[1])
    assert_close({k: v[1] for k, v in item.items()}, one, "gradient")


@pytest.mark.parametrize("layer", COMPILED)
def test_gradients_of_many_outputs_at_once(layer: str) -> None:
    module, x = getattr(nn, layer)(3, 5), sequence(4).requires_grad_()
    y, requested = module(x)[0], [x, *module.parameters()]
    many = torch.randn(6, *y.shape)
    result = torch.autograd.grad(y, requested, many, is_grads_batched=True, retain_graph=True)
    item = [torch.autograd.grad(y, requested, dy, retain_graph=True) for dy in many]
    assert_close(list(result), [torch.stack(gradients) for gradients in zip(*item, strict=True)], "gradient")
    mapped = vmap(lambda dy: torch.autograd.grad(y, requested, dy, retain_graph=True))(many)
    assert_close(list(mapped), list(result), "gradient")


@pytest.mark.parametrize("layer", COMPILED)
def test_mapped_over_a_dimension(layer: str) -> None:
    module, many = getattr(nn, layer)(3, 5), torch.randn(3, 4, 2, 3)
    assert_close(vmap(lambda x: module(x)[0])(many), torch.stack([module(x)[0] for x in many]), "forward")


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own, when it first differentiates so
@pytest.mark.parametrize("layer", COMPILED)
def test_forward_mode_agrees_with_finite_differences(layer: str) -> None:
    module = getattr(nn, layer)(3, 5, dtype=torch.float64)
    x, direction = sequence(4).double(), sequence(4).double()
    slope = jvp(lambda x: module(x)[0], (x,), (direction,))[1]
    step = 1e-6
    difference = (module(x + step * direction)[0] - module(x - step * direction)[0]) / (2 * step)
    torch.testing.assert_close(slope, difference, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("layer", COMPILED)
def test_checkpointing_changes_nothing(layer: str) -> None:
    module, x = getattr(nn, layer)(3, 5), sequence(4)

    def recomputed(x: torch.Tensor) -> Any:
        return torch.utils.checkpoint.checkpoint(module, x, use_reentrant=False)

    assert_close(gradients(recomputed, module, x), gradients(module, module, x), "exact")


@pytest.mark.parametrize("layer", COMPILED)
def test_copies_compute_the_same(layer: str) -> None:
    module, x = getattr(nn, layer)(3, 5, activation="tanh"), sequence(4)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert_close(other(x), module(x), "exact")


@pytest.mark.parametrize("layer", COMPILED)
def test_meta_tensors_have_shapes(layer: str) -> None:
    y, _ = getattr(nn, layer)(3, 5, device="meta")(torch.empty(4, 2, 3, device="meta"))
    assert y.shape == (4, 2, 5)
    assert y.is_meta


@pytest.mark.parametrize("layer", OF_TORCH)
def test_autocast_gives_the_types_that_torch_gives(layer: str) -> None:
    theirs, ours = getattr(torch.nn, layer)(3, 5), getattr(nn, layer)(3, 5)
    for x in (sequence(4), sequence(4).bfloat16()):  # as it comes from a linear layer below
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert ours(x)[0].dtype == theirs(x)[0].dtype


@pytest.mark.parametrize("layer", OF_TORCH)
def test_cells_and_autocast_give_the_types_that_torch_gives(layer: str) -> None:
    theirs, ours = getattr(torch.nn, f"{layer}Cell")(3, 5), getattr(nn, f"{layer}Cell")(3, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual, expected = (cell(torch.ones(2, 3)) for cell in (ours, theirs))
    assert [state.dtype for state in states_of(actual)] == [state.dtype for state in states_of(expected)]


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own, when it first differentiates so
@pytest.mark.parametrize("layer", COMPILED)
@pytest.mark.parametrize("options", [{}, STACKED], ids=["plain", "stacked"])
@pytest.mark.parametrize("lengths", [None, [4, 2]], ids=["whole", "ragged"])
def test_transforms_take_stacks_and_lengths(layer: str, options: dict[str, Any], lengths: list[int] | None) -> None:
    module = getattr(nn, layer)(3, 5, **options, dtype=torch.float64)
    x = sequence(4, batch_first=bool(options)).double()
    weights = dict(module.named_parameters())

    def loss(weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return functional_call(module, weights, (x,), {"lengths": lengths})[0].square().sum()

    expected = torch.autograd.grad(loss(weights, 2 * x), list(weights.values()))
    assert_close(list(grad(loss)(weights, 2 * x).values()), list(expected), "gradient")
    item = vmap(grad(loss), in_dims=(None, 0))(weights, torch.stack([x, 2 * x]))
    assert_close([gradient[1] for gradient in item.values()], list(expected), "gradient")
    slope = jvp(lambda scale: loss(weights, scale * x), (torch.tensor(2.0).double(),), (torch.tensor(1.0).double(),))[1]
    x = x.requires_grad_()
    (dx,) = torch.autograd.grad(loss(weights, 2 * x), x)
    assert_close(slope, (dx / 2 * x).sum(), "gradient")


@pytest.mark.parametrize("layer", COMPILED)
def test_memory_can_be_shared_between_processes(layer: str) -> None:
    module = getattr(nn, layer)(3, 5).share_memory()
    assert all(p.is_shared() for p in module.parameters())
    assert module(sequence(4))[0].shape == (4, 2, 5)


@pytest.mark.parametrize("layer", COMPILED)
def test_normed_and_pruned_weights_are_used(layer: str) -> None:
    x = sequence(4)
    normed = torch.nn.utils.parametrizations.weight_norm(getattr(nn, layer)(3, 5), "weight_hh_l0")
    before = normed(x)[0]
    with torch.no_grad():
        normed.parametrizations.weight_hh_l0.original0.mul_(2)
    assert not torch.equal(normed(x)[0], before)
    pruned = getattr(nn, layer)(3, 5)
    before = pruned(x)[0]
    torch.nn.utils.prune.l1_unstructured(pruned, "weight_hh_l0", 0.9)
    assert not torch.equal(pruned(x)[0], before)


@pytest.mark.parametrize("layer", COMPILED)
def test_a_batch_of_nothing_passes_through(layer: str) -> None:
    module = getattr(nn, layer)(3, 5)
    y, _ = module(torch.randn(4, 0, 3))
    y.sum().backward()
    assert y.shape == (4, 0, 5)
    assert float(module.weight_hh_l0.grad.abs().sum()) == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own: its tracer is old
@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.RNN(3, 4),
        lambda: nn.GRU(3, 4, 2, bidirectional=True),
        lambda: nn.LSTM(3, 4, zoneout=0.1),
        lambda: nn.LSTM(3, 4, batch_first=True, proj_size=2),
        lambda: torch.nn.Sequential(nn.ManyToOne(nn.LSTM(3, 4), 2)),
        lambda: nn.GRUCell(3, 4),
    ],
)
def test_a_trace_of_an_example_is_refused(layer: Callable[[], torch.nn.Module], *, gradients: bool) -> None:
    model = layer()
    x = torch.randn(2, 3) if isinstance(model, nn.GRUCell) else torch.randn(5, 2, 3)
    with torch.set_grad_enabled(gradients), pytest.raises(RuntimeError, match=r"torch\.export"):
        torch.jit.trace(model, x)
    with torch.inference_mode(), pytest.raises(RuntimeError, match=r"torch\.export"):
        torch.jit.trace(model.eval(), x)
    model(x)  # as before


def test_an_exported_layer_gives_the_values_of_other_inputs() -> None:
    model = nn.ManyToMany(nn.LSTM(3, 4), 2).eval()
    program = torch.export.export(model, (torch.randn(5, 2, 3),))
    x = torch.randn(5, 2, 3)
    assert_close(program.module()(x)[0], model(x)[0], "forward")
