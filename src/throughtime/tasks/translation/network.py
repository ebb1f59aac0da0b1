"""The translating network: embeddings around an encoder and a decoder with attention.

A batch is one tensor (2, S, N): the source, and what the decoder reads, both padded with zeros. Outputs are given for
the real symbols of the target only, so that no work is spent on padding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from throughtime import nn as recurrent
from throughtime.data.text.special_symbols import PAD
from throughtime.io.capture import capture
from throughtime.nn._dropout import Dropout

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, Int
    from torch import Tensor

    from throughtime.runtime.graph import Graph


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

    def start(self, source: Int[Tensor, "T N"], lengths: Int[Tensor, "N"]) -> tuple[Tensor, Float[Tensor, "S L N H"]]:
        """Return the encoder's outputs (T, N, M), and the decoder's first states as one tensor."""
        memory, state = self.layers.encode(self.dropout(self.source(source)), lengths=lengths)
        return memory, _stack(state)

    def step(
        self, words: Int[Tensor, "N"], memory: Tensor, state: Float[Tensor, "S L N H"], lengths: Int[Tensor, "N"]
    ) -> tuple[Float[Tensor, "N V"], Float[Tensor, "S L N H"]]:
        """Return the logits of the symbols after these, and the states as one tensor."""
        states = tuple(state)
        h, new, _ = self.decode(words.unsqueeze(0), memory, states[0] if len(states) == 1 else states, lengths)
        return self.layers.decoder.output(h[0]), _stack(new)

    def graphs(self) -> dict[str, Graph]:
        """Return `start` and `step` as graphs."""
        free = {
            "words": {0: "N"},
            "lengths": {0: "N"},
            "source": {0: "T", 1: "N"},
            "memory": {0: "T", 1: "N"},
            "state": {2: "N"},
        }
        outputs = {"encoder": ["memory", "state"], "decoder": ["logits", "state"]}
        graphs = {
            name: capture(module, inputs, free, outputs[name], key=(name, self.sizes))
            for name, (module, inputs) in self.parts().items()
        }
        return {name: replace(graph, weights=_own_names(graph.weights)) for name, graph in graphs.items()}

    def parts(self) -> dict[str, tuple[nn.Module, dict[str, Tensor]]]:
        """Return `start` and `step` as modules, each with examples of its inputs in their order."""
        source, words, lengths = torch.ones(4, 3, dtype=torch.int64), torch.ones(3, dtype=torch.int64), [4, 3, 2]
        sources = {"source": source, "lengths": torch.tensor(lengths)}
        with torch.no_grad():
            memory, state = self.start(**sources)
        step = {"words": words, "memory": memory, "state": state, "lengths": sources["lengths"]}
        return {"encoder": (_Encoder(self), sources), "decoder": (_Decoder(self), step)}

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


@dataclass(frozen=True)
class NetworkSteps:
    """A translating network for arrays."""

    network: TranslatorNetwork

    @torch.no_grad()
    def start(self, source: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the encoder's outputs, and the decoder's first state."""
        memory, state = self.network.start(torch.from_numpy(source), torch.from_numpy(lengths))
        return memory.numpy(), state.numpy()

    @torch.no_grad()
    def step(
        self, words: np.ndarray, memory: np.ndarray, state: np.ndarray, lengths: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the logits of the symbols after these, and the state."""
        logits, new = self.network.step(*map(torch.from_numpy, (words, memory, state, lengths)))
        return logits.numpy(), new.numpy()


class _Encoder(nn.Module):
    """The encoder of a network."""

    def __init__(self, network: TranslatorNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.start(source, lengths)


class _Decoder(nn.Module):
    """A step of the decoder of a network."""

    def __init__(self, network: TranslatorNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, words: Tensor, memory: Tensor, state: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.step(words, memory, state, lengths)


def _stack(state: Any) -> Tensor:
    return torch.stack(state) if isinstance(state, tuple) else state.unsqueeze(0)


def _own_names(weights: dict[str, str]) -> dict[str, str]:
    """Name weights of a part as the network does."""
    return {value: name.removeprefix("network.") for value, name in weights.items()}
