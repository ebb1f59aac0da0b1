"""Loading: the estimator or the network that a model directory holds."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError, MissingPackageError
from throughtime.io import saved_model
from throughtime.io.directory import CONFIG

if TYPE_CHECKING:
    import os

_LOADERS = {
    "network": "throughtime.io.network:restore",
    "module": "throughtime.io.own_module:restore",
    "forecast": "throughtime.tasks.forecasting:Forecaster.from_saved_model",
    "classify": "throughtime.tasks.classification:SequenceClassifier.from_saved_model",
    "tag": "throughtime.tasks.tagging:SequenceTagger.from_saved_model",
    "generate": "throughtime.tasks.generation:SequenceGenerator.from_saved_model",
    "translate": "throughtime.tasks.translation:SequenceTranslator.from_saved_model",
}


def load(directory: str | os.PathLike[str]) -> Any:
    """Read an estimator from the directory that its `save` wrote. Nothing in it is ever executed.

    Raises:
        InputError: for a directory that is not a model's, or is damaged.
    """
    saved = saved_model.read(directory)
    task = saved.config.get("task")
    if not isinstance(task, str) or task not in _LOADERS:
        raise InputError(f"{directory}: expected a model for one of {', '.join(_LOADERS)}, got {task!r}")
    load_task = resolve_name(_LOADERS[task])
    try:
        return load_task(saved)
    except MissingPackageError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError, OverflowError) as error:
        raise InputError(f"{directory}: its {CONFIG} does not describe a usable model: {error}") from error
