"""`throughtime export --to c`: a saved layer or layout as C99."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

import throughtime
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.output import print_result
from throughtime.app.run_directory import check_output_file
from throughtime.app.tables.number_matrix import read_matrix
from throughtime.io.c_export.exporter import CExport, check_paths, export_c
from throughtime.io.c_export.names import to_name
from throughtime.io.c_export.one_step import check_network, recurrent_layer

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.app.jobs.export import ExportRequest


def run(request: ExportRequest) -> None:
    """Run the command.

    Raises:
        InputError: for a model that cannot be exported, and for files that cannot be written.
    """
    file = _source_file(request)
    check_output_file(file, overwrite=request.overwrite, allow_stdout=False)
    check_paths(file, overwrite=request.overwrite)
    module: Any = throughtime.load(request.model)
    if not isinstance(module, torch.nn.Module):
        raise InputError(
            f"{request.model}: expected a layer or layout saved with throughtime.save, got a {type(module).__name__}; "
            "an estimator cannot be exported to C, but `throughtime export --to onnx` may take it"
        )
    layer = recurrent_layer(module)
    check_network(module, layer)
    data = None if request.data is None else read_matrix(request.data, layer.input_size)
    result = export_c(module, file, overwrite=request.overwrite, weights=request.weights, data=data)
    print_result(_as_json(request, result), lambda: _show(result), as_json=request.as_json)


def _source_file(request: ExportRequest) -> Path:
    from pathlib import Path

    name = to_name(request.name)
    if request.out is None:
        return Path(f"{name}.c")
    if request.out.is_dir():
        return request.out / f"{name}.c"
    return request.out if request.out.suffix in (".c", ".h") else request.out.with_name(f"{request.out.name}.c")


def _as_json(request: ExportRequest, result: CExport) -> dict[str, Any]:
    error = result.weight_error
    return {
        "model": str(request.model),
        "format": "c",
        "file": str(result.source),
        "header": str(result.header),
        "weights": request.weights,
        "constant_bytes": result.constant_bytes,
        "state_bytes": result.state_bytes,
        "stack_bytes": result.stack_bytes,
        "weight_error": None if error is None else error._asdict(),
        "compiler": result.compiler,
        "difference": result.difference,
    }


def _show(result: CExport) -> None:
    output = ConsoleOutput()
    output.show(f"Written: {result.source}, {result.header}")
    output.show(
        f"Constants: {result.constant_bytes:,} bytes; each stream: {result.state_bytes:,} bytes; stack: "
        f"{result.stack_bytes:,} bytes"
    )
    if result.weight_error is not None:
        output.show(f"int8 weights: {result.weight_error}")
    if result.compiler is None:
        output.show("Not compared with the model: there is no C compiler (cc, gcc or clang) on the PATH")
    else:
        output.show(f"Largest difference from the model, compiled by {result.compiler}: {result.difference:.1e}")
