"""Backpropagation in segments that are run twice; between the two passes only the states between segments are kept.

The loss of a segment is computed in its second run, weighed by its fraction of the targets. A loss that is not known to
be a mean may couple any outputs: then the first pass collects all outputs, the loss is computed from them at once, and
each segment receives its part of ∂L/∂y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.graph import saved_tensors_hooks

from throughtime._core import rng
from throughtime.nn.pooling import Pooling
from throughtime.training._backward import BackwardResult
from throughtime.training._losses import IGNORE_INDEX, is_mean
from throughtime.training._recurrent_state import detach_state, flatten_state, map_state
from throughtime.training._time_axis import is_per_step, leading_shape, time_dim
from throughtime.training._windows import run_model, select_targets, window_lengths

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped
    from torch import Tensor, nn

    from throughtime.data.batches import Batch
    from throughtime.training._losses import Loss

_MEASURED_STEPS = 4  # that are run to measure what a step keeps


def recompute_backward(model: nn.Module, batch: Batch, state: Any, loss: Loss, segment_length: int) -> BackwardResult:
    """Add the gradients of the loss of a batch to those of the parameters, a segment of so many steps at a time.

    Raises:
        ValueError: if the model returns no state.
    """
    return RecomputePass(model, batch, loss, segment_length).run(state)


class RecomputePass:
    """A forward pass over all segments, and a backward pass over them."""

    def __init__(self, model: nn.Module, batch: Batch, loss: Loss, segment_length: int) -> None:
        self.model = model
        self.batch = batch
        self.loss = loss
        self.time = time_dim(model, batch.x)
        self.steps = batch.x.shape[self.time]
        self.starts = range(0, self.steps, segment_length)
        self.segment_length = segment_length
        self.total = batch.x.new_zeros(())  # loss
        self.targets = 0
        self.boundary_states: list[Any] = []
        self.rng_states: list[dict[torch.device, Tensor]] = []
        self.outputs: list[Tensor] = []
        self.dy: Tensor | None = None
        self.per_step = False
        # Ignored targets may lie in some segments only, which then have other weights.
        self.per_segment = is_mean(loss) and (batch.y.is_floating_point() or not bool((batch.y == IGNORE_INDEX).any()))

    def run(self, state: Any) -> BackwardResult:
        final = self._forward(state)
        if self.outputs:
            self._full_loss()
        dstate_n: tuple[Tensor | None, ...] = ()
        for number in reversed(range(len(self.starts))):
            dstate_n, last = self._backward(number, dstate_n)
            final = last if number == len(self.starts) - 1 else final
        return BackwardResult(self.total, self.targets, final)

    def _forward(self, state: Any) -> Any:
        """Record the state before each segment; the last one is run only if its outputs are collected."""
        with torch.no_grad():
            for number, start in enumerate(self.starts):
                self.boundary_states.append(detach_state(state))
                self.rng_states.append(rng.states(self.batch.x.device))
                if start == self.starts[-1] and not self.outputs:
                    break
                y, state = self._run_segment(start, state)
                if number == 0:
                    self.per_step = self._has_step_targets(y, self._inputs(start))
                if self.per_step and not self.per_segment:
                    self.outputs.append(y)
        return state

    def _backward(self, number: int, dstate_n: tuple[Tensor | None, ...]) -> tuple[tuple[Tensor | None, ...], Any]:
        """Differentiate a segment from the gradient of its final state; return that of its initial one, and a state."""
        start = self.starts[number]
        before = _as_leaves(self.boundary_states.pop())
        with rng.replay(self.rng_states.pop()):
            y, state = self._run_segment(start, before)
        roots = [(s, d) for s, d in zip(flatten_state(state), dstate_n, strict=False) if d is not None]
        objective = self._objective(start, y)
        if objective is not None:
            roots.append(objective)
        roots = [(root, d) for root, d in roots if root.requires_grad]
        if roots:
            outputs, gradients = zip(*roots, strict=True)
            torch.autograd.backward(outputs, gradients)
        return tuple(s.grad for s in flatten_state(before)), detach_state(state)

    def _objective(
        self, start: int, y: Float[Tensor, "*outputs"]
    ) -> tuple[Float[Tensor, "*roots"], Float[Tensor, "*roots"]] | None:
        """Return what is differentiated in a segment, and the gradient that it starts from."""
        if self.dy is not None:
            return y, self.dy.narrow(self.time, start, y.shape[self.time])
        target, lengths, weight = self.batch.y, self.batch.lengths, 1.0
        if self.per_step:
            stop = self._stop(start)
            target = target.narrow(self.time, start, stop - start)
            weight = (stop - start) / self.steps
            if lengths is not None and len(leading_shape(self.batch.x)) == 2:
                total, lengths = int(lengths.sum()), (lengths - start).clamp(0, stop - start)
                weight = int(lengths.sum()) / max(total, 1)
        elif start != self.starts[-1]:
            return None
        y, target, count = select_targets(y, target, self._inputs(start), lengths, self.model, per_step=self.per_step)
        if not count:
            return None
        loss = self.loss(y, target)
        self.total = self.total + weight * loss.detach()
        self.targets += count
        return loss, torch.full_like(loss, weight)

    def _full_loss(self) -> None:
        """Compute the loss of all outputs, and its gradient with respect to them."""
        y = torch.cat(self.outputs, self.time).requires_grad_()
        self.outputs = [y.detach()]
        outputs, target, self.targets = select_targets(
            y, self.batch.y, self.batch.x, self.batch.lengths, self.model, per_step=self.per_step
        )
        self.dy = torch.zeros_like(y)
        if self.targets:
            loss = self.loss(outputs, target)
            (self.dy,) = torch.autograd.grad(loss, y)
            self.total = loss.detach()

    def _run_segment(self, start: int, state: Any) -> tuple[Tensor, Any]:
        y, state = run_model(
            self.model, self._inputs(start), state, window_lengths(self.batch.lengths, start, self._stop(start))
        )
        if state is None:
            raise ValueError(
                f"model: expected (y, state) from {type(self.model).__name__}, got no state to cut at; use FullBPTT()"
            )
        return y, state

    def _inputs(self, start: int) -> Shaped[Tensor, "*inputs"]:
        return self.batch.x.narrow(self.time, start, self._stop(start) - start)

    def _stop(self, start: int) -> int:
        return min(start + self.segment_length, self.steps)

    def _has_step_targets(self, y: Tensor, x: Tensor) -> bool:
        """Return whether there are an output and a target for each step, not one for each sequence."""
        shape = leading_shape(self.batch.x)
        return self.batch.y.shape[: len(shape)] == shape and is_per_step(y, x, self.model, full_x=self.batch.x)


def check_no_pooling(model: nn.Module) -> None:
    """Raise if a model pools the outputs of all steps.

    Raises:
        ValueError: for such a model.
    """
    if any(isinstance(module, Pooling) and module.kind != "final" for module in model.modules()):
        raise ValueError("CheckpointedBPTT: expected no pooling over all steps, which no state carries; use FullBPTT()")


def measure_step(model: nn.Module, batch: Batch) -> tuple[int, int]:
    """Return the bytes that one step of a segment takes, and those of the states between two segments."""
    if batch.x.shape[time_dim(model, batch.x)] <= 2 * _MEASURED_STEPS:
        return 1, 0
    few, *_ = _saved_bytes(model, batch, _MEASURED_STEPS)
    more, boundary_bytes, output_bytes = _saved_bytes(model, batch, 2 * _MEASURED_STEPS)
    # What is saved, its gradients, and what the kernels hold on to between segments (up to 0.75 of it); and the
    # outputs on their way through the loss and back.
    step_bytes = 3 * (more - few) // _MEASURED_STEPS + 4 * output_bytes // _MEASURED_STEPS
    return max(step_bytes, 1), boundary_bytes


def _saved_bytes(model: nn.Module, batch: Batch, steps: int) -> tuple[int, int, int]:
    """Return the bytes that the first steps of a batch keep for the backward pass, and those of state and outputs."""
    storages: dict[int, int] = {}

    def record(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    x = batch.x.narrow(time_dim(model, batch.x), 0, steps)
    x = x.clone(memory_format=torch.contiguous_format)
    with (
        torch.enable_grad(),
        rng.replay(rng.states(x.device)),
        saved_tensors_hooks(record, lambda tensor: tensor),
    ):
        y, state = run_model(model, x, None, window_lengths(batch.lengths, 0, steps))
    return sum(storages.values()), sum(s.nbytes for s in flatten_state(state)), y.nbytes


def _as_leaves(state: Any) -> Any:
    """Return a state that requires a gradient."""
    return map_state(state, lambda s: s.detach().requires_grad_())
