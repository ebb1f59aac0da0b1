"""The classifying network: a recurrent layer over the steps of a sequence, summed up, and a score for each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from throughtime import nn as recurrent
from throughtime._core import rng
from throughtime.io.capture import capture
from throughtime.nn._dropout import Dropout
from throughtime.nn.pooling import output_features
from throughtime.tasks.classification.augmentation import augment

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

    from throughtime.runtime.graph import Graph

_EMBEDDING = 128  # numbers that stand for a token


@dataclass(frozen=True)
class ClassifierSizes:
    """Sizes that decide the shapes of a network's weights.

    Attributes:
        classes: number of classes, C.
        vocabulary: V, different tokens of texts; 0 for sequences of numbers.
        features: numbers that a recurrent step reads; 0 for texts.
        block: steps of the sequence that a recurrent step reads; they and their changes where there are several.
        cell: a name in `throughtime.nn.LAYERS`, such as 'gru' or 'lstm'.
        hidden_size: H.
        num_layers: L.
        bidirectional: whether sequences are read from both ends.
        pooling: see `throughtime.nn.Pooling`.
        members: networks whose probabilities are averaged.
    """

    classes: int
    vocabulary: int
    features: int
    block: int
    cell: str
    hidden_size: int
    num_layers: int
    bidirectional: bool
    pooling: str
    members: int


class SequenceNetwork(nn.Module):
    """Map sequences to a score (logit) for each class: those of all members, which learn side by side.

    Args:
        sizes: of the weights.
        dropout: of what the recurrent layers and the output layer read.
        token_dropout: share of the tokens that are hidden in training, so that none is memorized alone.
        noise: standard deviation of what is added to standardised numbers in training. Where a recurrent step reads
            several steps, they are also moved and scaled, see `augment`.
    """

    batch_first = True

    def __init__(
        self, sizes: ClassifierSizes, *, dropout: float = 0.5, token_dropout: float = 0.1, noise: float = 0.1
    ) -> None:
        super().__init__()
        self.sizes = sizes
        options = {"dropout": dropout, "token_dropout": token_dropout, "noise": noise}
        self.members = nn.ModuleList(EnsembleMember(sizes, **options) for _ in range(sizes.members))

    def forward(self, x: Tensor, *, lengths: Int[Tensor, "N"]) -> Float[Tensor, "N M C"]:
        """Scores of the classes.

        Args:
            x: numbers of tokens (N, T), or standardised values (N, T, I).
            lengths: valid steps of each row.
        """
        return torch.stack([member(x, lengths) for member in self.members], 1)

    def graphs(self) -> dict[str, Graph]:
        """Return the network as a graph, from inputs (N, T, …) and lengths to scores."""
        x = torch.zeros(3, 4, self.sizes.features) if self.sizes.features else torch.zeros(3, 4, dtype=torch.int64)
        free = {"x": {0: "N", 1: "T"}, "lengths": {0: "N"}}
        return {
            "network": capture(self, {"x": x, "lengths": torch.tensor([4, 3, 2])}, free, ["scores"], key=self.sizes)
        }


class EnsembleMember(nn.Module):
    """One network: embedding, recurrent layer, pooling, output; arguments as for `SequenceNetwork`."""

    def __init__(self, sizes: ClassifierSizes, *, dropout: float, token_dropout: float, noise: float) -> None:
        super().__init__()
        self.token_dropout = token_dropout
        self.noise = noise
        self.block = sizes.block
        self.dropout = Dropout(dropout)
        self.embedding = nn.Embedding(sizes.vocabulary, _EMBEDDING) if sizes.vocabulary else None
        self.layer: Any = recurrent.LAYERS[sizes.cell](
            _EMBEDDING if sizes.vocabulary else sizes.features,
            sizes.hidden_size,
            sizes.num_layers,
            batch_first=True,
            dropout=dropout if sizes.num_layers > 1 else 0.0,
            bidirectional=sizes.bidirectional,
        )
        self.pooling = recurrent.Pooling(self.layer, sizes.pooling)
        self.output = nn.Linear(output_features(self.layer), sizes.classes)
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=0.3)

    def forward(self, x: Tensor, lengths: Int[Tensor, "N"]) -> Float[Tensor, "N C"]:
        """Scores of the classes."""
        h, state = self.layer(self._inputs(x, lengths), lengths=lengths)
        return self.output(self.dropout(self.pooling(h, state, lengths=lengths)))

    def _inputs(self, x: Tensor, lengths: Int[Tensor, "N"]) -> Float[Tensor, "N T I"]:
        if self.embedding is None:
            if not self.training:
                return x
            if self.block > 1:
                steps = x.reshape(len(x), x.shape[1] * self.block, -1)  # channels, then their changes
                x = augment(steps, lengths * self.block, copies=2).reshape_as(x)
            return x + self.noise * torch.empty_like(x).normal_(generator=rng.generator(x.device))
        if self.training and self.token_dropout:
            x = x * (torch.rand(x.shape, generator=rng.generator()) >= self.token_dropout)
        return self.dropout(self.embedding(x))
