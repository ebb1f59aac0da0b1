"""The lengths of the sequences of a batch, padded or packed: the last step of each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Int, Shaped


_INTEGERS = {
    *(torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.uint8, torch.uint16, torch.uint32, torch.uint64),
}


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
