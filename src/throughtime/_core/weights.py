"""The weights of a layer: their names, their shapes, and the checks that the arguments of a scan fit them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float
    from torch import Tensor

    from throughtime._core.cell import Cell


class Weights(NamedTuple):
    """The weights of one layer in one direction.

    `diagonal` has a row for each pointwise weight of the cell. R, the width of h, is H, or P with `weight_hr`, which
    projects h to P units.
    """

    weight_ih: Float[Tensor, "G*H I"]
    weight_hh: Float[Tensor, "G*H R"]
    bias_ih: Float[Tensor, "G*H"] | None = None
    bias_hh: Float[Tensor, "G*H"] | None = None
    diagonal: Float[Tensor, "diagonals H"] | None = None
    weight_hr: Float[Tensor, "R H"] | None = None

    def state_sizes(self, cell: Cell) -> tuple[int, ...]:
        """Return the units of each state of a cell with these weights."""
        hidden = self.weight_hh.shape[0] // len(cell.gates)
        return cell.state_sizes(hidden, 0 if self.weight_hr is None else self.weight_hr.shape[0])


FIELDS = len(Weights._fields)


def split_directions(weights: tuple[Any, ...]) -> list[Weights]:
    """Return the weights of each direction, from a flat tuple of their fields."""
    return [Weights(*weights[i : i + FIELDS]) for i in range(0, len(weights), FIELDS)]


class WeightSpec(NamedTuple):
    """The names and sizes of the weights of a layer.

    Attributes:
        sizes: I and H, as the kernels compare them.
        proj_size: P, or 0.
        names: one for each field of `Weights`, for each direction.
    """

    sizes: tuple[int, int]
    proj_size: int
    names: tuple[str, ...]

    def check(self, cell: Cell, x: Tensor, weights: Sequence[Tensor | None]) -> None:
        """Compare weights, in the order of `names`, with those that the layer must have.

        Raises:
            RuntimeError: for another shape, or another element type or device than those of x.
        """
        inputs, hidden = self.sizes
        shapes = cell.parameter_shapes(inputs, hidden, proj_size=self.proj_size)
        for i, (name, value) in enumerate(zip(self.names, weights, strict=True)):
            if value is None:
                continue
            field = Weights._fields[i % FIELDS]
            shape = shapes.get(field)
            if shape is not None and value.shape != shape:
                letters = _letters(cell, field, projected=bool(self.proj_size))
                raise RuntimeError(
                    f"{name}: expected {letters} = {shape} for cell {cell.name!r}, got {tuple(value.shape)}"
                )
            if value.dtype is not x.dtype or value.device != x.device:
                raise RuntimeError(
                    f"{name}: expected {x.dtype} on {x.device} as the input, got {value.dtype} on {value.device}"
                )


def check_scan(cell: Cell, x: Tensor, state: Sequence[Tensor], weights: Sequence[Tensor | None], batch: int) -> None:
    """Check that the arguments of a scan fit together.

    Raises:
        ValueError: names what does not fit.
    """
    if len(weights) not in (FIELDS, 2 * FIELDS):
        raise ValueError(
            f"weights: expected the {FIELDS} fields of `Weights` for one or two directions, got {len(weights)} values"
        )
    directions = split_directions(tuple(weights))
    first = directions[0]
    projected = 0 if first.weight_hr is None else first.weight_hr.shape[0]
    hidden = first.weight_hh.shape[-1] if first.weight_hr is None else first.weight_hr.shape[-1]
    shapes = cell.parameter_shapes(x.shape[-1], hidden, proj_size=projected)
    for w in directions:
        for name, value in w._asdict().items():
            shape = shapes.get(name)
            if value is not None and shape is not None and value.shape != shape:
                raise ValueError(_shape_message(name, shape, value, cell, hidden))
        if cell.diagonals and w.diagonal is None:
            raise ValueError(f"diagonal: expected ({', '.join(cell.diagonals)}) x H for cell {cell.name!r}, got None")
    if not state:
        return
    if len(state) != len(cell.states):
        raise ValueError(f"state: expected {cell.states} for cell {cell.name!r}, got {len(state)} tensors")
    for name, value, units in zip(cell.states, state, cell.state_sizes(hidden, projected), strict=True):
        expected = (len(directions), batch, units)
        if value.shape != expected:
            raise ValueError(f"state {name}: expected (D, N, H) = {expected}, got {tuple(value.shape)}")


def _letters(cell: Cell, field: str, *, projected: bool = False) -> str:
    """Return the shape of a field of `Weights` in letters."""
    rows = "H" if len(cell.gates) == 1 else f"{len(cell.gates)}*H"
    letters = {
        "weight_ih": f"({rows}, I)",
        "weight_hh": f"({rows}, {'P' if projected else 'H'})",
        "diagonal": f"({len(cell.diagonals)}, H)",
        "weight_hr": "(P, H)",
    }
    return letters.get(field, f"({rows},)")


def _shape_message(name: str, shape: tuple[int, ...], value: Tensor, cell: Cell, hidden: int) -> str:
    message = f"{name}: expected {_letters(cell, name)} = {shape} for cell {cell.name!r}, got {tuple(value.shape)}"
    rows = value.shape[0] if value.dim() else 1
    if rows != shape[0] and hidden and rows % hidden == 0:
        message += f". {rows} = {rows // hidden}*{hidden}: is this the weight of a cell with {rows // hidden} gates?"
    return message
