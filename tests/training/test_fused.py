"""Updates in the engine: equal to those of autograd, one by one, and used where the engine covers them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from tests.tolerances import assert_close

from throughtime import nn, training
from throughtime.training._fused import FusedUpdater

STEPS, BATCH, INPUTS, HIDDEN, OUTPUTS = 23, 3, 2, 9, 5
RULES: dict[str, Any] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adam with decay": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
}
STRATEGIES = [
    training.FullBPTT(),
    training.TruncatedBPTT(1, 4),
    training.TruncatedBPTT(2, 5),
    training.TruncatedBPTT(6, 6),
]


def data(loss: str, *, final: bool = False, batch_first: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(STEPS, BATCH, INPUTS, dtype=torch.float64)
    shape = (BATCH,) if final else (STEPS, BATCH)
    y = torch.randint(OUTPUTS, shape) if loss == "cross_entropy" else torch.randn(*shape, OUTPUTS, dtype=torch.float64)
    return (x.transpose(0, 1), y if final else y.transpose(0, 1)) if batch_first else (x, y)


def fitted(model: torch.nn.Module, inputs: Any, general: bool, **options: Any) -> tuple[dict[str, Any], Any, Any]:
    """Train through the engine or through autograd; return weights, optimizer and history."""
    trained, kept = copy.deepcopy(model), []
    built: list[torch.optim.Optimizer] = []
    build = options.pop("optimizer")

    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        built.append(build(parameters))
        if general:
            built[0].register_step_post_hook(lambda *_: None)  # hooks are not compiled
        return built[0]

    history = training.fit(trained, inputs, optimizer=optimizer, callbacks=[kept.append], **options)
    return {name: value.clone() for name, value in trained.state_dict().items()}, built[0], history


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("bptt", STRATEGIES, ids=str)
def test_every_update_is_that_of_the_general_path(layer: str, loss: str, bptt: Any) -> None:
    model = nn.ManyToMany(getattr(nn, layer)(INPUTS, HIDDEN, num_layers=2, dtype=torch.float64), OUTPUTS)
    inputs = data(loss)
    for updates in (1, 2, 7, 40):
        results = [
            fitted(
                model,
                inputs,
                general,
                loss=loss,
                bptt=bptt,
                clip=0.3,
                optimizer=RULES["adam"],
                stop=[training.Updates(updates), training.Epochs(40)],
            )
            for general in (False, True)
        ]
        (ours, _, history), (theirs, _, expected) = results
        assert history.path == "compiled"
        assert expected.path == "general: the optimizer has hooks"
        assert_close(ours, theirs, "update")
        assert_close([r.loss for r in history.records], [r.loss for r in expected.records], "update")
        assert [r.updates for r in history.records] == [r.updates for r in expected.records]
        assert [r.clipped for r in history.records] == [r.clipped for r in expected.records]


@pytest.mark.parametrize("options", [{"peephole": True}, {"coupled_gates": True, "peephole": True}], ids=str)
def test_pointwise_weights_are_trained_too(options: dict[str, bool]) -> None:
    model = nn.ManyToMany(nn.LSTM(INPUTS, HIDDEN, num_layers=2, dtype=torch.float64, **options), OUTPUTS)
    batch, before = data("mse"), model.layer.get_parameter("diagonal_l0").detach().clone()
    results = [
        fitted(
            model, batch, general, optimizer=RULES["adam"], bptt=training.TruncatedBPTT(2, 5), stop=[training.Epochs(3)]
        )
        for general in (False, True)
    ]
    assert results[0][2].path == "compiled"
    assert_close(results[0][0], results[1][0], "update")
    assert not torch.equal(results[0][0]["layer.diagonal_l0"], before)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("batch_first", [False, True])
def test_optimizers_go_on_where_the_engine_left_them(rule: str, batch_first: bool) -> None:
    model = nn.ManyToMany(nn.LSTM(INPUTS, HIDDEN, batch_first=batch_first, dtype=torch.float64), OUTPUTS)
    batch = data("mse", batch_first=batch_first)
    kept = []
    for general in (False, True):
        weights, optimizer, _ = fitted(
            model, batch, general, bptt=training.TruncatedBPTT(3, 6), optimizer=RULES[rule], stop=[training.Epochs(3)]
        )
        states = [{k: v for k, v in s.items() if v is not None} for s in optimizer.state.values()]
        kept.append((weights, states))
    assert_close(kept[0], kept[1], "update")


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_one_output_for_a_sequence(loss: str) -> None:
    model = nn.ManyToOne(nn.GRU(INPUTS, HIDDEN, dtype=torch.float64), OUTPUTS)
    batch = data(loss, final=True)
    results = [
        fitted(model, batch, general, loss=loss, optimizer=RULES["adam"], stop=[training.Epochs(5)])
        for general in (False, True)
    ]
    assert results[0][2].path == "compiled"
    assert_close(results[0][0], results[1][0], "update")


def test_a_stream_is_carried_from_batch_to_batch() -> None:
    model = nn.ManyToMany(nn.LSTM(INPUTS, HIDDEN, dtype=torch.float64), OUTPUTS)
    batches = [training.Batch(*data("mse"), None, torch.tensor([first, False, not first])) for first in (True, False)]
    results = [
        fitted(
            model,
            batches,
            general,
            bptt=training.TruncatedBPTT(4, 4),
            optimizer=RULES["sgd"],
            stop=[training.Epochs(2)],
        )
        for general in (False, True)
    ]
    assert_close(results[0][0], results[1][0], "update")


def test_a_schedule_is_followed() -> None:
    model = nn.ManyToMany(nn.RNN(INPUTS, HIDDEN, dtype=torch.float64), OUTPUTS)
    batch = data("mse")
    results = [
        fitted(
            model,
            batch,
            general,
            bptt=training.TruncatedBPTT(1, 3),
            optimizer=RULES["adam"],
            schedule=lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9),
            stop=[training.Epochs(1)],
        )
        for general in (False, True)
    ]
    assert results[0][2].path == "compiled"
    assert_close(results[0][0], results[1][0], "update")


def test_a_loss_that_is_no_number_stops_before_its_update() -> None:
    model = nn.ManyToMany(nn.GRU(INPUTS, HIDDEN, dtype=torch.float64), OUTPUTS)
    x, y = data("mse")
    y[10] = torch.nan
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(training.NonFiniteLoss, match=r"target y has nan at step 10, sequence 0, feature 0"):
        training.fit(model, (x, y), bptt=training.TruncatedBPTT(1, 1), stop=[training.Epochs(1)])
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert not torch.equal(before["output.weight"], model.state_dict()["output.weight"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.layer.register_forward_hook(lambda *_: None), "hooks"),
        (lambda m: m.layer.weight_hh_l0.requires_grad_(False), "frozen"),
        (lambda m: setattr(m.output, "activation", "tanh"), "activation"),
        (lambda m: setattr(m, "layer", nn.GRU(INPUTS, HIDDEN, activation=torch.sin)), "sin"),
        (lambda m: m.to(torch.bfloat16), "float32"),
        (lambda m: setattr(m, "layer", nn.GRU(INPUTS, HIDDEN, recurrent_dropout=0.1)), "options"),
        (lambda m: m.register_parameter("other", torch.nn.Parameter(torch.zeros(1))), "others"),
    ],
)
def test_what_is_not_plain_takes_the_general_path(change: Any, reason: str) -> None:
    model = nn.ManyToMany(nn.GRU(INPUTS, HIDDEN), OUTPUTS)
    change(model)
    path, why = FusedUpdater.create(
        model, torch.nn.functional.mse_loss, torch.optim.Adam(model.parameters()), training.FullBPTT()
    )
    assert path is None
    assert reason in why
