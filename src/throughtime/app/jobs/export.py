"""`throughtime export`: a saved layer or layout for other runtimes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

import throughtime
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.output import print_json

if TYPE_CHECKING:
    from pathlib import Path


def export(model: Path, file: Path, *, as_json: bool) -> None:
    """Run the job.

    Args:
        model: directory that `throughtime.save` has written.
        file: to write; one of that name is replaced.
        as_json: print one JSON object instead of text.

    Raises:
        InputError: for whatever a user can mend.
    """
    found: Any = throughtime.load(model)
    if not isinstance(found, torch.nn.Module):
        raise InputError(
            f"{model}: expected a layer or a layout that throughtime.save has written, got a {type(found).__name__}, "
            "which is more than its network"
        )
    throughtime.export(found, file, overwrite=True)
    result = {"model": str(model), "format": "onnx", "file": str(file), "bytes": file.stat().st_size}
    if as_json:
        print_json(result)
    else:
        ConsoleOutput().show(f"Written: {file} ({result['bytes']:,} bytes)")
