"""Backpropagation through time: how a sequence is cut into windows, each of which ends in an update.

A strategy is a value. It says which steps are unfolded, over which of them the loss runs and which state goes on to the
next window; everything else is the same for all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class BPTTWindow(NamedTuple):
    """One update: unfold steps start … stop-1, take the loss over loss … stop-1, go on from the state at carry."""

    start: int
    stop: int
    loss_start: int
    next_start: int


class BPTT(Protocol):
    """A strategy."""

    def windows(self, steps: int) -> Iterator[BPTTWindow]:
        """Cut a sequence of `steps` steps."""
        ...


@dataclass(frozen=True)
class FullBPTT:
    """Unfold whole sequences: one update for each batch, with the exact gradient.

    Keeps T·N·H scalars for each layer and kept vector of its cell. Source: Werbos 1990, Backpropagation Through Time:
    What It Does and How to Do It.
    """

    def windows(self, steps: int) -> Iterator[BPTTWindow]:
        """One window over everything."""
        yield BPTTWindow(0, steps, 0, steps)


@dataclass(frozen=True)
class CheckpointedBPTT:
    """Unfold whole sequences with the exact gradient of `FullBPTT`, and recompute instead of keeping.

    The sequence is cut into segments of k steps. The forward pass keeps the states at their borders only; the backward
    pass takes the segments from the last to the first, runs each once more and hands ∂L/∂h back over its border. That
    costs one more forward pass. Gradients differ from those of `FullBPTT` by rounding only, as the sum over steps is
    taken in parts.

    Keeps the states at ⌈T/k⌉ borders, N·L·H scalars each, and within a segment twice what the model keeps of k steps
    for the backward pass: once more for gradients. With k = √T both grow like √T. The named losses, means over targets,
    are taken segment by segment; for any other function of (y, target) the outputs of all steps are kept beside that,
    and their gradients. Layers in both directions cannot be cut.

    Source: Gruslys et al. 2016, Memory-Efficient Backpropagation Through Time; Chen et al. 2016, Training Deep Nets
    with Sublinear Memory Cost.

    Args:
        memory: MiB for borders and a segment together, from which the longest k that fits is chosen; None for k = ⌈√T⌉.
    """

    memory: float | None = None

    def __post_init__(self) -> None:
        if self.memory is not None and not self.memory > 0:
            raise ValueError(f"CheckpointedBPTT: expected memory > 0 MiB or None, got {self.memory}")

    def windows(self, steps: int) -> Iterator[BPTTWindow]:
        """One window over everything."""
        yield BPTTWindow(0, steps, 0, steps)

    def segment_length(self, steps: int, step_bytes: int, boundary_bytes: int) -> int:
        """k, the steps of a segment: the longest with k·step + (T/k + 1)·border <= memory.

        Args:
            steps: T.
            step_bytes: bytes that a step of a segment takes.
            boundary_bytes: bytes of the states at a border.

        Raises:
            ValueError: if no k stays within the memory.
        """
        if self.memory is None or steps < 2:
            return max(1, math.isqrt(max(steps - 1, 0)) + 1)
        budget = self.memory * 2**20 - boundary_bytes
        square = budget**2 - 4 * step_bytes * boundary_bytes * steps
        longest = (budget + math.sqrt(square)) / (2 * step_bytes) if budget > 0 and square >= 0 else 0.0
        if longest < 1:
            least = (
                boundary_bytes
                + max(2 * math.sqrt(step_bytes * boundary_bytes * steps), step_bytes + boundary_bytes * steps)
            ) / 2**20
            raise ValueError(
                f"CheckpointedBPTT: expected at least memory={least:.3g} MiB for {steps} steps of this batch and "
                f"model, got {self.memory:g}; give that, take fewer rows to a batch, or use TruncatedBPTT"
            )
        return min(int(longest), steps)


@dataclass(frozen=True)
class TruncatedBPTT:
    """Every k1 steps, run the last k2 steps with the current weights and backpropagate through them.

    The loss covers the last k1 of the k2 steps. The window starts from the carried state, detached; the state that is
    carried on is the one k1 steps later, computed before the update. Then (1, k) is the textbook's algorithm: for
    t = 0 … n-k run k steps from h_t, take the error at t+k, backpropagate through the k copies, update, carry h_{t+1}.
    And (k, k) cuts the sequence into chunks, (T, T) equals `FullBPTT`.

    Targets before step k2-k1, which no window of full length ends in, are not trained on; so a sequence of that length
    or shorter makes no update. A rest of fewer than k1 steps at the end is trained on, by a shorter window, so that
    every later target is in the loss of exactly one update. Where a batch goes on from the one before (`Batch.reset`),
    windows reach back to its beginning at most, and all of its targets are trained on.

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

    def windows(self, steps: int, *, continues: bool = False) -> Iterator[BPTTWindow]:
        """Windows that end at k2, k2+k1, …, and at the end of the sequence.

        Args:
            steps: of the sequence, or of a piece of it.
            continues: whether another piece came before; then shorter windows come first, which end at k1, 2*k1, ….
        """
        k1, k2 = self.k1, self.k2
        loss_start, stop = (0, k1) if continues else (k2 - k1, k2)
        while stop < min(k2, steps):  # of a piece that goes on: windows that still grow
            yield BPTTWindow(0, stop, loss_start, max(0, stop + k1 - k2))
            loss_start, stop = stop, stop + k1
        start = max(0, stop - k2)
        while stop < steps:
            yield BPTTWindow(start, stop, loss_start, start + k1)
            start, loss_start, stop = start + k1, stop, stop + k1
        if loss_start < steps:
            yield BPTTWindow(start, steps, loss_start, steps)
