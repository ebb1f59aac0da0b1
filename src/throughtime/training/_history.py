"""The history of a training: one record for each epoch, and how it ended."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Record:
    """Record of one epoch.

    Attributes:
        epoch: its number, from 1.
        updates: made since the start of the training.
        loss: mean over the targets trained on.
        validation_loss: mean over the targets of the validation data; None without any.
        gradient_norm: mean over the updates, before clipping.
        clipped: fraction of the updates whose gradient was clipped.
        learning_rate: at the end of the epoch.
        seconds: since the start of the training.
    """

    epoch: int
    updates: int
    loss: float
    validation_loss: float | None
    gradient_norm: float
    clipped: float
    learning_rate: float
    seconds: float

    def check(self) -> None:
        """Raise if a value is not one that a training records.

        Raises:
            ValueError: names the field.
        """
        for name, value in asdict(self).items():
            is_count = name in ("epoch", "updates")
            types = (int,) if is_count else (int, float)
            is_absent = name == "validation_loss" and value is None
            if not is_absent and (not isinstance(value, types) or isinstance(value, bool)):
                raise ValueError(f"{name}: expected a number in each line of the history, got {str(value)[:40]!r}")

    @property
    def score(self) -> float:
        """Return what the best epoch is chosen by: the validation loss if there is one, else the training loss."""
        return self.loss if self.validation_loss is None else self.validation_loss


@dataclass
class History:
    """History of a training.

    Attributes:
        records: of the epochs.
        stop_reason: the criterion that was met, or 'interrupted'.
        path: how updates were computed: 'compiled' in the engine, or 'general' and the reason.
    """

    records: list[Record] = field(default_factory=list)
    stop_reason: str = ""
    path: str = ""

    @property
    def best(self) -> Record | None:
        """Return the epoch with the lowest validation loss (without validation data, training loss)."""
        return min(self.records, key=lambda record: record.score, default=None)

    def __len__(self) -> int:
        return len(self.records)

    def to_lines(self) -> str:
        """Return the records as JSON lines."""
        return "".join(json.dumps(asdict(record)) + "\n" for record in self.records)

    @property
    def termination(self) -> dict[str, str]:
        """Return what the records do not hold: why the training ended, and how updates were computed."""
        return {"stopped": self.stop_reason, "path": self.path}

    @classmethod
    def from_lines(cls, lines: Iterable[str], termination: Mapping[str, str]) -> Self:
        """Build a history from the values of `to_lines` and `termination`; other keys of the latter are ignored."""
        records = [Record(**json.loads(line)) for line in lines if line.strip()]
        for record in records:
            record.check()
        return cls(records, str(termination["stopped"]), str(termination.get("path", "")))


@dataclass(frozen=True)
class Progress:
    """Progress of a training, as callbacks receive it.

    Attributes:
        epoch: number of the current epoch, from 1.
        epochs: largest number of epochs; None without a limit.
        updates: made so far.
        loss: of the last update, or the mean of the epoch that has just ended.
        validation_loss: of the last epoch; None without validation data.
        gradient_norm: likewise, before clipping.
        seconds: since the start.
        seconds_left: at most; None if the end cannot be predicted.
    """

    epoch: int
    epochs: int | None
    updates: int
    loss: float
    validation_loss: float | None
    gradient_norm: float
    seconds: float
    seconds_left: float | None
