"""`throughtime.export`: the format is that of the file's name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

    import torch


def export(model: torch.nn.Module, file: str | os.PathLike[str], *, overwrite: bool = False, **options: Any) -> Any:
    """Write a network for other runtimes: to a `.c` file as C99, to any other as ONNX.

    Args:
        model: a recurrent layer, or a layout around one.
        file: to write.
        overwrite: replace a file of that name.
        options: of the format: `weights` and `data` of `throughtime.io.c_export.export_c`.

    Raises:
        InputError: for a model that the format cannot hold, and where the file exists or cannot be written.
    """
    if Path(file).suffix == ".c":
        from throughtime.io.c_export import export_c

        return export_c(model, file, overwrite=overwrite, **options)
    from throughtime.io import onnx_export

    return onnx_export.export(model, file, overwrite=overwrite, **options)
