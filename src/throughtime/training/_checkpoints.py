"""Training that survives: its whole state in a directory, so that a run killed at any moment goes on bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError
from throughtime.io import saved_model, state

if TYPE_CHECKING:
    import os


@dataclass(frozen=True)
class Checkpoints:
    """Where, and how often, the state of a training is written; a training that finds its own there goes on from it.

    It holds weights, optimiser, schedule, random numbers, the position in the data and the history, and is replaced as
    a whole. To repeat a run bit for bit the data have to come in the same order: from tensors, from `Batches`, or from
    anything else that draws from torch's generator.

    Args:
        directory: of the checkpoint.
        seconds: from one to the next; it is also written at the end of the training.
    """

    directory: str | os.PathLike[str]
    seconds: float = 60.0

    def write(self, training: dict[str, Any], history: str) -> None:
        """Replace the checkpoint."""
        plain, tensors = state.pack(training)
        found = saved_model.SavedModel({"task": "training", "training": plain}, tensors, history)
        saved_model.write(self.directory, found, overwrite=True)

    def read(self) -> tuple[dict[str, Any], str] | None:
        """The state of a training and its history, or None where there is none yet.

        Raises:
            InputError: for a directory that holds something else, or is damaged.
        """
        # A replacement cut short has left the old one under another name: reading brings it back.
        try:
            found = saved_model.read(self.directory)
        except InputError:
            if Path(self.directory).exists():
                raise
            return None
        if found.config.get("task") != "training":
            raise InputError(f"{self.directory}: expected the checkpoint of a training, found a model")
        try:
            return state.unpack(found.config["training"], found.tensors), found.history
        except (KeyError, ValueError) as error:
            raise damaged(self.directory, error) from error


def damaged(directory: str | os.PathLike[str], reason: object) -> InputError:
    """Return the error for a checkpoint that holds what no training has written."""
    return InputError(f"{directory}: damaged, not the checkpoint of a training: {reason}; remove it to begin anew")
