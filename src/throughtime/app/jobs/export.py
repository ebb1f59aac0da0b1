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
    """

    model: Path
    name: str
    out: Path | None
    overwrite: bool
    as_json: bool


def format_module(name: str) -> Any:
    """Return the module of a format.

    Raises:
        InputError: for an unknown format.
    """
    if name not in FORMATS:
        raise InputError(f"--to: expected {' or '.join(FORMATS)}, got {name!r}")
    return importlib.import_module(FORMATS[name])
