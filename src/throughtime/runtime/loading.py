"""Reads model directories without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError
from throughtime.io import directory as directories
from throughtime.runtime.graph_network import GraphNetwork
from throughtime.runtime.streaming import StreamingNetwork

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import numpy as np


_LOADERS: dict[str, Callable[[dict[str, Any], dict[str, np.ndarray]], Any]] = {
    "network": StreamingNetwork.from_config,
    "module": GraphNetwork.from_config,
}
"""What reads the configuration and the weights of a model, by its task."""


def load(directory: str | os.PathLike[str]) -> Any:
    """Read a model directory: a network of `throughtime.save`.

    Raises:
        InputError: for a path that is not such a directory, for a damaged one, or a network that cannot run step by
            step.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_arrays

    contents = directories.read(directory)
    task = contents.config.get("task")
    if not isinstance(task, str) or task not in _LOADERS:
        raise InputError(f"{directory}: expected a network written by throughtime.save, got a model for {task!r}")
    try:
        return _LOADERS[task](contents.config, load_arrays(contents.weights))
    except InputError as error:
        raise InputError(f"{directory}: {error}") from error
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise InputError(f"{directory}: does not describe a usable network: {error}") from error
