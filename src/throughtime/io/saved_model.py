"""Model directories as tensors: what `directory.py` keeps as bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from throughtime._core.errors import InputError
from throughtime.io import directory as directories

if TYPE_CHECKING:
    import os

    from torch import Tensor


@dataclass(frozen=True)
class SavedModel:
    """Content of a model directory.

    Attributes:
        config: what JSON can hold; 'task' names who can read the rest.
        tensors: weights and arrays by name.
        history: JSON lines, one for each epoch.
        forecasts: the log of forecasts, as bytes that are not checked yet.
    """

    config: dict[str, Any]
    tensors: dict[str, Tensor]
    history: str = field(default="")
    forecasts: bytes = b""


def write(directory: str | os.PathLike[str], model: SavedModel, *, overwrite: bool = False) -> None:
    """Write a model directory, all of it or nothing.

    Raises:
        InputError: where something of that name exists (with `overwrite`: that is not a model directory), or the place
            cannot be written.
    """
    tensors = {name: tensor.detach().contiguous() for name, tensor in model.tensors.items()}
    contents = directories.ModelFiles(model.config, save_tensors(tensors), model.history.encode(), model.forecasts)
    directories.write(directory, contents, overwrite=overwrite)


def read(directory: str | os.PathLike[str]) -> SavedModel:
    """Read a model directory.

    Raises:
        InputError: for one that is none, is damaged, or was written by a newer version.
    """
    files = directories.read(directory)
    try:
        return SavedModel(files.config, load_tensors(files.weights), files.history.decode(), files.forecasts)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        raise InputError(f"{Path(directory) / directories.WEIGHTS}: damaged: {error}") from error
