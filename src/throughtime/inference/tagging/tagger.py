"""A trained tagger around its network, which torch or a graph runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from throughtime._core.dataclass_json import dataclass_from_json
from throughtime.inference.probabilities import softmax
from throughtime.inference.tagging.inputs import WordEncoder, check_sentences
from throughtime.runtime.model_directory import check_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from throughtime.runtime.model_directory import ModelDirectory

_BATCH_SIZE = 128  # sentences


@dataclass(frozen=True)
class TaggerModel:
    """A trained tagger: sentences in, probabilities of tags for each word out.

    Attributes:
        tags_: in the order of the columns of `predict_proba`.
        encoder: of words and their characters.
        network: maps inputs (N, T, 17) and lengths (N) to scores (N, T, C).
    """

    tags_: list[str]
    encoder: WordEncoder
    network: Callable[[np.ndarray, np.ndarray], np.ndarray]

    @classmethod
    def from_directory(cls, model: ModelDirectory) -> TaggerModel:
        """Build a tagger from what `SequenceTagger.save` wrote.

        Raises:
            ValueError: for what does not fit together.
        """
        tags, graph = tags_from_json(model.config["tags"]), model.graph("network")

        def network(x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
            return graph(x=x, lengths=lengths)["scores"]

        tagger = cls(tags, dataclass_from_json(WordEncoder, model.config["encoder"]), network)
        check_shape(network(*tagger.encoder.example_input()), (1, 1, len(tags)))
        return tagger

    def predict(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the most probable tag of each word.

        Raises:
            InputError: for anything but lists of words.
        """
        return [[self.tags_[i] for i in proba.argmax(1).tolist()] for proba in self.predict_proba(sentences)]

    def predict_proba(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """Return the probability of each tag for each word, (T, C) for each sentence, in the order of `tags_`.

        Raises:
            InputError: for anything but lists of words.
        """
        x = self.encoder.encode(check_sentences(sentences))
        probabilities: list[np.ndarray] = [np.empty(0)] * len(x)
        for chosen in x.batches_by_length(_BATCH_SIZE):
            proba = softmax(self.network(x.padded(chosen), x.lengths[chosen]))
            for row, steps in zip(chosen.tolist(), proba, strict=True):
                probabilities[row] = steps[: x.lengths[row]]
        return probabilities


def tags_from_json(values: list[Any]) -> list[str]:
    """Return the tags of a saved tagger.

    Raises:
        ValueError: for a tag that occurs twice.
    """
    tags = [str(tag) for tag in values]
    if len(set(tags)) != len(tags):
        raise ValueError("the tags are not all different")
    return tags
