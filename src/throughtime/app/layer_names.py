"""Names of the layers, for help that is shown before torch is loaded."""

from __future__ import annotations

from pathlib import Path

_LAYERS = Path(__file__).parents[1] / "nn"


def layer_names() -> list[str]:
    """Return the keys of `throughtime.nn.LAYERS` in alphabetical order.

    The registry is filled by modules that import torch, which takes seconds. The module of a layer has the name of its
    cell, so reading the files is enough.
    """
    files = _LAYERS.glob("[a-z]*.py")
    return sorted(file.stem for file in files if "\n@register_layer\n" in file.read_text(encoding="utf-8"))
