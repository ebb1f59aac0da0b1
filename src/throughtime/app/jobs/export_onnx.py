"""`throughtime export --to onnx`: a trained model as ONNX files, compared with onnxruntime before they are written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import typer

import throughtime
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.output import print_result
from throughtime.app.run_directory import check_output_file
from throughtime.io.graph_module import GraphModule
from throughtime.io.onnx_export import import_onnx, write_onnx
from throughtime.io.onnx_networks import network_of_module, networks_of

if TYPE_CHECKING:
    from throughtime.app.jobs.export import ExportRequest
    from throughtime.io.onnx_networks import OnnxNetwork

_ENDING = ".onnx"


def run(request: ExportRequest) -> None:
    """Run the command.

    Raises:
        InputError: for a model that cannot be exported, and for files that cannot be written.
        typer.Exit: with code 1, where onnxruntime computes something else; nothing is written then.
    """
    onnx, console = import_onnx(), ConsoleOutput()
    out = Path(f"{request.name}-onnx") if request.out is None else request.out
    files = _check_place(out, overwrite=request.overwrite)
    networks, metadata = _networks(throughtime.load(request.model), request.model)
    if files is not None and files not in networks:
        raise InputError(
            f"--out: {request.model} becomes {' and '.join(networks)}; name a directory for both, not {out}"
        )
    models, differences = {}, {}
    for name, network in networks.items():
        if files is not None and name != files:
            continue
        models[name] = network.model(onnx, metadata)
        differences[name] = network.largest_difference(models[name].SerializeToString())
        if not differences[name] <= network.tolerance:
            console.say(
                f"onnxruntime computes something else: the largest difference of {name} is {differences[name]:.2g}, "
                f"and {network.tolerance:g} is allowed; nothing was written"
            )
            raise typer.Exit(1)
    paths = {name: out if files else out / f"{name}{_ENDING}" for name in models}
    if files is None:
        out.mkdir(exist_ok=True)
    for name, model in models.items():
        write_onnx(model, paths[name])
    result = {
        "model": str(request.model),
        "format": "onnx",
        "files": [
            {"file": str(path), "bytes": path.stat().st_size, "largest_difference": differences[name]}
            for name, path in paths.items()
        ],
    }

    def show() -> None:
        for name, path in paths.items():
            console.show(
                f"Written: {path} ({path.stat().st_size:,} bytes; largest difference to onnxruntime "
                f"{differences[name]:.1e}, {networks[name].tolerance:g} allowed)"
            )

    print_result(result, show, as_json=request.as_json)


def _check_place(out: Path, *, overwrite: bool) -> str | None:
    """Return the one network to write for a file, None for a directory of all.

    Raises:
        InputError: where something of that name exists.
    """
    if out.suffix == _ENDING:
        check_output_file(out, overwrite=overwrite)
        return "sequence"
    if os.path.lexists(out) and not (overwrite and out.is_dir()):
        raise InputError(f"--out: {out} exists; name another directory, or replace its files with --overwrite")
    if not out.absolute().parent.is_dir():
        raise InputError(f"--out: {out} cannot be written: there is no directory {out.parent}")
    return None


def _networks(model: Any, directory: Path) -> tuple[dict[str, OnnxNetwork], dict[str, str]]:
    """Return the networks of a model, and what their files say about it."""
    if isinstance(model, GraphModule):
        return {"sequence": network_of_module(model)}, {"task": "module"}
    if isinstance(model, torch.nn.Module):
        return networks_of(model), {"task": "network"}
    from throughtime.tasks.onnx_networks import estimator_networks

    try:
        return estimator_networks(model)
    except InputError as error:
        raise InputError(f"{directory}: {error}") from error
