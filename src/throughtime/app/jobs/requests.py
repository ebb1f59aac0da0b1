"""What a command asks of a task: a model to train, or something to do with a trained one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from throughtime.app.output import hide_password

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.app.run_directory import RunDirectory


@dataclass(frozen=True)
class TrainRequest:
    """A request to train a model.

    Attributes:
        data: training file.
        test: test file; a part of the data if None.
        options: options of the task, by name, without those that are not set.
        settings: parameters of the estimator, by name.
        directory: where the run is written.
        as_json: print the result as one JSON object.
    """

    data: Path
    test: Path | None
    options: dict[str, Any]
    settings: dict[str, Any]
    directory: RunDirectory
    as_json: bool

    def to_json(self) -> dict[str, Any]:
        """Return what the record of the run holds of the request."""
        return {
            "data": str(self.data),
            "test": None if self.test is None else str(self.test),
            "options": {k: hide_password(v) if isinstance(v, str) else v for k, v in self.options.items()},
            "settings": self.settings,
        }


@dataclass(frozen=True)
class ModelRequest:
    """A request to a trained model.

    Attributes:
        model: directory of the model.
        data: file to read.
        options: as for `TrainRequest`.
        out: file to write; '-' or None for the standard output.
        as_json: print the result as JSON.
    """

    model: Path
    data: Path
    options: dict[str, Any] = field(default_factory=dict)
    out: Path | None = None
    as_json: bool = False
