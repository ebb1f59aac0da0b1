"""Sequences with gaps and resets, as several sequences without.

The valid steps of a row are moved together and cut at its resets; the segments are packed like any sequences of
different lengths. The state is held over a gap, so a run over the segments is exact, and the kernels can do it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from throughtime._core.lengths import BatchLengths

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int
    from torch import Tensor


@dataclass(frozen=True)
class Segments:
    """The segments of a batch. A row without valid steps has one segment without steps.

    Attributes:
        shape: T and N of the batch.
        steps: the step of each packed vector in the batch.
        rows: the row of each packed vector in the batch.
        lengths: of the packed segments, in descending order.
        owner: the row of each segment.
        continues: by direction, whether a segment starts from the initial state of its row.
        final: by direction, the segment of each row that is computed last.
    """

    shape: tuple[int, int]
    steps: Int[Tensor, "M"]
    rows: Int[Tensor, "M"]
    lengths: BatchLengths
    owner: Int[Tensor, "S"]
    continues: Bool[Tensor, "2 S"]
    final: Int[Tensor, "2 N"]

    @classmethod
    def of(cls, valid: Bool[Tensor, "T N"], reset: Bool[Tensor, "T N"] | None) -> Segments:
        """Cut a batch into segments.

        Args:
            valid: which steps there are.
            reset: where the state is zero before the next valid step of the row.
        """
        rows, steps = valid.T.nonzero(as_tuple=True)
        resets = torch.zeros_like(rows) if reset is None else reset.T.cumsum(1)[rows, steps]
        starts = torch.ones_like(rows, dtype=torch.bool)
        starts[1:] = (rows[1:] != rows[:-1]) | (resets[1:] != resets[:-1])
        segment = starts.cumsum(0) - 1
        within = torch.arange(len(rows)) - starts.nonzero().squeeze(1)[segment]

        empty = (~valid.any(0)).nonzero().squeeze(1)
        owner = torch.cat([rows[starts], empty])
        sizes = torch.bincount(segment, minlength=len(owner))
        changes = owner[1:] != owner[:-1]
        first, last = torch.ones(2, len(owner), dtype=torch.bool)
        first[1:], last[:-1] = changes, changes
        untouched = torch.cat([resets[starts] == 0, torch.ones_like(empty, dtype=torch.bool)])

        order = sizes.argsort(descending=True, stable=True)
        rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))
        offsets = torch.cat([rows.new_zeros(1), torch.bincount(within).cumsum(0)])
        order_in_pack = (offsets[within] + rank[segment]).argsort()
        final = torch.empty(2, valid.shape[1], dtype=torch.int64)
        final[0, owner[last]], final[1, owner[first]] = rank[last], rank[first]
        continues = torch.stack([untouched, last])[:, order]
        lengths = BatchLengths(sizes[order], None, offsets)
        steps, rows = steps[order_in_pack], rows[order_in_pack]
        return cls((valid.shape[0], valid.shape[1]), steps, rows, lengths, owner[order], continues, final)

    def pack(self, x: Float[Tensor, "T N I"]) -> Float[Tensor, "M I"]:
        """Return the vectors of all segments."""
        return x[self.steps.to(x.device), self.rows.to(x.device)]

    def unpack(self, y: Float[Tensor, "M F"]) -> Float[Tensor, "T N F"]:
        """Return a batch of these vectors, zero where there is no valid step."""
        indices = self.steps.to(y.device), self.rows.to(y.device)
        return y.new_zeros(*self.shape, y.shape[-1]).index_put(indices, y)

    def initial(self, state: Float[Tensor, "L*D N H"], directions: int) -> Float[Tensor, "L*D S H"]:
        """Return the initial state of each segment."""
        continues = self.continues[:directions].to(state.device).repeat(len(state) // directions, 1)
        return torch.where(continues.unsqueeze(-1), state[:, self.owner.to(state.device)], state.new_zeros(()))

    def finals(self, state: Float[Tensor, "L*D S H"], directions: int) -> Float[Tensor, "L*D N H"]:
        """Return the final state of each row, from those of the segments."""
        segment = self.final[:directions].to(state.device).repeat(len(state) // directions, 1)
        return state.gather(1, segment.unsqueeze(-1).expand(-1, -1, state.shape[-1]))
