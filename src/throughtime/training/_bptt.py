"""Strategies of backpropagation through time, as values.

A strategy cuts a sequence into windows and computes the gradient of each window; every window ends in an update of the
weights. The training loop asks for nothing but what the protocol `BPTT` says, so a new strategy is one class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from throughtime.training._backward import BackwardResult, backward_window
from throughtime.training._recompute import check_no_pooling, measure_step, recompute_backward
from throughtime.training._time_axis import time_dim
from throughtime.training._windows import BPTTWindow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from throughtime.data.batches import Batch
    from throughtime.training._losses import Loss


class BPTT(Protocol):
    """A strategy of backpropagation through time.

    Attributes:
        cuts_sequences: whether states are passed on within a sequence. Then all layers must run in one direction, and
            `lengths` must be lengths of the inputs.
        needs_step_targets: whether every step needs a target.
        fallback_reason: why the engine cannot compute the updates; '' if it can, from the windows alone.
    """

    cuts_sequences: ClassVar[bool]
    needs_step_targets: ClassVar[bool]
    fallback_reason: ClassVar[str]

    def windows(self, steps: int, *, continues: bool = False) -> Iterator[BPTTWindow]:
        """Cut a sequence into windows, in the order of their updates.

        Args:
            steps: of the sequence, or of the part of it that a batch holds.
            continues: whether the batch continues the sequences of the batch before.
        """
        ...

    def backward(self, model: nn.Module, batch: Batch, window: BPTTWindow, state: Any, loss: Loss) -> BackwardResult:
        """Add the gradients of one window to those of the model's parameters.

        Args:
            model: maps (x, state) to (y, state).
            batch: that the window is part of.
            window: one of `windows`.
            state: before the window; None for the initial state.
            loss: function of (y, target), to be taken over the steps of the window that count.
        """
        ...


@dataclass(frozen=True)
class FullBPTT:
    """Unfold whole sequences: one update for each batch, with the exact gradient.

    Keeps T·N·H scalars for each layer and kept vector of its cell. Source: Werbos 1990, Backpropagation Through Time:
    What It Does and How to Do It.
    """

    cuts_sequences: ClassVar[bool] = False
    needs_step_targets: ClassVar[bool] = False
    fallback_reason: ClassVar[str] = ""

    def windows(self, steps: int, *, continues: bool = False) -> Iterator[BPTTWindow]:
        """Yield one window over the whole sequence."""
        yield BPTTWindow(0, steps, 0, steps)

    def backward(self, model: nn.Module, batch: Batch, window: BPTTWindow, state: Any, loss: Loss) -> BackwardResult:
        """Differentiate the unfolded sequence."""
        return backward_window(model, batch, window, state, loss)


@dataclass(frozen=True)
class CheckpointedBPTT:
    """Unfold whole sequences with the exact gradient of `FullBPTT`, and recompute activations instead of keeping them.

    The sequence is cut into segments of k steps. The forward pass keeps only the states between segments; the backward
    pass takes the segments from the last to the first, runs each once more and hands ∂L/∂h on to the segment before.
    That costs one more forward pass. Gradients differ from those of `FullBPTT` by rounding only, as the sum over steps
    is taken in parts.

    Keeps ⌈T/k⌉ states of N·L·H scalars each, and within a segment twice what the model keeps of k steps for the
    backward pass: once more for gradients. With k = √T both grow like √T. The named losses, means over targets, are
    taken segment by segment; for any other function of (y, target) the outputs of all steps and their gradients are
    kept as well. Bidirectional layers cannot be cut.

    Source: Gruslys et al. 2016, Memory-Efficient Backpropagation Through Time; Chen et al. 2016, Training Deep Nets
    with Sublinear Memory Cost.

    Args:
        memory: MiB for the states between segments and one segment together, from which the longest k that fits is
            chosen; None for k = ⌈√T⌉.
    """

    memory: float | None = None

    cuts_sequences: ClassVar[bool] = True
    needs_step_targets: ClassVar[bool] = False
    fallback_reason: ClassVar[str] = "states are recomputed"

    def __post_init__(self) -> None:
        if self.memory is not None and not self.memory > 0:
            raise ValueError(f"CheckpointedBPTT: expected memory > 0 MiB or None, got {self.memory}")

    def windows(self, steps: int, *, continues: bool = False) -> Iterator[BPTTWindow]:
        """Yield one window over the whole sequence."""
        yield BPTTWindow(0, steps, 0, steps)

    def backward(self, model: nn.Module, batch: Batch, window: BPTTWindow, state: Any, loss: Loss) -> BackwardResult:
        """Differentiate segment by segment, from the last to the first."""
        check_no_pooling(model)
        step_bytes, boundary_bytes = (0, 0) if self.memory is None else measure_step(model, batch)
        segment = self.segment_length(batch.x.shape[time_dim(model, batch.x)], step_bytes, boundary_bytes)
        result = recompute_backward(model, batch, state, loss, segment)
        return result if batch.reset is not None else result._replace(state=None)

    def segment_length(self, steps: int, step_bytes: int, boundary_bytes: int) -> int:
        """Return k, the steps of a segment: the longest with k·step + (T/k + 1)·boundary <= memory.

        Args:
            steps: T.
            step_bytes: bytes that a step of a segment takes.
            boundary_bytes: bytes of the states between two segments.

        Raises:
            ValueError: if no k stays within the memory.
        """
        if self.memory is None or steps < 2:
            return max(1, math.isqrt(max(steps - 1, 0)) + 1)
        budget = self.memory * 2**20 - boundary_bytes
        square = budget**2 - 4 * step_bytes * boundary_bytes * steps
        longest = (budget + math.sqrt(square)) / (2 * step_bytes) if budget > 0 and square >= 0 else 0.0
        if longest < 1:
            balanced = 2 * math.sqrt(step_bytes * boundary_bytes * steps)
            needed = (boundary_bytes + max(balanced, step_bytes + boundary_bytes * steps)) / 2**20
            raise ValueError(
                f"CheckpointedBPTT: expected at least memory={needed:.3g} MiB for {steps} steps of this batch and "
                f"model, got {self.memory:g}; increase it, use smaller batches, or use TruncatedBPTT"
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
    or shorter makes no update. A remainder of fewer than k1 steps at the end is trained on, by a shorter window, so
    that every later target is in the loss of exactly one update. Where a batch continues the batch before
    (`Batch.reset`), windows reach back to its beginning at most, and all of its targets are trained on.

    Keeps k2·N·H scalars for each layer and kept vector of its cell. Source: Williams and Peng 1990, An Efficient
    Gradient-Based Algorithm for On-Line Training of Recurrent Network Trajectories. Their original keeps the
    activations that older weights gave; here the window is run again with the current ones.

    Args:
        k1: steps between updates.
        k2: steps that the gradient reaches back; at least k1.
    """

    k1: int
    k2: int

    cuts_sequences: ClassVar[bool] = True
    needs_step_targets: ClassVar[bool] = True
    fallback_reason: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if not 1 <= self.k1 <= self.k2:
            raise ValueError(f"TruncatedBPTT: expected 1 <= k1 <= k2, got k1={self.k1}, k2={self.k2}")

    def windows(self, steps: int, *, continues: bool = False) -> Iterator[BPTTWindow]:
        """Yield windows that end at k2, k2+k1, …, and at the end of the sequence.

        Args:
            steps: of the sequence, or of the part of it that a batch holds.
            continues: whether the batch continues the sequences of the batch before; then shorter windows come first,
                which end at k1, 2*k1, ….
        """
        k1, k2 = self.k1, self.k2
        loss_start, stop = (0, k1) if continues else (k2 - k1, k2)
        while stop < min(k2, steps):  # windows that still grow
            yield BPTTWindow(0, stop, loss_start, max(0, stop + k1 - k2))
            loss_start, stop = stop, stop + k1
        start = max(0, stop - k2)
        while stop < steps:
            yield BPTTWindow(start, stop, loss_start, start + k1)
            start, loss_start, stop = start + k1, stop, stop + k1
        if loss_start < steps:
            yield BPTTWindow(start, steps, loss_start, steps)

    def backward(self, model: nn.Module, batch: Batch, window: BPTTWindow, state: Any, loss: Loss) -> BackwardResult:
        """Differentiate the unfolded window."""
        return backward_window(model, batch, window, state, loss)
