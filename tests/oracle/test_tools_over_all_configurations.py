"""torch's tools over the configurations of each layer: inductor, export and back, transforms, second gradients, copies.

`test_tracing.py` asks whether a tool works at all; here each meets directions, lengths, batches first, projections and
stacks, one at a time and all at once.
"""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.utils.prune
from tests.layers import NAMES
from tests.tolerances import assert_close
from torch.func import functional_call, grad, jvp, vmap

from throughtime import nn

if TYPE_CHECKING:
    from pathlib import Path

STEPS, BATCH, INPUTS, HIDDEN = 5, 3, 4, 6
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bidirectional": {"bidirectional": True},
    "batch_first": {"batch_first": True},
    "proj_size": {"proj_size": 3},
    "num_layers": {"num_layers": 2},
    "all": {"bidirectional": True, "batch_first": True, "proj_size": 3, "num_layers": 2},
}

over_layers = pytest.mark.parametrize("layer", NAMES)
over_options = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
over_lengths = pytest.mark.parametrize("lengths", [None, [2, 5, 4]], ids=["whole", "ragged"])


def model(layer: str, options: dict[str, Any], dtype: torch.dtype = torch.float32) -> tuple[Any, torch.Tensor]:
    """A layer and an input."""
    module = getattr(nn, layer)(INPUTS, HIDDEN, **options, dtype=dtype)
    sizes = (BATCH, STEPS) if options.get("batch_first") else (STEPS, BATCH)
    return module, torch.randn(*sizes, INPUTS, dtype=dtype)


def keywords(lengths: list[int] | None) -> dict[str, Any]:
    return {} if lengths is None else {"lengths": torch.tensor(lengths)}


def outputs(result: tuple[Any, Any]) -> list[torch.Tensor]:
    y, finals = result
    return [y, *(finals if isinstance(finals, tuple) else (finals,))]


def gradients(call: Any, module: torch.nn.Module, x: torch.Tensor, inputs: dict[str, Any]) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    result = outputs(call(x, **inputs))
    loss = sum(o.sin().sum() for o in result)
    return [*result, *torch.autograd.grad(loss, [x, *module.parameters()])]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")  # of inductor itself, at its import
@over_layers
@over_options
@over_lengths
def test_inductor_takes_a_layer_whole_and_trains_it(
    layer: str, options: dict[str, Any], lengths: list[int] | None
) -> None:
    torch._dynamo.reset()
    module, x = model(layer, options)
    compiled = torch.compile(module, fullgraph=True, backend="inductor")
    kwargs = keywords(lengths)
    assert_close(gradients(compiled, module, x, kwargs), gradients(module, module, x, kwargs), "gradient")
    with torch.no_grad():
        assert_close(compiled(x, **kwargs), module(x, **kwargs), "forward")


@pytest.mark.slow
@over_layers
@over_options
@over_lengths
def test_an_exported_layer_comes_back_from_a_file(
    layer: str, options: dict[str, Any], lengths: list[int] | None
) -> None:
    module, x = model(layer, options)
    inputs = keywords(lengths)
    file = io.BytesIO()
    torch.export.save(torch.export.export(module, (x,), inputs), file)
    file.seek(0)
    again = torch.export.load(file).module()
    x = torch.randn_like(x)
    assert_close(again(x, **inputs), module(x, **inputs), "forward")


LOADING = """
import sys
import torch
import throughtime.nn
module = torch.export.load(sys.argv[1]).module()
x, lengths, expected = torch.load(sys.argv[2])
assert torch.equal(module(x, lengths=lengths)[0], expected)
"""


