"""The state of a running training: where it stands in an epoch, and how it is written down and taken up again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from throughtime._core import rng
from throughtime._core.errors import InputError
from throughtime.training._checkpoints import damaged
from throughtime.training._history import History
from throughtime.training._state_checks import check_alike, check_optimizer, check_values, check_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

    from throughtime.data.batches import Batch
    from throughtime.training._autograd import UpdateResult
    from throughtime.training._checkpoints import Checkpoints
    from throughtime.training._fit import TrainingLoop

_log = logging.getLogger("throughtime.training")


class EpochState:
    """How far an epoch has come, and the random numbers that it began with, so that it can be walked again."""

    def __init__(self) -> None:
        self.totals = [0.0] * 4  # loss * steps, steps, norms, clipped
        self.position = 0  # batches done
        self.updates = -1  # before the epoch; -1 before it has begun
        self.random: Tensor | None = None
        self.resume_rng_state: Tensor | None = (
            None  # random numbers at the position, where the epoch was begun by an earlier run
        )
        self.state: Any = None

    def begin(self, updates: int) -> None:
        if self.random is None:
            self.random, self.updates = rng.get_state(), updates
        else:
            rng.set_state(self.random)

    def count(self, done: UpdateResult, clip: float) -> None:
        """Add updates to the totals, one after the other: a sum does not depend on how many were made in one go."""
        loss_sum, target_sum, norm_sum, clipped = self.totals
        for loss, norm, targets in zip(done.losses, done.norms, done.targets, strict=True):
            loss_sum += loss * targets
            target_sum += targets
            norm_sum += norm
            clipped += norm > clip
        self.totals = [loss_sum, target_sum, norm_sum, clipped]

    def remaining(self, data: Iterable[Batch]) -> Iterator[tuple[int, Batch]]:
        """The batches that no earlier run was trained on, and their numbers.

        The first of them is asked for with the random numbers that it was asked for before.
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
        if self.resume_rng_state is not None:
            rng.set_state(self.resume_rng_state)
            self.resume_rng_state = None


class Checkpointer:
    """Writes the state of a training where it is to be kept, and reads it back."""

    def __init__(self, training: TrainingLoop, checkpoints: Checkpoints | None) -> None:
        self.training = training
        self.checkpoints = checkpoints
        self.last_saved = training.distributed.clock()

    @property
    def directory(self) -> Any:
        """Where the checkpoint lies."""
        return None if self.checkpoints is None else self.checkpoints.directory

    def save_if_due(self) -> None:
        if (
            self.checkpoints is not None
            and self.training.distributed.clock() - self.last_saved >= self.checkpoints.seconds
        ):
            self.save()

    def save(self) -> None:
        if self.checkpoints is None:
            return
        training, now = self.training, self.training.epoch
        self.last_saved = training.distributed.clock()
        processes = training.distributed.all_gather({"state": now.state, "random": training.distributed.random})
        if training.distributed.rank:
            return
        whole = {
            "model": dict(training.model.state_dict()),
            "optimizer": training.optimizer.state_dict(),
            "rule": type(training.optimizer).__name__,
            "scheduler": None if training.scheduler is None else _serializable(training.scheduler.state_dict()),
            "best": training.best,
            "updates": training.updates,
            "validation_loss": training.validation_loss,
            "seconds": training.seconds(),
            **training.history.termination,
            "random": rng.get_state(),
            "epoch": {
                "totals": now.totals,
                "position": now.position,
                "updates": now.updates,
                "random": now.random,
            },
            "processes": processes,
        }
        self.checkpoints.write(whole, training.history.to_lines())

    def load(self) -> None:
        if self.checkpoints is None:
            return
        training, now = self.training, self.training.epoch
        found = training.distributed.broadcast(None if training.distributed.rank else self.checkpoints.read())
        if found is None:
            return
        whole, lines = found
        history = self._checked(whole, lines)
        training.model.load_state_dict(whole["model"])
        training.optimizer.load_state_dict(whole["optimizer"])
        if training.scheduler is not None:
            training.scheduler.load_state_dict(whole["scheduler"])
        training.history = history
        training.best, training.updates = whole["best"], whole["updates"]
        training.validation_loss = whole["validation_loss"]
        training.start_time = training.distributed.clock() - whole["seconds"]
        vars(now).update(whole["epoch"])
        now.state, training.distributed.random = (
            whole["processes"][training.distributed.rank][name] for name in ("state", "random")
        )
        if now.random is None:
            rng.set_state(whole["random"])
        else:
            now.resume_rng_state = whole["random"]
        _log.info("going on from %s after %d updates", self.checkpoints, training.updates)

    def _checked(self, whole: Any, lines: str) -> History:
        """The history of a checkpoint, all of which can be gone on from.

        Raises:
            InputError: for one that is damaged, or of another training.
        """
        training = self.training
        try:
            check_values(whole)
            # Why the former run ended is for this one's criteria to say again.
            history = History.from_lines(lines.splitlines(), {**whole, "stopped": ""})
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
            raise damaged(self.directory, error) from error
        if len(whole["processes"]) != training.distributed.size:
            raise InputError(
                f"{self.directory}: the checkpoint of a training on {len(whole['processes'])} processes; "
                f"expected as many, got {training.distributed.size}"
            )
        self._check_kind(whole)
        try:
            check_weights(training.model, whole["model"])
            if whole["best"] is not None:
                check_weights(training.model, whole["best"])
            check_optimizer(training.optimizer, whole["optimizer"])
            if training.scheduler is not None:
                check_alike("schedule", whole["scheduler"], _serializable(training.scheduler.state_dict()))
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise InputError(f"{self.directory}: the checkpoint of another model: {error}") from error
        return history

    def _check_kind(self, whole: dict[str, Any]) -> None:
        """Refuse the checkpoint of a training with another optimizer or schedule."""
        training, rule = self.training, type(self.training.optimizer).__name__
        found = whole.get("rule", rule)
        if found != rule:
            raise InputError(f"{self.directory}: the checkpoint of a training with {found}; expected that, got {rule}")
        words = {False: "a training with a schedule", True: "one without"}
        theirs, ours = whole["scheduler"] is None, training.scheduler is None
        if theirs != ours:
            raise InputError(f"{self.directory}: the checkpoint of {words[theirs]}, and this is {words[ours]}")


def _serializable(values: dict[str, Any]) -> dict[str, Any]:
    """What of a scheduler's state can be written: its functions are made anew."""
    return {name: value for name, value in values.items() if isinstance(value, bool | int | float | str | list | None)}
