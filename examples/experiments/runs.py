"""One network on one problem: its learning curve, and its gradient by lag before and after training."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from examples.experiments.networks import NETWORKS, Windowed
from examples.experiments.problems import PROBLEMS, Problem, Stream

from throughtime import training

_ROWS = 64  # of a batch
_EPOCH = 50  # updates between two evaluations of the held-out sequences
_HELD_OUT = 500  # sequences
_DIAGNOSED = 16  # sequences that the gradient is measured on

SHOWN = "adding-200"
"""The problem whose gradients are measured."""


@dataclass(frozen=True)
class Run:
    """The result of a network on a problem.

    Attributes:
        problem: its name.
        network: its name.
        weights: parameters of the network.
        updates: at each evaluation of the held-out sequences.
        losses: on them.
        seconds: in all.
        diverged: whether a gradient was not finite, which ended the training.
        before: gradient norm ‖∂L/∂h‖ by lag before training; empty where it is not measured.
        after: the same after it.
    """

    problem: str
    network: str
    weights: int
    updates: list[int]
    losses: list[float]
    seconds: float
    diverged: bool
    before: list[float]
    after: list[float]

    @property
    def loss(self) -> float:
        """On the held-out sequences, of the weights that were best there."""
        return min(self.losses)

    @property
    def solved(self) -> int | None:
        """Updates that it took to solve the problem; None where it was not solved."""
        bar = PROBLEMS[self.problem].solved
        return next((n for n, loss in zip(self.updates, self.losses, strict=True) if loss <= bar), None)


def run(name: str, network: str, *, updates: int | None = None, seed: int = 0) -> Run:
    """Train until the problem is solved, or for so many updates, those of the problem if None."""
    problem, chosen = PROBLEMS[name], NETWORKS[network]
    torch.manual_seed(seed)
    model = chosen.build(problem)
    held_out = problem.draw(_HELD_OUT)
    before = _gradients(model, problem, held_out)
    started, curve, diverged = time.monotonic(), {0: training.evaluate(model, held_out, loss=problem.loss)}, False

    def note(now: training.Progress) -> None:
        if now.validation_loss is not None:
            curve[now.updates // _EPOCH * _EPOCH] = now.validation_loss

    try:
        training.fit(
            model,
            Stream(problem, batches=_EPOCH, rows=_ROWS),
            loss=problem.loss,
            learning_rate=chosen.rate * problem.learning_rate,
            clip=1.0,
            validation=held_out,
            stop=[training.TargetLoss(problem.solved), training.Updates(updates or problem.updates)],
            callbacks=[note],
            seed=seed,
        )
    except training.NonFiniteLoss:
        diverged = True
    return Run(
        problem=name,
        network=network,
        weights=sum(p.numel() for p in model.parameters()),
        updates=list(curve),
        losses=list(curve.values()),
        seconds=time.monotonic() - started,
        diverged=diverged,
        before=before,
        after=_gradients(model, problem, held_out),
    )


def _gradients(model: torch.nn.Module, problem: Problem, held_out: tuple[torch.Tensor, torch.Tensor]) -> list[float]:
    if problem.name != SHOWN or isinstance(model, Windowed):
        return []
    x, y = held_out
    return training.doctor(model, x[:, :_DIAGNOSED], y[:_DIAGNOSED], loss=problem.loss).layers[0].state_gradients
