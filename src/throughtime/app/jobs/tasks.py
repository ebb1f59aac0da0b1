"""`throughtime train TASK DATA`, and which module knows how to train, predict and evaluate for each task.

A task is a module with three functions, `train(order)`, `predict(request)` and `evaluate(request)`, and `OPTIONS`, the names of
the options of the command line that these look at. It is imported when it is asked for. To add a task, add its line to
`TASKS` and to `throughtime.tasks.loading`.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError
from throughtime.io.directory import read_config

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughtime.app.run_directory import RunDirectory

_PYTHON = {"True": True, "False": False, "None": None}

TASKS = {
    "forecast": "throughtime.app.jobs.forecaster",
    "classify": "throughtime.app.jobs.classifier",
    "tag": "throughtime.app.jobs.tagger",
    "generate": "throughtime.app.jobs.generator",
    "translate": "throughtime.app.jobs.translator",
}
"""The module of each task."""


@dataclass(frozen=True)
class TrainRequest:
    """What is to be trained.

    Attributes:
        data: file to learn from.
        test: file to judge by; a part of the data if None.
        options: of the task, by name, those that were given.
        settings: of the estimator, by name.
        place: where the run is written.
        as_json: whether the result is printed as one JSON object.
    """

    data: Path
    test: Path | None
    options: dict[str, Any]
    settings: dict[str, Any]
    place: RunDirectory
    as_json: bool


@dataclass(frozen=True)
class ModelRequest:
    """What a trained model is to do.

    Attributes:
        model: its directory.
        data: file to read.
        options: as for `TrainRequest`.
        out: file to write; '-' for the screen.
        as_json: whether the result is printed as JSON.
    """

    model: Path
    data: Path
    options: dict[str, Any] = field(default_factory=dict)
    out: Path | None = None
    as_json: bool = False


def task_module(task: str) -> Any:
    """The module of a task.

    Raises:
        InputError: for one that there is not.
    """
    if task not in TASKS:
        close = get_close_matches(task, TASKS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise InputError(f"TASK: expected one of {', '.join(TASKS)}, got {task!r}{hint}")
    return importlib.import_module(TASKS[task])


def read_task(model: Path) -> str:
    """The task that a model directory says it is for.

    Raises:
        InputError: for a directory that is no model's, or is damaged.
    """
    task = read_config(model).get("task")
    return task if isinstance(task, str) else ""


def load_task_module(model: Path) -> tuple[str, Any]:
    """The task of a model, and its module.

    Raises:
        InputError: for a directory that is no model's, and for a model of something else, as a layer.
    """
    task = read_task(model)
    if task not in TASKS:
        raise InputError(f"{model}: expected a model for one of {', '.join(TASKS)}, got {task or 'none'!r}")
    return task, task_module(task)


def select_options(task: str, given: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, by name.

    Raises:
        InputError: for one that the task does not look at.
    """
    known = task_module(task).OPTIONS
    chosen = {name: value for name, value in given.items() if value is not None}
    for name in chosen:
        if name not in known:
            raise InputError(f"--{name.replace('_', '-')}: of no use to {task}; leave it out")
    return chosen


def parse_settings(options: dict[str, Any], more: Sequence[str]) -> dict[str, Any]:
    """Settings of the estimator: options that were given, and NAME=VALUE pairs.

    Raises:
        InputError: for a pair that is none.
    """
    settings = {name: value for name, value in options.items() if value is not None}
    for pair in more:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise InputError(f"--set: expected NAME=VALUE, such as dropout=0.3, got {pair!r}")
        try:
            value = _PYTHON[text] if text in _PYTHON else json.loads(text)
        except ValueError:
            value = text
        settings[name.strip().replace("-", "_")] = value
    return settings
