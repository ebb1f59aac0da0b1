"""Code of the user takes effect or is refused: losses, forwards, hooks, shared weights, iterables, states."""

from __future__ import annotations

import copy
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.tolerances import assert_close

from throughtime import InputError, nn, training

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ONE = [training.Epochs(1)]
FIVE = [training.Epochs(5)]


def data(steps: int = 20, rows: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(steps, rows, 2), torch.randn(steps, rows, 1)


def model_of(**options: Any) -> nn.ManyToMany:
    return nn.ManyToMany(nn.GRU(2, 6, **options), 1)


def mean_square(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """What the engine does not know by its name."""
    return (y - target).square().mean()


def difference(one: torch.nn.Module, other: torch.nn.Module) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((p - q).detach().abs().max()) for p, q in pairs)


# -- the engine leaves alone what it does not know


class Root(torch.nn.MSELoss):
    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return super().forward(input, target).sqrt()


class Residual(nn.ManyToMany):
    def forward(self, x: Any, state: Any = None, *, lengths: Any = None) -> Any:
        y, state = super().forward(x, state, lengths=lengths)
        return y + x[..., :1], state


class Doubled(nn.GRU):
    def forward(self, *args: Any, **options: Any) -> Any:
        y, state = super().forward(*args, **options)
        return 2 * y, state


def test_a_loss_of_custom_modules_is_what_is_minimised() -> None:
    one, x_y = model_of(), data()
    other = copy.deepcopy(one)
    history = training.fit(one, x_y, loss=Root(), optimizer="sgd", stop=FIVE)
    training.fit(other, x_y, loss=lambda y, t: mean_square(y, t).sqrt(), optimizer="sgd", stop=FIVE)
    assert history.path.startswith("general")
    assert_close(dict(one.named_parameters()), dict(other.named_parameters()), "update")


@pytest.mark.parametrize("make", [lambda: Residual(nn.GRU(2, 6), 1), lambda: nn.ManyToMany(Doubled(2, 6), 1)])
def test_a_forward_of_custom_modules_is_what_is_trained(make: Callable[[], nn.ManyToMany]) -> None:
    model, x_y = make(), data()
    before = training.evaluate(model, x_y)
    history = training.fit(model, x_y, stop=ONE)
    assert history.path.startswith("general")
    assert history.records[0].loss == pytest.approx(before, rel=1e-5)


def test_a_forward_put_on_an_object_is_what_is_trained() -> None:
    model, x_y = model_of(), data()
    model.forward = lambda x, state=None: (nn.ManyToMany.forward(model, x, state)[0] + 1, None)  # type: ignore[method-assign]
    before = training.evaluate(model, x_y)
    assert training.fit(model, x_y, stop=ONE).records[0].loss == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize("kind", ["parameter", "accumulated", "module", "everywhere"])
def test_hooks_are_called(kind: str) -> None:
    model, heard = model_of(), []
    hook: Any = lambda *_: heard.append(1)  # noqa: E731
    places: dict[str, Callable[[], Any]] = {
        "parameter": lambda: model.output.weight.register_hook(hook),
        "accumulated": lambda: model.output.weight.register_post_accumulate_grad_hook(hook),
        "module": lambda: model.output.register_full_backward_pre_hook(hook),
        "everywhere": lambda: torch.nn.modules.module.register_module_forward_hook(hook),
    }
    handle = places[kind]()
    try:
        training.fit(model, data(), stop=FIVE)
    finally:
        handle.remove()
    assert len(heard) >= 5


def test_what_a_callback_freezes_stays() -> None:
    model, kept = model_of(), []

    def freeze(progress: training.Progress) -> None:
        if progress.epoch == 3 and not kept:
            model.layer.requires_grad_(requires_grad=False)
            kept.append(model.layer.weight_hh_l0.clone())

    history = training.fit(model, data(), learning_rate=0.1, callbacks=[freeze], stop=[training.Epochs(6)])
    assert torch.equal(model.layer.weight_hh_l0, kept[0])
    assert history.path == "general: a parameter is frozen, has hooks or is not contiguous"


def test_an_activation_that_a_callback_sets_is_trained() -> None:
    losses = []
    for loss in ("mse", mean_square):
        torch.manual_seed(0)
        model = nn.ManyToMany(nn.RNN(2, 6), 1)

        def change(progress: training.Progress, model: nn.ManyToMany = model) -> None:
            if progress.epoch == 3:
                model.layer.activation = "relu"

        torch.manual_seed(1)
        history = training.fit(model, data(), loss=loss, learning_rate=0.05, callbacks=[change], stop=FIVE)
        losses.append([record.loss for record in history.records])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


@pytest.mark.parametrize("rule", [torch.optim.Adam, torch.optim.AdamW])
def test_weight_decay_is_decoupled_where_it_is_asked_for(rule: Any) -> None:
    one, x_y = model_of(), data()
    other = copy.deepcopy(one)
    more = {"decoupled_weight_decay": True} if rule is torch.optim.Adam else {}

    def optimizer(p: Any) -> torch.optim.Optimizer:
        return rule(p, lr=0.05, weight_decay=0.5, **more)

    assert training.fit(one, x_y, optimizer=optimizer, stop=FIVE).path == "compiled"
    training.fit(other, x_y, loss=mean_square, optimizer=optimizer, stop=FIVE)
    assert_close(dict(one.named_parameters()), dict(other.named_parameters()), "update")


def test_weights_that_are_shared_are_updated_once() -> None:
    layer = nn.GRU(6, 6, num_layers=2)
    layer.weight_ih_l1, layer.weight_hh_l1 = layer.weight_ih_l0, layer.weight_hh_l0
    one = nn.ManyToMany(layer, 1)
    other = copy.deepcopy(one)
    x_y = torch.randn(20, 4, 6), torch.randn(20, 4, 1)
    assert training.fit(one, x_y, learning_rate=0.05, stop=FIVE).path == "general: a parameter is shared"
    training.fit(other, x_y, loss=mean_square, learning_rate=0.05, stop=FIVE)
    assert_close(dict(one.named_parameters()), dict(other.named_parameters()), "update")


def test_the_history_tells_of_batches_that_were_not_compiled() -> None:
    x, y = data()
    history = training.fit(model_of(), (x, y, torch.tensor([20, 10, 5, 3])), stop=ONE)
    assert history.path == "general: sequences have different lengths"


def test_ignored_targets_are_ignored_everywhere() -> None:
    x, y = torch.randn(12, 4, 2), torch.randint(0, 3, (12, 4))
    y[3:6] = y[9, 2] = -100
    results = []
    for bptt, optimizer in (
        (training.FullBPTT(), "sgd"),
        (training.CheckpointedBPTT(), "sgd"),
        (training.FullBPTT(), lambda p: torch.optim.SGD(p, lr=1e-3, foreach=False)),
    ):
        torch.manual_seed(0)
        model = nn.ManyToMany(nn.GRU(2, 6), 3)
        history = training.fit(model, (x, y), loss="cross_entropy", bptt=bptt, optimizer=optimizer, stop=FIVE)
        results.append((dict(model.named_parameters()), torch.tensor([r.loss for r in history.records])))
    assert_close(results[1], results[0], "update")
    assert_close(results[2], results[0], "update")
    with pytest.raises(IndexError, match="targets: expected class numbers from 0 to 2, got 3"):
        training.fit(nn.ManyToMany(nn.GRU(2, 6), 3), (x, torch.full_like(y, 3)), loss="cross_entropy", stop=ONE)


# -- which targets count


class Ahead(torch.nn.Module):
    """Three steps for each sequence, whatever its length."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.EncoderDecoder(nn.GRU(2, 4), nn.GRU(1, 4), 1)

    def forward(self, x: torch.Tensor, lengths: Any = None) -> torch.Tensor:
        return self.inner(x, steps=3, lengths=lengths)[0]


class Flat(torch.nn.Module):
    """One number for each step, without a dimension for it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = model_of()

    def forward(self, x: torch.Tensor, lengths: Any = None) -> torch.Tensor:
        return self.inner(x, lengths=lengths)[0].squeeze(-1)


def test_lengths_of_inputs_say_nothing_of_outputs_of_another_length_and_all_of_those_along_them() -> None:
    seen: list[tuple[int, ...]] = []

    def loss(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(y.shape))
        return mean_square(y, target)

    lengths = torch.tensor([5, 2, 4, 1])
    training.fit(Ahead(), (torch.randn(5, 4, 2), torch.randn(3, 4, 1), lengths), loss=loss, stop=ONE)
    training.fit(Flat(), (torch.randn(5, 4, 2), torch.randn(5, 4), lengths), loss=loss, stop=ONE)
    assert seen == [(3, 4, 1), (12,)]


def test_as_many_outputs_as_steps_are_not_outputs_of_steps() -> None:
    model = nn.ManyToOne(nn.GRU(2, 6, batch_first=True), 12)
    x, y, lengths = torch.randn(8, 12, 2), torch.randn(8, 12), torch.tensor([12, *[3] * 7])
    with torch.no_grad():
        expected = float(mean_square(model(x, lengths=lengths)[0], y))
    assert training.evaluate(model, (x, y, lengths)) == pytest.approx(expected, rel=1e-6)
    assert training.fit(model, (x, y, lengths), stop=ONE).records[0].loss == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "bptt", [training.CheckpointedBPTT(), training.FullBPTT(), training.TruncatedBPTT(4, 4)], ids=str
)
def test_square_pieces_are_pieces_of_their_batch(bptt: Any) -> None:
    class Numbers(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model_of()

        def forward(self, x: torch.Tensor, state: Any = None, lengths: Any = None) -> Any:
            y, state = self.inner(x, state, lengths=lengths)
            return y.squeeze(-1), state

    x, y, lengths = torch.randn(16, 4, 2), torch.randn(16, 4), torch.tensor([16, 10, 4, 4])
    model = Numbers()
    expected = training.evaluate(model, (x, y, lengths))
    actual = training.fit(model, (x, y, lengths), bptt=bptt, learning_rate=0.0, stop=ONE).records[0].loss
    assert actual == pytest.approx(expected, rel=1e-5)


def test_ignored_targets_of_torchs_own_layout_are_ignored() -> None:
    class Tagger(torch.nn.Module):
        batch_first = True

        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.ManyToMany(nn.GRU(2, 6, batch_first=True), 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x)[0].transpose(1, 2)

    model, x, y = Tagger(), torch.randn(4, 10, 2), torch.randint(0, 3, (4, 10))
    for ignored in (1, 2, 9):
        y[:, -ignored:] = -100
        expected = float(torch.nn.functional.cross_entropy(model(x), y).detach())
        options: dict[str, Any] = {"loss": torch.nn.functional.cross_entropy, "learning_rate": 0.0, "stop": ONE}
        assert training.fit(model, (x, y), **options).records[0].loss == pytest.approx(expected, rel=1e-5)


def test_lengths_of_a_module_of_custom_modules_are_its_own_business() -> None:
    class Last(torch.nn.Module):  # the batch first, and no attribute that says so
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.output = torch.nn.GRU(2, 6, batch_first=True), torch.nn.Linear(6, 3)

        def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            return self.output(self.layer(x)[0][torch.arange(len(x)), lengths - 1])

    inputs = torch.randn(8, 12, 2), torch.randint(0, 3, (8,)), torch.randint(1, 13, (8,))
    assert len(training.fit(Last(), inputs, loss="cross_entropy", stop=ONE)) == 1
    single = torch.randn(12, 2), torch.randn(12, 1), torch.tensor([12])
    assert len(training.fit(nn.ManyToMany(nn.GRU(2, 6), 1), single[:2], stop=ONE)) == 1


@pytest.mark.parametrize("bptt", [training.TruncatedBPTT(1, 20), training.TruncatedBPTT(50, 100)], ids=str)
@pytest.mark.parametrize("steps", [20, 130, 500])
def test_every_target_of_a_stream_from_the_first_window_on_is_trained_on_once(
    bptt: training.TruncatedBPTT, steps: int
) -> None:
    s, count = torch.randn(1001, 1), 0

    def loss(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        nonlocal count
        count += len(y)
        return mean_square(y, target)

    streams = training.StatefulBatches([(s[:-1], s[1:])], steps=steps)
    model = nn.ManyToMany(nn.GRU(1, 3), 1)
    training.fit(model, streams, bptt=bptt, loss=loss, stop=ONE)
    assert count == 1000 - min(bptt.k2 - bptt.k1, steps)


def test_pieces_of_a_stream_are_trained_on_in_the_engine_as_outside() -> None:
    s = torch.randn(391, 1)
    one = nn.ManyToMany(nn.LSTM(1, 5), 1)
    other = copy.deepcopy(one)
    options: dict[str, Any] = {
        "bptt": training.TruncatedBPTT(2, 7),
        "optimizer": "sgd",
        "learning_rate": 0.3,
        "stop": ONE,
    }
    streams = training.StatefulBatches([(s[:-1], s[1:])] * 2, rows=2, steps=30)
    assert training.fit(one, streams, **options).path == "compiled"
    training.fit(other, streams, loss=mean_square, **options)
    assert_close(dict(one.named_parameters()), dict(other.named_parameters()), "update")


class Spy(nn.ManyToMany):
    """Notes each stretch that it runs over: its first input, its steps, and whether a state was given."""

    def __init__(self) -> None:
        super().__init__(nn.GRU(1, 3), 1)
        self.seen: list[tuple[int, int, bool]] = []

    def forward(self, x: Any, state: Any = None, *, lengths: Any = None) -> Any:
        self.seen.append((int(x[0, 0, 0]), len(x), state is not None))
        return super().forward(x, state, lengths=lengths)


def test_a_first_piece_that_is_too_short_is_remembered() -> None:
    s = torch.arange(41.0).unsqueeze(1)
    model = Spy()
    streams = training.StatefulBatches([(s[:-1], s[1:])], steps=10)
    training.fit(model, streams, bptt=training.TruncatedBPTT(5, 20), learning_rate=0.0, stop=ONE)
    assert model.seen[:2] == [(0, 10, False), (10, 5, True)]
    assert all(had_state for _, _, had_state in model.seen[1:])


def test_a_sequence_shorter_than_the_window_makes_no_update() -> None:
    x, y = torch.randn(3, 1, 2), torch.randn(3, 1, 1)
    long = data(8, 1)
    history = training.fit(
        model_of(), [training.Batch(x, y), training.Batch(*long)], bptt=training.TruncatedBPTT(1, 5), stop=ONE
    )
    assert history.records[0].updates == 8 - 5 + 1
    with pytest.raises(ValueError, match=r"a target for TruncatedBPTT\(k1=1, k2=5\), got none to train on"):
        training.fit(model_of(), (x, y), bptt=training.TruncatedBPTT(1, 5), stop=ONE)


class Words(torch.nn.Module):
    batch_first = True

    def __init__(self) -> None:
        super().__init__()
        self.words, self.layer, self.output = torch.nn.Embedding(9, 4), nn.GRU(4, 4, batch_first=True), nn.Output(4, 9)
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor, state: Any = None) -> Any:
        self.seen.append(tuple(x.shape))
        h, state = self.layer(self.words(x), state)
        return self.output(h), state


def test_tokens_with_the_batch_first_are_cut_in_time() -> None:
    model, tokens = Words(), torch.randint(0, 9, (8, 20))
    training.fit(model, (tokens, tokens), loss="cross_entropy", bptt=training.TruncatedBPTT(4, 4), stop=ONE)
    assert model.seen == [(8, 4)] * 5


class Two(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.output = nn.LSTM(2, 4), nn.GRU(4, 4), nn.Output(4, 1)

    def forward(self, x: torch.Tensor, state: Any = None, lengths: Any = None) -> Any:
        first, second = (None, None) if state is None else state
        h, first = self.a(x, first, lengths=lengths)
        h, second = self.b(h, second, lengths=lengths)
        return self.output(h), (first, second)


@pytest.mark.parametrize("bptt", [training.TruncatedBPTT(2, 4), training.CheckpointedBPTT()], ids=str)
def test_a_state_of_several_layers_is_carried(bptt: Any, tmp_path: Path) -> None:
    s = torch.randn(61, 2)
    streams = training.StatefulBatches([(s[:-1], s[1:, :1])], steps=12)
    checkpoints = training.Checkpoints(tmp_path / "kept", 0.0)
    history = training.fit(Two(), streams, bptt=bptt, stop=[training.Epochs(2)], checkpoints=checkpoints)
    assert len(history) == 2


@pytest.mark.parametrize(
    ("model", "values", "options", "message"),
    [
        (nn.ManyToOne(nn.GRU(2, 6), 1), (torch.ones(8, 8, 2), torch.ones(8, 1)), {}, "for a ManyToOne"),
        (nn.ManyToMany(nn.GRU(2, 6, bidirectional=True), 1), data(), {}, "got a bidirectional one; use FullBPTT"),
        (model_of(), (*data(), torch.tensor([21, 5, 5, 5])), {}, "lengths: expected 0 … 20"),
        (
            model_of(),
            (*data(), torch.tensor([-1, 5, 5, 5])),
            {"bptt": training.CheckpointedBPTT()},
            "lengths: expected",
        ),
        (model_of(), data(), {"clip": -1.0}, "clip: expected a norm above 0 or None, got -1.0"),
        (model_of(), data(), {"validation": []}, "validation: data: expected at least one target"),
        (model_of(), 3, {}, r"data: expected \(x, y\), \(x, y, lengths\) or batches, got int"),
        (model_of(), [torch.ones(3)], {}, "data: expected batches .* got Tensor"),
    ],
)
def test_what_cannot_be_cut_or_read_is_refused(model: Any, values: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        training.fit(model, values, **{"bptt": training.TruncatedBPTT(2, 4), "stop": ONE, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": torch.optim.LBFGS}, "optimizer: expected one that takes a step from one gradient, got LBFGS"),
        ({"schedule": torch.optim.lr_scheduler.ReduceLROnPlateau}, "schedule: expected one that takes a step after"),
        ({"checkpoints": "here"}, r"checkpoints: expected Checkpoints\(directory\) or None, got 'here'"),
    ],
)
def test_what_asks_for_more_than_gradients_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        training.fit(model_of(), data(), **options)


# -- readers


def test_readers_of_every_kind_are_read() -> None:
    x, y = data()
    set_of = torch.utils.data.TensorDataset(x.transpose(0, 1), y.transpose(0, 1))
    loader = torch.utils.data.DataLoader(set_of, batch_size=2)
    for values in (
        (training.Batch(x, y), training.Batch(x, y)),
        [(x, y), (x, y, [20, 10, 5, 3])],
        (x.numpy(), y.numpy()),
        (x, y, np.array([20, 10, 5, 3])),
    ):
        assert training.fit(model_of(), values, stop=ONE).records[0].updates in (1, 2)
    assert training.fit(model_of(batch_first=True), loader, stop=ONE).records[0].updates == 2


def test_any_callable_is_a_loss_and_any_rate_is_written() -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return mean_square(y, target)

    def optimizer(p: Any) -> torch.optim.Optimizer:
        return torch.optim.Adam(p, lr=torch.tensor(0.01))

    history = training.fit(model_of(), data(), loss=Unhashable(), optimizer=optimizer, stop=ONE)
    assert '"learning_rate": 0.009999' in history.to_lines()


def test_an_output_layer_of_custom_modules_is_trained() -> None:
    model = model_of()
    model.output = torch.nn.Sequential(torch.nn.Linear(6, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))  # type: ignore[assignment]
    assert training.fit(model, data(), stop=ONE).path == "general: a layer of the model has a forward of its own"


# -- validation


def test_a_validation_loss_that_is_no_number_ends_the_training() -> None:
    x, y = data()
    odd = y.clone()
    odd[3, 2] = float("nan")
    with pytest.raises(training.NonFiniteLoss, match="the validation loss is nan after epoch 1: the weights from"):
        training.fit(model_of(), (x, y), validation=(x, odd), stop=FIVE)


def test_a_failure_says_which_weights_are_left() -> None:
    x, y = data()

    def spoil(progress: training.Progress) -> None:
        if progress.epoch == 4:
            x[3, 2] = float("nan")

    model = model_of()
    with pytest.raises(training.NonFiniteLoss, match="those of epoch 1 are kept"):
        training.fit(model, (x, y), validation=data(), callbacks=[spoil], stop=[training.Epochs(9)], learning_rate=0.0)


# -- checkpoints


def test_another_criterion_goes_on(tmp_path: Path) -> None:
    model, x_y = model_of(), data()
    kept = training.Checkpoints(tmp_path / "kept")
    training.fit(model, x_y, stop=[training.Epochs(2)], checkpoints=kept)
    history = training.fit(model, x_y, stop=[training.Epochs(5)], checkpoints=kept)
    assert (len(history), history.stop_reason) == (5, "Epochs(epochs=5)")
    other = model_of()
    assert len(training.fit(other, x_y, stop=[training.Epochs(4)], checkpoints=kept)) == 5
    assert difference(model, other) == 0.0


def test_another_optimizer_or_schedule_does_not_go_on(tmp_path: Path) -> None:
    kept = training.Checkpoints(tmp_path / "kept")
    training.fit(model_of(), data(), optimizer="sgd", stop=ONE, checkpoints=kept)
    with pytest.raises(InputError, match="a training with the optimizer SGD; expected Adam"):
        training.fit(model_of(), data(), stop=FIVE, checkpoints=kept)
    with pytest.raises(InputError, match="a training without a schedule; expected one with a schedule"):
        training.fit(
            model_of(),
            data(),
            optimizer="sgd",
            schedule=lambda o: torch.optim.lr_scheduler.StepLR(o, 1),
            stop=FIVE,
            checkpoints=kept,
        )


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT, which Windows has not")
def test_ctrl_c_while_the_last_state_is_saved_is_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: Any) -> None:
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        threading.Event().wait(5)

    monkeypatch.setattr(training.Checkpoints, "write", slow)
    with pytest.raises(training.Interrupted):
        training.fit(model_of(), data(), stop=ONE, checkpoints=training.Checkpoints(tmp_path / "kept"))


# -- the doctor


def test_the_doctor_counts_from_the_last_step_of_each_sequence() -> None:
    model, x = model_of(), torch.randn(40, 2, 2)
    actual = training.doctor(model, x, lengths=[40, 30]).layers[0].state_gradients
    long, short = (
        training.doctor(model, x[:steps, row : row + 1]).layers[0].state_gradients for row, steps in ((0, 40), (1, 30))
    )
    # The mean over rows of the gradient of the mean of two outputs; beyond 30 steps there is one row.
    expected = [(a + b) / 4 for a, b in zip(long, short, strict=False)] + [a / 2 for a in long[30:]]
    np.testing.assert_allclose(actual, expected, rtol=1e-4)
    single = training.doctor(model, x[:, 0]).layers[0].state_gradients
    np.testing.assert_allclose(single, long, rtol=1e-4)


def test_the_doctor_looks_at_a_decoder_by_its_own_steps() -> None:
    model, x = nn.EncoderDecoder(nn.GRU(2, 4), nn.GRU(1, 4), 1), torch.randn(10, 3, 2)
    for steps in (4, 14):
        diagnosis = training.doctor(model, x, lengths=[10, 6, 3], inputs=torch.randn(steps, 3, 1))
        assert [len(layer.state_gradients) for layer in diagnosis.layers] == [10, steps]
        assert diagnosis.layers[1].state_gradients[0] > 0


def test_the_doctor_finds_nothing_where_there_is_nothing() -> None:
    assert training.doctor(torch.nn.Linear(2, 1), torch.randn(5, 3, 2)).verdict().startswith("There is no recurrent")
