"""Pooling: from the outputs of a recurrent layer at every step to one vector for the whole sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from throughtime.nn._recurrent import AbstractRecurrent

POOLINGS = ("final", "mean", "max", "attention")
"""The kinds of pooling."""


def output_features(layer: AbstractRecurrent) -> int:
    """Return the number of features of the output of a layer, D*H."""
    return layer.directions * (layer.proj_size or layer.hidden_size)


def last_hidden(layer: AbstractRecurrent, state: Any) -> Tensor:
    """Return the final h of the last layer, both directions joined: (N, D*H), or (D*H,) for a single sequence."""
    h = state[0] if isinstance(state, tuple) else state
    return torch.cat(tuple(h[-layer.directions :]), -1)


class Pooling(nn.Module):
    """Reduce the steps of a sequence to one vector; steps after its end do not count.

    'final' is the last state of both directions, 'mean' and 'max' are over the steps, for each unit, and 'attention' is
    the mean with the learned weights softmax_t(v · tanh(W h_t + b)).

    Source of the attention: Yang et al. 2016, Hierarchical Attention Networks for Document Classification.

    Args:
        layer: the layer whose outputs are reduced.
        kind: 'final', 'mean', 'max' or 'attention'.

    >>> import torch
    >>> from throughtime import nn
    >>> layer = nn.GRU(3, 8, bidirectional=True)
    >>> h, state = layer(torch.zeros(5, 2, 3), lengths=[5, 2])
    >>> nn.Pooling(layer, "attention")(h, state, lengths=[5, 2]).shape
    torch.Size([2, 16])
    """

    def __init__(self, layer: AbstractRecurrent, kind: str = "final") -> None:
        super().__init__()
        if kind not in POOLINGS:
            raise ValueError(f"pooling: expected one of {', '.join(POOLINGS)}, got {kind!r}")
        self.kind = kind
        self._layer = (layer,)  # in a tuple, so that it is not registered twice
        if kind == "attention":
            units, weight = output_features(layer), layer.all_weights[0][0]
            factory: dict[str, Any] = {"device": weight.device, "dtype": weight.dtype}
            inner, outer = nn.Linear(units, units, **factory), nn.Linear(units, 1, bias=False, **factory)
            self.score = nn.Sequential(inner, nn.Tanh(), outer)

    def extra_repr(self) -> str:
        """Name the kind."""
        return self.kind

    def forward(
        self, h: Tensor | PackedSequence, state: Any, *, lengths: Tensor | Sequence[int] | None = None
    ) -> Tensor:
        """Map outputs (T, N, D*H), (N, T, D*H) where the layer has its batch first, and the state to (N, D*H).

        Those of a single sequence, (T, D*H), become (D*H,). A sequence of no steps becomes zeros, except for 'final'. A
        `PackedSequence` has its own lengths.
        """
        (layer,) = self._layer
        if self.kind == "final":
            return last_hidden(layer, state)
        if isinstance(h, PackedSequence):
            h, lengths = pad_packed_sequence(h, batch_first=layer.batch_first)
        if h.dim() == 2:
            rows = 0 if layer.batch_first else 1
            return self(h.unsqueeze(rows), state, lengths=lengths).squeeze(0)
        h = h if layer.batch_first else h.transpose(0, 1)
        steps = torch.arange(h.shape[1], device=h.device)
        ends = torch.full((h.shape[0],), h.shape[1]) if lengths is None else torch.as_tensor(lengths)
        padding = (steps >= ends.to(h.device).unsqueeze(1)).unsqueeze(-1)
        if self.kind == "max":
            return h.masked_fill(padding, -torch.inf).amax(1).masked_fill(padding.all(1), 0.0)
        if self.kind == "mean":
            return h.masked_fill(padding, 0.0).sum(1) / (~padding).sum(1).clamp(min=1)
        weights = self.score(h).masked_fill(padding, -torch.inf).softmax(1).masked_fill(padding, 0.0)
        return (weights * h).sum(1)
