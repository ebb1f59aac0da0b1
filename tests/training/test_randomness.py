"""Random numbers of a training are its own: in threads, and apart from the global generators."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import throughtime as tt
from throughtime import nn, training
from throughtime._core.rng import PrivateRandom
from throughtime.tasks.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable


class RandomNetwork(torch.nn.Module):
    """A model whose own code draws."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = torch.nn.LSTM(2, 4, 2, dropout=0.5)
        self.out = torch.nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.dropout(self.rnn(x + torch.randn_like(x))[0], 0.3, self.training)
        return self.out(y)


def state(seed: int) -> list[list[float]]:
    model, (x, y) = trained_on(seed)
    rows = [(x[:, i], y[:, i]) for i in range(4)]
    reader = torch.utils.data.DataLoader(
        rows,
        2,
        shuffle=True,
        collate_fn=lambda examples: [torch.stack(tensors, 1) for tensors in zip(*examples, strict=True)],
    )
    training.fit(model, reader, seed=seed, stop=[training.Epochs(2)])
    return [p.tolist() for p in model.parameters()]


def trained_on(seed: int) -> tuple[torch.nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    with PrivateRandom(seed):
        return RandomNetwork(), (torch.randn(6, 4, 2), torch.randn(6, 4, 1))


def forecasts(seed: int) -> Any:
    days = pd.date_range("2024-01-01", periods=40)
    frame = pd.DataFrame({"ds": days, "y": np.sin(np.arange(40) + seed)})
    forecaster = tt.Forecaster(2, preset="fast", random_state=seed).fit(frame)
    return forecaster.predict().throughtime.to_numpy().tolist()


def classes(seed: int) -> Any:
    x = [[[float(np.sin(i * t))] for t in range(12)] for i in range(12)]
    classifier = tt.SequenceClassifier(preset="fast", hidden_size=4, random_state=seed)
    return classifier.fit(x, [i % 2 for i in range(12)]).predict_proba(x).tolist()


def tags(seed: int) -> Any:
    sentences = [["the", "cat", "sat"], ["a", "dog"], ["the", "dog", "ran", "off"]] * 4
    labels = [["D", "N", "V"], ["D", "N"], ["D", "N", "V", "P"]] * 4
    tagger = tt.SequenceTagger(preset="fast", hidden_size=4, random_state=seed).fit(sentences, labels)
    return [p.tolist() for p in tagger.predict_proba(sentences)]


def text(seed: int) -> Any:
    generator = tt.SequenceGenerator(hidden_size=8, epochs=2, random_state=seed).fit("abcabcabcabd " * 20)
    return generator.sample(12, random_state=seed)


def translation(seed: int) -> Any:
    pairs = [["a b c", "b c", "c a", "a a b"] * 3, ["x y z", "y z", "z x", "x x y"] * 3]
    translator = tt.SequenceTranslator(hidden_size=8, epochs=2, random_state=seed).fit(*pairs)
    return [p.tolist() for p in translator.network_.parameters()]


@pytest.mark.usefixtures("unchecked_shapes")
def test_a_model_that_draws_is_trained_in_threads_as_alone() -> None:
    check(state)


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("fit", [forecasts, classes, tags, text, translation], ids=lambda f: f.__name__)
def test_estimators_are_fitted_in_threads_as_alone(fit: Callable[[int], Any]) -> None:
    check(fit)


def check(fit: Callable[[int], Any]) -> None:
    """Fit in threads, with another thread that draws from the global generator all along."""
    alone = [fit(seed) for seed in (1, 2)]
    torch.manual_seed(0)
    expected = [float(torch.rand(())) for _ in range(5_000)]
    torch.manual_seed(0)
    before, others = np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002  the global one is meant
    samples: list[float] = []
    ended = Event()

    def draw() -> None:
        while not ended.wait(0.002) and len(samples) < 5_000:
            samples.append(float(torch.rand(())))

    thread = Thread(target=draw)
    thread.start()
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(fit, (1, 2, 1)))
    ended.set()
    thread.join()
    assert together == [alone[0], alone[1], alone[0]]
    assert samples == expected[: len(samples)]
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    assert random.getstate() == others


def test_private_draws_are_those_of_a_seed() -> None:
    def draws() -> list[torch.Tensor]:
        x = torch.ones(3, 4)
        attention = torch.nn.MultiheadAttention(4, 2, dropout=0.5)
        sampled = torch.distributions.Normal(0.0, 1.0).sample((2,))
        parts = torch.utils.data.random_split(range(9), [4, 5])
        return [
            *(torch.randint(9, (3,)), torch.randint(2, 9, (3,)), torch.randint_like(x, 9), torch.rand(2, 3)),
            *(functional.dropout(x), functional.gumbel_softmax(x), functional.alpha_dropout(x, training=True)),
            *(torch.nn.Linear(2, 3).weight, torch.nn.GRU(4, 3, 2, dropout=0.5)(x)[0], attention(x, x, x)[0], sampled),
            *(torch.nn.init.orthogonal_(torch.empty(3, 3)), torch.tensor(parts[0].indices), torch.poisson(x)),
        ]

    torch.manual_seed(5)
    expected = draws()
    before = torch.get_rng_state()
    with PrivateRandom(5):
        actual = draws()
    assert torch.equal(before, torch.get_rng_state())
    for value, other in zip(actual, expected, strict=True):
        assert torch.equal(value, other)


def test_a_training_that_is_interrupted_leaves_the_global_generator_as_it_was() -> None:
    def interrupt(_: training.Progress) -> None:
        raise KeyboardInterrupt

    data = torch.zeros(4, 2, 2), torch.zeros(4, 2, 1)
    for model in (nn.ManyToMany(nn.GRU(2, 3, 2, dropout=0.5), 1), RandomNetwork()):
        before = torch.get_rng_state()
        with pytest.raises(training.Interrupted):
            training.fit(model, data, seed=1, callbacks=[interrupt])
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("reentrant", [True, False])
def test_draws_that_would_differ_in_the_backward_pass_are_refused(*, reentrant: bool) -> None:
    class Repeating(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = torch.nn.Linear(2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = checkpoint(functional.dropout, self.out(x), use_reentrant=reentrant)
            assert isinstance(y, torch.Tensor)
            return y**2

    data, stop = (torch.ones(3, 2, 2), torch.zeros(3, 2, 1)), [training.Epochs(1)]
    with pytest.raises(RuntimeError, match="seed=None"):
        training.fit(Repeating(), data, seed=1, stop=stop)
    training.fit(Repeating(), data, stop=stop)


def test_one_thread_counts_for_the_thread_that_asks() -> None:
    seen: list[int] = []

    def look() -> None:
        thread = Thread(target=lambda: seen.append(torch.get_num_threads()))
        thread.start()
        thread.join()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            look()
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        look()
        assert seen == [2, 2]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("seed", [1.5, "7", 2**64, -(2**63) - 1])
def test_a_seed_that_torch_cannot_take_is_refused(seed: Any) -> None:
    x = torch.zeros(3, 2, 1)
    with pytest.raises(ValueError, match="seed: expected an integer from"):
        training.fit(nn.ManyToMany(nn.RNN(1, 1), 1), (x, x), stop=[training.Epochs(1)], seed=seed)


@pytest.mark.parametrize("seed", [np.int64(7), np.uint8(7), torch.tensor(7)])
def test_whole_numbers_of_numpy_and_torch_are_seeds(seed: Any) -> None:
    def samples(seed: Any) -> torch.Tensor:
        with PrivateRandom(seed):
            return torch.rand(3)

    assert torch.equal(samples(seed), samples(7))
