"""The generating network: it reads one step after the other and says after each what may come next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from throughtime import nn as recurrent
from throughtime._core import rng

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float
    from torch import Tensor


@dataclass(frozen=True)
class GeneratorSizes:
    """Sizes that decide the shapes of a network's weights.

    Attributes:
        width: V, symbols or keys.
        cell: a name in `throughtime.nn.LAYERS`, such as 'gru' or 'lstm'.
        hidden_size: H.
        num_layers: L.
        embedding_size: of a symbol; 0 for vectors.
    """

    width: int
    cell: str
    hidden_size: int
    num_layers: int
    embedding_size: int


class GeneratorNetwork(nn.Module):
    """Map symbols (T, N), or vectors (T, N, V), and a state to logits (T, N, V) of the next ones and the final state.

    Args:
        sizes: of the weights.
        dropout: of what the output reads, and the recurrent layers above the first.
        input_dropout: of what the first recurrent layer reads.
    """

    def __init__(self, sizes: GeneratorSizes, *, dropout: float = 0.0, input_dropout: float = 0.0) -> None:
        super().__init__()
        self.sizes = sizes
        self.embedding = nn.Embedding(sizes.width, sizes.embedding_size) if sizes.embedding_size else None
        layer = recurrent.LAYERS[sizes.cell](
            sizes.embedding_size or sizes.width,
            sizes.hidden_size,
            sizes.num_layers,
            dropout=dropout if sizes.num_layers > 1 else 0.0,
            initialization="orthogonal",
        )
        self.layers = recurrent.ManyToMany(layer, sizes.width)
        self.input_dropout = LockedDropout(input_dropout)
        self.dropout = LockedDropout(dropout)

    @torch.no_grad()
    def init_output_bias(self, logits: Float[Tensor, "V"]) -> None:
        """Begin with what is likely at any step: the output's biases would be long on their way there."""
        self.layers.output.bias.copy_(logits)

    def forward(
        self, x: Tensor, state: Any = None, *, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Float[Tensor, "T N V"], Any]:
        """Run all steps."""
        read = x.float() if self.embedding is None else self.embedding(x)
        h, state = self.layers.layer(self.input_dropout(read), state, lengths=lengths)
        return self.layers.output(self.dropout(h)), state


class LockedDropout(nn.Module):
    """Dropout that leaves out the same features at every step of a sequence.

    Source: Gal and Ghahramani 2016, A Theoretically Grounded Application of Dropout in Recurrent Neural Networks.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Float[Tensor, "T N F"]) -> Float[Tensor, "T N F"]:
        """Drop features in training."""
        if not self.training or not self.probability:
            return x
        return x * rng.dropout(x.new_ones(1, *x.shape[1:]), self.probability)


def symbol_loss(y: Tensor, target: Tensor) -> Tensor:
    """Nats per step of one symbol out of V."""
    return functional.cross_entropy(y.reshape(-1, y.shape[-1]), target.reshape(-1))


def key_loss(y: Tensor, target: Tensor) -> Tensor:
    """Nats per step of V keys, each of which sounds or does not."""
    total = functional.binary_cross_entropy_with_logits(y, target.to(y.dtype), reduction="sum")
    return total / max(target[..., 0].numel(), 1)
