"""`throughtime export --to onnx`: a saved layer or layout as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import throughtime
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.output import print_result
from throughtime.app.run_directory import check_output_file

if TYPE_CHECKING:
    from throughtime.app.jobs.export import ExportRequest


def run(request: ExportRequest) -> None:
    """Run the command.

    Raises:
        InputError: for a model that cannot be exported, and for a file that cannot be written.
    """
    file = Path(f"{request.name}.onnx") if request.out is None else request.out
    check_output_file(file, overwrite=request.overwrite)
    module: Any = throughtime.load(request.model)
    if not isinstance(module, torch.nn.Module):
        raise InputError(
            f"{request.model}: expected a layer or layout saved with throughtime.save, got a {type(module).__name__}; "
            "an estimator cannot be exported"
        )
    throughtime.export(module, file, overwrite=True)
    size = file.stat().st_size
    result = {"model": str(request.model), "format": "onnx", "file": str(file), "bytes": size}
    print_result(result, lambda: ConsoleOutput().show(f"Written: {file} ({size:,} bytes)"), as_json=request.as_json)
