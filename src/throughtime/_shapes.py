"""What goes into a scan, and whether it fits: weights of one direction, and batches of unequal sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float, Int
    from torch import Tensor

    from throughtime._cell import Cell


class Weights(NamedTuple):
    """The weights of one layer in one direction.

    `diagonal` has a row for each pointwise weight of the cell. With `weight_hr` the output and state h is a
    projection to P units, and H in `weight_hh` reads P.
    """

    weight_ih: Float[Tensor, "G*H I"]
    weight_hh: Float[Tensor, "G*H H"]
    bias_ih: Float[Tensor, "G*H"] | None = None
    bias_hh: Float[Tensor, "G*H"] | None = None
    diagonal: Float[Tensor, "diagonals H"] | None = None
    weight_hr: Float[Tensor, "P H"] | None = None


@dataclass(frozen=True)
class Ragged:
    """Sequences of different lengths in one batch, padded to T steps or packed without gaps.

    Attributes:
        lengths: valid steps of each row, 0 … T.
        order: the rows by falling length, or None where they stand so already.
        offsets: for packed data, the number of rows before each step; None for padded data.
    """

    lengths: Int[Tensor, "N"]
    order: Int[Tensor, "N"] | None = None
    offsets: Int[Tensor, "T+1"] | None = None

    @classmethod
    def padded(cls, lengths: Tensor | Sequence[int], steps: int, batch: int) -> Ragged:
        """Check the lengths of a padded batch and sort its rows.

        Raises:
            ValueError: if there is not one length in 0 … T for each row.
        """
        values = torch.as_tensor(lengths, device="cpu")
        if values.shape != (batch,) or values.is_floating_point() or values.dtype == torch.bool:
            raise ValueError(
                f"lengths: expected one whole number for each of the {batch} rows, got {values.dtype} of shape "
                f"{tuple(values.shape)}"
            )
        # A copy: what a user does to lengths between forward and backward is no business of the gradient.
        values = values.to(torch.int64, copy=True, memory_format=torch.contiguous_format)
        if torch.compiler.is_compiling():  # nothing may depend on what the lengths are
            return cls(values, values.argsort(descending=True, stable=True))
        if batch and not (int(values.min()) >= 0 and int(values.max()) <= steps):
            row = int(((values < 0) | (values > steps)).nonzero()[0])
            raise ValueError(
                f"lengths: expected 0 … {steps} (the steps of the input), got {int(values[row])} in row {row}"
            )
        falling = bool((values[1:] <= values[:-1]).all())
        return cls(values, None if falling else values.argsort(descending=True, stable=True))

    @classmethod
    def packed(cls, batch_sizes: Tensor) -> Ragged:
        """Describe the data of a `torch.nn.utils.rnn.PackedSequence`."""
        sizes = batch_sizes.to(device="cpu", dtype=torch.int64)
        rows = torch.arange(int(sizes[0]))
        lengths = (sizes.unsqueeze(0) > rows.unsqueeze(1)).sum(1)
        return cls(lengths, None, torch.cat([sizes.new_zeros(1), sizes.cumsum(0)]))

    @property
    def is_packed(self) -> bool:
        return self.offsets is not None

    @property
    def tables(self) -> tuple[Tensor | None, ...]:
        """What the kernels read."""
        return self.lengths, self.order, self.offsets

    def valid(self, steps: int, device: torch.device) -> Tensor:
        """Boolean (T, N): which steps of which rows there are."""
        return torch.arange(steps, device=device).unsqueeze(1) < self.lengths.to(device)

    def unpack(self, data: Float[Tensor, "rows I"]) -> Float[Tensor, "T N I"]:
        """Spread packed data over (T, N, I), zero where there is nothing."""
        assert self.offsets is not None
        steps = len(self.offsets) - 1
        padded = data.new_zeros(steps, len(self.lengths), *data.shape[1:])
        return padded.masked_scatter(self.valid(steps, data.device).unsqueeze(-1), data)

    def pack(self, padded: Float[Tensor, "T N I"]) -> Float[Tensor, "rows I"]:
        """Undo `unpack`."""
        return padded[self.valid(padded.shape[0], padded.device)]


def check_scan(cell: Cell, x: Tensor, state: Sequence[Tensor] | None, weights: Sequence[Weights], batch: int) -> None:
    """Raise a ValueError that names what does not fit.

    Shapes: x (T, N, I) or, packed, (rows, I); each state (D, N, H).
    """
    if len(weights) not in (1, 2):
        raise ValueError(f"weights: expected those of one or two directions, got {len(weights)}")
    gates = len(cell.gates)
    first = weights[0]
    projected = 0 if first.weight_hr is None else first.weight_hr.shape[0]
    hidden = first.weight_hh.shape[-1] if first.weight_hr is None else first.weight_hr.shape[-1]
    shapes = cell.parameter_shapes(x.shape[-1], hidden, proj_size=projected)
    for w in weights:
        for name, value in w._asdict().items():
            shape = shapes.get(name)
            if value is not None and shape is not None and value.shape != shape:
                raise ValueError(_misfit(name, shape, value, cell, gates, hidden))
        if cell.diagonals and w.diagonal is None:
            raise ValueError(f"diagonal: expected ({', '.join(cell.diagonals)}) x H for cell {cell.name!r}, got None")
    if state is not None:
        if len(state) != len(cell.states):
            raise ValueError(f"state: expected {cell.states} for cell {cell.name!r}, got {len(state)} tensors")
        for name, value, units in zip(cell.states, state, cell.state_sizes(hidden, projected), strict=True):
            expected = (len(weights), batch, units)
            if value.shape != expected:
                raise ValueError(f"state {name}: expected (D, N, H) = {expected}, got {tuple(value.shape)}")


def _misfit(name: str, shape: tuple[int, ...], value: Tensor, cell: Cell, gates: int, hidden: int) -> str:
    letters = {"weight_ih": f"({gates}*H, I)", "weight_hh": f"({gates}*H, H)"}.get(name, f"({gates}*H)")
    message = f"{name}: expected {letters} = {shape} for cell {cell.name!r}, got {tuple(value.shape)}"
    rows = value.shape[0]
    if rows != shape[0] and hidden and rows % hidden == 0:
        message += f". {rows} = {rows // hidden}*{hidden}: is this the weight of a cell with {rows // hidden} gates?"
    return message
