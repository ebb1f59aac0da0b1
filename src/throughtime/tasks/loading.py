"""Loading: the estimator that a model directory holds."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError, MissingPackageError
from throughtime.io import saved_model
from throughtime.io.directory import CONFIG

if TYPE_CHECKING:
    import os

_READERS = {
    "network": "throughtime.io.network",
    "forecast": "throughtime.tasks.forecasting.saving",
    "classify": "throughtime.tasks.classification.saving",
    "tag": "throughtime.tasks.tagging.saving",
    "generate": "throughtime.tasks.generation.saving",
    "translate": "throughtime.tasks.translation.saving",
}


def load(directory: str | os.PathLike[str]) -> Any:
    """Read an estimator from the directory that its `save` wrote. Nothing in it is ever executed.

    Raises:
        InputError: for a directory that is no model's, or is damaged.
    """
    found = saved_model.read(directory)
    task = found.config.get("task")
    if not isinstance(task, str) or task not in _READERS:
        raise InputError(f"{directory}: expected a model for one of {', '.join(_READERS)}, got {task!r}")
    reader = importlib.import_module(_READERS[task])
    try:
        return reader.restore(found)
    except MissingPackageError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError, OverflowError) as error:
        raise InputError(f"{directory}: its {CONFIG} does not describe a usable model: {error}") from error