def test_another_process_runs_what_was_exported(tmp_path: Path) -> None:
    module, x = model("GRU", {"bidirectional": True, "num_layers": 2})
    lengths = torch.tensor([2, 5, 4])
    exported = torch.export.export(module, (x,), {"lengths": lengths})
    torch.export.save(exported, tmp_path / "layer.pt2")
    torch.save((x, lengths, exported.module()(x, lengths=lengths)[0].detach()), tmp_path / "expected.pt")
    files = str(tmp_path / "layer.pt2"), str(tmp_path / "expected.pt")
    command = [sys.executable, "-W", "ignore", "-c", LOADING, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own, when it first differentiates so
@over_layers
@over_options
@over_lengths
def test_transforms_agree_with_autograd(layer: str, options: dict[str, Any], lengths: list[int] | None) -> None:
    module, x = model(layer, options, torch.float64)
    inputs = keywords(lengths)
    weights = {name: p.detach() for name, p in module.named_parameters()}

    def loss(weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return sum(o.sin().sum() for o in outputs(functional_call(module, weights, (x,), inputs)))  # pyright: ignore[reportReturnType]

    _, *rest = gradients(module, module, x, inputs)
    dx, *dweights = rest[-1 - len(weights) :]
    assert_close(list(grad(loss)(weights, x).values()), dweights, "gradient")
    many = torch.stack([-x, x])
    assert_close(vmap(loss, in_dims=(None, 0))(weights, many)[1], loss(weights, x), "forward")
    item = vmap(grad(loss), in_dims=(None, 0))(weights, many)
    assert_close([d[1] for d in item.values()], dweights, "gradient")
    direction = torch.randn_like(x)
    slope = jvp(lambda x: loss(weights, x), (x,), (direction,))[1]
    assert_close(slope, (dx * direction).sum(), "gradient")


@over_layers
@over_options
@over_lengths
def test_second_gradients_agree_with_finite_differences(
    layer: str, options: dict[str, Any], lengths: list[int] | None
) -> None:
    module, x = model(layer, options, torch.float64)
    inputs = keywords(lengths)
    leaves = [x, *module.parameters()]
    direction = [torch.randn_like(leaf) for leaf in leaves]

    def slope(by: float) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The derivative of the loss along a direction, at a place moved along it, and its gradient there."""
        moved = [(leaf + by * d).detach().requires_grad_() for leaf, d in zip(leaves, direction, strict=True)]
        weights = dict(zip(dict(module.named_parameters()), moved[1:], strict=True))
        actual = outputs(functional_call(module, weights, (moved[0],), inputs))
        first = torch.autograd.grad(sum(o.sin().sum() for o in actual), moved, create_graph=True)
        along = sum((g * d).sum() for g, d in zip(first, direction, strict=True))
        assert isinstance(along, torch.Tensor)
        return along, list(torch.autograd.grad(along, moved))

    second = sum((g * d).sum() for g, d in zip(slope(0.0)[1], direction, strict=True))
    difference = (slope(1e-6)[0] - slope(-1e-6)[0]) / 2e-6
    assert_close(second, difference, "difference")


@over_layers
@over_options
@over_lengths
def test_checkpoints_and_copies_compute_the_same(
    layer: str, options: dict[str, Any], lengths: list[int] | None
) -> None:
    module, x = model(layer, options)
    inputs = keywords(lengths)
    expected = gradients(module, module, x, inputs)

    def recomputed(x: torch.Tensor, **inputs: Any) -> Any:
        return torch.utils.checkpoint.checkpoint(module, x, use_reentrant=False, **inputs)

    assert_close(gradients(recomputed, module, x, inputs), expected, "exact")
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), copy.deepcopy(module).share_memory()):
        assert repr(other) == repr(module)
        assert_close(gradients(other, other, x, inputs), expected, "exact")


class Doubled(torch.nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return 2 * weight


@over_layers
@over_options
@over_lengths
def test_every_way_to_make_a_weight_is_followed(layer: str, options: dict[str, Any], lengths: list[int] | None) -> None:
    module, x = model(layer, options)
    inputs = keywords(lengths)
    changed = copy.deepcopy(module)
    mask = (torch.rand_like(module.weight_hh_l0) > 0.5).float()
    with torch.no_grad():
        changed.weight_ih_l0.mul_(2)
        changed.weight_hh_l0.mul_(mask)
    torch.nn.utils.parametrize.register_parametrization(module, "weight_ih_l0", Doubled())
    torch.nn.utils.prune.custom_from_mask(module, "weight_hh_l0", mask)
    normed = torch.nn.utils.parametrizations.weight_norm(module, "bias_hh_l0", dim=None)
    expected = changed(x, **inputs)
    assert_close(normed(x, **inputs), expected, "forward")
    outputs(normed(x, **inputs))[0].sum().backward()
    outputs(expected)[0].sum().backward()
    parametrized = normed.parametrizations.weight_ih_l0.original
    assert_close(parametrized.grad, 2 * changed.weight_ih_l0.grad, "gradient")
    assert_close(normed.weight_hh_l0_orig.grad, changed.weight_hh_l0.grad * mask, "gradient")
