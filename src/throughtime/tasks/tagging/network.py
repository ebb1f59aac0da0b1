"""The tagging network: words and their characters into a recurrent layer, a score for each tag out at every word.

Source: Lample et al. 2016, Neural Architectures for Named Entity Recognition; Plank et al. 2016, Multilingual
Part-of-Speech Tagging with Bidirectional Long Short-Term Memory Models and Auxiliary Loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from throughtime import nn as recurrent
from throughtime._core import rng
from throughtime.io.capture import capture
from throughtime.nn._dropout import Dropout
from throughtime.nn.pooling import last_hidden, output_features

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

    from throughtime.runtime.graph import Graph

_WORD_SIZE, _CHARACTER_SIZE = 128, 32  # numbers that stand for a word, and for a character


@dataclass(frozen=True)
class TaggerSizes:
    """Sizes that decide the shapes of a network's weights.

    Attributes:
        tags: number of tags, C.
        words: V, known ones.
        characters: known ones.
        cell: a name in `throughtime.nn.LAYERS`, such as 'gru' or 'lstm'.
        hidden_size: H.
        num_layers: L.
        bidirectional: whether sentences are read from both ends.
    """

    tags: int
    words: int
    characters: int
    cell: str
    hidden_size: int
    num_layers: int
    bidirectional: bool


class TaggingNetwork(nn.Module):
    """Map sentences to a score (logit) for each tag at every word.

    A word is the number of the word itself and the last state of a GRU that reads its characters from both ends.

    Args:
        sizes: of the weights.
        dropout: of what the recurrent layers and the output layer read.
        word_dropout: share of the words that only their characters are known of in training.
    """

    batch_first = True

    def __init__(self, sizes: TaggerSizes, *, dropout: float = 0.4, word_dropout: float = 0.2) -> None:
        super().__init__()
        self.sizes = sizes
        self.word_dropout = word_dropout
        self.dropout = Dropout(dropout)
        self.words = nn.Embedding(sizes.words, _WORD_SIZE)
        self.characters = nn.Embedding(sizes.characters, _CHARACTER_SIZE)
        self.char_encoder = recurrent.GRU(_CHARACTER_SIZE, _WORD_SIZE // 2, batch_first=True, bidirectional=True)
        self.layer: Any = recurrent.LAYERS[sizes.cell](
            2 * _WORD_SIZE,
            sizes.hidden_size,
            sizes.num_layers,
            batch_first=True,
            dropout=dropout if sizes.num_layers > 1 else 0.0,
            bidirectional=sizes.bidirectional,
        )
        self.output = nn.Linear(output_features(self.layer), sizes.tags)
        nn.init.normal_(self.words.weight, std=0.3)
        nn.init.normal_(self.characters.weight, std=0.3)

    def forward(self, x: Int[Tensor, "N T 17"], *, lengths: Int[Tensor, "N"]) -> Float[Tensor, "N T C"]:
        """Scores of the tags.

        Args:
            x: for each word its number and those of its characters.
            lengths: words of each sentence.
        """
        words = x[..., 0]
        if self.training and self.word_dropout:
            words = words * (torch.rand(words.shape, generator=rng.generator()) >= self.word_dropout)
        inputs = torch.cat([self.words(words), self._encode_characters(x[..., 1:])], -1)
        h, _ = self.layer(self.dropout(inputs), lengths=lengths)
        return self.output(self.dropout(h))

    def _encode_characters(self, characters: Int[Tensor, "N T 16"]) -> Float[Tensor, "N T 128"]:
        """Return what the characters say about each word; a word that comes twice is spelled once."""
        if torch.compiler.is_compiling():  # sizes may not depend on values
            rows = characters.flatten(0, 1)
            return self._spell(rows, (rows > 0).sum(1)).unflatten(0, characters.shape[:2])
        rows, places = torch.unique(characters.flatten(0, 1), dim=0, return_inverse=True)
        ends = (rows > 0).sum(1)
        return self._spell(rows[:, : int(ends.max())], ends)[places].unflatten(0, characters.shape[:2])

    def _spell(self, rows: Int[Tensor, "M S"], ends: Int[Tensor, "M"]) -> Float[Tensor, "M 128"]:
        """Return the final state over the characters of each row."""
        _, state = self.char_encoder(self.dropout(self.characters(rows)), lengths=ends)
        return last_hidden(self.char_encoder, state)

    def graphs(self) -> dict[str, Graph]:
        """Return the network as a graph, from inputs (N, T, 17) and lengths to scores."""
        x, lengths = torch.ones(3, 4, 17, dtype=torch.int32), torch.tensor([4, 3, 2])
        free = {"x": {0: "N", 1: "T"}, "lengths": {0: "N"}}
        return {"network": capture(self, {"x": x, "lengths": lengths}, free, ["scores"], key=self.sizes)}
