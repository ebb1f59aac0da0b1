"""Reads model directories without torch."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError, MissingPackageError
from throughtime.io import directory as directories
from throughtime.runtime.model_directory import ModelDirectory

if TYPE_CHECKING:
    import os

_MODELS = {
    "network": "throughtime.runtime.streaming:StreamingNetwork.from_directory",
    "module": "throughtime.runtime.graph_network:GraphNetwork.from_directory",
    "forecast": "throughtime.inference.forecasting.forecaster:ForecasterModel.from_directory",
    "classify": "throughtime.inference.classification.classifier:ClassifierModel.from_directory",
    "tag": "throughtime.inference.tagging.tagger:TaggerModel.from_directory",
    "generate": "throughtime.inference.generation.generator:GeneratorModel.from_directory",
    "translate": "throughtime.inference.translation.translator:TranslatorModel.from_directory",
}
"""What builds a model of a directory, by the task that its configuration names."""


def load(directory: str | os.PathLike[str]) -> Any:
    """Read a model: a network of `throughtime.save`, or what the `save` of an estimator wrote.

    Returns:
        A `StreamingNetwork` for a network, a `GraphNetwork` for a custom module; for an estimator its model, with
        the methods of the estimator that do not train: `predict` and `predict_proba`, `sample` and `stream`.

    Raises:
        InputError: for a path that is not a model directory, for a damaged one, or a network that cannot run here.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_arrays

    contents = directories.read(directory)
    task = contents.config.get("task")
    if not isinstance(task, str) or task not in _MODELS:
        raise InputError(f"{directory}: expected a model for one of {', '.join(_MODELS)}, got {task!r}")
    build = resolve_name(_MODELS[task])
    try:
        return build(ModelDirectory(contents.config, load_arrays(contents.weights)))
    except MissingPackageError:
        raise
    except InputError as error:
        raise InputError(f"{directory}: {error}") from error
    except (*_FAULTS, SafetensorError) as error:
        raise InputError(f"{directory}: does not describe a usable network: {error}") from error


_FAULTS = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, MemoryError, RecursionError)
"""What a configuration that describes no model can raise, where it is read and where its network runs an example."""
