"""The state of a training: everything that an update or an epoch changes, saved and restored as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughtime._core import rng
from throughtime._core.errors import InputError
from throughtime.training._history import History, Record
from throughtime.training._recurrent_state import apply_reset
from throughtime.training._state_checks import check_optimizer, check_same_types, check_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor, nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from throughtime.data.batches import Batch
    from throughtime.training._distributed import DistributedContext
    from throughtime.training._updates import UpdateResult


class EpochState:
    """Position within an epoch, sums over its updates so far, and the random state to walk over its data again.

    Attributes:
        position: number of batches done.
        updates_before: updates made before the epoch; -1 before it has begun.
        hidden: recurrent state after the last batch.
    """

    def __init__(self) -> None:
        self.position = 0
        self.updates_before = -1
        self.hidden: Any = None
        self._totals = [0.0] * 4  # loss · targets, targets, gradient norm, clipped updates
        self._rng_state: Tensor | None = None  # at the beginning of the epoch
        self._resume_rng_state: Tensor | None = None  # at the position, if an earlier run began the epoch

    def begin(self, updates: int) -> None:
        """Note where the epoch begins; return there if an earlier run began it."""
        if self._rng_state is None:
            self._rng_state, self.updates_before = rng.get_state(), updates
        else:
            rng.set_state(self._rng_state)

    def reset_hidden(self, batch: Batch | None) -> None:
        """Set the recurrent state to the one that a batch starts from."""
        self.hidden = None if batch is None else apply_reset(self.hidden, batch.reset)

    def add(self, result: UpdateResult, clip: float) -> None:
        """Add updates one by one, so that the sums do not depend on how many were made in one call."""
        loss_sum, target_sum, norm_sum, clipped = self._totals
        for loss, norm, targets in zip(result.losses, result.norms, result.targets, strict=True):
            loss_sum += loss * targets
            target_sum += targets
            norm_sum += norm
            clipped += norm > clip
        self._totals = [loss_sum, target_sum, norm_sum, clipped]
        self.hidden = result.state

    def means(self, updates: int) -> tuple[float, float, float]:
        """Return the mean loss over targets, and gradient norm and fraction of clipped updates over `updates`."""
        loss_sum, target_sum, norm_sum, clipped = self._totals
        return loss_sum / max(target_sum, 1), norm_sum / updates, clipped / updates

    def remaining(self, data: Iterable[Batch]) -> Iterator[tuple[int, Batch]]:
        """Yield the batches that no earlier run was trained on, and their numbers.

        The first of them is asked for with the random numbers that the earlier run would have asked with.
        """
        done = self.position
        if not done:
            self._resume_rng()
        for number, batch in enumerate(data):
            if number >= done:
                yield number, batch
            elif number == done - 1:
                self._resume_rng()

    def _resume_rng(self) -> None:
        if self._resume_rng_state is not None:
            rng.set_state(self._resume_rng_state)
            self._resume_rng_state = None

    def state_dict(self) -> dict[str, Any]:
        """Return what all processes have in common."""
        return {
            "totals": self._totals,
            "position": self.position,
            "updates": self.updates_before,
            "random": self._rng_state,
        }

    def load_state_dict(self, values: dict[str, Any], hidden: Any, rng_state: Tensor) -> None:
        """Restore the values of `state_dict`, the recurrent state, and the random state at the position."""
        self._totals, self.position = values["totals"], values["position"]
        self.updates_before, self._rng_state = values["updates"], values["random"]
        self.hidden = hidden
        if self._rng_state is None:
            rng.set_state(rng_state)
        else:
            self._resume_rng_state = rng_state


class TrainingState:
    """State of a training: model, optimizer and scheduler, progress, best weights, random numbers.

    Args:
        model: is trained.
        optimizer: of its parameters.
        scheduler: of the optimizer.
        distributed: processes that train together.
        path: how updates are made.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        scheduler: LRScheduler | None,
        distributed: DistributedContext,
        path: str,
    ) -> None:
        self.model = model
        self.distributed = distributed
        self.history = History(path=path)
        self.epoch = EpochState()
        self.updates = 0
        self.validation_loss: float | None = None
        self._optimizer = optimizer
        self._scheduler = scheduler
        self._best_weights: dict[str, Tensor] | None = None
        self._start_time = 0.0

    def start(self) -> None:
        """Put the model into training mode, bring all processes into the same state, and start the clock."""
        self.model.train()
        self.distributed.synchronize(self.model)
        self._start_time = self.distributed.clock()

    @property
    def seconds(self) -> float:
        """Return the seconds since the start, those of an earlier run included."""
        return self.distributed.clock() - self._start_time

    def add(self, result: UpdateResult, clip: float) -> None:
        """Count updates that were made."""
        self.updates += result.updates
        self.epoch.add(result, clip)

    @property
    def epoch_updates(self) -> int:
        """Return the number of updates of this epoch."""
        return self.updates - self.epoch.updates_before

    def end_epoch(self, *, validated: bool) -> Record:
        """Record the epoch, keep its weights if its validation loss is the lowest, and begin the next."""
        loss, norm, clipped = self.epoch.means(self.epoch_updates)
        record = Record(
            epoch=len(self.history) + 1,
            updates=self.updates,
            loss=loss,
            validation_loss=self.validation_loss,
            gradient_norm=norm,
            clipped=clipped,
            learning_rate=float(self._optimizer.param_groups[0]["lr"]),
            seconds=self.seconds,
        )
        if validated and (self.history.best is None or record.score < self.history.best.score):
            self._best_weights = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.history.records.append(record)
        self.epoch = EpochState()
        return record

    def restore_best(self) -> None:
        """Give the model the best weights, if there was a validation."""
        if self._best_weights is not None:
            self.model.load_state_dict(self._best_weights)

    @property
    def kept_weights(self) -> str:
        """Return which weights the model holds after a failure, in words."""
        best = None if self._best_weights is None else self.history.best
        return "the weights from before it are kept" if best is None else f"those of epoch {best.epoch} are kept"

    def state_dict(self) -> dict[str, Any]:
        """Return the whole state, except for the records of the history; all processes have to call this."""
        process = {"state": self.epoch.hidden, "random": self.distributed.rng_state}
        return {
            "model": dict(self.model.state_dict()),
            "optimizer": self._optimizer.state_dict(),
            "rule": type(self._optimizer).__name__,
            "scheduler": None if self._scheduler is None else _serializable(self._scheduler.state_dict()),
            "best": self._best_weights,
            "updates": self.updates,
            "validation_loss": self.validation_loss,
            "seconds": self.seconds,
            **self.history.termination,
            "random": rng.get_state(),
            "epoch": self.epoch.state_dict(),
            "processes": self.distributed.all_gather(process),
        }

    def load_state_dict(self, values: dict[str, Any], history: History) -> None:
        """Restore the values of `state_dict`, which `check` has accepted, and the history."""
        self.model.load_state_dict(values["model"])
        self._optimizer.load_state_dict(values["optimizer"])
        if self._scheduler is not None:
            self._scheduler.load_state_dict(values["scheduler"])
        self.history = history
        self._best_weights, self.updates = values["best"], values["updates"]
        self.validation_loss = values["validation_loss"]
        self._start_time = self.distributed.clock() - values["seconds"]
        process = values["processes"][self.distributed.rank]
        self.distributed.rng_state = process["random"]
        self.epoch.load_state_dict(values["epoch"], process["state"], values["random"])

    def check(self, values: dict[str, Any]) -> None:
        """Raise if values of `state_dict` are those of another model, optimizer or schedule.

        Raises:
            InputError: says what differs.
        """
        processes = len(values["processes"])
        if processes != self.distributed.size:
            raise InputError(
                f"the checkpoint of a training on {processes} processes; expected {self.distributed.size}; start as "
                "many processes as before"
            )
        optimizer, own = values.get("rule", ""), type(self._optimizer).__name__
        if optimizer not in ("", own):
            raise InputError(f"the checkpoint of a training with the optimizer {optimizer}; expected {own}")
        has_schedule, has_own = values["scheduler"] is not None, self._scheduler is not None
        if has_schedule != has_own:
            names = {True: "with a schedule", False: "without a schedule"}
            raise InputError(f"the checkpoint of a training {names[has_schedule]}; expected one {names[has_own]}")
        try:
            check_weights(self.model, values["model"])
            if values["best"] is not None:
                check_weights(self.model, values["best"])
            check_optimizer(self._optimizer, values["optimizer"])
            if self._scheduler is not None:
                check_same_types("schedule", values["scheduler"], _serializable(self._scheduler.state_dict()))
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise InputError(f"the checkpoint of another model: {error}") from error


def _serializable(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a scheduler's state that can be written; its functions are built again."""
    return {name: value for name, value in values.items() if isinstance(value, bool | int | float | str | list | None)}
