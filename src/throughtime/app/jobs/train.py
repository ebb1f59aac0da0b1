"""`throughtime train` for any task."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from throughtime.app.jobs.runner import run_training
from throughtime.app.jobs.tasks import task_module

if TYPE_CHECKING:
    from throughtime.app.jobs.requests import TrainRequest


def run(task: str, request: TrainRequest) -> int:
    """Run the command, and return the exit code: 0, or 130 after Ctrl-C.

    Raises:
        InputError: for data and settings that cannot be used.
    """
    prepare = partial(task_module(task).prepare, request)
    return run_training(prepare, request.directory, as_json=request.as_json)
