"""What happened in a training: one record for each epoch, and how it ended."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Record:
    """One epoch. Losses are means over the steps trained on; `validation_loss` is None without validation data."""

    epoch: int  # from 1
    updates: int  # since the beginning
    loss: float
    validation_loss: float | None
    gradient_norm: float  # mean over the updates, before clipping
    clipped: float  # share of the updates whose gradient was clipped
    learning_rate: float
    seconds: float  # since the beginning

    def check(self) -> None:
        """Refuse what no training has recorded.

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
        """What the best epoch is chosen by: the validation loss where there is one."""
        return self.loss if self.validation_loss is None else self.validation_loss


@dataclass
class History:
    """All records of a training, why it ended, and how updates were made: 'compiled', or 'general' and why."""

    records: list[Record] = field(default_factory=list)
    stop_reason: str = ""
    path: str = ""

    @property
    def best(self) -> Record | None:
        """The epoch with the lowest validation loss (without validation data, training loss)."""
        return min(self.records, key=lambda record: record.score, default=None)

    def __len__(self) -> int:
        return len(self.records)

    def to_lines(self) -> str:
        """As JSON lines."""
        return "".join(json.dumps(asdict(record)) + "\n" for record in self.records)

    @property
    def termination(self) -> dict[str, str]:
        """What is no line: why it ended, and how updates were made."""
        return {"stopped": self.stop_reason, "path": self.path}

    @classmethod
    def from_lines(cls, lines: Iterable[str], termination: Mapping[str, str]) -> Self:
        """Undo `to_lines` and `termination`, which may be a part of something larger."""
        records = [Record(**json.loads(line)) for line in lines if line.strip()]
        for record in records:
            record.check()
        return cls(records, str(termination["stopped"]), str(termination.get("path", "")))


@dataclass(frozen=True)
class Progress:
    """Where a training stands; what callbacks are told."""

    epoch: int  # from 1, the one at work
    epochs: int | None  # at most, where that is known
    updates: int
    loss: float
    validation_loss: float | None  # of the epoch before
    gradient_norm: float
    seconds: float
    seconds_left: float | None  # at most, where that is known

    @property
    def is_finite(self) -> bool:
        """Whether loss and gradient are numbers."""
        return math.isfinite(self.loss) and math.isfinite(self.gradient_norm)
