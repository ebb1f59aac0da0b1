"""`throughtime export`: a saved layer or layout for other runtimes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

import throughtime
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.output import print_result

if TYPE_CHECKING:
    from pathlib import Path


def run(model: Path, file: Path, *, as_json: bool) -> None:
    """Run the command.

    Args:
        model: directory that `throughtime.save` has written.
        file: file to write; a file of that name is replaced.
        as_json: print one JSON object instead of text.

    Raises:
        InputError: for a model that cannot be exported, and for a file that cannot be written.
    """
    module: Any = throughtime.load(model)
    if not isinstance(module, torch.nn.Module):
        raise InputError(
            f"{model}: expected a layer or layout saved with throughtime.save, got a {type(module).__name__}; an "
            "estimator cannot be exported"
        )
    throughtime.export(module, file, overwrite=True)
    size = file.stat().st_size
    result = {"model": str(model), "format": "onnx", "file": str(file), "bytes": size}
    print_result(result, lambda: ConsoleOutput().show(f"Written: {file} ({size:,} bytes)"), as_json=as_json)
