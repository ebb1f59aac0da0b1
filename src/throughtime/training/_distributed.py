"""Training on several processes: each takes its share of the batches, gradients are averaged, all update alike.

Every process iterates over the same data in the same order, so that only gradients, a loss and a clock have to be sent.
The clock is that of the first process, so that all of them stop, and save, after the same update.
"""

from __future__ import annotations

import atexit
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from throughtime._core import rng
from throughtime.data.batches import Batch
from throughtime.training._time_axis import time_dim

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn


class ProcessLost(RuntimeError):
    """Another process of the same training has ended, so that this one cannot continue."""


class DistributedContext:
    """The processes that train together; also if there is only one.

    Attributes:
        size: number of processes.
        rank: number of this one, from 0.
        rng_state: random state of what a process draws for itself, such as dropout; None for a single process.
    """

    def __init__(self, size: int = 1, rank: int = 0) -> None:
        self.size = size
        self.rank = rank
        self.rng_state: Tensor | None = None
        self._clock = 0.0  # of the first process, at the last exchange

    def clock(self) -> float:
        """Return the time in seconds, the same in all processes."""
        return time.monotonic() if self.size == 1 else self._clock

    def synchronize(self, model: nn.Module) -> None:
        """Copy weights, clock and random state of the first process to all.

        Raises:
            ProcessLost: if another process has ended.
        """
        if self.size == 1:
            return
        own = rng.get_state(), rng.initial_seed(), time.monotonic()
        shared, seed, self._clock = self.broadcast(own)
        rng.set_state(shared)
        self.rng_state = torch.Generator().manual_seed(seed + 1 + self.rank).get_state()
        with _translate_errors():
            for tensor in (*model.parameters(), *model.buffers()):
                distributed.broadcast(tensor.detach(), 0)

    def local_batch(self, batches: list[Batch], model: nn.Module) -> Batch | None:
        """Return the batch of this process in a group, or its rows if there is only one batch; None if it has none."""
        if self.size == 1:
            return batches[0]
        if len(batches) > 1:
            return batches[self.rank] if self.rank < len(batches) else None
        return self._local_rows(batches[0], model)

    def _local_rows(self, batch: Batch, model: nn.Module) -> Batch | None:
        x, y, lengths, reset = batch
        if x.dim() < 3:
            return None if self.rank else batch
        row = 1 - time_dim(model, x)
        first, last = (x.shape[row] * rank // self.size for rank in (self.rank, self.rank + 1))
        if first == last:
            return None
        target_row = row if y.dim() > 1 and y.shape[:2] == x.shape[:2] else 0
        return Batch(
            x.narrow(row, first, last - first),
            y.narrow(target_row, first, last - first),
            None if lengths is None else lengths[first:last],
            None if reset is None else reset[first:last],
        )

    @contextmanager
    def local_rng(self) -> Iterator[None]:
        """Draw from the random numbers of this process; those that order the data stay equal in all processes."""
        if self.rng_state is None:
            yield
            return
        shared = rng.get_state()
        rng.set_state(self.rng_state)
        try:
            yield
        finally:
            self.rng_state = rng.get_state()
            rng.set_state(shared)

    def average_gradients(self, parameters: Sequence[nn.Parameter], loss: Tensor, targets: int) -> tuple[Tensor, int]:
        """Replace the gradients by those of the mean loss over the targets of all processes; return loss and number.

        Raises:
            ProcessLost: if another process has ended.
        """
        if self.size == 1:
            return loss, targets
        has_gradient = [float(p.grad is not None) for p in parameters]
        now = 0.0 if self.rank else time.monotonic()
        sums = torch.tensor([float(loss.detach()) * targets, targets, now, *has_gradient], dtype=torch.float64)
        sums = sums.to(parameters[0].device)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad * targets for p in parameters]
        with _translate_errors():
            distributed.all_reduce(sums)
            for dtype in dict.fromkeys(gradient.dtype for gradient in gradients):
                same_type = [gradient for gradient in gradients if gradient.dtype is dtype]
                flat = torch.cat([gradient.flatten() for gradient in same_type])
                distributed.all_reduce(flat)
                sizes = [gradient.numel() for gradient in same_type]
                for gradient, total in zip(same_type, flat.split(sizes), strict=True):
                    gradient.copy_(total.view_as(gradient))
        loss_sum, target_sum, self._clock, *has_gradient = sums.tolist()
        for p, gradient, is_used in zip(parameters, gradients, has_gradient, strict=True):
            p.grad = gradient / max(target_sum, 1) if is_used else None
        return loss.new_tensor(loss_sum / max(target_sum, 1)), int(target_sum)

    def broadcast(self, value: Any) -> Any:
        """Return the value of the first process in all of them."""
        if self.size == 1:
            return value
        box = [value]
        with _translate_errors():
            distributed.broadcast_object_list(box, 0)
        return box[0]

    def all_gather(self, value: Any) -> list[Any]:
        """Return the values of all processes, in their order."""
        values = [value] * self.size
        if self.size > 1:
            with _translate_errors():
                distributed.all_gather_object(values, value)
        return values


def init_distributed(model: nn.Module) -> DistributedContext:
    """Return the processes that torchrun has started, or those of the process group that the caller has initialized.

    Raises:
        TypeError: if a model is wrapped in DistributedDataParallel.
    """
    if isinstance(model, DistributedDataParallel):
        raise TypeError(
            "model: expected one without DistributedDataParallel, since `fit` averages gradients itself; pass .module"
        )
    if not distributed.is_available():
        return DistributedContext()
    if distributed.is_torchelastic_launched() and not distributed.is_initialized():
        on_gpu = any(p.is_cuda for p in model.parameters())
        distributed.init_process_group("nccl" if on_gpu else "gloo")
        atexit.register(_destroy_process_group)  # not before: the next training may use the group
    return (
        DistributedContext(distributed.get_world_size(), distributed.get_rank())
        if distributed.is_initialized()
        else DistributedContext()
    )


def _destroy_process_group() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ProcessLost(
            "another process of this training has ended or cannot be reached, so this one ends as well. Look at its "
            f"error first; if started again with checkpoints=, all continue from the last one. ({error})"
        ) from error
