"""`throughtime export`: the formats of trained models for other runtimes.

A format is a module with `run(request)`, imported only when it is needed. To add one, add a line to `FORMATS`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = {
    "c": "throughtime.app.jobs.export_c",
    "onnx": "throughtime.app.jobs.export_onnx",
}
"""The module of each format."""


@dataclass(frozen=True)
class ExportRequest:
    """A model to write in another format.

    Attributes:
        model: directory of the model.
        name: what its files are called where `out` says nothing.
        out: file or directory to write; None for one that is named after the model.
        overwrite: whether files of that name are replaced.
        as_json: print the result as one JSON object.
        weights: how weights are stored, 'float32' or 'int8'.
        data: file with inputs on which errors of int8 weights are measured; None for random ones.
    """

    model: Path
    name: str
    out: Path | None
    overwrite: bool
    as_json: bool
    weights: str = "float32"
    data: Path | None = None


def format_module(name: str, weights: str = "float32", data: Path | None = None) -> Any:
    """Return the module of a format.

    Raises:
        InputError: for an unknown format, weights that it does not store, or data that it does not use.
    """
    if name not in FORMATS:
        raise InputError(f"--to: expected {' or '.join(FORMATS)}, got {name!r}")
    if weights not in ("float32", "int8"):
        raise InputError(f"--weights: expected float32 or int8, got {weights!r}")
    if weights != "float32" and name != "c":
        raise InputError(f"--weights {weights} applies to --to c only, got --to {name}")
    if data is not None and weights != "int8":
        raise InputError("--data applies to --weights int8 only: it measures their errors")
    return importlib.import_module(FORMATS[name])
