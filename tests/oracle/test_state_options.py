"""Options on the states of a cell, against plain transcriptions in float64."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.layers import NAMES, OF_TORCH
from tests.tolerances import assert_close
from torch import Tensor, sigmoid, tanh

import throughtime as tt
from throughtime import nn, runtime, training
from throughtime.nn._sequence_options import unwrap_single

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEPS, BATCH, INPUTS, HIDDEN = 6, 3, 2, 5
OPTIONS: list[dict[str, Any]] = [
    {"recurrent_dropout": 0.3},
    {"zoneout": 0.2},
    {"layer_norm": True},
    {"clip_state_grad": 0.05},
    {"clip_state_grad": nn.NormClip(0.05)},
]


def norm(x: Tensor, gain: Tensor | float = 1.0) -> Tensor:
    """Ba et al. 2016, equation 3."""
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * gain


def halves(w: dict[str, Tensor], x: Tensor, h: Tensor, cut: int) -> tuple[Tensor, Tensor]:
    """Both halves of the pre-activations, the first `cut` of each normalised apart from the others."""
    parts = []
    for values, name in ((x, "ih"), (h, "hh")):
        product, gain = values @ w[f"weight_{name}"].T, w[f"gain_{name}"]
        groups = [norm(product[:, :cut], gain[:cut])]
        if cut < product.shape[1]:
            groups.append(norm(product[:, cut:], gain[cut:]))
        parts.append(torch.cat(groups, 1) + w[f"bias_{name}"])
    return parts[0], parts[1]


def normalized_step(layer: str, w: dict[str, Tensor], x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    h = state[0]
    if layer == "RNN":
        return (tanh(sum(halves(w, x, h, HIDDEN))),)
    if layer == "GRU":
        (r_x, z_x, n_x), (r_h, z_h, n_h) = (half.chunk(3, 1) for half in halves(w, x, h, 2 * HIDDEN))
        z = sigmoid(z_x + z_h)
        return ((1 - z) * tanh(n_x + sigmoid(r_x + r_h) * n_h) + z * h,)
    i, f, g, o = sum(halves(w, x, h, 4 * HIDDEN)).chunk(4, 1)
    c = sigmoid(f) * state[1] + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(norm(c, w["gain_state"]) + w["bias_state"]), c


@pytest.mark.parametrize("layer", OF_TORCH)
def test_layer_normalization_is_that_of_its_source(layer: str) -> None:
    module = getattr(nn, layer)(INPUTS, HIDDEN, layer_norm=True, dtype=torch.float64)
    assert_close(module.gain_hh_l0.detach(), torch.ones_like(module.gain_hh_l0), "exact")
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    x = torch.randn(STEPS, BATCH, INPUTS, dtype=torch.float64, requires_grad=True)
    y, _ = module(x)
    w = {name.removesuffix("_l0"): value for name, value in module.named_parameters()}
    state, outputs = tuple(x.new_zeros(BATCH, HIDDEN) for _ in module.cell.states), []
    for t in range(STEPS):
        state = normalized_step(layer, w, x[t], state)
        outputs.append(state[0])
    expected = torch.stack(outputs)
    assert_close(y, expected, "forward")
    leaves = {"x": x, **w}
    gradients = [torch.autograd.grad(o.sin().sum(), list(leaves.values())) for o in (y, expected)]
    assert_close(*(dict(zip(leaves, g, strict=True)) for g in gradients), "gradient")


def keeper(**options: Any) -> nn.RNN:
    """A relu network that does nothing but keep its state."""
    module = nn.RNN(1, 400, nonlinearity="relu", initialization=nn.Identity(std=0.0), **options)
    return module.double()


def test_recurrent_dropout_has_one_mask_for_each_sequence_at_all_steps() -> None:
    module = keeper(recurrent_dropout=0.25)
    y, _ = module(torch.zeros(4, 3, 1, dtype=torch.float64), torch.ones(1, 3, 400, dtype=torch.float64))
    factor = y[0]
    assert set(factor.unique().tolist()) == {0.0, 4 / 3}
    assert 0.1 < float((factor == 0).double().mean()) < 0.4
    assert_close(y, torch.stack([factor**t for t in (1, 2, 3, 4)]), "forward")
    assert not torch.equal(factor[0], factor[1])
    assert tt.which_path(module, y[..., :1]) == "reference: recurrent dropout is not compiled"
    module.eval()
    assert tt.which_path(module, y[..., :1]).startswith("kernel")
    y, _ = module(torch.zeros(4, 3, 1, dtype=torch.float64), torch.ones(1, 3, 400, dtype=torch.float64))
    assert_close(y, torch.ones_like(y), "exact")


def test_layers_and_directions_drop_out_apart() -> None:
    module = keeper(recurrent_dropout=0.5, bidirectional=True)
    y, _ = module(torch.zeros(1, 1, 1, dtype=torch.float64), torch.ones(2, 1, 400, dtype=torch.float64))
    assert not torch.equal(y[0, 0, :400], y[0, 0, 400:])


@pytest.mark.parametrize("layer", NAMES)
def test_zoneout_keeps_what_was_in_training_and_takes_the_mean_in_evaluation(layer: str) -> None:
    rates = [0.3, 0.1][: len(getattr(nn, layer).cell.states)]
    zoneout = tuple(rates) if len(rates) > 1 else rates[0]
    module = getattr(nn, layer)(INPUTS, 200, zoneout=zoneout, dtype=torch.float64)
    plain = getattr(nn, layer)(INPUTS, 200, dtype=torch.float64)
    plain.load_state_dict(module.state_dict())
    x = torch.randn(1, BATCH, INPUTS, dtype=torch.float64)
    old: tuple[Tensor, ...] = tuple(torch.randn(1, BATCH, 200, dtype=torch.float64) for _ in rates)

    def states(of: torch.nn.Module) -> tuple[Tensor, ...]:
        _, finals = of(x, unwrap_single(old))
        return finals if isinstance(finals, tuple) else (finals,)

    new = states(plain)
    for rate, kept, before, after in zip(rates, states(module), old, new, strict=True):
        assert bool(((kept == before) | ((kept - after).abs() < 1e-12)).all())
        assert float((kept == before).double().mean()) == pytest.approx(rate, abs=0.08)
    means = [rate * before + (1 - rate) * after for rate, before, after in zip(rates, old, new, strict=True)]
    assert_close(list(states(module.eval())), means, "forward")


@pytest.mark.parametrize("layer", NAMES)
@pytest.mark.parametrize("limit", [0.05, nn.NormClip(0.05), torch.zeros_like], ids=["number", "norm", "function"])
def test_gradients_are_clipped_between_steps(layer: str, limit: float | Callable[[Tensor], Tensor]) -> None:
    module = getattr(nn, layer)(INPUTS, HIDDEN, clip_state_grad=limit, dtype=torch.float64)
    plain = getattr(nn, layer)(INPUTS, HIDDEN, dtype=torch.float64)
    plain.load_state_dict(module.state_dict())
    x = torch.randn(STEPS, BATCH, INPUTS, dtype=torch.float64)
    dy = torch.randn(STEPS, BATCH, HIDDEN, dtype=torch.float64)
    y, _ = module(x)
    y.backward(dy)

    def clip(gradient: Tensor) -> Tensor:
        if isinstance(limit, float):
            return gradient.clamp(-limit, limit)
        if isinstance(limit, nn.NormClip):
            return gradient * (limit.limit / gradient.norm(dim=-1, keepdim=True)).clamp(max=1)
        return limit(gradient)

    before: list[tuple[Tensor, ...]] = [tuple(x.new_zeros(1, BATCH, HIDDEN) for _ in module.cell.states)]
    with torch.no_grad():
        for t in range(STEPS):
            _, state = plain(x[t : t + 1], unwrap_single(before[-1]))
            before.append(state if isinstance(state, tuple) else (state,))
    carry = tuple(torch.zeros_like(s) for s in before[0])
    weights = {name: torch.zeros_like(value) for name, value in plain.named_parameters()}
    for t in reversed(range(STEPS)):
        entering: tuple[Tensor, ...] = tuple(s.clone().requires_grad_() for s in before[t])
        _, state = plain(x[t : t + 1], unwrap_single(entering))
        state = state if isinstance(state, tuple) else (state,)
        leaving = (carry[0] + dy[t], *carry[1:])
        (*dstate,) = torch.autograd.grad(state, [*entering, *plain.parameters()], leaving)
        carry = tuple(clip(d) for d in dstate[: len(entering)])
        for name, share in zip(weights, dstate[len(entering) :], strict=True):
            weights[name] += share
    assert_close({name: p.grad for name, p in module.named_parameters()}, weights, "gradient")
    compiled = limit is not torch.zeros_like
    path = "kernel" if compiled else "reference: clip_state_grad as a function is not compiled"
    assert tt.which_path(module, x).startswith(path)
    with torch.no_grad():
        assert tt.which_path(module, x).startswith("kernel")


CLIPPED: list[tuple[str, dict[str, Any]]] = [
    ("RNN", {"nonlinearity": "relu"}),
    ("GRU", {}),
    ("LSTM", {}),
    ("LSTM", {"peephole": True}),
    ("LSTM", {"coupled_gates": True}),
]


@pytest.mark.parametrize(("layer", "options"), CLIPPED, ids=str)
@pytest.mark.parametrize("limit", [0.02, nn.NormClip(0.05)], ids=str)
@pytest.mark.parametrize("batch", [1, 3, 20])
def test_kernels_clip_as_the_reference_does(
    layer: str, options: dict[str, Any], limit: float | nn.NormClip, batch: int
) -> None:
    # A single row of many units is shared out between the threads of a team.
    inputs, hidden, steps = (3, 190, 40) if batch == 1 else (17, 21, 12)
    shape = inputs, hidden
    kept: dict[str, Any] = {"num_layers": 2, "bidirectional": batch > 1, "dtype": torch.float64, **options}
    module = getattr(nn, layer)(*shape, **kept, clip_state_grad=limit)
    # The same as functions that no kernel knows.
    same = getattr(nn, layer)(
        *shape,
        **kept,
        clip_state_grad=limit.__call__ if callable(limit) else lambda d: d.clamp(-limit, limit),
    )
    free = getattr(nn, layer)(*shape, **kept)
    for other in (same, free):
        other.load_state_dict(module.state_dict())
    x = torch.randn(steps, batch, inputs, dtype=torch.float64)
    lengths = None if batch == 1 else torch.randint(0, steps + 1, (batch,))
    rows = module.num_layers * module.directions
    initial = tuple(torch.randn(rows, batch, hidden, dtype=torch.float64) for _ in module.cell.states)

    def gradients(of: torch.nn.Module) -> dict[str, Tensor]:
        leaves = [leaf.clone().requires_grad_() for leaf in (x, *initial)]
        y, finals = of(leaves[0], unwrap_single(tuple(leaves[1:])), lengths=lengths)
        ends = finals if isinstance(finals, tuple) else (finals,)
        loss = sum(o.sin().sum() for o in (y, *ends))
        result = torch.autograd.grad(loss, [*leaves, *of.parameters()])
        names = ["x", *module.cell.states, *dict(of.named_parameters())]
        return dict(zip(names, result, strict=True))

    assert tt.which_path(module, x).startswith("kernel")
    assert tt.which_path(same, x).startswith("reference")
    clipped = gradients(module)
    assert_close(clipped, gradients(same), "gradient")
    assert not torch.allclose(clipped["h"], gradients(free)["h"])
    try:
        torch.set_num_threads(1)
        assert_close(gradients(module), clipped, "gradient")
    finally:
        torch.set_num_threads(2)


def test_clipped_gradients_are_the_same_where_they_are_to_be_differentiated_again() -> None:
    module = nn.LSTM(INPUTS, HIDDEN, clip_state_grad=nn.NormClip(0.05), dtype=torch.float64)
    x = torch.randn(STEPS, BATCH, INPUTS, dtype=torch.float64, requires_grad=True)
    (plain,) = torch.autograd.grad(module(x)[0].sin().sum(), x)
    (dx,) = torch.autograd.grad(module(x)[0].sin().sum(), x, create_graph=True)
    assert_close(dx, plain, "gradient")
    dx.square().sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize("layer", NAMES)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_survive_copies_and_files(layer: str, options: dict[str, Any], tmp_path: Path) -> None:
    module = getattr(nn, layer)(INPUTS, HIDDEN, num_layers=2, bidirectional=True, **options).eval()
    x = torch.randn(STEPS, BATCH, INPUTS)
    expected = module(x)
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert repr(again) == repr(module)
        assert next(iter(options)) in repr(again)
        assert_close(again(x), expected, "exact")
    again = getattr(nn, layer)(INPUTS, HIDDEN, num_layers=2, bidirectional=True, **options).eval()
    again.load_state_dict(module.state_dict(), strict=True)
    assert_close(again(x), expected, "exact")
    if callable(options.get("clip_state_grad")):
        with pytest.raises(tt.InputError, match="clip_state_grad: expected a number, got a function"):
            tt.save(module, tmp_path / "model")
    else:
        tt.save(module, tmp_path / "model")
        loaded = tt.load(tmp_path / "model").eval()
        assert repr(loaded) == repr(module)
        assert_close(loaded(x), expected, "exact")


VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("LSTM", {"peephole": True}),
    ("LSTM", {"coupled_gates": True, "peephole": True, "zoneout": (0.1, 0.2)}),
    ("GRU", {"reset_after": False}),
    ("GRU", {"proj_size": 2}),
    ("RNN", {"proj_size": 2}),
]


@pytest.mark.parametrize(("layer", "options"), VARIANTS, ids=str)
def test_variants_survive_files(layer: str, options: dict[str, Any], tmp_path: Path) -> None:
    module = getattr(nn, layer)(INPUTS, HIDDEN, num_layers=2, **options).eval()
    tt.save(module, tmp_path / "model")
    again = tt.load(tmp_path / "model").eval()
    x = torch.randn(STEPS, BATCH, INPUTS)
    assert repr(again) == repr(module)
    assert_close(again(x), module(x), "exact")


@pytest.mark.parametrize(
    "options", [{"peephole": True}, {"coupled_gates": True}, {"coupled_gates": True, "peephole": True}], ids=str
)
def test_the_runtime_runs_what_is_compiled(options: dict[str, Any], tmp_path: Path) -> None:
    module = nn.LSTM(INPUTS, HIDDEN, num_layers=2, recurrent_dropout=0.5, clip_state_grad=1.0, **options).eval()
    with torch.no_grad():
        module.diagonal_l1.normal_() if options.get("peephole") else None
    tt.save(module, tmp_path / "model")
    x = torch.randn(STEPS, INPUTS)
    assert_close(runtime.load(tmp_path / "model").run(x.numpy()), module(x)[0], "forward")


@pytest.mark.parametrize(
    ("built", "message"),
    [
        (nn.GRU(2, 5, layer_norm=True), "runtime: expected a network without layer_norm"),
        (nn.GRU(2, 5, zoneout=0.1), "runtime: expected a network without zoneout"),
        (nn.GRU(2, 5, reset_after=False), "cell 'gru_before' with activation 'tanh' is not compiled"),
        (nn.RNN(2, 5, proj_size=3), "without projections"),
    ],
)
def test_the_runtime_refuses_what_is_not(built: torch.nn.Module, message: str, tmp_path: Path) -> None:
    tt.save(built, tmp_path / "model")
    with pytest.raises(tt.InputError, match=message):
        runtime.load(tmp_path / "model")


@pytest.mark.parametrize(("layer", "options"), [*VARIANTS, *(("LSTM", o) for o in OPTIONS)], ids=str)
def test_a_trace_and_the_doctor_see_what_the_layer_does(layer: str, options: dict[str, Any]) -> None:
    module = getattr(nn, layer)(INPUTS, HIDDEN, num_layers=2, dtype=torch.float64, **options).eval()
    x = torch.randn(STEPS, BATCH, INPUTS, dtype=torch.float64)
    seen = nn.trace(module, x)
    assert_close(seen[-1].states["h"], module(x)[0].detach(), "forward")
    assert set(seen[0].gates) == set(module.cell.gates)
    assert len(training.doctor(module.train(), x).layers) == 2


@pytest.mark.parametrize(("layer", "options"), [*VARIANTS, *(("GRU", o) for o in OPTIONS)], ids=str)
def test_layers_with_options_can_be_trained(layer: str, options: dict[str, Any]) -> None:
    model = nn.ManyToMany(getattr(nn, layer)(INPUTS, 8, **options), 1)
    x = torch.randn(30, 4, INPUTS)
    y = x.roll(1, 0)[..., :1].clone()
    y[0] = 0
    compiled = layer == "LSTM" and "zoneout" not in options
    for bptt in (training.FullBPTT(), training.TruncatedBPTT(5, 10), training.CheckpointedBPTT()):
        history = training.fit(model, (x, y), bptt=bptt, stop=[training.Epochs(30)])
        assert history.records[-1].loss < history.records[0].loss
        assert (history.path == "compiled") == (compiled and not bptt.fallback_reason)


@pytest.mark.parametrize("options", OPTIONS[1:], ids=str)
def test_transformations_see_the_options(options: dict[str, Any]) -> None:
    module = nn.LSTM(INPUTS, HIDDEN, dtype=torch.float64, **options).eval()
    x = torch.randn(4, STEPS, BATCH, INPUTS, dtype=torch.float64)

    def loss(arguments: Tensor) -> Tensor:
        return module(arguments)[0].sin().sum()

    def gradient(arguments: Tensor) -> Tensor:
        leaf = arguments.clone().requires_grad_()
        (actual,) = torch.autograd.grad(loss(leaf), leaf)
        return actual

    assert_close(torch.func.vmap(loss)(x), torch.stack([loss(one) for one in x]), "forward")
    expected = torch.stack([gradient(one) for one in x])
    assert_close(torch.stack([torch.func.grad(loss)(one) for one in x]), expected, "gradient")
    assert_close(torch.func.vmap(torch.func.grad(loss))(x), expected, "gradient")


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"recurrent_dropout: expected a probability in \[0, 1\), got 1.5"):
        nn.GRU(2, 5, recurrent_dropout=1.5)
    with pytest.raises(ValueError, match=r"zoneout: expected a probability in \[0, 1\), got -0.1"):
        nn.RNN(2, 5, zoneout=-0.1)
    with pytest.raises(ValueError, match="clip_state_grad: expected a limit above 0, a function of a gradient"):
        nn.LSTM(2, 5, clip_state_grad=0.0)
    with pytest.raises(ValueError, match="NormClip: expected a limit above 0, got 0"):
        nn.NormClip(0)
