"""The contract between a cell's description and its compiled kernels: both list the same names in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughtime._kernels import _engine

if TYPE_CHECKING:
    from throughtime._core.cell import Cell
    from throughtime._kernels._engine import Kernel


def check_compiled(cell: Cell) -> None:
    """Compare the description of a cell with its compiled entries, if there are any.

    Raises:
        ImportError: if they differ; the message shows both.
    """
    kernels = [kernel for kernel in (_engine.kernels() if _engine else ()) if kernel.cell == cell.name]
    if not kernels:
        return
    # The order of activations is the description's own: it says which one is the default.
    described = _describe(
        cell.gates, cell.separate_halves, cell.states, cell.diagonals, tuple(sorted(cell.activations))
    )
    activations = tuple(sorted({kernel.activation for kernel in kernels}))
    for kernel in kernels:
        compiled = _describe(*_names(kernel), activations)
        if compiled != described:
            raise ImportError(
                f"cell {cell.name!r}: the description and the compiled kernel differ.\n"
                f"  described: {described}\n  compiled:  {compiled}\n"
                "Correct the one that is wrong, and build the extension again."
            )


def _names(kernel: Kernel) -> tuple[tuple[str, ...], ...]:
    texts = kernel.gate_names, kernel.separate_halves, kernel.state_names, kernel.diagonal_names
    return tuple(tuple(text.split()) for text in texts)


def _describe(*fields: tuple[str, ...]) -> str:
    names = "gates", "separate_halves", "states", "diagonals", "activations"
    return ", ".join(f"{name} ({' '.join(values)})" for name, values in zip(names, fields, strict=True))
