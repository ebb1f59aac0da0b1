"""The arguments of a scan, and their checks: the weights of a direction, and the lengths of the sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Float, Int, Shaped

    from throughtime._core.cell import Cell


_INTEGERS = {
    *(torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.uint8, torch.uint16, torch.uint32, torch.uint64),
}


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


@dataclass(frozen=True)
class BatchLengths:
    """Sequences of different lengths in one batch, padded to T steps or packed without gaps.

    Attributes:
        lengths: valid steps of each row, 0 … T.
        order: the rows in descending order of length, or None if they already have it.
        offsets: for packed data, the number of rows before each step; None for padded data.
    """

    lengths: Int[Tensor, "N"]
    order: Int[Tensor, "N"] | None = None
    offsets: Int[Tensor, "T+1"] | None = None

    @classmethod
    def padded(cls, lengths: Tensor | Sequence[int], steps: int, batch: int) -> BatchLengths:
        """Check the lengths of a padded batch and sort its rows.

        Raises:
            ValueError: if there is not one length in 0 … T for each row.
        """
        values = torch.as_tensor(lengths, device="cpu")
        if values.dim() != 1 or values.shape[0] != batch or values.dtype not in _INTEGERS:
            raise ValueError(
                f"lengths: expected one integer for each of the {batch} rows, got {values.dtype} of shape "
                f"{tuple(values.shape)}"
            )
        # A copy, so that changing lengths between forward and backward does not change the gradient.
        values = values.to(torch.int64, copy=True, memory_format=torch.contiguous_format)
        if torch.compiler.is_compiling():  # nothing may depend on the values
            return cls(values, values.argsort(descending=True, stable=True))
        if batch and not (int(values.min()) >= 0 and int(values.max()) <= steps):
            row = int(((values < 0) | (values > steps)).nonzero()[0])
            raise ValueError(
                f"lengths: expected 0 … {steps} (the steps of the input), got {int(values[row])} in row {row}"
            )
        is_sorted = bool((values[1:] <= values[:-1]).all())
        return cls(values, None if is_sorted else values.argsort(descending=True, stable=True))

    @classmethod
    def packed(cls, batch_sizes: Tensor, rows: int) -> BatchLengths:
        """Describe the data, of as many rows, of a `torch.nn.utils.rnn.PackedSequence`.

        Raises:
            RuntimeError: if the batch sizes are not integers that descend from N to at least 1 and add up to the rows.
        """
        if batch_sizes.dim() != 1 or batch_sizes.dtype not in _INTEGERS or not 0 < len(batch_sizes) <= rows:
            raise RuntimeError(
                f"batch_sizes: expected an integer for each step, at most as many as there are rows in data "
                f"({rows}), got {batch_sizes.dtype} of shape {tuple(batch_sizes.shape)}"
            )
        sizes = batch_sizes.to(device="cpu", dtype=torch.int64, copy=True)
        numbers = sizes.tolist()  # Python's integers do not overflow, and cost less than tensors of a few steps
        if not rows >= numbers[0] >= numbers[-1] >= 1 or numbers != sorted(numbers, reverse=True):
            raise RuntimeError(
                f"batch_sizes: expected descending numbers from at most {rows}, the rows in data, to at least 1, got "
                f"{_shortened(sizes)}"
            )
        if sum(numbers) != rows:
            raise RuntimeError(
                f"batch_sizes: expected numbers that add up to {rows}, the rows in data, got {sum(numbers)}"
            )
        offsets = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        lengths = len(sizes) - torch.searchsorted(sizes.flip(0), torch.arange(numbers[0]), right=True)
        return cls(lengths, None, offsets)

    @property
    def is_packed(self) -> bool:
        """Whether the data are packed."""
        return self.offsets is not None

    @property
    def has_steps(self) -> bool:
        """Whether any row has a step."""
        return bool(self.lengths.any())

    @property
    def tables(self) -> tuple[Tensor | None, ...]:
        """The fields as the kernels read them."""
        return self.lengths, self.order, self.offsets

    def valid(self, steps: int, device: torch.device) -> Bool[Tensor, "T N"]:
        """Return which steps are before the end of their row."""
        return torch.arange(steps, device=device).unsqueeze(1) < self.lengths.to(device)

    def unpack(self, data: Shaped[Tensor, "rows I"]) -> Shaped[Tensor, "T N I"]:
        """Return packed data padded with zeros."""
        assert self.offsets is not None
        steps = len(self.offsets) - 1
        padded = data.new_zeros(steps, self.lengths.shape[0], *data.shape[1:])
        return padded.masked_scatter(self.valid(steps, data.device).unsqueeze(-1), data)

    def pack(self, padded: Shaped[Tensor, "T N I"]) -> Shaped[Tensor, "rows I"]:
        """Return padded data without the padding."""
        return padded[self.valid(padded.shape[0], padded.device)]


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


def check_permutations(sorted_indices: Tensor | None, unsorted_indices: Tensor | None, batch: int) -> None:
    """Check that the orders of a packed sequence are permutations, and inverse to each other.

    Raises:
        RuntimeError: as torch.nn raises for indices out of range.
    """
    orders: list[list[int]] = []
    for name, order in (("sorted_indices", sorted_indices), ("unsorted_indices", unsorted_indices)):
        if order is None:
            continue
        is_index = order.shape == (batch,) and order.dtype in {torch.int32, torch.int64}
        if not is_index or sorted(order.tolist()) != list(range(batch)):
            raise RuntimeError(
                f"{name}: expected each of the rows 0 … {batch - 1} once, got {_shortened(order)} of type {order.dtype}"
            )
        orders.append(order.tolist())
    if len(orders) == 2 and any(orders[0][position] != row for row, position in enumerate(orders[1])):
        raise RuntimeError("unsorted_indices: expected the inverse of sorted_indices, got another order")


def _shortened(numbers: Tensor) -> str:
    """Return the first of many numbers, for a message."""
    shown = [str(value) for value in numbers.flatten()[:6].tolist()]
    return f"[{', '.join(shown)}{', …' if numbers.numel() > len(shown) else ''}]"


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
