"""`throughtime export`: a saved layer or layout for other runtimes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

import throughtime
from throughtime._errors import InputError
from throughtime.app.places import model_directory

_FORMATS = ("onnx",)


def export(model: Path, to: str, out: Path | None, *, overwrite: bool, as_json: bool) -> None:
    """Run the job.

    Args:
        model: directory that `throughtime.save` has written.
        to: the format.
        out: file to write; one of the model's name in the working directory if None.
        overwrite: whether a file of that name is replaced.
        as_json: print one JSON object instead of text.

    Raises:
        InputError: for whatever a user can mend.
    """
    if to not in _FORMATS:
        raise InputError(f"--to: expected {' or '.join(_FORMATS)}, got {to!r}")
    directory = model_directory(model)
    file = Path(f"{model.resolve().name}.onnx") if out is None else out
    found: Any = throughtime.load(directory)
    if not isinstance(found, torch.nn.Module):
        raise InputError(
            f"{model}: expected a layer or a layout that throughtime.save has written, got a {type(found).__name__}, "
            "which is more than its network"
        )
    throughtime.export(found, file, overwrite=overwrite)
    result = {"model": str(model), "format": to, "file": str(file), "bytes": file.stat().st_size}
    text = json.dumps(result) if as_json else f"Written: {file} ({result['bytes']:,} bytes)"
    sys.stdout.write(text + "\n")
