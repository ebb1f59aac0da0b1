"""The classic problems with long dependencies, as values: their sequences, and the loss at chance level.

Every sequence is new, so that none can be memorized.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import one_hot

from throughtime.training import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jaxtyping import Float
    from torch import Tensor

_SOLVED = 0.06  # of the loss of chance: 0.01 in the adding problem
_COPIED = 10  # symbols to copy
_LETTERS = 8  # to copy from; plus a blank and a start symbol


@dataclass(frozen=True)
class Problem:
    """A problem of one length.

    Attributes:
        name: such as 'adding-600'.
        title: for people.
        inputs: I.
        outputs: numbers that answer, for each sequence or, where `per_step`, for each step.
        loss: name of the loss.
        chance: loss of the best answer that does not look at the input.
        longest: steps that have to be remembered at most.
        draw: maps a number of rows to that many sequences (T, N, I) and their targets.
        per_step: whether each step has a target.
        learning_rate: of Adam, for networks with gates.
        updates: that a network is given at most.
    """

    name: str
    title: str
    inputs: int
    outputs: int
    loss: str
    chance: float
    longest: int
    draw: Callable[[int], tuple[Float[Tensor, "T N I"], Tensor]]
    per_step: bool = False
    learning_rate: float = 3e-3
    updates: int = 4000

    @property
    def solved(self) -> float:
        """The loss below which the problem counts as solved."""
        return _SOLVED * self.chance


class Stream:
    """New batches of a problem, a fixed number for each epoch."""

    def __init__(self, problem: Problem, *, batches: int, rows: int) -> None:
        self.problem = problem
        self.batches = batches
        self.rows = rows

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.batches):
            yield Batch(*self.problem.draw(self.rows))


def adding(steps: int) -> Problem:
    """Add the two numbers that are marked, one in each half. Source: Hochreiter and Schmidhuber 1997, experiment 4."""
    return Problem(f"adding-{steps}", f"adding, T = {steps}", 2, 1, "mse", 1 / 6, steps, partial(_marked, steps, _sum))


def xor(steps: int) -> Problem:
    """Classify whether two bits differ, one in each half of an otherwise zero input: a latch and its negation."""
    chance = math.log(2)
    draw = partial(_marked, steps, _differ)
    return Problem(f"xor-{steps}", f"XOR, T = {steps}", 2, 2, "cross_entropy", chance, steps, draw)


def latch(steps: int) -> Problem:
    """Remember the sign of the first three steps through noise. Source: Bengio et al. 1994."""
    chance = math.log(2)
    return Problem(
        f"latch-{steps}", f"latch, T = {steps}", 1, 2, "cross_entropy", chance, steps, partial(_latch, steps)
    )


def order(steps: int) -> Problem:
    """Name two symbols in their order among distractors. Source: Hochreiter and Schmidhuber 1997, experiment 6a."""
    chance = math.log(4)
    return Problem(
        f"order-{steps}", f"temporal order, T = {steps}", 6, 4, "cross_entropy", chance, steps, partial(_order, steps)
    )


def copy(blanks: int) -> Problem:
    """Repeat ten symbols after so many blanks. Source: Arjovsky et al. 2016, Unitary Evolution Recurrent Networks."""
    symbols = _LETTERS + 2
    chance = _COPIED * math.log(_LETTERS) / (blanks + 2 * _COPIED)
    draw = partial(_copy, blanks)
    title = f"copy memory, T = {blanks}"
    longest = blanks + _COPIED
    return Problem(
        f"copy-{blanks}", title, symbols, symbols, "cross_entropy", chance, longest, draw,
        per_step=True, learning_rate=0.01, updates=6000,
    )  # fmt: skip


def _marked(steps: int, answer: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], rows: int) -> tuple[Tensor, Tensor]:
    half = steps // 2
    first, second = torch.randint(half, (rows,)), torch.randint(half, steps, (rows,))
    marks = (one_hot(first, steps) + one_hot(second, steps)).float()
    values, target = answer(torch.rand(rows, steps), marks)
    return torch.stack([values, marks], -1).transpose(0, 1).contiguous(), target


def _sum(values: Tensor, marks: Tensor) -> tuple[Tensor, Tensor]:
    return values, (values * marks).sum(1, keepdim=True)


def _differ(values: Tensor, marks: Tensor) -> tuple[Tensor, Tensor]:
    bits = values.round()
    return (2 * bits - 1) * marks, (bits * marks).sum(1).long() % 2


def _latch(steps: int, rows: int) -> tuple[Tensor, Tensor]:
    target = torch.randint(2, (rows,))
    x = 0.2 * torch.randn(steps, rows, 1)
    x[:3] += (2.0 * target - 1).unsqueeze(-1)
    return x, target


def _order(steps: int, rows: int) -> tuple[Tensor, Tensor]:
    symbols = torch.randint(4, (rows, steps))  # distractors; 4 and 5 are the symbols that count
    pair = torch.randint(2, (rows, 2))
    tenth = steps // 10
    at = torch.stack([torch.randint(tenth, 2 * tenth, (rows,)), torch.randint(5 * tenth, 6 * tenth, (rows,))], 1)
    symbols.scatter_(1, at, 4 + pair)
    return one_hot(symbols, 6).float().transpose(0, 1).contiguous(), 2 * pair[:, 0] + pair[:, 1]


def _copy(blanks: int, rows: int) -> tuple[Tensor, Tensor]:
    letters = torch.randint(1, _LETTERS + 1, (_COPIED, rows))
    x, y = torch.zeros(2, blanks + 2 * _COPIED, rows, dtype=torch.long)
    x[:_COPIED], y[-_COPIED:] = letters, letters
    x[-_COPIED - 1 :] = _LETTERS + 1
    return one_hot(x, _LETTERS + 2).float(), y


PROBLEMS = {
    problem.name: problem
    for problem in (adding(50), adding(200), adding(600), order(100), xor(100), latch(100), copy(50))
}
"""Those that are run, by name."""
