"""Reads model directories without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughtime._core.errors import InputError
from throughtime.io import directory as directories
from throughtime.io.network_description import check_description
from throughtime.runtime.streaming import StreamingNetwork

if TYPE_CHECKING:
    import os


def load(directory: str | os.PathLike[str]) -> StreamingNetwork:
    """Read a network of `throughtime.save`.

    Raises:
        InputError: for a path that is not such a directory, for a damaged one, or a network that cannot run step by
            step.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_arrays

    contents = directories.read(directory)
    if contents.config.get("task") != "network":
        task = contents.config.get("task")
        raise InputError(f"{directory}: expected a network written by throughtime.save, got a model for {task!r}")
    try:
        description, weights = contents.config["network"], load_arrays(contents.weights)
        check_description(description, {name: array.shape for name, array in weights.items()})
        return StreamingNetwork(description, weights)
    except InputError as error:
        raise InputError(f"{directory}: {error}") from error
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise InputError(f"{directory}: does not describe a usable network: {error}") from error
