"""The kinds of recurrent layer, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from throughtime.nn._recurrent import AbstractRecurrent

    Layer = TypeVar("Layer", bound=type[AbstractRecurrent])

LAYERS: dict[str, type[AbstractRecurrent]] = {}
"""Every kind of recurrent layer, by the name of its cell: what the `cell=` options of estimators accept.

Those with few gates come first, whatever the order of imports: a search over them draws by position.
"""


def register_layer(layer: Layer) -> Layer:
    """Decorate a kind of recurrent layer.

    Raises:
        ValueError: for a name that another layer has.
    """
    name = layer.cell.name
    if name in LAYERS:
        raise ValueError(f"{layer.__name__}: expected a cell that is not registered, got {name!r} of {LAYERS[name]}")
    ordered = sorted({**LAYERS, name: layer}.items(), key=lambda item: len(item[1].cell.gates))
    LAYERS.clear()
    LAYERS.update(ordered)
    return layer
