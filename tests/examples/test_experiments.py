"""The classic experiments: their problems are what they say, and the gates cure what the plain network suffers from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from examples.experiments import figures, results
from examples.experiments.networks import NETWORKS
from examples.experiments.page import page, table
from examples.experiments.problems import PROBLEMS, adding, copy, latch, order, xor
from examples.experiments.runs import Run, run
from torch.nn.functional import cross_entropy

if TYPE_CHECKING:
    from pathlib import Path


def make_run(problem: str, network: str, losses: list[float]) -> Run:
    updates = list(range(0, 50 * len(losses), 50))
    return Run(problem, network, 17_000, updates, losses, 1.0, diverged=False, before=[1.0, 0.5], after=[1.0, 0.0])


def test_the_target_of_adding_is_the_sum_of_what_is_marked() -> None:
    x, y = adding(20).draw(50)
    values, marks = x.unbind(-1)
    assert torch.equal(marks[:10].sum(0), torch.ones(50))
    assert torch.equal(marks[10:].sum(0), torch.ones(50))
    assert torch.allclose((values * marks).sum(0), y.squeeze(1))


def test_the_target_of_xor_tells_whether_two_bits_differ() -> None:
    x, y = xor(20).draw(50)
    halves = [half[..., 0].sum(0) for half in x.split(10)]
    assert torch.equal((halves[0] != halves[1]).long(), y)


def test_the_target_of_order_names_both_symbols() -> None:
    x, y = order(50).draw(50)
    symbols = x.argmax(-1)
    for row in range(50):
        assert [int(s) - 4 for s in symbols[:, row] if s >= 4] == [int(y[row]) // 2, int(y[row]) % 2]


def test_the_target_of_latch_is_the_sign_of_its_beginning() -> None:
    x, y = latch(30).draw(50)
    assert torch.equal((x[:3, :, 0].sum(0) > 0).long(), y)
    assert float(x[3:].abs().mean()) < 0.3


def test_the_target_of_copy_comes_back_at_the_end() -> None:
    x, y = copy(7).draw(5)
    symbols = x.argmax(-1)
    assert torch.equal(symbols[:10], y[-10:])
    assert y[:-10].abs().sum() == symbols[10:16].abs().sum() == 0
    assert bool((symbols[-11:] == 9).all())


@pytest.mark.parametrize("name", PROBLEMS)
def test_chance_is_the_loss_of_the_best_constant_answer(name: str) -> None:
    problem = PROBLEMS[name]
    _, y = problem.draw(4000)
    if problem.loss == "mse":
        loss = float(y.var())
    elif problem.per_step:
        logits = torch.full((len(y), problem.outputs), -30.0)
        logits[:-10, 0] = 30.0
        logits[-10:, 1:9] = 30.0
        loss = float(cross_entropy(logits.repeat_interleave(y.shape[1], 0), y.flatten()))
    else:
        loss = float(cross_entropy(torch.zeros(len(y), problem.outputs), y))
    assert math.isclose(loss, problem.chance, rel_tol=0.05)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", ["adding-50", "copy-50"])
def test_the_networks_have_about_as_many_weights(network: str, name: str) -> None:
    model = NETWORKS[network].build(PROBLEMS[name])
    assert 15_000 < sum(p.numel() for p in model.parameters()) < 21_000


def test_results_are_kept_and_shown(tmp_path: Path) -> None:
    runs = {
        (r.problem, r.network): r
        for r in (make_run("adding-200", "rnn", [0.2, 0.16]), make_run("adding-200", "gru", [0.2, 0.1, 0.009]))
    }
    results.write(tmp_path / "results.json", runs)
    assert results.read(tmp_path / "results.json") == runs
    assert results.read(tmp_path / "none.json") == {}
    assert "| adding, T = 200 | 0.167 | 0.16 |  | **100** |  |  |" in table(runs)
    names = figures.draw(runs, tmp_path)
    assert names == ["experiment-adding-200.svg", "experiment-gradients.svg"]
    text = page(runs, names)
    assert all(f"_static/{name}" in text for name in names)
    images = [(tmp_path / name).read_bytes() for name in names]
    figures.draw(runs, tmp_path)
    assert [(tmp_path / name).read_bytes() for name in names] == images, "the same results, the same picture"


def test_a_run_stops_when_its_updates_are_done() -> None:
    done = run("adding-50", "window", updates=60)
    assert done.updates[:2] == [0, 50]
    assert done.solved is None
    assert not done.diverged


@pytest.mark.slow
@pytest.mark.parametrize("network", ["gru", "lstm"])
@pytest.mark.parametrize("name", ["adding-50", "order-100", "xor-100", "latch-100"])
def test_gates_solve_what_lies_far_back(network: str, name: str) -> None:
    assert run(name, network).solved is not None


@pytest.mark.slow
@pytest.mark.parametrize("network", ["gru", "lstm"])
def test_gates_solve_the_adding_problem_of_600_steps(network: str) -> None:
    assert run("adding-600", network).loss < 0.01


@pytest.mark.slow
def test_gates_copy_better_than_without_looking() -> None:
    problem = PROBLEMS["copy-50"]
    assert run(problem.name, "gru", updates=1500).loss < 0.9 * problem.chance


@pytest.mark.slow
@pytest.mark.parametrize("network", ["rnn", "window"])
def test_without_gates_the_far_past_is_not_learned(network: str) -> None:
    assert run("order-100", network, updates=500).solved is None
