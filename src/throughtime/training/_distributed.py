"""One training on several processes: each takes its part of the batches, gradients are averaged, all update alike.

Every process walks over the same data in the same order, so that nothing but gradients, a loss and a clock has to be
sent. What counts time counts that of the first process, and so all of them stop, and write, after the same update.
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
    """Another process of the same training has ended, so that this one cannot go on."""


class DistributedContext:
    """The processes that train together. A process alone is a team, too."""

    def __init__(self, size: int = 1, rank: int = 0) -> None:
        self.size = size
        self.rank = rank
        self.rng_state: Tensor | None = None  # of what a process draws for itself: dropout
        self._clock = 0.0  # of the first process, when it was last heard

    def clock(self) -> float:
        """Seconds, the same in all processes."""
        return time.monotonic() if self.size == 1 else self._clock

    def synchronize(self, model: nn.Module) -> None:
        """Let all start from the first one's weights, clock and random numbers.

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
        """This process's part of as many batches as there are processes, or its rows of a batch that is alone."""
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
        first, last = (x.shape[row] * part // self.size for part in (self.rank, self.rank + 1))
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
        """Draw from this process's random numbers; those that the order of the data comes from stay in step."""
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
        """Turn the gradients into those of the mean loss over the targets of all processes: that loss, and how many.

        Raises:
            ProcessLost: if another process has ended.
        """
        if self.size == 1:
            return loss, targets
        given = [float(p.grad is not None) for p in parameters]
        now = 0.0 if self.rank else time.monotonic()
        sums = torch.tensor([float(loss.detach()) * targets, targets, now, *given], dtype=torch.float64)
        sums = sums.to(parameters[0].device)
        parts = [torch.zeros_like(p) if p.grad is None else p.grad * targets for p in parameters]
        with _translate_errors():
            distributed.all_reduce(sums)
            for kind in dict.fromkeys(part.dtype for part in parts):
                alike = [part for part in parts if part.dtype is kind]
                flat = torch.cat([part.flatten() for part in alike])
                distributed.all_reduce(flat)
                for part, total in zip(alike, flat.split([part.numel() for part in alike]), strict=True):
                    part.copy_(total.view_as(part))
        loss_sum, target_sum, self._clock, *given = sums.tolist()
        for p, part, wanted in zip(parameters, parts, given, strict=True):
            p.grad = part / max(target_sum, 1) if wanted else None
        return loss.new_tensor(loss_sum / max(target_sum, 1)), int(target_sum)

    def broadcast(self, value: Any) -> Any:
        """What the first process holds, in all of them."""
        if self.size == 1:
            return value
        box = [value]
        with _translate_errors():
            distributed.broadcast_object_list(box, 0)
        return box[0]

    def all_gather(self, value: Any) -> list[Any]:
        """What each process holds, in their order."""
        values = [value] * self.size
        if self.size > 1:
            with _translate_errors():
                distributed.all_gather_object(values, value)
        return values


def init_distributed(model: nn.Module) -> DistributedContext:
    """Join the processes that torchrun has started, or those of the group that the caller has made.

    Raises:
        TypeError: if a model is wrapped in DistributedDataParallel.
    """
    if isinstance(model, DistributedDataParallel):
        raise TypeError(
            "model: expected one without DistributedDataParallel, since `fit` averages gradients itself; give .module"
        )
    if not distributed.is_available():
        return DistributedContext()
    if distributed.is_torchelastic_launched() and not distributed.is_initialized():
        on_gpu = any(p.is_cuda for p in model.parameters())
        distributed.init_process_group("nccl" if on_gpu else "gloo")
        atexit.register(_destroy_process_group)  # the next training is one of the same processes
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
            "another process of this training has ended or is out of reach, and so this one ends, too. Look for its "
            f"error first; started again with checkpoints=, all go on from the last one. ({error})"
        ) from error
