"""Backpropagation through time: how a sequence is cut into windows, each of which ends in an update.

A strategy is a value. It says which steps are unfolded, over which of them the loss runs and which state goes on to the
next window; everything else is the same for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Window(NamedTuple):
    """One update: unfold steps start … stop-1, take the loss over loss … stop-1, go on from the state at carry."""

    start: int
    stop: int
    loss: int
    carry: int


class BPTT(Protocol):
    """A strategy."""

    def windows(self, steps: int) -> Iterator[Window]:
        """Cut a sequence of `steps` steps."""
        ...


@dataclass(frozen=True)
class FullBPTT:
    """Unfold whole sequences: one update for each batch, with the exact gradient.

    Keeps T·N·H scalars for each layer and kept vector of its cell. Source: Werbos 1990, Backpropagation Through Time:
    What It Does and How to Do It.
    """

    def windows(self, steps: int) -> Iterator[Window]:
        """One window over everything."""
        yield Window(0, steps, 0, steps)


@dataclass(frozen=True)
class TruncatedBPTT:
    """Every k1 steps, run the last k2 steps with the current weights and backpropagate through them.

    The loss covers the last k1 of the k2 steps. The window starts from the carried state, detached; the state that is
    carried on is the one k1 steps later, computed before the update. Then (1, k) is the textbook's algorithm: for
    t = 0 … n-k run k steps from h_t, take the error at t+k, backpropagate through the k copies, update, carry h_{t+1}.
    And (k, k) cuts the sequence into chunks, (T, T) equals `FullBPTT`.

    Targets before step k2-k1, which no window of full length ends in, are not trained on; a rest of fewer than k1
    steps at the end is, by a shorter window, so that every later target is in the loss of exactly one update.

    Keeps k2·N·H scalars for each layer and kept vector of its cell. Source: Williams and Peng 1990, An Efficient
    Gradient-Based Algorithm for On-Line Training of Recurrent Network Trajectories. Their original keeps the
    activations that older weights gave; here the window is run again with the current ones.

    Args:
        k1: steps between updates.
        k2: steps that the gradient reaches back; at least k1.
    """

    k1: int
    k2: int

    def __post_init__(self) -> None:
        if not 1 <= self.k1 <= self.k2:
            raise ValueError(f"TruncatedBPTT: expected 1 <= k1 <= k2, got k1={self.k1}, k2={self.k2}")

    def windows(self, steps: int) -> Iterator[Window]:
        """Windows that end at k2, k2+k1, …, and at the end of the sequence."""
        start, loss, stop = 0, max(0, min(self.k2, steps) - self.k1), min(self.k2, steps)
        while stop < steps:
            yield Window(start, stop, loss, start + self.k1)
            start, loss, stop = start + self.k1, stop, min(stop + self.k1, steps)
        yield Window(start, stop, loss, stop)
