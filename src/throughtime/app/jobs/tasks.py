"""The tasks of the command line, and the module that trains, predicts and evaluates for each.

A task is a module with three functions, `prepare(request, console)`, `predict(request)` and `evaluate(request)`, and
`OPTIONS`, the names of the options that they read. It is imported only when it is needed, since it imports torch. To
add a task, add a line to `TASKS` and to `throughtime.tasks.loading`.
"""

from __future__ import annotations

import importlib
import json
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError
from throughtime.io.directory import read_config

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_PYTHON_LITERALS = {"True": True, "False": False, "None": None}

TASKS = {
    "forecast": "throughtime.app.jobs.forecaster",
    "classify": "throughtime.app.jobs.classifier",
    "tag": "throughtime.app.jobs.tagger",
    "generate": "throughtime.app.jobs.generator",
    "translate": "throughtime.app.jobs.translator",
}
"""The module of each task."""


def task_module(task: str) -> Any:
    """Return the module of a task.

    Raises:
        InputError: for an unknown task.
    """
    if task not in TASKS:
        close = get_close_matches(task, TASKS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise InputError(f"TASK: expected one of {', '.join(TASKS)}, got {task!r}{hint}")
    return importlib.import_module(TASKS[task])


def read_task(model: Path) -> str:
    """Return the task in the config of a model directory, '' if it names none.

    Raises:
        InputError: for a directory without a model, and for a damaged one.
    """
    task = read_config(model).get("task")
    return task if isinstance(task, str) else ""


def load_task_module(model: Path) -> tuple[str, Any]:
    """Return the task of a model and its module.

    Raises:
        InputError: for a directory without a model, and for a model without a task, such as a layer.
    """
    task = read_task(model)
    if task not in TASKS:
        raise InputError(f"{model}: expected a model for one of {', '.join(TASKS)}, got {task or 'none'!r}")
    return task, task_module(task)


def select_options(task: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that are set, by name.

    Raises:
        InputError: for an option that does not apply to the task.
    """
    supported = task_module(task).OPTIONS
    chosen = {name: value for name, value in options.items() if value is not None}
    for name in chosen:
        if name not in supported:
            raise InputError(f"--{name.replace('_', '-')} does not apply to `{task}`; leave it out")
    return chosen


def parse_settings(options: dict[str, Any], pairs: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of an estimator: options that are set, and NAME=VALUE pairs.

    Raises:
        InputError: for a pair without a name or an equals sign.
    """
    settings = {name: value for name, value in options.items() if value is not None}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise InputError(f"--set: expected NAME=VALUE, such as dropout=0.3, got {pair!r}")
        try:
            value = _PYTHON_LITERALS[text] if text in _PYTHON_LITERALS else json.loads(text)
        except ValueError:
            value = text
        settings[name.strip().replace("-", "_")] = value
    return settings
