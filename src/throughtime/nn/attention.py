"""Attention: for each step of a query, the mean of the steps of a memory, weighted by scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float
    from torch import Tensor

ATTENTIONS = ("dot", "general", "additive")


class Attention(nn.Module):
    r"""Average the steps of a memory, weighted by the softmax of a score.

    With query q and memory m the score is $q \cdot m$ ('dot'), $q \cdot W m$ ('general') or
    $v \cdot \tanh(W_q q + W m)$ ('additive', which keeps F·T·N·H scalars for the backward pass). Sources: Luong et al.
    2015, Effective Approaches to Attention-based Neural Machine Translation; Bahdanau et al. 2015, Neural Machine
    Translation by Jointly Learning to Align and Translate.

    Args:
        query_size: features of the query.
        memory_size: features of the memory; the same number for 'dot'.
        kind: 'dot', 'general' or 'additive'.
        factory: device and dtype.

    Raises:
        ValueError: for an unknown kind, or sizes that do not fit.

    >>> import torch
    >>> from throughtime import nn
    >>> context, weights = nn.Attention(8, 6)(torch.zeros(3, 2, 8), torch.zeros(5, 2, 6), lengths=[5, 2])
    >>> context.shape, weights.shape
    (torch.Size([3, 2, 6]), torch.Size([2, 3, 5]))
    """

    def __init__(self, query_size: int, memory_size: int, kind: str = "general", **factory: Any) -> None:
        super().__init__()
        if kind not in ATTENTIONS:
            raise ValueError(f"attention: expected one of {', '.join(ATTENTIONS)}, got {kind!r}")
        if kind == "dot" and query_size != memory_size:
            raise ValueError(f"attention: 'dot' expects equal numbers of features, got {query_size} and {memory_size}")
        self.kind = kind
        if kind != "dot":
            self.memory = nn.Linear(memory_size, query_size, bias=kind == "additive", **factory)
        if kind == "additive":
            self.query = nn.Linear(query_size, query_size, bias=False, **factory)
            self.score = nn.Linear(query_size, 1, bias=False, **factory)

    def forward(
        self,
        query: Float[Tensor, "F N Q"],
        memory: Float[Tensor, "T N M"],
        *,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> tuple[Float[Tensor, "F N M"], Float[Tensor, "N F T"]]:
        """Return the averages and their weights; steps after the end of a row have weight zero."""
        scores = self._scores(query.transpose(0, 1), memory.transpose(0, 1))
        if lengths is not None:
            ends = torch.as_tensor(lengths, device=scores.device).view(-1, 1, 1)
            scores = scores.masked_fill(torch.arange(memory.shape[0], device=scores.device) >= ends, -math.inf)
        weights = scores.softmax(-1)
        if lengths is not None:
            weights = weights.nan_to_num()  # a row of no steps
        return (weights @ memory.transpose(0, 1)).transpose(0, 1), weights

    def _scores(self, query: Float[Tensor, "N F Q"], memory: Float[Tensor, "N T M"]) -> Float[Tensor, "N F T"]:
        if self.kind == "additive":
            return self.score(torch.tanh(self.query(query).unsqueeze(2) + self.memory(memory).unsqueeze(1))).squeeze(-1)
        keys = memory if self.kind == "dot" else self.memory(memory)
        return query @ keys.transpose(1, 2)
