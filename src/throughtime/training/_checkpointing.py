"""Checkpoints of a training: its whole state in a directory, from which a killed run continues bit for bit."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError
from throughtime.io import saved_model, state
from throughtime.training._history import History
from throughtime.training._state_checks import check_values

if TYPE_CHECKING:
    import os

    from throughtime.training._state import TrainingState

_log = logging.getLogger("throughtime.training")


@dataclass(frozen=True)
class Checkpoints:
    """Where and how often the state of a training is written; a training that finds its own there continues from it.

    It holds weights, optimizer, schedule, random numbers, the position in the data and the history, and is replaced as
    a whole. To repeat a run bit for bit, the data must have the same order: from tensors, from `Batches`, or from
    anything else that draws from torch's generator.

    Args:
        directory: of the checkpoint.
        seconds: between two checkpoints; one is also written at the end of the training.
    """

    directory: str | os.PathLike[str]
    seconds: float = 60.0

    def write(self, training: dict[str, Any], history: str) -> None:
        """Replace the checkpoint."""
        values, tensors = state.pack(training)
        saved = saved_model.SavedModel({"task": "training", "training": values}, tensors, history)
        saved_model.write(self.directory, saved, overwrite=True)

    def read(self) -> tuple[dict[str, Any], str] | None:
        """Return the state of a training and its history, or None if there is none yet.

        Raises:
            InputError: for a directory that holds something else, or is damaged.
        """
        # An interrupted replacement has left the old checkpoint under another name; reading restores it.
        try:
            saved = saved_model.read(self.directory)
        except InputError:
            if Path(self.directory).exists():
                raise
            return None
        if saved.config.get("task") != "training":
            raise InputError(f"{self.directory}: expected the checkpoint of a training, found a model")
        try:
            return state.unpack(saved.config["training"], saved.tensors), saved.history
        except (KeyError, ValueError) as error:
            raise _damaged(self.directory, error) from error


class Checkpointer:
    """Saves the state of a training at intervals, and restores it.

    Args:
        checkpoints: where, and how often; None to do nothing.
        training: state to save.
    """

    def __init__(self, checkpoints: Checkpoints | None, training: TrainingState) -> None:
        self._checkpoints = checkpoints
        self._training = training
        self._last_saved = 0.0

    def save_if_due(self) -> None:
        """Save if the interval since the last time is over."""
        if self._checkpoints is not None and self._clock() - self._last_saved >= self._checkpoints.seconds:
            self.save()

    def save(self) -> None:
        """Save the state; all processes have to call this, the first one writes."""
        if self._checkpoints is None:
            return
        self._last_saved = self._clock()
        values = self._training.state_dict()
        if not self._training.distributed.rank:
            self._checkpoints.write(values, self._training.history.to_lines())

    def load(self) -> None:
        """Restore the state if there is a checkpoint, and begin to measure the interval.

        Raises:
            InputError: for a checkpoint that is damaged, or of another training.
        """
        self._last_saved = self._clock()
        if self._checkpoints is None:
            return
        distributed = self._training.distributed
        saved = distributed.broadcast(None if distributed.rank else self._checkpoints.read())
        if saved is None:
            return
        values, lines = saved
        directory = self._checkpoints.directory
        try:
            check_values(values)
            # The criteria of this run decide why it ends.
            history = History.from_lines(lines.splitlines(), {**values, "stopped": ""})
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
            raise _damaged(directory, error) from error
        try:
            self._training.check(values)
        except InputError as error:
            raise InputError(f"{directory}: {error}") from error
        self._training.load_state_dict(values, history)
        _log.info("continuing from %s after %d updates", self._checkpoints, self._training.updates)

    def _clock(self) -> float:
        return self._training.distributed.clock()


def _damaged(directory: str | os.PathLike[str], reason: object) -> InputError:
    return InputError(f"{directory}: damaged, not the checkpoint of a training: {reason}; remove it to start again")
