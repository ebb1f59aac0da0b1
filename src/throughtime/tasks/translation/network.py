"""The translating network: embeddings around an encoder and a decoder with attention.

A batch is one tensor (2, S, N): the source, and what the decoder reads, both padded with zeros. Outputs are given for
the real symbols of the target only, so that no work is spent on padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from throughtime import nn as recurrent
from throughtime.data.text.subwords import PAD
from throughtime.nn._dropout import Dropout

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor


@dataclass(frozen=True)
class TranslatorSizes:
    """Sizes that decide the shapes of a network's weights.

    Attributes:
        source_size: V of the source.
        target_size: V of the target.
        cell: a name in `throughtime.nn.LAYERS`, such as 'gru' or 'lstm'.
        hidden_size: H of the decoder; the encoder has half as many in each direction.
        num_layers: L of both.
        attention: None, 'dot', 'general' or 'additive'.
    """

    source_size: int
    target_size: int
    cell: str
    hidden_size: int
    num_layers: int
    attention: str | None


class TranslatorNetwork(nn.Module):
    """Map a batch (2, S, N) to logits (M, V) of the M real symbols of the target, step by step.

    Args:
        sizes: of the weights.
        dropout: of embeddings, between layers, and of what the output reads.
    """

    def __init__(self, sizes: TranslatorSizes, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.sizes = sizes
        width = sizes.hidden_size // 2
        self.source = nn.Embedding(sizes.source_size, width, padding_idx=PAD)
        self.target = nn.Embedding(sizes.target_size, width, padding_idx=PAD)
        for embedding in (self.source, self.target):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        options: dict[str, Any] = {
            "num_layers": sizes.num_layers,
            "dropout": dropout if sizes.num_layers > 1 else 0.0,
            "initialization": "orthogonal",
        }
        encoder = recurrent.LAYERS[sizes.cell](width, width, bidirectional=True, **options)
        decoder = recurrent.LAYERS[sizes.cell](width, sizes.hidden_size, **options)
        self.layers = recurrent.EncoderDecoder(
            encoder,
            decoder,
            sizes.target_size,
            feedback=self._embed_prediction,
            attention=sizes.attention,
            dropout=dropout,
        )
        self.dropout = Dropout(dropout)
        self.teacher_forcing_ratio = 1.0
        """Share of the decoder's inputs in training that are the true ones, not its own guesses."""

    def forward(self, x: Int[Tensor, "2 S N"]) -> Float[Tensor, "M V"]:
        """Run a batch."""
        source, inputs = x[0], x[1]
        real = inputs != PAD
        memory, state, lengths = self.encode(source)
        read = self._embed(inputs[: int(real.sum(0).max())])
        if self.training:
            read = self.layers.mix_teacher_forcing(
                read, memory, state, lengths=lengths, ratio=self.teacher_forcing_ratio
            )
        h, _, _ = self._decode(read, memory, state, lengths)
        return self.layers.decoder.output(h[real[: len(h)]])

    def encode(self, source: Int[Tensor, "T N"]) -> tuple[Tensor, Any, Tensor]:
        """Return the encoder's outputs, the decoder's first state, and the lengths of the sources."""
        lengths = (source != PAD).sum(0)
        source = source[: max(int(lengths.max()), 1)]
        memory, state = self.layers.encode(self.dropout(self.source(source)), lengths=lengths)
        return memory, state, lengths

    def decode(
        self, inputs: Int[Tensor, "F N"], memory: Tensor, state: Any, lengths: Tensor
    ) -> tuple[Float[Tensor, "F N H"], Any, Tensor | None]:
        """Return what the output layer reads, the state, and the weights of attention (N, F, T)."""
        return self._decode(self._embed(inputs), memory, state, lengths)

    def _decode(self, read: Tensor, memory: Tensor, state: Any, lengths: Tensor) -> tuple[Tensor, Any, Tensor | None]:
        h, state = self.layers.decoder.layer(read, state)
        combined, weights = self.layers.attend(h, memory, lengths=lengths)
        return combined, state, weights

    def _embed(self, inputs: Int[Tensor, "*steps"]) -> Float[Tensor, "*steps E"]:
        return self.dropout(self.target(inputs))

    def _embed_prediction(self, logits: Float[Tensor, "N V"]) -> Float[Tensor, "N E"]:
        return self._embed(logits.argmax(-1))
